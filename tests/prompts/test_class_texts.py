"""Hand-written texts of classes: averages of raw features against the sums written out."""

import torch
from torch.nn import functional as F

from promptlab.prompts import ClassTexts
from tests.helpers.models import class_names, tiny_clip

TEMPLATES = ["a photo of a {}.", "a drawing of the {}.", "{}"]


def test_raw_texts_are_averaged_as_they_are():
    clip, names = tiny_clip(), class_names(5)
    raw = ClassTexts(clip, names, templates=TEMPLATES, normalised=False)
    written = [[template.replace("{}", name.replace("_", " ")) for name in names] for template in TEMPLATES]
    by_hand = torch.stack([clip.model.encode_text(clip.tokenizer(texts)) for texts in written])  # (T, C, D)
    torch.testing.assert_close(raw.features, by_hand.mean(0), atol=1e-5, rtol=1e-5)
    unit = ClassTexts(clip, names, templates=TEMPLATES)
    torch.testing.assert_close(unit.features, F.normalize(F.normalize(by_hand, dim=-1).mean(0), dim=-1))
    assert (F.normalize(raw.features, dim=-1) - unit.features).abs().max() > 1e-4  # two methods, not one
    torch.testing.assert_close(raw.select([3]).features, raw.features[[3]])
    assert raw.rebind(names[:2], "").features.norm(dim=-1).sub(1).abs().max() > 0.1


def test_raw_sentences_are_averaged_by_class():
    clip = tiny_clip()
    prompts = {"dog": ["a dog", "it barks loudly"], "cat": ["a cat"]}
    texts = ClassTexts(clip, ["cat", "dog"], prompts=prompts, normalised=False)
    by_hand = clip.model.encode_text(clip.tokenizer(["a cat", "a dog", "it barks loudly"]))
    torch.testing.assert_close(texts.features, torch.stack([by_hand[0], by_hand[1:].mean(0)]), atol=1e-5, rtol=1e-5)
