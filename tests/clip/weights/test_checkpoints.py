import pickle

import open_clip
import pytest
import torch
from torch import nn

from promptlab.clip.weights.checkpoints import Checkpoint, CheckpointError, _releases, load_weights


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemError('code from the checkpoint ran')",))


def test_pickle_with_code_is_refused(tmp_path):
    torch.save({"weight": Payload()}, tmp_path / "zip.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps({"weight": Payload()}, protocol=2))
    for name in ("zip.pt", "raw.pt"):
        with pytest.raises(CheckpointError, match="more than tensors, which could run code when it is loaded: refused"):
            Checkpoint(tmp_path / name).state_dict()


def test_pickled_module_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(CheckpointError, match=r"refused. Where you trust the file, convert it once"):
        Checkpoint(tmp_path / "module.pt").state_dict()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello, this is no checkpoint" * 20])
def test_damaged_files_are_refused(tmp_path, suffix, content):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint(path).state_dict()


def test_cut_off_file_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(100)}, tmp_path / "whole.pt")
    (tmp_path / "part.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:600])
    with pytest.raises(CheckpointError, match=r"part.pt can't be read as a checkpoint \(RuntimeError"):
        Checkpoint(tmp_path / "part.pt").state_dict()


@pytest.mark.parametrize("content", [torch.zeros(3), [torch.zeros(3)], {}, {"epoch": 3}])
def test_other_content_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="holds no state dict"):
        Checkpoint(tmp_path / "other.pt").state_dict()


def test_missing_file_is_refused(tmp_path):
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(FileNotFoundError, match="no checkpoint file at"):
            Checkpoint(path)


def test_wrong_keys_are_named(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    state = model.state_dict()
    before = {key: tensor.clone() for key, tensor in state.items()}
    changed = {f"x.{key}": tensor + 1 for key, tensor in state.items()} | {"2.weight": torch.ones(3, 2)}
    torch.save(changed, tmp_path / "other.pt")
    expected = (
        r"5 keys missing \(0.weight, 0.bias, 1.weight and 2 more\); 6 keys unexpected \(x.0.weight, .*and 3 more\); "
        r"1 key of another shape \(2.weight \(3, 2\) instead of \(2, 2\)\)"
    )
    with pytest.raises(CheckpointError, match=expected):
        load_weights(model, Checkpoint(tmp_path / "other.pt"))
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


def test_stretching_position_embeddings_is_refused(tmp_path):
    text = {"width": 64, "heads": 1, "layers": 1, "vocab_size": 16}
    model = open_clip.CLIP(8, {"layers": 1, "width": 64, "patch_size": 16, "image_size": 32}, text)
    other = open_clip.CLIP(8, {"layers": 1, "width": 64, "patch_size": 16, "image_size": 48}, text)
    torch.save(other.state_dict(), tmp_path / "larger.pt")
    with pytest.raises(CheckpointError, match=r"1 key of another shape \(visual.positional_embedding \(10, 64\)"):
        load_weights(model, Checkpoint(tmp_path / "larger.pt"))


def test_releases_hold_openai_hashes():
    openai = [release for release in _releases() if release.tag == "openai"]
    assert len(openai) == 9
    assert all(len(release.sha256) == 64 and release.quick_gelu for release in openai)
    assert ("ViT-B-16-quickgelu",) in [release.models for release in openai]
    assert all(release.models for release in _releases())
