"""PromptKD: an image tower with prompts learns a larger, tuned CLIP's predictions on images without labels.

Paper: PromptKD: Unsupervised Prompt Distillation for Vision-Language Models, https://arxiv.org/abs/2403.02781; code:
zhengli97/PromptKD. With x (B, D) the prompted image features as long as the tower makes them, h (C, T) the teacher's
text features, T wide, e (B, T) its image features of the same views, and P a projector (linear D to T, batch norm,
ReLU, linear T to T):

- ``z = scale * normalise(P(x)) h'``, scale the student's; its text tower isn't used;
- ``t`` are the teacher's logits, of e and h, by its own scale;
- ``weight * temperature^2 * KL(softmax(t / temperature) || softmax(z / temperature)) / (B C)``, summed over images.

What is learned: the prompts and P, on all training images of the dataset, of classes with and without labels, over all
known names. No label is read: ``shots`` says what the protocol draws, and nothing of that trains here. Results are
marked, as rows of others never see an image of a new class. The teacher is any saved learner that scores by text
features and takes other names, the paper's a PromptSRC of a larger CLIP (``teacher=FOLDER``); it may have been trained
on another dataset, as theirs is on ImageNet for other datasets. The student keeps h with its tensors: loading it needs
no teacher, and other names can't be scored.
Where promptlab departs: fp32; the last epoch, or with ``select=val`` the best on validation images. The authors keep
the epoch that is best on test images (of base classes; across datasets of the target): ``select=test``, which
``experiment=promptkd_base_to_new`` has, and Results and tables are marked ``selected_on_test``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast

import torch
from annotated_types import Gt, Interval, Le
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.layers import linear
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.saved_learner import SavedLearner
from promptlab.learners.base.stages import Batch, GradientStage, Stage
from promptlab.learners.ivlp import DeepImagePrompts, Depth, PromptCount
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, Template
from promptlab.support.errors import UsageError


class PromptKD(PromptLearner):
    """Image prompts and a projector into the teacher's joint space; ``texts`` are h (C, T).

    Args:
        clip: the frozen backbone of the student; its image tower is a vision transformer.
        class_names: names of the C classes, with and without labelled images.
        teacher: the saved learner that teaches; without its folder the student scores, and can't be trained.
        template: the dataset's hand-written prompt, for teachers that use one.
        n_ctx_vision: M, image prompts per layer.
        prompt_depth_vision: image layers with prompts, from the first.
        weight: of the divergence, which is a mean over images and classes.
        temperature: of both sides' predictions.
        optim: optimiser and schedule; 20 epochs in batches of 8 at learning rate 0.005, as the authors, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        UsageError: if no teacher is named.
        CardError: if the teacher can't be loaded.
        UnsupportedBackboneError: if the image tower can't take prompts, or sees other pictures than the teacher's.
        ValueError: for a teacher that doesn't compare with text features or can't take other names, or a depth that the
            tower doesn't have.

    Example:
        >>> import promptlab, tempfile
        >>> clip = promptlab.load_clip("demo")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     promptlab.ZeroShot(clip, ["ring"]).save_pretrained(folder)  # a plain CLIP may teach, too
        ...     teacher = promptlab.learners.SavedLearner(folder=folder)
        ...     learner = promptlab.PromptKD(clip, ["red circle", "blue star"], teacher=teacher, prompt_depth_vision=2)
        PosixPath(...)
        >>> learner.texts.shape, learner.arguments["teacher"].learner
        (torch.Size([2, 128]), 'promptlab.learners.ZeroShot')
    """

    needs = "images"
    uses_new_names = True
    uses_unlabelled = True
    per_class = ("texts",)
    texts: Tensor

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        teacher: SavedLearner,
        template: Template = DEFAULT_TEMPLATE,
        n_ctx_vision: PromptCount = 4,
        prompt_depth_vision: Depth = 9,
        weight: Annotated[float, Interval(ge=0, le=1_000_000)] = 1000.0,
        temperature: Annotated[float, Gt(0), Le(1000)] = 1.0,
        optim: Optim | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        generator = generator or torch.Generator().manual_seed(0)
        known = teacher.identified()
        self.arguments = {**self.arguments, "teacher": known}
        self.image_prompts = DeepImagePrompts(clip, count=n_ctx_vision, depth=prompt_depth_vision, generator=generator)
        width = known.dim or clip.dim
        self.projector = nn.Sequential(
            linear(clip.dim, width, generator), nn.BatchNorm1d(width), nn.ReLU(), linear(width, width, generator)
        ).to(clip.device)
        self.register_buffer("texts", torch.zeros(len(class_names), width, device=clip.device))
        self.weight, self.temperature = weight, temperature
        self.optim = optim or Optim(lr=0.005, batch_size=8, epochs=20)
        self._taught: tuple[Scorer, ...] = ()
        opened = teacher.beside(clip)
        if opened is not None:
            self.learn_from(opened, template)

    @torch.no_grad()
    def learn_from(self, teacher: PromptLearner, template: str = DEFAULT_TEMPLATE) -> None:
        """Take over a teacher's text features of the classes, and ask it in training.

        Args:
            teacher: over whatever classes.
            template: the hand-written prompt of the student's classes.

        Raises:
            ValueError: if it doesn't compare with text features, or can't take other names.
        """
        name = type(teacher).__name__
        if not teacher.open_vocabulary or not hasattr(teacher, "text_features"):
            raise ValueError(f"{name} can't teach: PromptKD reads the text features of any names, as PromptSRC, IVLP, "
                             "MaPLe, CoOp or ZeroShot give them")  # fmt: skip
        bound = teacher.rebind(self.class_names, template).eval()
        texts: Tensor = cast(Any, bound).text_features()
        if texts.shape != self.texts.shape:
            raise ValueError(f"{name} gives text features {tuple(texts.shape)}, {tuple(self.texts.shape)} are expected")
        self.texts.copy_(F.normalize(texts, dim=-1))
        score, backbone = bound.scorer(), bound.clip
        if bound.needs == "images":
            self._taught = (score,)
        else:  # held in a tuple: a module would be registered, and trained and saved with the student
            self._taught = (lambda images: score(backbone.encode_images(images, normalised=bound.normalised)),)

    def image_features(self, images: Tensor) -> Tensor:
        """(B, T) L2-normalised, of images (B, 3, H, W); in training by the batch's own statistics."""
        features = self.clip.encode_images(images, self.image_prompts(), normalised=False)  # (B, D)
        return F.normalize(self.projector(features), dim=-1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W)."""
        return self.clip.logits(self.image_features(images), self.texts)

    def loss(self, batch: Batch) -> Tensor:
        """The divergence from the teacher's predictions; labels aren't read.

        Raises:
            UsageError: without the teacher's folder.
        """
        score = self._teacher_scores()
        with torch.no_grad():
            taught = (score(batch.inputs) / self.temperature).log_softmax(-1)  # (B, C)
        logits = self.clip.logits(self.image_features(batch.inputs), self.texts)
        own = (logits / self.temperature).log_softmax(-1)
        divergence = F.kl_div(own, taught, reduction="sum", log_target=True)
        return self.weight * self.temperature**2 * divergence / logits.numel()

    def fit_plan(self) -> list[Stage]:
        """One gradient stage over prompts and projector, on images without labels."""
        parameters = list(self.parameters())
        return [
            GradientStage("distillation", parameters, self.loss, self.optim, uses_unlabelled=True, draws="unlabelled")
        ]

    def _teacher_scores(self) -> Scorer:
        if not self._taught:
            raise UsageError("this PromptKD was loaded without its teacher, and can't be trained: make one with "
                             "teacher=SavedLearner(folder=...)")  # fmt: skip
        return self._taught[0]
