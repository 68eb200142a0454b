"""Zero-shot CLIP: hand-written prompts, nothing learned.

Paper: Learning Transferable Visual Models From Natural Language Supervision, https://arxiv.org/abs/2103.00020.
With several templates the text features are averaged and normalised again, as CLIP does; so are those of sentences
about each class (a prompt set, https://arxiv.org/abs/2209.03320).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.class_text.sentences import PromptSet, load_prompt_set, read_prompt_set
from promptlab.class_text.templates import SELECT_TEMPLATES
from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.stages import Stage
from promptlab.learners.base.text_side import TextSideLearner

_AT_ONCE = 2048
"""Sentences that are encoded in one go."""


class ZeroShot(TextSideLearner):
    """Scores each class by the text feature of its hand-written prompts.

    ``sentences`` is the argument ``prompts`` as read, for what is made again without the file; empty without one.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's own prompt, with ``{}`` for the class name.
        templates: other prompts instead: a list of your own, or ``"select"`` for CLIP's seven best on ImageNet
            together with ``template``, as CoOp's ZeroshotCLIP2 has it; ``"select_only"`` leaves the latter out, as that
            does on ImageNet.
        prompts: sentences about each class instead of any template: a JSON file of class name to list of sentences, or
            such a mapping. It may hold other classes too; those that the learner is bound to later must be there.

    Raises:
        ValueError: if a template has no ``{}``, a prompt is longer than the context length, or both ``templates`` and
            ``prompts`` are given.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.ZeroShot(clip, ["red circle", "blue star"])
        >>> learner(clip.encode_texts(["a photo of a blue star."])).argmax().item()
        1
    """

    open_vocabulary = True
    file_arguments = ("prompts",)

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: str = "a photo of a {}.",
        templates: Sequence[str] | str | None = None,
        prompts: PromptSet | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        if prompts is not None and templates is not None:
            raise ValueError("templates and prompts are both given: choose the templates or the sentences")
        self._templates = templates
        self.sentences = {} if prompts is None else {"prompts": load_prompt_set(prompts)}
        self.arguments = {**self.arguments, **self.sentences}
        if prompts is None:
            self._features = _ensemble(clip, self.class_names, _resolve(template, templates))
        else:
            self._features = _of_sentences(clip, read_prompt_set(self.sentences["prompts"], self.class_names))

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
        return ZeroShot(self.clip, class_names, template=template, templates=self._templates, **self.sentences)


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


def _of_sentences(clip: FrozenCLIP, sentences: Sequence[Sequence[str]]) -> Tensor:
    """Mean over a class's sentences of normalised features, normalised: (C, D)."""
    flat = [sentence for of_class in sentences for sentence in of_class]
    chunks = [clip.encode_texts(flat[start : start + _AT_ONCE]) for start in range(0, len(flat), _AT_ONCE)]
    by_class = torch.split_with_sizes(torch.cat(chunks), [len(of_class) for of_class in sentences])
    return F.normalize(torch.stack([features.mean(0) for features in by_class]), dim=-1)
