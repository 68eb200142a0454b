"""Which device computes."""

import pytest
import torch

from promptlab.cli.main import main
from promptlab.clip import load_clip
from promptlab.config.same import settings_key
from promptlab.support.devices import VARIABLE, device_text, usable_device


@pytest.fixture
def machine(monkeypatch):
    """A machine with the accelerators that are named; nothing is put on them."""

    def has(*accelerators, variable=None):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in accelerators)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in accelerators)
        asked = []

        def empty(size, device):
            asked.append(str(device))
            return torch.zeros(0)

        monkeypatch.setattr(torch, "empty", empty)
        if variable is None:
            monkeypatch.delenv(VARIABLE, raising=False)
        else:
            monkeypatch.setenv(VARIABLE, variable)
        return asked

    return has


@pytest.mark.parametrize(
    ("accelerators", "expected"), [((), "cpu"), (("mps",), "mps"), (("cuda",), "cuda"), (("mps", "cuda"), "cuda")]
)
def test_auto_is_the_first_that_is_there(machine, accelerators, expected):
    asked = machine(*accelerators)
    usable_device("auto")
    assert asked == [expected]


def test_the_variable_decides_where_nothing_is_named(machine):
    asked = machine("cuda", variable="cuda:1")
    usable_device()
    usable_device("cpu")
    assert asked == ["cuda:1", "cpu"]


@pytest.mark.parametrize("empty", ["", "auto"])
def test_an_empty_variable_decides_nothing(machine, empty):
    asked = machine("cuda", variable=empty)
    usable_device()
    assert asked == ["cuda"]


def test_a_variable_that_names_no_device_here_is_named_itself(monkeypatch):
    monkeypatch.setenv(VARIABLE, "cuda:77")
    with pytest.raises(ValueError, match="PROMPTLAB_DEVICE=cuda:77 can't be used here"):
        load_clip("demo")
    monkeypatch.setenv(VARIABLE, "gpu")
    with pytest.raises(ValueError, match="PROMPTLAB_DEVICE=gpu can't be used here"):
        usable_device()


def test_a_run_says_it_before_anything_is_done(monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, "cuda:77")
    assert main(["learner=zero_shot"]) == 2
    assert "PROMPTLAB_DEVICE=cuda:77 can't be used here" in capsys.readouterr().err


def test_a_cpu_needs_no_other_name():
    assert device_text(torch.device("cpu")) == "cpu"


def test_the_same_settings_on_another_device_mean_the_same_run():
    settings = {"seed": 1, "trainer": {}, "backbone": {"name": "demo", "device": "auto", "text_memory_mb": None}}
    other = {**settings, "backbone": {"name": "demo", "device": "cuda", "text_memory_mb": 64}}
    assert settings_key(settings) == settings_key(other)
    assert settings_key(settings) != settings_key({**settings, "backbone": {**other["backbone"], "name": "rn50"}})
