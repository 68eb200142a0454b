"""Layers that start from a generator of their own."""

import math

import pytest
import torch

from promptlab.learners.base.layers import linear


@pytest.mark.parametrize("bias", [True, False])
def test_torchs_spread_from_the_generator_alone(bias):
    before = torch.get_rng_state()
    layer = linear(100, 50, torch.Generator().manual_seed(3), bias=bias)
    again = linear(100, 50, torch.Generator().manual_seed(3), bias=bias)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(layer.weight, again.weight)
    assert not torch.equal(layer.weight, linear(100, 50, torch.Generator().manual_seed(4)).weight)
    assert float(layer.weight.detach().abs().max()) == pytest.approx(0.1, rel=0.01)
    assert float(layer.weight.detach().std()) == pytest.approx(0.1 / math.sqrt(3), rel=0.05)
    assert (layer.bias is not None) == bias
    if bias:
        assert 0 < float(layer.bias.detach().abs().max()) <= 0.1
