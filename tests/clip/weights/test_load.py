import hashlib
import json
import os
import sys
import types
import warnings
from pathlib import Path

import huggingface_hub
import open_clip
import pytest
import torch
import yaml
from open_clip import factory, pretrained
from open_clip.transformer import LayerNormFp32, QuickGELU
from safetensors.torch import save_file
from torch import nn

from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.weights import load as loading
from promptlab.clip.weights import sources
from promptlab.clip.weights.checkpoints import CheckpointError
from promptlab.clip.weights.load import load_clip
from promptlab.clip.weights.sources import Source, WeightsUnavailableError

VISION = {"layers": 1, "width": 64, "patch_size": 16, "image_size": 32}
TEXT = {"width": 64, "heads": 2, "layers": 2}
CONFIG = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
CONFIGS = Path(loading.__file__).parents[3] / "conf" / "backbone"


@pytest.fixture(autouse=True)
def architectures(monkeypatch):
    """Small architectures in open_clip's catalogue, so that its own look-ups are tested."""
    for name, changes in {
        "tiny": {},
        "tiny-quickgelu": {"quick_gelu": True},
        "tiny-custom": {"custom_text": True},
        "tiny-linear": {"text_cfg": TEXT | {"proj_bias": True}},
        "tiny-tokenized": {"text_cfg": TEXT | {"hf_tokenizer_name": "nobody/nothing"}},
    }.items():
        monkeypatch.setitem(factory._MODEL_CONFIGS, name, CONFIG | changes)


@pytest.fixture
def model():
    with torch.random.fork_rng():
        return open_clip.CLIP(**CONFIG, quick_gelu=True)


@pytest.fixture
def weights(model, tmp_path):
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    return str(tmp_path / "weights.pt")


