"""ATPrompt: a few fixed words for attributes in a prompt learner's context, each behind learned vectors of its own.

Paper: Advancing Textual Prompt Learning with Anchored Attributes, https://arxiv.org/abs/2412.09442; code:
zhengli97/ATPrompt. With the words of a dataset, such as "color" and "shape", the prompt of a class is

``[SOS, a_1 (n_att, E), "color", a_2 (n_att, E), "shape", ctx (M, E), name, '.', EOT]``

and all else is the inner learner's: CoOp, CoCoOp or MaPLe, or KgCoOp, IVLP and PromptSRC, whose prompts are like them.
What is learned: its context, which starts from N(0, 0.02), and ``a_k``, which start from N(0, 0.01).
The words of a dataset are the authors' (found by a search that they ran on its base classes' training images): a table
in the YAML. Another dataset's test images are scored with that dataset's words, as theirs are; where it has more words
than were trained, the vectors in front of the rest are as they started, which is theirs too.
Where promptlab departs: fp32 and a generator of its own; a word of several tokens is read with all of them, where the
authors' code keeps the first and leaves placeholders for what it cuts (of their words "playfulness" alone, on Oxford
Pets, whose checkpoints so are scored by another prompt than they were trained with). CoCoOp's shift moves the context
alone. In deeper layers a learner with deep prompts renews its context and leaves words and vectors as they came, which
is our reading of what the paper calls its deep version.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Self

import torch
from annotated_types import Interval
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.around import INNER
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.sides import Sides
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.learners.base.wrapper import Wrapper
from promptlab.prompts.class_prompts import ClassPrompts
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, Template

Words = Sequence[str]
"""The attributes of a dataset, in their order."""


class ATPrompt(Wrapper):
    """A prompt learner whose context stands behind attributes.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        inner: makes the learner whose prompt it is, such as CoOp.
        attributes: the words, in their order.
        target_attributes: other words for the test images of other datasets, by the dataset's name; ``else`` for all
            that aren't named, which without it are read with the words that were trained.
        n_att: vectors in front of each word.
        template: the dataset's hand-written prompt, for inner learners that take one.
        has_images: for each class, whether it has training images, likewise.
        generator: source of the random start; None seeds one with 0.

    Raises:
        ValueError: for no words, a number out of range, an inner learner without a context that all classes share in
            front of their names, or a prompt longer than the context length.

    Example:
        >>> import promptlab
        >>> from functools import partial
        >>> coop = partial(promptlab.CoOp, n_ctx=2)
        >>> learner = promptlab.ATPrompt(
        ...     promptlab.load_clip("demo"), ["ring", "star"], inner=coop, attributes=["red", "round"])
        >>> learner.prompts.prefix(learner.inner.ctx).shape  # two vectors and a word, twice, and the context
        torch.Size([8, 128])
    """

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        inner: Callable[..., PromptLearner],
        attributes: Words,
        target_attributes: Mapping[str, Words] | None = None,
        n_att: Annotated[int, Interval(ge=1, le=64)] = 2,
        template: Template = DEFAULT_TEMPLATE,
        has_images: Sequence[bool] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        generator = generator or torch.Generator().manual_seed(0)
        super().__init__(clip, class_names, inner, template=template, has_images=has_images, generator=generator)
        self.target_attributes = dict(target_attributes or {})
        most = max(len(words) for words in (attributes, *self.target_attributes.values()))
        self.inner.prompts = AttributePrompts(
            clip, _prompts_of(self.inner), attributes, n_att=n_att, spare=most - len(attributes), generator=generator
        )

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse lists without words."""
        for name, words in {"attributes": arguments["attributes"], **(arguments["target_attributes"] or {})}.items():
            if isinstance(words, str) or not words or not all(isinstance(w, str) and w.strip() for w in words):
                raise ValueError(f"{name}={words!r}: a list of words is needed, such as [color, shape]")

    @property
    def prompts(self) -> AttributePrompts:
        """Those that the inner learner encodes."""
        prompts = self.inner.prompts
        assert isinstance(prompts, AttributePrompts)
        return prompts

    def forward(self, inputs: Tensor) -> Tensor:
        """The inner learner's logits (B, C)."""
        logits: Tensor = self.inner(inputs)
        return logits

    def loss(self, batch: Batch) -> Tensor:
        """The inner learner's."""
        return self.inner.loss(batch)

    def scorer(self) -> Scorer:
        """The inner learner's."""
        return self.inner.scorer()

    def sides(self, inputs: Tensor) -> Sides:
        """The inner learner's."""
        return self.inner.sides(inputs)

    def regulariser(self, sides: Sides) -> Tensor:
        """The inner learner's."""
        return self.inner.regulariser(sides)

    def fit_plan(self) -> list[Stage]:
        """The inner learner's stage, over the attributes' vectors too."""
        (stage,) = super().fit_plan()
        assert isinstance(stage, GradientStage)
        known = {id(parameter) for parameter in stage.parameters}
        own = [vectors for vectors in self.prompts.vectors if id(vectors) not in known]
        return [replace(stage, parameters=[*stage.parameters, *own])]

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code, but for those of words to spare."""
        own = {INNER + name: theirs for name, theirs in self.inner.authors_names().items()}
        numbers = range(len(self.prompts.vectors))
        return own | {f"inner.prompts.vectors.{i}": f"prompt_learner.ctx_att{i + 1}" for i in numbers}

    def authors_unused(self, names: Collection[str]) -> Collection[str]:
        """Buffers of the words, vectors of words that nobody has, and the inner learner's."""
        own = [name for name in names if name.startswith(("token_middle", "ctx_att"))]
        return [*own, *self.inner.authors_unused(names)]

    def of_authors(self, found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """With the vectors that the authors have in front of words to spare, which their code always makes."""
        first, spare = len(self.prompts.vectors) + 1, self.prompts.spare
        kept = [found.get(f"ctx_att{number}", own) for number, own in enumerate(spare, start=first)]
        return {**super().of_authors(found), "inner.prompts.spare": torch.stack(kept) if kept else spare}

    def tested_on(self, dataset: str, source: str) -> Self:
        """With the dataset's own words, where it is another one and has some."""
        other = super().tested_on(dataset, source)
        words = self.target_attributes.get(dataset, self.target_attributes.get("else"))
        if dataset == source or words is None or tuple(words) == self.prompts.words:
            return other
        other = other.copied()  # and the inner learner with it
        other.inner.prompts = other.prompts.with_words(words)
        return other


class AttributePrompts(nn.Module):
    """Class prompts whose prefix is attributes, then a context; they stand in the place of a learner's class prompts.

    ``vectors`` are (n_att, E) for each word; ``spare`` (S, n_att, E) are for further words, and never trained.

    Args:
        clip: the frozen backbone.
        prompts: the learner's, with a context that all classes share in front of the names.
        words: the attributes.
        n_att: vectors in front of each.
        spare: S, how many more words another dataset may have.
        generator: source of the random start.
    """

    spare: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        prompts: ClassPrompts,
        words: Words,
        *,
        n_att: int,
        spare: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self._clip, self.n_ctx = clip, prompts.n_ctx
        start = 0.01 * torch.randn(len(words) + spare, n_att, clip.width, generator=generator)
        self.vectors = nn.ParameterList(nn.Parameter(part) for part in start[: len(words)].to(clip.device))
        self.register_buffer("spare", start[len(words) :].to(clip.device))
        self._put(prompts, words)

    def prefix(self, ctx: Tensor) -> Tensor:
        """What stands behind SOS, (L, E), or (B, L, E) of contexts (B, M, E)."""
        parts = [part for pair in zip((*self.vectors, *self.spare), self._embedded, strict=False) for part in pair]
        if ctx.ndim == 3:
            parts = [part.expand(len(ctx), -1, -1) for part in parts]
        return torch.cat([*parts, ctx], dim=-2)

    def encode(self, ctx: Tensor, *, deep: Mapping[int, Tensor] | None = None, normalised: bool = True) -> Tensor:
        """As :meth:`promptlab.prompts.ClassPrompts.encode`; ``deep`` renews the context alone."""
        return self._prompts.encode(self.prefix(ctx), deep=deep, normalised=normalised)

    def encode_for_images(self, contexts: Tensor, *, queries: Tensor | None = None, normalised: bool = True) -> Tensor:
        """As :meth:`promptlab.prompts.ClassPrompts.encode_for_images`."""
        return self._prompts.encode_for_images(self.prefix(contexts), queries=queries, normalised=normalised)

    def select(self, class_indices: Sequence[int]) -> Self:
        """The prompts of some of the classes."""
        return self._with(self._prompts.select(class_indices), self.words)

    def rebind(self, class_names: Sequence[str], template: str) -> Self:
        """Prompts of the same layout for other names."""
        return self._with(self._prompts.rebind(class_names), self.words)

    def with_words(self, words: Words) -> Self:
        """Prompts of the same classes with other attributes."""
        return self._with(self._prompts, words)

    def _with(self, prompts: ClassPrompts, words: Words) -> Self:
        """Other classes or words; the vectors are shared."""
        other = copy.copy(self)
        other._put(prompts, words)
        return other

    def _put(self, prompts: ClassPrompts, words: Words) -> None:
        self.words = tuple(words)
        self._clip.warn_of_unknown_words(self.words)
        self._embedded = [self._clip.embed_words(word) for word in self.words]
        length = self.n_ctx + sum(len(word) for word in self._embedded) + len(words) * self.spare.shape[1]
        self._prompts = ClassPrompts(
            self._clip, prompts.class_names, n_ctx=length, words=prompts.words, ending=prompts.ending
        )


def _prompts_of(learner: PromptLearner) -> ClassPrompts:
    """The class prompts that a learner encodes, if attributes can stand in front of their context.

    Raises:
        ValueError: otherwise.
    """
    prompts = getattr(learner, "prompts", None)
    if not isinstance(prompts, ClassPrompts) or prompts.csc or prompts.position != "end":
        raise ValueError(
            f"ATPrompt can't be put around {type(learner).__name__} as it is: attributes stand in front of a context "
            "that all classes share, before their names (CoOp, KgCoOp, CoCoOp, MaPLe, IVLP and PromptSRC have one)"
        )
    return prompts
