"""Hand-written texts of classes as CLIP reads them: a template, an ensemble of several, or sentences about each class.

With several texts a class's features are averaged and normalised again, as CLIP does for templates
(https://arxiv.org/abs/2103.00020) and others for sentences (https://arxiv.org/abs/2209.03320).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from promptlab.class_text.given_names import checked_names as checked_names
from promptlab.class_text.given_names import indices_of as indices_of
from promptlab.class_text.given_names import places_of as places_of
from promptlab.class_text.given_names import warn_of_repeated as warn_of_repeated
from promptlab.class_text.sentences import PromptSet as PromptSet
from promptlab.class_text.sentences import equal_sentences as equal_sentences
from promptlab.class_text.sentences import load_prompt_set as load_prompt_set
from promptlab.class_text.sentences import read_prompt_set
from promptlab.class_text.sixty_templates import SIXTY_TEMPLATES as SIXTY_TEMPLATES
from promptlab.class_text.templates import DEFAULT_TEMPLATE as DEFAULT_TEMPLATE
from promptlab.class_text.templates import SELECT_TEMPLATES, check_template
from promptlab.class_text.templates import Template as Template
from promptlab.class_text.templates import Templates as Templates
from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.text.shared import MANY
from promptlab.support.ranges import refuse_misfits

_AT_ONCE = 2048
"""Sentences that are encoded in one go."""
_MOST_AT_ONCE = 16_384
"""Filled templates that are encoded in one go, whole templates at a time."""


class ClassTexts:
    """The text features of C classes' hand-written texts.

    ``features`` are (C, D), fp32, L2-normalised unless they are to be as long as the tower makes them; ``each`` holds
    for every class the features of its texts, one by one, if they are to be kept.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's own prompt, with ``{}`` for the class name.
        templates: other prompts instead: a list of your own, or ``"select"`` for CLIP's seven best on ImageNet
            together with ``template``, as CoOp's ZeroshotCLIP2 has it; ``"select_only"`` leaves the latter out, as that
            does on ImageNet.
        prompts: sentences about each class instead of any template: a JSON file of class name to list of sentences, or
            such a mapping. It may hold other classes too; those that are asked for later must be there.
        normalised: False for features of the length that the tower gives them; of several texts their plain mean.
        keep_each: keep the features of every text besides.

    Raises:
        ValueError: if a template has no ``{}``, a text is longer than the context length, or both ``templates`` and
            ``prompts`` are given.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> texts = ClassTexts(promptlab.load_clip("demo"), ["red star", "blue circle"], template="a photo of a {}.")
        >>> texts.select([1]).features.norm(dim=-1).round().tolist()
        [1.0]
    """

    features: Tensor
    each: tuple[Tensor, ...] = ()
    """Of each class (n, D), as the features of its n texts are before they are averaged; empty unless kept."""

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: str = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        normalised: bool = True,
        keep_each: bool = False,
    ) -> None:
        refuse_misfits(ClassTexts, {"templates": templates})
        check_texts({"templates": templates, "prompts": prompts})
        class_names = checked_names(class_names)
        self._clip, self._templates, self._normalised, self._keep_each = clip, templates, normalised, keep_each
        self._sentences = None if prompts is None else load_prompt_set(prompts)
        self.features, self.each = self._encode(class_names, template)

    @property
    def as_read(self) -> dict[str, Mapping[str, Sequence[str]]]:
        """The argument ``prompts`` with what its file held, for what is made again without it; empty without one."""
        return {} if self._sentences is None else {"prompts": self._sentences}

    def select(self, class_indices: Sequence[int]) -> ClassTexts:
        """The texts of some of the classes."""
        chosen = copy.copy(self)
        chosen.features = self.features[list(class_indices)]
        chosen.each = tuple(self.each[i] for i in class_indices) if self.each else ()
        return chosen

    def rebind(self, class_names: Sequence[str], template: str) -> ClassTexts:
        """Other names, in their dataset's prompt or in the prompts given."""
        other = copy.copy(self)
        other.features, other.each = self._encode(class_names, template)
        return other

    def _encode(self, class_names: Sequence[str], template: str) -> tuple[Tensor, tuple[Tensor, ...]]:
        """``features`` and ``each``."""
        if self._sentences is not None:
            return self._of_sentences(read_prompt_set(self._sentences, class_names))
        return self._of_templates(class_names, _chosen(template, self._templates))

    def _of_templates(self, class_names: Sequence[str], templates: Sequence[str]) -> tuple[Tensor, tuple[Tensor, ...]]:
        names = [name.replace("_", " ") for name in class_names]
        filled = [[template.replace("{}", name) for name in names] for template in templates]
        self._clip.warn_of_unknown_words([text for texts in filled for text in texts])  # of all at once
        at_once = max(1, _MOST_AT_ONCE // len(names))
        if self._keep_each or at_once == 1 or len(names) * len(templates) < MANY:
            features = torch.stack([self._clip.encode_texts(texts, normalised=self._normalised) for texts in filled])
            return self._as_wanted(features.mean(0)), features.unbind(1) if self._keep_each else ()
        total = torch.zeros(len(names), self._clip.dim, device=self._clip.device)
        for start in range(0, len(filled), at_once):
            total += self._sum_of(filled[start : start + at_once])
        return self._as_wanted(total / len(filled)), ()

    def _sum_of(self, filled: Sequence[Sequence[str]]) -> Tensor:
        """The sum over templates of features (C, D); each distinct text is encoded once."""
        flat = [text for texts in filled for text in texts]
        place = {text: i for i, text in enumerate(dict.fromkeys(flat))}
        features = self._clip.encode_texts(list(place), normalised=self._normalised)
        return features[[place[text] for text in flat]].view(len(filled), -1, features.shape[1]).sum(0)

    def _of_sentences(self, sentences: Sequence[Sequence[str]]) -> tuple[Tensor, tuple[Tensor, ...]]:
        flat = [sentence for of_class in sentences for sentence in of_class]
        features = encode_many(self._clip, flat, normalised=self._normalised)
        by_class = torch.split_with_sizes(features, [len(of_class) for of_class in sentences])
        means = torch.stack([of_class.mean(0) for of_class in by_class])
        return self._as_wanted(means), by_class if self._keep_each else ()

    def _as_wanted(self, means: Tensor) -> Tensor:
        """Means (C, D) of features, of length 1 again if those are."""
        return F.normalize(means, dim=-1) if self._normalised else means


def encode_many(clip: FrozenCLIP, texts: Sequence[str], *, normalised: bool = True) -> Tensor:
    """Features (N, D) of N texts, however many they are.

    Args:
        clip: the frozen backbone.
        texts: N texts.
        normalised: False for features of the length that the tower gives them.

    Example:
        >>> import promptlab
        >>> encode_many(promptlab.load_clip("demo"), ["a red star.", "a blue circle."]).shape
        torch.Size([2, 128])
    """
    parts = [texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE)]
    return torch.cat([clip.encode_texts(part, normalised=normalised) for part in parts])


def check_texts(arguments: Mapping[str, Any]) -> None:
    """Refuse ``templates`` together with ``prompts``.

    Args:
        arguments: with both of them.

    Raises:
        ValueError: if both are given.

    Example:
        >>> check_texts({"templates": "select", "prompts": None})
    """
    if arguments.get("prompts") is not None and arguments.get("templates") is not None:
        raise ValueError("templates and prompts are both given: choose the templates or the sentences")


def _chosen(template: str, templates: Templates | None) -> tuple[str, ...]:
    """The templates that the arguments mean."""
    if templates is None:
        return (check_template(template),)
    if not isinstance(templates, str):
        return tuple(templates)
    own = (check_template(template),) if templates == "select" else ()
    return tuple(dict.fromkeys((*SELECT_TEMPLATES, *own)))
