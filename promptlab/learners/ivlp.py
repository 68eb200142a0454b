"""IVLP: independent prompts in the first layers of both towers. VPT (deep): prompts in the image tower alone.

Papers: IVLP is the baseline of PromptSRC (https://arxiv.org/abs/2307.06948) and of MaPLe
(https://arxiv.org/abs/2210.03117); code: muzairkhattak/PromptSRC. VPT: Visual Prompt Tuning,
https://arxiv.org/abs/2203.12119, here as MaPLe's authors use it beside class texts.
What is learned: for each prompted layer of a tower M vectors of its width; the first ones of the text tower start from
words, all others from N(0, 0.02). MaPLe without its projections.
Where promptlab departs: fp32 and a generator of its own; with more text prompts than words, where the authors' code
silently drops the words, ``ctx_init=null`` has to say so; VPT reads each dataset in its hand-written prompt, where
MaPLe's authors read all of them in "a photo of a {}." (``templates=["a photo of a {}."]``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from annotated_types import Interval
from torch import Tensor, nn

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.image_side import ImageSideLearner
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import GradientStage, Stage
from promptlab.prompts.class_prompts import ClassPrompts
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates
from promptlab.prompts.starting_context import ContextLength, ContextWords, starting_context

Depth = Annotated[int, Interval(ge=1, le=100)]
PromptCount = Annotated[int, Interval(ge=1, le=1000)]


class DeepImagePrompts(nn.Module):
    """M vectors for each of the first layers of the image tower, V wide.

    Args:
        clip: the frozen backbone; its image tower is a vision transformer.
        count: M.
        depth: layers with prompts, from the first.
        generator: source of the random start.

    Raises:
        UnsupportedBackboneError: if the image tower can't take prompts.
        ValueError: for a depth that the tower doesn't have.
    """

    def __init__(self, clip: FrozenCLIP, *, count: int, depth: int, generator: torch.Generator) -> None:
        super().__init__()
        width, most = clip.vision_width, clip.vision_layers
        if depth > most:
            raise ValueError(f"prompt_depth_vision={depth}: {clip.name} has {most} image layers")
        self.layers = nn.ParameterList(0.02 * torch.randn(count, width, generator=generator) for _ in range(depth))
        self.to(clip.device)

    def forward(self) -> dict[int, Tensor]:
        """What the image tower gets, layer to (M, V)."""
        return dict(enumerate(self.layers))


class PromptsImages(ImageSideLearner):
    """A learner with ``image_prompts`` and, by a subclass, ``text_features``."""

    open_vocabulary = True
    image_prompts: DeepImagePrompts
    optim: Optim

    def image_features(self, images: Tensor) -> Tensor:
        """(B, D) L2-normalised, of images (B, 3, H, W) under the prompts."""
        return self.clip.encode_images(images, self.image_prompts())

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        deeper = range(1, len(self.image_prompts.layers))
        return {"image_prompts.layers.0": "image_encoder.VPT"} | {
            f"image_prompts.layers.{i}": f"image_encoder.transformer.resblocks.{i}.VPT_shallow" for i in deeper
        }

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over all prompts."""
        return [GradientStage("prompts", list(self.parameters()), self.loss, self.optim)]


class VPT(ReadsTexts, PromptsImages):
    """Prompts in the first layers of the image tower, beside hand-written class texts.

    Args:
        clip: the frozen backbone; its image tower is a vision transformer.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's hand-written prompt, with ``{}`` for the class name.
        templates: other prompts instead, as :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead, likewise.
        n_ctx_vision: M, vectors per layer.
        prompt_depth_vision: layers with prompts, from the first.
        optim: optimiser and schedule; 5 epochs in batches of 4 at learning rate 0.0025 if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        UnsupportedBackboneError: if the image tower can't take prompts.
        ValueError: for a depth that the tower doesn't have, or a template without ``{}``.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> learner = promptlab.VPT(promptlab.load_clip("demo"), ["red circle", "blue star"], prompt_depth_vision=2)
        >>> [tuple(prompts.shape) for prompts in learner.parameters()]
        [(8, 160), (8, 160)]
    """

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
        n_ctx_vision: PromptCount = 8,
        prompt_depth_vision: Depth = 12,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        generator = generator or torch.Generator().manual_seed(0)
        self.read_texts(template, templates, prompts)
        self.image_prompts = DeepImagePrompts(clip, count=n_ctx_vision, depth=prompt_depth_vision, generator=generator)
        self.optim = optim or Optim(lr=0.0025, batch_size=4, epochs=5)


