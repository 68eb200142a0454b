"""P23: checkpoints as Dassl writes them give their context vectors, and nothing that they name is loaded."""

import os
import pickle
import subprocess
import zipfile

import pytest
import torch
from torch.nn import functional as F

from promptlab import CoCoOp, CoOp, import_coop_checkpoint, load_clip
from promptlab.clip.weights.checkpoints import CheckpointError

NAMES = ("red striped star", "blue circle", "green dotted moon")


class ConstantWarmupScheduler(torch.optim.lr_scheduler.LRScheduler):
    """Dassl's: its state holds the scheduler that follows, as an object."""

    def __init__(self, optimizer, successor):
        self.successor = successor
        super().__init__(optimizer)

    def get_lr(self):
        return [1e-5 for _ in self.base_lrs]


@pytest.fixture(scope="module")
def clip():
    return load_clip("demo")


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def checkpoint(path, state, **options):
    """Write a state dict the way Dassl's ``save_model`` does, after a step of training."""
    weights = torch.nn.Parameter(draw(4, 8))
    optimiser = torch.optim.SGD([weights], lr=0.002, momentum=0.9, weight_decay=5e-4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 50.0)
    scheduler = ConstantWarmupScheduler(optimiser, cosine)
    weights.sum().backward()
    optimiser.step()
    scheduler.step()
    content = {
        "state_dict": state,
        "epoch": 50,
        "optimizer": optimiser.state_dict(),
        "scheduler": scheduler.state_dict(),
        "val_result": None,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path, **options)
    return path


def coop_state(ctx, names=NAMES):
    """Context and the two buffers that follow from the class names."""
    return {
        "ctx": ctx,
        "token_prefix": torch.zeros(len(names), 1, ctx.shape[-1], dtype=ctx.dtype),
        "token_suffix": torch.zeros(len(names), 76 - ctx.shape[-2], ctx.shape[-1], dtype=ctx.dtype),
    }


def test_such_files_are_refused_by_torch_itself(tmp_path):
    """Otherwise these tests would show nothing."""
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(checkpoint(tmp_path / "model.pth.tar-50", coop_state(draw(4, 128))), weights_only=True)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_same_logits(clip, tmp_path, dtype, prefix):
    ctx = (0.1 * draw(4, clip.width)).to(dtype)
    state = {prefix + name: tensor for name, tensor in coop_state(ctx).items()}
    tensors = import_coop_checkpoint(checkpoint(tmp_path / "model.pth.tar-50", state))
    assert list(tensors) == ["ctx"]
    assert tensors["ctx"].dtype == torch.float32
    learner = CoOp(clip, NAMES, n_ctx=4).load_learned(tensors)
    original = CoOp(clip, NAMES, n_ctx=4)
    original.ctx.data = ctx.float()
    images = F.normalize(draw(5, clip.dim), dim=-1)
    assert torch.equal(learner(images), original(images))
    assert not torch.equal(learner(images), CoOp(clip, NAMES, n_ctx=4)(images))


def test_cocoops_meta_network_comes_along(clip, tmp_path):
    learner = CoCoOp(clip, NAMES)
    learned = {name: draw(*tensor.shape).half() for name, tensor in learner.learned_tensors().items()}
    path = checkpoint(tmp_path / "model.pth.tar-10", coop_state(learned["ctx"]) | learned)
    learner.load_learned(import_coop_checkpoint(path))
    for name, tensor in learner.learned_tensors().items():
        assert torch.equal(tensor, learned[name].float())


def test_class_specific_contexts_fit_their_own_classes_only(clip, tmp_path):
    tensors = import_coop_checkpoint(checkpoint(tmp_path / "model.pth.tar-50", coop_state(draw(3, 4, clip.width))))
    CoOp(clip, NAMES, n_ctx=4, csc=True).load_learned(tensors)
    with pytest.raises(ValueError, match=r"ctx has shape \(3, 4, 128\), expected \(2, 4, 128\)"):
        CoOp(clip, NAMES[:2], n_ctx=4, csc=True).load_learned(tensors)


