"""Every way to weights of the hub, rehearsed with files of the same form: its cache, a mirror, what goes wrong."""

import json
import os
import subprocess
import sys

import huggingface_hub
import open_clip
import pytest
import torch
from open_clip import factory, pretrained
from safetensors.torch import save_file

from promptlab.clip import load_clip
from promptlab.clip.weights.sources import WeightsUnavailableError
from tests.clip.weights.test_transformers_models import CROPPED, SQUASHED, clip, save, siglip
from tests.helpers.hub import Hub, lay_cache, point_to

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"layers": 1, "width": 64, "patch_size": 16, "image_size": 32},
    "text_cfg": {"width": 64, "heads": 2, "layers": 1},
}
REPO = "org/repo"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A configuration and weights in both forms, from random weights."""
    folder = tmp_path_factory.mktemp("files")
    with torch.random.fork_rng():
        state = open_clip.CLIP(**CONFIG).state_dict()
    (folder / "config").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {"mean": [0.1, 0.2, 0.3]}}))
    torch.save(state, folder / "torch")
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / "safe")
    return folder


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Where the hub's client keeps files in this test."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def hub(monkeypatch, cache, files):
    """A mirror that the client was pointed to, as HF_ENDPOINT does."""
    found = Hub(REPO, {"open_clip_config.json": files / "config", "open_clip_model.safetensors": files / "safe"})
    point_to(monkeypatch, found.url)
    yield found
    found.close()


def holds(found, files):
    state = torch.load(files / "torch", weights_only=True)
    return all(torch.equal(tensor, state[key]) for key, tensor in found.model.state_dict().items())


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("layout", ["open_clip_pytorch_model.bin", "open_clip_model.safetensors"])
def test_a_repository_from_the_cache_offline(cache, files, layout):
    kind = "safe" if layout.endswith("safetensors") else "torch"
    lay_cache(cache, REPO, {"open_clip_config.json": files / "config", layout: files / kind})
    found = load_clip(f"hf-hub:{REPO}")
    assert holds(found, files)
    assert found.image_mean == (0.1, 0.2, 0.3)


@pytest.mark.usefixtures("offline")
def test_a_tag_and_a_file_from_the_cache_offline(monkeypatch, cache, files):
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny", CONFIG)
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", {"laion": {"hf_hub": f"{REPO}/", "url": ""}})
    lay_cache(cache, REPO, {"open_clip_model.safetensors": files / "safe", "epochs/last.pt": files / "torch"})
    assert holds(load_clip("tiny", "laion"), files)
    assert holds(load_clip("tiny", f"hf-hub:{REPO}/epochs/last.pt", quick_gelu=False), files)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(("build", "settings"), [(clip, CROPPED), (siglip, SQUASHED)])
def test_models_of_transformers_from_the_cache_offline(cache, tmp_path, build, settings):
    save(build(), tmp_path / "own", settings)
    lay_cache(cache, REPO, {path.name: path for path in (tmp_path / "own").iterdir()})
    found, own = load_clip(f"transformers:{REPO}"), load_clip(f"transformers:{tmp_path / 'own'}")
    assert found.fingerprint == own.fingerprint
    assert found.source == {"name": f"transformers:{REPO}", "pretrained": None, "quick_gelu": None, "seed": None}
    assert own.source is None


def test_a_mirror_is_asked_and_its_files_stay(hub, files):
    assert holds(load_clip(f"hf-hub:{REPO}"), files)
    asked = len([method for method, _ in hub.asked if method == "GET"])
    assert asked == 2
    assert holds(load_clip(f"hf-hub:{REPO}"), files)
    assert len([method for method, _ in hub.asked if method == "GET"]) == asked


def test_hf_endpoint_in_the_environment_is_asked(files, tmp_path):
    """As a user sets it: for a new process, whose client reads it when it is imported."""
    found = Hub(REPO, {"open_clip_config.json": files / "config", "open_clip_model.safetensors": files / "safe"})
    environment = os.environ | {"HF_ENDPOINT": found.url, "HF_HOME": str(tmp_path / "home"), "no_proxy": "127.0.0.1"}
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGINGFACE_HUB_CACHE"):
        environment.pop(name, None)
    code = f"import promptlab; print(promptlab.load_clip('hf-hub:{REPO}', device='cpu').dim)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    found.close()
    assert done.stdout == "16\n", done.stderr
    assert f"/{REPO}/resolve/main/open_clip_model.safetensors" in {path for method, path in found.asked}
    assert list((tmp_path / "home").rglob("open_clip_model.safetensors"))


def test_a_gated_repository_says_what_to_do(hub):
    hub.gated = True
    with pytest.raises(WeightsUnavailableError, match=f"hf-hub:{REPO} is a gated repository: accept .*hf auth login"):
        load_clip(f"hf-hub:{REPO}")
    with pytest.raises(WeightsUnavailableError, match=f"transformers:{REPO} is a gated repository"):
        load_clip(f"transformers:{REPO}")


def test_a_broken_download_leaves_nothing_that_loads(hub, files, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits between its tries
    hub.cut = 100
    with pytest.raises(WeightsUnavailableError, match=f"hf-hub:{REPO} is not in the local cache and could not be"):
        load_clip(f"hf-hub:{REPO}")
    hub.cut = None
    assert holds(load_clip(f"hf-hub:{REPO}"), files)
