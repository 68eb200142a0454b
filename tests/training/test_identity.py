"""Whose a state is: by the fit's id, or by all that its numbers follow from."""

import logging

import pytest
import torch

from promptlab.features.bank import FeatureBank
from promptlab.learners.base.optim import Optim
from promptlab.training.fit import fit
from tests.helpers.fits import NAMES, QUIET, items
from tests.helpers.models import tiny_clip
from tests.helpers.toys import Averages, Toy, UsesUnlabelled


@pytest.fixture
def bank(tmp_path):
    return FeatureBank(tmp_path / "features.sqlite")


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


class KilledError(Exception):
    """What stands for a kill."""


def killed(learner, bank, folder, **options):
    """How many steps a fit of 20 takes before a kill in its last epoch, or all if it isn't killed."""
    steps, plain, kill = [], learner.loss, options.pop("kill", False)

    def counted(batch):
        steps.append(1)
        if kill and len(steps) == 18:
            raise KilledError
        return plain(batch)

    learner.loss = counted
    options = {"views": 2, "seed": 3, "trainer": QUIET, "ckpt_every_s": 0, **options}
    if kill:
        with pytest.raises(KilledError):
            fit(learner, items(0, 40), bank=bank, checkpoint=folder / "resume.ckpt", **options)
    else:
        fit(learner, items(0, 40), bank=bank, checkpoint=folder / "resume.ckpt", **options)
    return len(steps)


def test_the_same_fit_goes_on(clip, bank, tmp_path):
    killed(Toy(clip, NAMES), bank, tmp_path, kill=True)
    assert killed(Toy(clip, NAMES), bank, tmp_path) == 5


@pytest.mark.parametrize(
    "details",
    [{}, {"enable_progress_bar": True}, {"log_every_n_steps": 3}, {"default_root_dir": "elsewhere"}],
    ids=str,
)
def test_what_is_shown_is_no_part_of_a_fit(clip, bank, tmp_path, details):
    killed(Toy(clip, NAMES), bank, tmp_path, kill=True)
    assert killed(Toy(clip, NAMES), bank, tmp_path, trainer=QUIET | details) == 5


@pytest.mark.parametrize(
    ("trainer", "steps"),
    [
        ({"limit_train_batches": 3}, 12),
        ({"max_steps": 7}, 7),
        ({"accumulate_grad_batches": 2}, 20),
        ({"max_time": "1:00:00:00"}, 20),
    ],
    ids=str,
)
def test_trainer_options_that_change_numbers_are_another_fit(clip, bank, tmp_path, caplog, trainer, steps):
    killed(Toy(clip, NAMES), bank, tmp_path, kill=True)
    with caplog.at_level(logging.WARNING):
        assert killed(Toy(clip, NAMES), bank, tmp_path, trainer=QUIET | trainer) == steps
    assert "belongs to another fit" in caplog.text


class Weighted(Averages):
    weights = (1.0, 1.0, 1.0, 1.0)


class Seeded(Toy):
    def __init__(self, clip, class_names, *, generator=None, table=None):
        super().__init__(clip, class_names)


def seeded(seed):
    return {"generator": torch.Generator().manual_seed(seed)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda clip: Seeded(clip, NAMES, **seeded(1)), lambda clip: Seeded(clip, NAMES, **seeded(2))),
        (lambda clip: Seeded(clip, NAMES, table=torch.zeros(9999)), lambda clip: Seeded(clip, NAMES, table=tail())),
        (lambda clip: Toy(clip, NAMES), lambda clip: Toy(clip, NAMES, uses_unlabelled=False, chosen_by="last")),
        (lambda clip: Toy(clip, NAMES, optim=optim()), lambda clip: Toy(clip, NAMES, optim=optim(eta_min=1e-4))),
    ],
    ids=["start", "tensor", "stage", "optim"],
)
def test_what_numbers_follow_from_is_another_fit(clip, bank, tmp_path, first, second):
    killed(first(clip), bank, tmp_path, kill=True)
    assert killed(second(clip), bank, tmp_path) == 20


def optim(**changes):
    return Optim(epochs=4, batch_size=8, lr=0.1, **changes)


def tail():
    table = torch.zeros(9999)
    table[5000] = 1
    return table


def test_other_unlabelled_images_are_another_fit(clip, bank, tmp_path):
    killed(UsesUnlabelled(clip, NAMES), bank, tmp_path, kill=True, unlabelled=items(40, 60))
    assert killed(UsesUnlabelled(clip, NAMES), bank, tmp_path, unlabelled=items(40, 50)) == 20


def test_a_given_id_decides(clip, bank, tmp_path, caplog):
    """Whoever names a fit knows what it is: the same id goes on, another one starts again."""
    killed(Toy(clip, NAMES), bank, tmp_path, kill=True, fit_id="a")
    with caplog.at_level(logging.WARNING):
        killed(Toy(clip, NAMES), bank, tmp_path, kill=True, fit_id="b")
        assert "belongs to another fit" in caplog.text
        assert killed(Toy(clip, NAMES), bank, tmp_path, fit_id="b", trainer=QUIET | {"max_time": "1:00:00:00"}) == 5


def test_a_named_fit_and_an_unnamed_one_are_two(clip, bank, tmp_path):
    killed(Toy(clip, NAMES), bank, tmp_path, kill=True, fit_id="a")
    assert killed(Toy(clip, NAMES), bank, tmp_path) == 20
    killed(Toy(clip, NAMES), bank, tmp_path, kill=True)
    assert killed(Toy(clip, NAMES), bank, tmp_path, fit_id="a") == 20


@pytest.mark.parametrize(("names", "steps"), [(NAMES, 5), ([*NAMES, "more"], 20)])
def test_a_state_from_before_ids_goes_on_if_its_tensors_fit(clip, bank, tmp_path, names, steps):
    """Its folder was named by the id, its mark is of another version."""
    killed(Toy(clip, NAMES), bank, tmp_path, kill=True, fit_id="a")
    path = tmp_path / "resume.ckpt"
    state = torch.load(path, weights_only=True)
    del state["promptlab"]["fit_id"], state["promptlab"]["sealed"], state["promptlab"]["progress"]["cut_short"]
    torch.save(state, path)
    assert killed(Toy(clip, names), bank, tmp_path, fit_id="a") == steps


def test_a_crash_while_a_state_is_written_leaves_the_one_before(clip, bank, tmp_path, monkeypatch):
    saved, plain = [], torch.save

    def torn(state, file, *rest, **options):
        saved.append(1)
        if len(saved) == 3:
            file.write(b"half of")
            raise KilledError
        return plain(state, file, *rest, **options)

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(KilledError):
        killed(Toy(clip, NAMES), bank, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if "resume" in path.name) == ["resume.ckpt"]
    assert killed(Toy(clip, NAMES), bank, tmp_path) == 10
