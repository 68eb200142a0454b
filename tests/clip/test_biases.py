"""Other biases beside a text tower, whichever computes it: what a model whose own biases are these gives."""

import copy

import pytest
import torch

from promptlab.bench.plain import PlainCLIP
from promptlab.clip import FrozenCLIP
from promptlab.clip.biases import TowerBiases
from promptlab.prompts.written_prompts import WrittenPrompts
from tests.helpers.models import tiny_clip
from tests.helpers.towers import tower_clip

NAMES = ["red star", "blue boat", "old, red tree house"]


@pytest.mark.parametrize("kind", ["causal", "plain", "siglip", "mobileclip"])
def test_the_text_is_that_of_a_model_with_these_biases(kind, tmp_path):
    clip = tiny_clip() if kind in ("causal", "plain") else tower_clip(kind, tmp_path)
    model = copy.deepcopy(clip.model)
    clip = PlainCLIP(clip) if kind == "plain" else clip
    biases, stream = TowerBiases(clip.text_blocks, clip.text_norms), torch.Generator().manual_seed(0)
    for parameter in biases.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=stream)
    text = getattr(model, "text", model)
    text.ln_final.bias.data = biases.norms["ln_post"].data
    for block, own in zip(text.transformer.resblocks, biases.blocks, strict=True):
        of_block = {"ln_1": block.ln_1, "ln_2": block.ln_2, "out_proj": block.attn.out_proj} | dict(
            block.mlp.named_children()
        )
        for name, bias in own.items():
            of_block[name].bias.data = bias.data
    changed = FrozenCLIP(model, clip.tokenizer, clip.preprocess, "changed")
    texts = [f"a photo of a {name}." for name in NAMES]
    expected = changed.encode_texts(texts)
    found = WrittenPrompts(clip, NAMES).encode(adapters=biases.adapters())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert (clip.encode_texts(texts) - expected).abs().max() > 0.01
    found.sum().backward()
    unmoved = [name for name, parameter in biases.named_parameters() if not parameter.grad.abs().max()]
    assert not unmoved
