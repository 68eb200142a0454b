"""``promptlab convert``: authors' checkpoints become saved learners, and say what they score."""

import pytest
import torch

from promptlab import load_learner
from promptlab.cli.main import main
from tests.helpers.settings import FEATURES

DATASET = [
    "dataset=features", "dataset.name=source", f"dataset.class_names={FEATURES / 'source.txt'}",
    *(f"dataset.{split}={FEATURES / f'source_{split}.npz'}" for split in ("train", "val", "test")),
    "protocol=base_to_new", "shots=1",
]  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    """Two context vectors, as Dassl writes them."""
    ctx = 0.1 * torch.randn(2, 128, generator=torch.Generator().manual_seed(0))
    file = tmp_path / "prompt_learner" / "model.pth.tar-50"
    file.parent.mkdir()
    torch.save({"state_dict": {"ctx": ctx, "token_prefix": torch.zeros(1, 1, 128)}, "epoch": 50}, file)
    return tmp_path, ctx


def test_a_checkpoint_is_saved_and_scored(checkpoint, tmp_path, capsys):
    folder, ctx = checkpoint
    saved = tmp_path / "saved"
    assert main(["convert", str(folder), str(saved), "learner=coop", "learner.n_ctx=2", *DATASET]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("CoOp on demo, saved in ")
    assert [line.split(":")[0] for line in lines[1:]] == ["base", "new"]
    assert all(" % of " in line for line in lines[1:])
    learner = load_learner(saved)
    assert torch.equal(learner.ctx, ctx)
    assert len(learner.class_names) == 4


@pytest.mark.parametrize(
    ("keys", "status", "message"),
    [
        (["learner=coop", "learner.n_ctx=3"], 1, "it has ctx with shape (2, 128), expected (3, 128)"),
        (["learner=taskres"], 2, "TaskRes doesn't say what its tensors are called"),
        (["learner=coop", "learner.n_ctx=2", "seed=1,2"], 2, "these keys name 2: give each one value"),
    ],
)
def test_what_can_not_be_is_named(checkpoint, tmp_path, capsys, keys, status, message):
    assert main(["convert", str(checkpoint[0]), str(tmp_path / "saved"), *keys, *DATASET]) == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / "saved").exists()
