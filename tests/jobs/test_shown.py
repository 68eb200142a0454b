"""What is said of a run before it works."""

from types import SimpleNamespace

import pytest
import torch

from promptlab.config.choice import Choice
from promptlab.demo import demo_dataset
from promptlab.jobs import shown
from promptlab.support import devices
from tests.helpers.models import tiny_clip


@pytest.fixture
def parts(monkeypatch):
    """A run on a processor with matrix units, with a model that counts as large."""
    monkeypatch.setattr(shown, "_hinted", set())
    monkeypatch.setattr(shown, "LARGE", 1000)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    settings = SimpleNamespace(backbone=Choice(tiny_clip, {"name": "ViT-B-16", "precision": "fp32"}))
    dataset = demo_dataset("demo_shapes")
    return SimpleNamespace(clip=tiny_clip(), settings=settings, dataset=dataset, targets=())


def hints(capsys, parts):
    shown.show(parts)
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("hint: backbone.precision=bf16")]


def test_bf16_is_hinted_at_once_where_it_is_faster(capsys, parts):
    assert len(hints(capsys, parts)) == 1
    assert not hints(capsys, parts)


@pytest.mark.parametrize(
    "why", ["no matrix units", "a torch that does not tell", "small", "bf16 already", "not to be had in bf16"]
)
def test_bf16_is_not_hinted_at_elsewhere(capsys, parts, monkeypatch, why):
    if why == "no matrix units":
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    if why == "a torch that does not tell":
        monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    if why == "small":
        monkeypatch.setattr(shown, "LARGE", 10**9)
    if why == "bf16 already":
        parts.settings.backbone = Choice(tiny_clip, {"name": "ViT-B-16", "precision": "bf16"})
    if why == "not to be had in bf16":
        parts.settings.backbone = Choice(tiny_clip, {"name": "transformers:a/b", "precision": "fp32"})
    assert not hints(capsys, parts)


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), True), ((8, 0), True), ((7, 5), False)])
def test_gpus_multiply_bf16_since_ampere(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert devices.multiplies_bf16_faster(torch.device("cuda")) is expected
