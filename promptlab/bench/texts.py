"""The class texts of many names in an ensemble of templates, against a loop over the classes at full context length."""

from __future__ import annotations

import torch
from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

from promptlab.bench.cases import Case
from promptlab.bench.equal import Answer
from promptlab.bench.plain import PlainCLIP
from promptlab.bench.report import OURS, PLAIN
from promptlab.bench.settings import Settings
from promptlab.clip.frozen import FrozenCLIP
from promptlab.prompts.class_texts import ClassTexts

TEMPLATES = tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)
"""CLIP's 80 for ImageNet."""
LOOPED = 2
"""Classes that the loop is measured on: each costs 80 encodings of the full length, whatever the others are."""


def cases(settings: Settings, clip: FrozenCLIP, *, encoded: bool = True) -> list[Case]:
    """The features of C classes, per class.

    Args:
        settings: C.
        clip: the backbone.
        encoded: says nothing here.
    """
    names, plain = settings.names(), PlainCLIP(clip)
    looped = min(LOOPED, len(names))

    def ours() -> Answer:
        return {"features": ClassTexts(clip, names, templates=list(TEMPLATES)).features}

    def loop() -> Answer:
        each = [ClassTexts(plain, [name], templates=list(TEMPLATES)).features for name in names[:looped]]
        return {"features": torch.cat(each)}

    def answers() -> tuple[Answer, Answer]:
        return {"features": ours()["features"][:looped]}, loop()

    return [
        Case(
            f"class texts of {len(names):,} names x {len(TEMPLATES)} templates, per class",
            ours,
            loop,
            answers=answers,
            per={OURS: len(names), PLAIN: looped},
            recorded=True,
            repeats=1,
            note=f"the loop runs over {looped} of the classes",
        )
    ]