def test_folders_mean_their_last_epoch(tmp_path):
    folder = tmp_path / "output" / "prompt_learner"
    for epoch in (9, 50, 100):
        checkpoint(folder / f"model.pth.tar-{epoch}", coop_state(torch.full((1, 8), float(epoch))))
    best = checkpoint(folder / "model-best.pth.tar", coop_state(torch.full((1, 8), 1000.0)))
    for place in (folder, folder.parent):
        assert import_coop_checkpoint(place)["ctx"][0, 0] == 100
    assert import_coop_checkpoint(folder / "model.pth.tar-9")["ctx"][0, 0] == 9
    assert import_coop_checkpoint(str(best))["ctx"][0, 0] == 1000
    for epoch in (9, 50, 100):
        (folder / f"model.pth.tar-{epoch}").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no model\.pth\.tar-EPOCH; it has model-best\.pth\.tar: name the"):
        import_coop_checkpoint(folder)


class Harmful:
    """Calls a function when it is unpickled by the usual means."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "legacy"])
@pytest.mark.parametrize("function", [os.system, os.mkdir, exec, subprocess.check_output])
def test_nothing_that_a_file_names_runs(tmp_path, monkeypatch, function, options):
    monkeypatch.chdir(tmp_path)
    argument = {os.system: "mkdir ran", exec: "import os; os.mkdir('ran')", os.mkdir: "ran"}.get(
        function, ["mkdir", "ran"]
    )
    state = coop_state(draw(4, 8)) | {"harm": Harmful(function, argument)}
    path = checkpoint(tmp_path / "model.pth.tar-1", state, **options)
    try:
        tensors = import_coop_checkpoint(path)
    except CheckpointError:
        tensors = None
    assert not (tmp_path / "ran").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "ran").exists(), "the file does no harm anyway"
    if function in (exec, subprocess.check_output) and not options:
        assert list(tensors) == ["ctx"], "what is harmless without its objects should load"
    if options:
        assert tensors is None


def test_nothing_that_a_file_names_is_imported(tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text("raise SystemExit('evil_module was imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = checkpoint(tmp_path / "model.pth.tar-1", coop_state(draw(4, 8)))
    renamed = tmp_path / "renamed"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(renamed, "w") as new:
        for entry in old.infolist():
            data = old.read(entry).replace(b"ctorch.optim.sgd\nSGD\n", b"cevil_module\nSGD\n")
            assert entry.filename.endswith("data.pkl") == (b"evil_module" in data)
            new.writestr(entry, data)
    assert list(import_coop_checkpoint(renamed)) == ["ctx"]


def test_safe_globals_are_as_before(tmp_path):
    before = set(torch.serialization.get_safe_globals())
    import_coop_checkpoint(checkpoint(tmp_path / "model.pth.tar-1", coop_state(draw(4, 8))))
    assert set(torch.serialization.get_safe_globals()) == before


def test_files_of_old_torch(tmp_path):
    """Before 1.6 torch wrote no zip archives: those of tensors alone are read, others say how to go on."""
    old = {"_use_new_zipfile_serialization": False}
    torch.save({"state_dict": coop_state(draw(4, 8))}, tmp_path / "plain", **old)
    assert torch.equal(import_coop_checkpoint(tmp_path / "plain")["ctx"], draw(4, 8))
    with pytest.raises(CheckpointError, match=r"before 1\.6 together with objects.*save its state_dict alone"):
        import_coop_checkpoint(checkpoint(tmp_path / "objects", coop_state(draw(4, 8)), **old))


def test_files_of_another_kind(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        import_coop_checkpoint(tmp_path / "model.pth.tar-1")
    with pytest.raises(FileNotFoundError, match=r"has no model\.pth\.tar-EPOCH$"):
        import_coop_checkpoint(tmp_path)
    (tmp_path / "text").write_text("no checkpoint")
    with pytest.raises(CheckpointError, match="text"):
        import_coop_checkpoint(tmp_path / "text")
    whole = checkpoint(tmp_path / "model.pth.tar-1", coop_state(draw(4, 8))).read_bytes()
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="half"):
        import_coop_checkpoint(tmp_path / "half")
    torch.save([draw(2)], tmp_path / "list")
    with pytest.raises(CheckpointError, match="is no checkpoint of CoOp's code: a dictionary with state_dict"):
        import_coop_checkpoint(tmp_path / "list")
    for state in ({"visual.proj": draw(2)}, {"ctx": 5}):
        with pytest.raises(CheckpointError, match=r"holds no context vectors: .* found (visual\.proj|ctx)"):
            import_coop_checkpoint(checkpoint(tmp_path / "other", state))
