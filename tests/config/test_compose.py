"""Many configurations composed together are those that are composed one by one."""

import itertools

import pytest

from promptlab.config.compose import composed, composed_all
from promptlab.config.overrides import choices_of
from promptlab.config.settings import ConfigError

GRID = ["learner=coop,ship", "++learner.optim.lr=0.1,1e-3", "seed=1,2", "shots=1,all", "++learner.ctx_init=null,'5'",
        "data.root='a=b',c", "crop_scale=[0.1,1],null", "val=none,few"]  # fmt: skip


def test_together_and_one_by_one():
    runs = [list(words) for words in itertools.product(*choices_of(GRID))][::43]
    together = list(composed_all(runs))
    assert len({str(cfg) for cfg in together}) == len(runs)
    for words, cfg in list(zip(runs, together, strict=True))[::2]:
        assert cfg == composed(words)


def test_a_value_that_cannot_be_set_is_said_as_it_is_alone():
    with pytest.raises(ConfigError) as alone:
        composed(["data.root=r", "nothing=2"])
    with pytest.raises(ConfigError) as together:
        list(composed_all([["data.root=r"], ["data.root=r", "nothing=2"]]))
    assert str(together.value) == str(alone.value)
