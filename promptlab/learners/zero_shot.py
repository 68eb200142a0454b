"""Zero-shot CLIP: hand-written prompts, nothing learned.

Paper: Learning Transferable Visual Models From Natural Language Supervision, https://arxiv.org/abs/2103.00020.
With several templates the text features are averaged and normalised again, as CLIP does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.backbone import FrozenCLIP
from promptlab.data.templates import SELECT_TEMPLATES
from promptlab.learners.base import Stage
from promptlab.learners.text_side import TextSideLearner


class ZeroShot(TextSideLearner):
    """Scores each class by the text feature of its hand-written prompts.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's own prompt, with ``{}`` for the class name.
        templates: other prompts instead: a list of your own, or ``"select"`` for CLIP's seven best on ImageNet
            together with ``template``, as CoOp's ZeroshotCLIP2 has it; ``"select_only"`` leaves the latter out, as that
            does on ImageNet.

    Raises:
        ValueError: if a template has no ``{}``, or a prompt is longer than the context length.
    """

    open_vocabulary = True

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: str = "a photo of a {}.",
        templates: Sequence[str] | str | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self._templates = templates
        self._features = _ensemble(clip, self.class_names, _resolve(template, templates))

    def text_features(self) -> Tensor:
        """(C, D) L2-normalised."""
        return self._features

    def fit_plan(self) -> list[Stage]:
        """Nothing is learned."""
        return []

    def select(self, class_indices: Sequence[int]) -> ZeroShot:
        """The same prompts for some of the classes."""
        chosen = self._relabelled([self.class_names[i] for i in class_indices])
        chosen._features = self._features[list(class_indices)]
        return chosen

    def rebind(self, class_names: Sequence[str], template: str) -> ZeroShot:
        """Other names, in their dataset's prompt or in the prompts given."""
        return ZeroShot(self.clip, class_names, template=template, templates=self._templates)


def _resolve(template: str, templates: Sequence[str] | str | None) -> tuple[str, ...]:
    if templates is None:
        chosen: tuple[str, ...] = (template,)
    elif isinstance(templates, str):
        if templates not in ("select", "select_only"):
            raise ValueError(f"templates={templates!r}: give a list of prompts with {{}}, 'select' or 'select_only'")
        own = (template,) if templates == "select" else ()
        chosen = tuple(dict.fromkeys((*SELECT_TEMPLATES, *own)))
    else:
        chosen = tuple(templates)
    for text in chosen:
        if "{}" not in text:
            raise ValueError(f"template {text!r} has no {{}} for the class name")
    return chosen


def _ensemble(clip: FrozenCLIP, class_names: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Mean over templates of normalised features, normalised: (C, D)."""
    names = [name.replace("_", " ") for name in class_names]
    features = [clip.encode_texts([template.replace("{}", name) for name in names]) for template in templates]
    return F.normalize(torch.stack(features).mean(0), dim=-1)
