"""Settings from overrides, as a command line would give them."""

from functools import lru_cache
from pathlib import Path

from promptlab.clip import load_clip
from promptlab.config.check import check
from promptlab.config.choice import Choice
from promptlab.config.compose import composed_all
from promptlab.config.overrides import opened
from promptlab.config.settings import Settings
from promptlab.data import read_features
from promptlab.protocols import few_shot

_MADE = {}
"""Which files were chosen, to what Hydra made of them: that takes longer than most of what tests do with it."""


def settings_of(overrides):
    return check(_composed(tuple(opened(override) for override in overrides)).copy())


@lru_cache(maxsize=256)
def _composed(overrides):
    """Values are set in a copy, as in the runs of a sweep; tests/config/test_compose.py holds that to be the same."""
    (cfg,) = composed_all([overrides], made=_MADE)
    return cfg


FEATURES = Path(__file__).resolve().parents[1] / "earlier" / "written" / "features"


def small_settings(learner, folder, **changes):
    """A few-shot run over forty features of eight classes: seconds, without an image."""
    files = {split: str(FEATURES / f"source_{split}.npz") for split in ("train", "val", "test")}
    source = {"name": "source", **files, "class_names": str(FEATURES / "source.txt")}
    usual = {"shots": 2, "trainer": {"enable_progress_bar": False}, "protocol": Choice(few_shot), "learner": learner}
    return Settings(
        backbone=Choice(load_clip, {"name": "demo"}),
        dataset=Choice(read_features, source),
        results=str(folder),
        **{**usual, **changes},
    )