class IVLP(PromptsImages):
    """Prompts in the first layers of both towers, trained by cross-entropy on images.

    The text prompt of a class is ``[SOS, context 1..M, rest of ctx_init, name, '.', EOT]``.

    Args:
        clip: the frozen backbone; its image tower is a vision transformer.
        class_names: names of the C classes; underscores are read as spaces.
        n_ctx_text: M, text prompts per layer; with ``ctx_init`` its first M words.
        n_ctx_vision: image prompts per layer.
        prompt_depth_text: text layers with prompts, from the first.
        prompt_depth_vision: image layers with prompts, from the first.
        ctx_init: words to start from; those beyond M stay fixed in front of the class name. None draws from N(0, 0.02).
        optim: optimiser and schedule; 20 epochs in batches of 4 at learning rate 0.0025, as the authors, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        UnsupportedBackboneError: if the image tower can't take prompts.
        ValueError: for a depth that a tower doesn't have, more prompts than words, or a prompt longer than the context
            length.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.IVLP(clip, ["red circle", "blue star"], prompt_depth_text=2, prompt_depth_vision=1)
        >>> sum(parameter.numel() for parameter in learner.parameters()) == 4 * (2 * clip.width + clip.vision_width)
        True
    """

    per_class = ("prompts",)

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        n_ctx_text: ContextLength = 4,
        n_ctx_vision: PromptCount = 4,
        prompt_depth_text: Depth = 9,
        prompt_depth_vision: Depth = 9,
        ctx_init: ContextWords | None = "a photo of a",
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        if prompt_depth_text > clip.text_layers:
            raise ValueError(f"prompt_depth_text={prompt_depth_text}: {clip.name} has {clip.text_layers} text layers")
        generator = generator or torch.Generator().manual_seed(0)
        words = (ctx_init or "").replace("_", " ").split()
        start = starting_context(
            clip, " ".join(words[:n_ctx_text]), n_ctx_text, default=n_ctx_text, generator=generator
        )
        self.ctx = nn.Parameter(start)  # (M, E)
        self.deep_ctx = nn.ParameterList(
            0.02 * torch.randn(start.shape, generator=generator) for _ in range(prompt_depth_text - 1)
        )
        self.image_prompts = DeepImagePrompts(clip, count=n_ctx_vision, depth=prompt_depth_vision, generator=generator)
        self.to(clip.device)
        self.prompts = ClassPrompts(clip, class_names, n_ctx=len(start), words=" ".join(words[len(start) :]))
        self.optim = optim or Optim(lr=0.0025, batch_size=4, epochs=20)

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse more vectors in a layer than words to start from, which are a vector each."""
        n_ctx, words = arguments["n_ctx_text"], (arguments.get("ctx_init") or "").replace("_", " ").split()
        if words and n_ctx > len(words):
            raise ValueError(f"n_ctx_text={n_ctx}, but ctx_init={' '.join(words)!r} has {len(words)} words: give more "
                             "of them, or none (null)")  # fmt: skip

    def text_features(self) -> Tensor:
        """(C, D) L2-normalised."""
        return self.prompts.encode(self.ctx, deep=dict(enumerate(self.deep_ctx, start=1)))

    def authors_names(self) -> dict[str, str]:
        """What each tensor is called in a checkpoint of the authors' code."""
        own = {"ctx": "prompt_learner.ctx"}
        for i in range(len(self.deep_ctx)):
            own[f"deep_ctx.{i}"] = f"text_encoder.transformer.resblocks.{i + 1}.VPT_shallow"
        return own | super().authors_names()