def publish(monkeypatch, tag, file="", url="", **entry):
    """Put a tag for tiny into open_clip's catalogue as it would stand there."""
    entry = {"file": str(file), "url": url, "interpolation": "bilinear", **entry}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", {tag: entry})
    if entry.get("quick_gelu"):
        monkeypatch.setitem(pretrained._PRETRAINED, "tiny-quickgelu", {tag: entry})


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def save_torchscript(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        holder = nn.Module()  # OpenAI's archive holds its sizes beside the weights
        for name, child in model.named_children():
            holder.add_module(name, child)
        for name in ("positional_embedding", "text_projection", "logit_scale"):
            holder.register_parameter(name, getattr(model, name))
        for name in ("input_resolution", "context_length", "vocab_size"):
            holder.register_buffer(name, torch.tensor(1))
        holder.forward = lambda x: holder.visual(x)
        torch.jit.trace(holder.eval(), torch.zeros(1, 3, 32, 32)).save(str(path))


# ---- what loads


@pytest.mark.parametrize("name", ["tiny", "tiny-custom"])
def test_random_weights_follow_the_seed_alone(name):
    before = torch.get_rng_state()
    first, again, other = (load_clip(name, "random", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert isinstance(first, FrozenCLIP)
    assert same_weights(first.model, again.model)
    assert not same_weights(first.model, other.model)
    assert same_weights(load_clip(name, "random").model, load_clip(name, "random", seed=0).model)
    assert first.name == f"{name}/random-1"


def test_returns_a_frozen_model_in_eval_mode():
    clip = load_clip("tiny", "random")
    assert not any(module.training for module in clip.model.modules())
    assert not any(parameter.requires_grad for parameter in clip.model.parameters())
    assert clip.encode_images(torch.zeros(2, 3, 32, 32)).shape == (2, 16)
    assert clip.encode_texts(["a cat", "a dog"]).shape == (2, 16)
    assert clip.preprocess is not None
    assert (clip.image_size, clip.context_length) == (32, 77)


def test_state_dict_by_path_equals_its_model(model, weights):
    before = torch.get_rng_state()
    clip = load_clip("tiny-quickgelu", weights, quick_gelu=True)
    assert torch.equal(before, torch.get_rng_state())
    assert same_weights(clip.model, model)
    assert any(isinstance(module, QuickGELU) for module in clip.model.modules())
    images = torch.linspace(-1, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
    assert torch.equal(clip.model.encode_image(images), model.eval().requires_grad_(False).encode_image(images))
    assert clip.name == "tiny-quickgelu/weights.pt"


def test_safetensors_by_path(model, tmp_path):
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    assert same_weights(load_clip("tiny-quickgelu", str(tmp_path / "w.safetensors"), quick_gelu=True).model, model)


def test_training_checkpoint_by_path(model, tmp_path):
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    state["module.logit_scale"] = state["module.logit_scale"].reshape(1)
    torch.save({"epoch": 3, "name": "run", "state_dict": state}, tmp_path / "epoch_3.pt")
    clip = load_clip("tiny-quickgelu", str(tmp_path / "epoch_3.pt"), quick_gelu=True)
    assert same_weights(clip.model, model)


def test_plain_checkpoint_fills_a_custom_text_model(weights, model):
    clip = load_clip("tiny-custom", weights, quick_gelu=False)
    assert torch.equal(clip.model.text.text_projection, model.text_projection)


def test_tag(monkeypatch, weights, model):
    publish(monkeypatch, "laion", weights)
    clip = load_clip("tiny", "laion")
    assert same_weights(clip.model, model)
    assert "bilinear" in repr(clip.preprocess)  # the tag's own preprocessing
    assert repr(clip.preprocess) == repr(open_clip.create_model_and_transforms("tiny", "laion")[2])
    assert "bicubic" in repr(load_clip("tiny", "random").preprocess)


def test_local_dir(tmp_path, weights, model):
    os.rename(weights, tmp_path / "open_clip_pytorch_model.bin")
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": CONFIG | {"quick_gelu": True}, "preprocess_cfg": {"interpolation": "bilinear"}})
    )
    clip = load_clip(f"local-dir:{tmp_path}")
    assert same_weights(clip.model, model)
    assert "bilinear" in repr(clip.preprocess)
    gelu = load_clip(f"local-dir:{tmp_path}", quick_gelu=False)
    assert not any(isinstance(module, QuickGELU) for module in gelu.model.modules())


@pytest.fixture
def hub(monkeypatch, tmp_path, weights):
    """A hub repository with a configuration that says GELU."""
    (tmp_path / "config.json").write_text(json.dumps({"model_cfg": CONFIG}))

    def download(repo, filename=None):
        assert repo == "org/repo"
        return str(tmp_path / "config.json") if filename == "open_clip_config.json" else weights

    monkeypatch.setattr("promptlab.clip.weights.sources.download_pretrained_from_hf", download)
    return "hf-hub:org/repo"


def test_hub(hub, model):
    assert same_weights(load_clip(hub).model, model)


def test_hub_configuration_with_the_wrong_activation_is_refused(hub, monkeypatch):
    publish(monkeypatch, "laion", hf_hub="org/repo/", quick_gelu=True)
    with pytest.raises(
        ValueError, match="trained with QuickGELU, but its configuration says GELU: give quick_gelu=Tru"
    ):
        load_clip(hub)
    clip = load_clip(hub, quick_gelu=True)
    assert any(isinstance(module, QuickGELU) for module in clip.model.modules())


def test_openai_archive_loads_by_its_hash(monkeypatch, model, tmp_path):
    path = tmp_path / "ViT.pt"
    save_torchscript(model, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    url = f"https://openaipublic.azureedge.net/clip/models/{digest}/ViT.pt"
    publish(monkeypatch, "openai", url=url, quick_gelu=True)
    assert same_weights(load_clip("tiny-quickgelu", str(path)).model, model)
    for explicit in (None, False):
        with pytest.raises(
            ValueError, match="'openai' weights of tiny-quickgelu, trained with QuickGELU: use that name"
        ):
            load_clip("tiny", str(path), quick_gelu=explicit)


def test_known_hash_tells_the_activation(monkeypatch, weights):
    digest = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
    url = f"https://github.com/mlfoundations/open_clip/releases/download/v0.2-weights/tiny-laion-{digest[:8]}.pt"
    publish(monkeypatch, "laion", url=url)
    assert load_clip("tiny", weights).name == "tiny/weights.pt"
    with pytest.raises(ValueError, match="'laion' weights of tiny, trained with GELU"):
        load_clip("tiny-quickgelu", weights, quick_gelu=True)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", ["tiny", "tiny-custom"])
def test_precision_as_open_clip_has_it(name, precision, weights):
    clip = load_clip(name, weights, quick_gelu=False, precision=precision)
    reference = open_clip.create_model(name, weights, precision=precision)
    assert same_weights(clip.model, reference)
    types = {key: tensor.dtype for key, tensor in clip.model.state_dict().items()}
    assert types == {key: tensor.dtype for key, tensor in reference.state_dict().items()}
    assert clip.precision == precision


def test_demo(monkeypatch, model):
    module = types.ModuleType("promptlab.demo.model")
    transform = open_clip.image_transform(32, is_train=False)
    module.load_demo_clip = lambda: (model, open_clip.SimpleTokenizer(), transform)
    monkeypatch.setitem(sys.modules, "promptlab.demo.model", module)
    assert load_clip("demo").model is model
    assert load_clip("demo", text_memory_mb=64).text_tower.budget == 64 * 2**20
    low = load_clip("demo", precision="bf16")
    assert low.text_tower.dtype == torch.bfloat16
    assert isinstance(low.model.ln_final, LayerNormFp32)
    for arguments in ({"pretrained": "openai"}, {"quick_gelu": True}):
        with pytest.raises(ValueError, match="'demo' brings its own weights"):
            load_clip("demo", **arguments)


def test_full_size_random_model():
    clip = load_clip("ViT-B-32", "random")
    assert (clip.dim, clip.width, clip.image_size) == (512, 512, 224)


# ---- what is refused, before anything is built


@pytest.fixture
def nothing_is_built(monkeypatch):
    def refuse(*args, **kwargs):
        pytest.fail("a model was built or weights were fetched")

    monkeypatch.setattr(loading, "_load", refuse)
    monkeypatch.setattr("promptlab.clip.weights.sources._download", refuse)


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ViT-B/16", "openai"), "unknown model 'ViT-B/16': did you mean 'ViT-B-16-quickgelu' .* or 'ViT-B-16'"),
        (("vit_b16", "openai"), "unknown model 'vit_b16': did you mean 'ViT-B-16-quickgelu' .* or 'ViT-B-16'"),
        (("vit-l14-336px", "openai"), "unknown model 'vit-l14-336px': did you mean 'ViT-L-14-336'"),
        (("rn_50x4",), "unknown model 'rn_50x4': did you mean 'RN50x4-quickgelu' .* or 'RN50x4'"),
        (("zzz", "openai"), "unknown model 'zzz'. Allowed are open_clip's architectures"),
        (
            ("ViT-B-16", "laion2b_s34b_b8k"),
            "ViT-B-16 has no weights 'laion2b_s34b_b8k': did you mean 'laion2b_s34b_b88",
        ),
        (
            ("ViT-B-16", "zzz"),
            "tags .laion400m_e31, .*path of a checkpoint, and 'random'.*'ViT-B-16-quickgelu' has open",
        ),
        (("ViT-B-16",), "ViT-B-16 needs pretrained: allowed are its tags .*'random' for random weights"),
        (("RN50",), "RN50 needs pretrained: allowed are its tags .none.*'RN50-quickgelu' has openai"),
        (
            ("ViT-B-16", "openai"),
            "'openai' weights were trained with QuickGELU, but 'ViT-B-16' is GELU: use 'ViT-B-16-q",
        ),
        (("RN50", "openai"), "'openai' weights were trained with QuickGELU, but 'RN50' is GELU: use 'RN50-quickgelu'"),
        (("ViT-B-16", "OpenAI"), "use 'ViT-B-16-quickgelu'"),
        (("ViT-B-16", "dfn2b"), "use 'ViT-B-16-quickgelu'"),
        (("ViT-B-16-quickgelu", "laion2b_s34b_b88k"), "trained with GELU, but .* is QuickGELU: use 'ViT-B-16'"),
        (("hf-hub:org/repo", "openai"), "hf-hub:org/repo brings its own weights"),
        (("hf-hub:",), "Empty identifier"),
    ],
)
def test_wrong_names_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_clip(*arguments)


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"pretrained": "openai", "quick_gelu": True},
            "quick_gelu=True says .* but 'ViT-B-16' is GELU: use 'ViT-B-16-q",
        ),
        ({"pretrained": "random", "quick_gelu": True}, "quick_gelu=True says"),
        ({"pretrained": "random", "precision": "fp8"}, r"precision='fp8'\): one of fp32, bf16, fp16 is needed"),
        ({"pretrained": "random", "device": "cuda:4711"}, "device='cuda:4711' can't be used here"),
        ({"pretrained": "random", "text_memory_mb": 0}, r"text_memory_mb=0\): a whole number from 1"),
        ({"pretrained": "random", "seed": -1}, r"seed=-1\): a whole number from 0"),
        ({"pretrained": "random", "device": "gpu"}, r"device='gpu'\): a device, such as cpu or cuda:0, is needed"),
        ({"pretrained": "laion2b_s34b_b88k", "seed": 1}, "seed=1 is for pretrained='random'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        load_clip("ViT-B-16", **options)


def test_unusable_device_is_refused():
    with pytest.raises(ValueError, match="device='cuda:99' can't be used here"):
        load_clip("tiny", "random", device="cuda:99")


def test_path_needs_an_activation(weights):
    with pytest.raises(ValueError, match="give quick_gelu=True with 'tiny-quickgelu' or quick_gelu=False with 'tiny'"):
        load_clip("tiny", weights)


def test_activation_must_agree_with_the_name(weights):
    with pytest.raises(ValueError, match="'tiny' is GELU: use 'tiny-quickgelu'"):
        load_clip("tiny", weights, quick_gelu=True)
    with pytest.raises(ValueError, match="'tiny-quickgelu' is QuickGELU: use 'tiny'"):
        load_clip("tiny-quickgelu", weights, quick_gelu=False)
    with pytest.raises(ValueError, match=r"'tiny-custom' is GELU: give a configuration .*local-dir"):
        load_clip("tiny-custom", weights, quick_gelu=True)


@pytest.mark.parametrize("path", ["weights.pt", "./no/folder", "~/no/weights.safetensors"])
def test_missing_file(path):
    with pytest.raises(FileNotFoundError, match="no checkpoint file at /"):
        load_clip("tiny", path)


def test_unknown_torchscript_is_refused(model, tmp_path):
    save_torchscript(model, tmp_path / "script.pt")
    with pytest.raises(CheckpointError, match=r"TorchScript archive, which can run code.*save_file"):
        load_clip("tiny-quickgelu", str(tmp_path / "script.pt"), quick_gelu=True)


def test_local_dir_messages(tmp_path, model):
    with pytest.raises(FileNotFoundError, match=r"folder with open_clip_config.json"):
        load_clip(f"local-dir:{tmp_path}")
    config = tmp_path / "open_clip_config.json"
    for content in ("[]", "{}", "no JSON", '{"model_cfg": {"embed_dim": 8}}'):
        config.write_text(content)
        with pytest.raises(ValueError, match="is no open_clip configuration"):
            load_clip(f"local-dir:{tmp_path}")
    config.write_text(json.dumps({"model_cfg": CONFIG}))
    with pytest.raises(FileNotFoundError, match=r"needs one file of weights.*found none"):
        load_clip(f"local-dir:{tmp_path}")
    for name in ("a.pt", "b.pt"):
        torch.save(model.state_dict(), tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"found a.pt, b.pt"):
        load_clip(f"local-dir:{tmp_path}")


def test_offline_hub_is_one_clear_message(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for arguments in (("ViT-B-16-quickgelu", "openai"), ("hf-hub:org/repo",)):
        with pytest.raises(
            WeightsUnavailableError, match=f"^{'/'.join(arguments)} is not in the local cache"
        ) as caught:
            load_clip(*arguments)
        assert caught.value.__suppress_context__
        assert "\n" not in str(caught.value)


def test_tokenizer_that_cannot_be_loaded(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        WeightsUnavailableError, match="tiny-tokenized/random needs the Hugging Face tokenizer 'nobody/n"
    ):
        load_clip("tiny-tokenized", "random")


def test_linear_projection_stays_fp32():
    assert load_clip("tiny-linear", "random").dim == 16
    with pytest.raises(ValueError, match=r"precision='bf16'.* use fp32"):
        load_clip("tiny-linear", "random", precision="bf16")


# ---- the configurations


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configurations_name_weights_that_fit(path, monkeypatch):
    config = yaml.safe_load(path.read_text())
    about = config.pop("about")
    assert about["summary"]
    assert about["source"]
    assert config.pop("_target_") == "promptlab.clip.load_clip"
    assert set(about["languages"]) <= {"en", "many"}
    assert about["text_tower"] in ("causal", "full", "hugging_face")
    reached = []

    def stop(source, *args):
        """What the facts say is what open_clip's configuration says, where it is here."""
        reached.append(source)
        if isinstance(source, Source):
            text, vision = source.model_cfg["text_cfg"], source.model_cfg["vision_cfg"]
            assert text.get("context_length", 77) == about["context_length"]
            assert text["width"] == about["width"]
            assert vision["image_size"] == about["image_size"]
            assert bool(text.get("no_causal_mask")) == (about["text_tower"] != "causal")
        pytest.skip("checked")

    for module, function in ((loading, "_load_demo"), (loading, "_load"), (loading, "load_transformers"),
                             (sources, "_download")):  # fmt: skip
        monkeypatch.setattr(module, function, stop)
    monkeypatch.setattr(loading, "_build_tokenizer", lambda source: None)
    with pytest.raises(pytest.skip.Exception):
        load_clip(**config)
    assert reached


# ---- a file in a repository of the hub


def test_file_of_a_repository(monkeypatch, weights, model):
    asked = []
    monkeypatch.setattr(sources, "hf_hub_download", lambda *what: asked.append(what) or weights)
    clip = load_clip("tiny", "hf-hub:org/repo/folder/weights.pt", quick_gelu=False)
    assert asked == [("org/repo", "folder/weights.pt")]
    assert same_weights(clip.model, model)
    assert clip.name == "tiny/weights.pt"
    assert clip.source["pretrained"] == "hf-hub:org/repo/folder/weights.pt"


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    ("name", "pretrained", "options", "message"),
    [
        ("tiny", "hf-hub:org/repo", {}, "'hf-hub:org/repo/file' is needed"),
        ("tiny", "hf-hub:org/repo/notes.txt", {}, "with a file of .pt, .pth, .bin, .safetensors"),
        ("tiny", "hf-hub:org/repo/w.pt", {}, "hf-hub:org/repo/w.pt doesn't say whether .* QuickGELU"),
        ("tiny", "hf-hub:org/repo/w.pt", {"quick_gelu": True}, "'tiny' is GELU: use 'tiny-quickgelu'"),
        ("ViT-L-14", "hf-hub:org/repo/w.pt", {"quick_gelu": False}, "Say whose image transform"),
    ],
)
def test_files_that_cannot_be_right_are_refused(name, pretrained, options, message):
    with pytest.raises(ValueError, match=message):
        load_clip(name, pretrained, **options)
