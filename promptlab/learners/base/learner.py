"""The contract of a learner, and the legend of letters that shape comments use.

========  ==================================
letter    what it counts
========  ==================================
B         images of a batch
C         classes
D         joint dimension of CLIP
E         width of a token embedding
K         random views of an image
L         tokens of a prompt
M         context vectors
N         items of a list
S         seeds
V         width of the image tower
========  ==================================

A learner is one file: a :class:`PromptLearner` made of plain values, with ``forward``, ``loss`` and ``fit_plan``, and
with ``per_class`` for what it holds of each class.
``promptlab.learners.base.contract`` holds the tests that every learner passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from torch import Tensor

from promptlab.clip.frozen import COOP_SCALE, FeatureKind, FrozenCLIP, ImageStates
from promptlab.learners.base.arguments import RemembersArguments
from promptlab.learners.base.balance import NO_BALANCE, Balance
from promptlab.learners.base.decision import ALWAYS, Decision
from promptlab.learners.base.facts import LearnerFacts
from promptlab.learners.base.has_classes import HasClasses
from promptlab.learners.base.has_tensors import HasTensors
from promptlab.learners.base.sides import Sides
from promptlab.learners.base.stages import Batch, Stage
from promptlab.prompts.class_texts import checked_names, warn_of_repeated

if TYPE_CHECKING:
    from promptlab import Result  # named alone: learners know nothing of Results

Scorer = Callable[[Tensor], Tensor]
"""Inputs of a batch (B, D) or (B, 3, H, W) to logits (B, C)."""


class PromptLearner(HasClasses, RemembersArguments, HasTensors, ABC):
    """A frozen CLIP and something small that is learned to score C classes.

    Subclasses take ``clip`` and ``class_names``, then keyword-only hyper-parameters with the paper's defaults; those
    that draw their initialisation take a ``generator``, those that use a hand-written prompt a ``template``, and those
    that treat classes without training images apart ``has_images``. Ranges are declared beside the arguments
    (``Annotated[int, Ge(1)]``) and checked before a constructor runs, and before a command line loads anything.

    Args:
        clip: the frozen backbone; held without being registered.
        class_names: names of the C classes to score.

    Raises:
        ValueError: if there are no classes, or a name is no text or is empty.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> class Drawings(promptlab.PromptLearner):  # zero-shot with a prompt of its own; nothing is trained
        ...     per_class = ("text",)
        ...
        ...     def __init__(self, clip, class_names):
        ...         super().__init__(clip, class_names)
        ...         self.text = clip.encode_texts([f"a drawing of a {name}." for name in class_names])
        ...
        ...     def forward(self, image_features):
        ...         return self.clip.logits(image_features, self.text)
        ...
        ...     def fit_plan(self):
        ...         return []
        >>> learner = Drawings(clip, ["red circle", "blue star"])
        >>> learner(learner.text).argmax(dim=1).tolist()
        [0, 1]
        >>> learner.select([1]).class_names
        ('blue star',)
    """

    needs: Literal["features", "images"] = "features"
    """What ``forward`` gets; of a learner around another one, as of the next four, see :meth:`facts`."""
    reads: FeatureKind = "projected"
    """Which features it gets: of the joint space (B, D), or what ``clip.image_projection`` makes those of, (B, V)."""
    normalised: bool = True
    """Whether features, as it gets them, are L2-normalised; False: as long as the image tower makes them."""
    keeps_states: ImageStates | None = None
    """Of a learner that needs images: what of kept views its stages get, as rows (B, S) in place of images."""
    crop_scale: tuple[float, float] = COOP_SCALE
    """Smallest and largest share of an image that the paper's random views show; CoOp's unless overridden."""
    searches: bool = False
    """Whether a closed form chooses something on the validation images; refused where those are tested images."""
    uses_new_names: ClassVar[bool] = False
    """Whether training uses the names of classes without images; such learners get every known class."""
    uses_unlabelled: bool = False
    """Whether training uses images without labels; results are marked by it."""
    transductive: bool = False
    """Whether all test images are scored together, by :meth:`score_together`; results are marked by it."""
    test_time: bool = False
    """Whether it adapts to each test image, in :meth:`adapt_and_score`; results are marked by it."""
    test_views: int = 0
    """K views of each test image that are scored together, inputs (B, K, ...): the evaluation transform's, then K - 1
    random ones of the image's own stream. 0 is the evaluation transform's alone, inputs (B, ...)."""
    selected_on_test: bool = False
    """Whether a published setting, chosen on test images, is in use; results are marked by it."""
    description_arguments: ClassVar[tuple[str, ...]] = ("prompts",)
    """Arguments that hold sentences about the classes; results with one given are marked by it."""
    file_arguments: ClassVar[tuple[str, ...]] = ()
    """Arguments that may be paths of files: what the files hold is part of the fit id, their paths are not."""
    version: ClassVar[int] = 1
    """Raised whenever the same arguments would give other numbers; part of the fit id."""
    added_later: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Arguments that came after fits had ids, as plain values: at these they change nothing, and aren't in an id."""

    notes: tuple[str, ...] = ()
    """What a reader of its scores should know of how it was trained, in words; Results keep it."""
    reading: Mapping[str, Any] = MappingProxyType({})
    """Choices by which the pictures were read that it was fitted to; saved with it, and ``predict`` reads others so."""
    balances: ClassVar[bool] = True
    """Whether the cross-entropy of this class's own :meth:`loss` is ``balance``'s; said again by who overrides it."""
    balance: Balance = NO_BALANCE
    """What makes up for unequal numbers of training images, of the fit that is under way."""
    decision: Decision = ALWAYS
    """How ``predict`` makes answers of its logits; saved with it."""

    def __init__(self, clip: FrozenCLIP, class_names: Sequence[str]) -> None:
        super().__init__()
        self.clip = clip
        self.class_names = checked_names(class_names)
        if not self.class_names:
            raise ValueError(f"{type(self).__name__} got no class names: give at least one")
        warn_of_repeated(self.class_names)

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, C) of features (B, D) or images (B, 3, H, W), as the learner ``needs`` and ``reads`` them."""

    def loss(self, batch: Batch) -> Tensor:
        """What the paper minimises; cross-entropy unless overridden."""
        return self.balance.cross_entropy(self(batch.inputs), batch.labels)

    @abstractmethod
    def fit_plan(self) -> list[Stage]:
        """The stages of a fit, in order; none if nothing is learned."""

    def sides(self, inputs: Tensor) -> Sides:
        """The features that its logits compare, with their lengths, for learners around it.

        Args:
            inputs: features (B, D) of the length that the image tower gives them, or images (B, 3, H, W).

        Raises:
            TypeError: if its logits are no such comparison.
        """
        raise TypeError(f"{type(self).__name__} doesn't say which features of both towers it compares")

    def regulariser(self, sides: Sides) -> Tensor:
        """What :meth:`loss` adds to the cross-entropy of these sides; 0 unless overridden."""
        return sides.images.new_zeros(())

    def scorer(self) -> Scorer:
        """What evaluation calls: inputs to logits, with all that doesn't depend on the inputs computed once."""
        return self

    def tested_on(self, dataset: str, source: str) -> Self:
        """The learner for a dataset's test images: itself, unless a paper treats other datasets otherwise.

        Args:
            dataset: name of the dataset that is scored, whose classes the learner has already been moved to.
            source: name of the dataset that it was trained on.
        """
        return self

    def score_together(self, inputs: Tensor) -> Tensor:
        """Logits (N, C) of all N test images, (N, D) or (N, 3, H, W), of a ``transductive`` learner."""
        raise NotImplementedError(f"{type(self).__name__} says transductive, but doesn't define score_together")

    def adapt_and_score(self, inputs: Tensor) -> Tensor:
        """Logits (1, C) of one test image, of a learner that says ``test_time``; gradients are on.

        Parameters and buffers may change: evaluation takes that back after each image.

        Args:
            inputs: (1, D) or (1, 3, H, W), or with ``test_views`` (1, K, D) or (1, K, 3, H, W).
        """
        raise NotImplementedError(f"{type(self).__name__} says test_time, but doesn't define adapt_and_score")

    def test_time_scorer(self) -> Scorer:
        """What evaluation calls for one image after another, of a learner that says ``test_time``.

        It is :meth:`adapt_and_score`, unless a learner computes ahead what no image changes.
        """
        return self.adapt_and_score

    @classmethod
    def facts(cls, inner: LearnerFacts | None = None) -> LearnerFacts:
        """What a run has to know before a learner is built.

        Args:
            inner: the facts of the learner that it is put around, if there is one.
        """
        own = LearnerFacts.of(cls)
        if inner is None:
            return own
        either = own.uses_unlabelled or inner.uses_unlabelled
        return replace(own, chooser=own.chooser or inner.chooser, uses_unlabelled=either)

    def save_pretrained(self, folder: str | Path, *, result: Result | None = None) -> Path:
        """Write the learned tensors and a card, so that :func:`promptlab.load_learner` brings the learner back.

        Args:
            folder: made if missing; its files change together or not at all.
            result: what the fit left, written beside them.

        Returns:
            The folder.

        Raises:
            CardError: a ValueError, if the learner couldn't be brought back; the message says why.
        """
        from promptlab import save_learner  # the room of saved learners lies above this one

        return save_learner(self, folder, result=result)
