"""CoOp: learn the context of the class prompt.

Paper: Learning to Prompt for Vision-Language Models, https://arxiv.org/abs/2109.01134; code: KaiyangZhou/CoOp.
What is learned: M context vectors, shared by all classes or one set per class.
Where promptlab departs: the context is fp32 and starts from this learner's own generator (the authors' is fp16 and
drawn after CLIP's constructor consumed the global one); an initialisation text may have more tokens than words; text
encoding skips the work that can't change the answer. With words and class-specific contexts each class starts from the
words (the authors' code drops the class-specific contexts silently).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_prompts import ClassPrompts, Position

log = logging.getLogger(__name__)


class CoOp(TextSideLearner):
    """Context vectors in front of, around or behind the class name, trained by cross-entropy.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        n_ctx: M, context vectors; 16, or with ``ctx_init`` the number of its tokens, if None.
        ctx_init: words to start from, e.g. ``"a photo of a"``; None draws from N(0, 0.02).
        csc: class-specific contexts. They can't be moved to other classes.
        class_token_position: ``end``, ``middle`` or ``front``.
        optim: optimiser and schedule.
        generator: source of the random start; None seeds one with 0.

    Raises:
        ValueError: for an unknown position, no context, an ``n_ctx`` that isn't the number of tokens of ``ctx_init``,
            or a prompt longer than the context length.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.CoOp(clip, ["red circle", "blue star"], ctx_init="a photo of a")
        >>> learner.ctx.shape, learner.text_features().shape  # (M, E), (C, D)
        (torch.Size([4, 128]), torch.Size([2, 128]))
        >>> learner.rebind(["green square"], "a photo of a {}.").class_names
        ('green square',)
    """

    open_vocabulary = True

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx: int | None = None,
        ctx_init: str | None = None,
        csc: bool = False,
        class_token_position: Position = "end",
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        start = starting_context(clip, ctx_init, n_ctx, default=16, copies=len(class_names) if csc else None,
                                 generator=generator)  # fmt: skip
        self.optim = optim or Optim()
        self.ctx = nn.Parameter(start)  # (M, E), or (C, M, E) if class-specific
        self.open_vocabulary = not csc
        self.csc, self.class_token_position = csc, class_token_position
        self.prompts = self._prompts()

    def text_features(self) -> Tensor:
        """(C, D) L2-normalised."""
        return self.clip.text_tower.encode(*self.prompts(self.ctx))

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over the context."""
        return [GradientStage("context", [self.ctx], self.loss, self.optim)]

    def select(self, class_indices: Sequence[int]) -> CoOp:
        """Some of the known classes, with their contexts if those are class-specific."""
        chosen = self._relabelled([self.class_names[i] for i in class_indices])
        if self.csc:
            chosen.ctx = nn.Parameter(self.ctx[list(class_indices)].detach())
        chosen.prompts = chosen._prompts()
        return chosen

    def rebind(self, class_names: Sequence[str], template: str = "") -> CoOp:
        """The same context in front of other names; ``template`` is not used.

        Raises:
            TypeError: with class-specific contexts, which have none for other classes.
        """
        if self.csc:
            raise TypeError("class-specific contexts (csc=true) belong to the classes they were trained on")
        other = self._relabelled(class_names)
        other.prompts = other._prompts()
        return other

    def _prompts(self) -> ClassPrompts:
        n_ctx = self.ctx.shape[-2]
        return ClassPrompts(self.clip, self.class_names, n_ctx=n_ctx, position=self.class_token_position, csc=self.csc)


def starting_context(
    clip: FrozenCLIP,
    ctx_init: str | None,
    n_ctx: int | None,
    *,
    default: int,
    copies: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The context vectors that training starts from.

    Args:
        clip: the frozen backbone.
        ctx_init: words to start from; None draws from N(0, 0.02).
        n_ctx: M; if None the number of the words' tokens, or ``default`` without words.
        default: M of the paper.
        copies: C for class-specific contexts, None for one context.
        generator: source of the draw; None seeds one with 0.

    Returns:
        (M, E), or (C, M, E), fp32 on the backbone's device.

    Raises:
        ValueError: for no context, or an ``n_ctx`` that isn't the number of tokens of ``ctx_init``.
    """
    leading = () if copies is None else (copies,)
    if ctx_init:
        words = _word_context(clip, ctx_init, n_ctx)
        return words.expand(*leading, *words.shape).clone()
    M = default if n_ctx is None else n_ctx
    if M < 1:
        raise ValueError(f"n_ctx={M}: at least one context vector is needed")
    generator = generator or torch.Generator().manual_seed(0)
    return (0.02 * torch.randn(*leading, M, clip.width, generator=generator)).to(clip.device)


def _word_context(clip: FrozenCLIP, text: str, n_ctx: int | None) -> Tensor:
    """Token embeddings (M, E) of the words to start from."""
    words = text.replace("_", " ")
    ids = clip.encode_words(words)
    if n_ctx not in (None, len(ids)):
        raise ValueError(f"n_ctx={n_ctx}, but ctx_init={text!r} has {len(ids)} tokens: leave one of the two out (null)")
    if len(ids) != len(words.split()):
        log.warning("ctx_init %r has %d words but %d tokens: n_ctx is %d", text, len(words.split()), len(ids), len(ids))
    return clip.text_tower.embed(ids)
