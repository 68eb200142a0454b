"""SHIP: image features made up for classes that have only a name, and any learner fitted on them.

Paper: Improving Zero-Shot Generalization for CLIP with Synthesized Prompts, https://arxiv.org/abs/2307.07397; code:
mrflogs/SHIP. What is learned: first a generator of prompts (a VAE whose decoder is CLIP's frozen text encoder), on
features of the classes that have images; then the inner learner, on those and on features synthesised for the rest.
Gradient stages of the inner learner get as many synthetic features as real ones in every step, fresh each time, of
label-only classes drawn uniformly; closed forms get a fixed draw of ``n_synth`` a class. The inner learner reads
features of the joint space; where it reads their lengths (DePT's head), made-up ones, which are directions alone, get
the mean length of the real ones beside them, and the Result says so.
Where promptlab departs: widths follow the backbone instead of 512; all that is learned is fp32 and every draw comes
from the fit's own streams; the authors report the best *test* H over five generator epochs, promptlab keeps the last
epoch, or (``select=val``) the one with the lowest loss on validation images of the classes that have images. Then the
inner learner's epoch is chosen too, by accuracy on those images, where the authors keep its last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Self

import torch
from annotated_types import Interval
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.around import AroundAnother
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.facts import LearnerFacts
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.offers import Offers
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.stages import Batch, ClosedFormStage, GradientStage, Stage
from promptlab.learners.ship.decoders import Activation, PromptDecoder
from promptlab.learners.ship.generators import VAE, GeneratorName, make_generator
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, Template
from promptlab.prompts.starting_context import ContextLength
from promptlab.support.transfers import sent

MEAN_LENGTH = "made-up features have the mean length of the real ones beside them: SHIP makes directions alone"
Width = Annotated[int, Interval(ge=1, le=65_536)]


class SHIP(AroundAnother):
    """Any learner, with synthetic features for the classes without images.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes, with and without images.
        inner: makes the learner that is wrapped, from ``clip``, ``class_names`` and what else its signature takes of
            ``template``, ``has_images`` and ``generator``: a class, or a ``functools.partial`` of one.
        has_images: for each class whether it has training images.
        template: the hand-written prompt, for inner learners that use one.
        prompt_generator: ``vae``; ``gan`` and ``vae_scratch_decoder`` are the paper's ablations.
        n_ctx: M, context vectors of the generated prompts.
        encoder_width: hidden width of the VAE's encoder or the GAN's critic; 4 D if None.
        generator_width: hidden width of the prompt generator; 8 D if None.
        activation: of the prompt generator: ``relu``, or the authors' ``leaky_relu`` on ImageNet.
        generator_optim: optimiser of the generator; the authors' 50 epochs of AdamW if None.
        n_synth: synthetic features a class for closed forms; as many as classes with images have items, if None.
        generator: source of the random start; None seeds one with 0.

    Raises:
        ValueError: if every class has images or none has, for an unknown ``prompt_generator``, or for an inner learner
            that needs images, reads features in front of the projection (ProLIP), or scores test images by more than
            its forward.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.SHIP(clip, ["red circle", "blue star"], inner=promptlab.CoOp, has_images=[True, False])
        >>> [stage.name for stage in learner.fit_plan()][0]
        'generator'
    """

    uses_new_names = True
    per_class = ("inner", "has_images")
    crop_scale = (0.5, 1.0)

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        inner: Callable[..., PromptLearner],
        has_images: Sequence[bool],
        template: Template = DEFAULT_TEMPLATE,
        prompt_generator: GeneratorName = "vae",
        n_ctx: ContextLength = 4,
        encoder_width: Width | None = None,
        generator_width: Width | None = None,
        activation: Activation = "relu",
        generator_optim: Optim | None = None,
        n_synth: Annotated[int, Interval(ge=1, le=100_000)] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.has_images = _checked(has_images, self.class_names)
        generator = generator or torch.Generator().manual_seed(0)
        offers = Offers(template=template, has_images=self.has_images, generator=generator)
        self.inner = inner(clip, self.class_names, **offers.to(inner))
        self.keep_files_read(inner)
        _require_joint_features(type(self.inner).__name__, self.inner)
        if self.inner.transductive or self.inner.test_time or self.inner.test_views:
            raise ValueError(f"SHIP can't be put around {type(self.inner).__name__}, which scores test images by more "
                             "than its forward")  # fmt: skip
        self.open_vocabulary, self.normalised = self.inner.open_vocabulary, self.inner.normalised
        self.notes = self.inner.notes if self.normalised else (MEAN_LENGTH, *self.inner.notes)
        self.template, self.n_synth = template, n_synth
        self.generator_optim = generator_optim or Optim(
            name="adamw", lr=1e-3, weight_decay=0.01, epochs=50, batch_size=256, drop_last=False, schedule="constant",
            warmup_epochs=0,
        )  # fmt: skip
        widths = {"hidden": generator_width or 8 * clip.dim, "encoder_width": encoder_width or 4 * clip.dim}
        self.generator = make_generator(
            prompt_generator, clip, self.class_names, template, n_ctx=n_ctx, activation=activation, generator=generator,
            **widths,
        )  # fmt: skip

    @classmethod
    def facts(cls, inner: LearnerFacts | None = None) -> LearnerFacts:
        """Its own, with what the inner learner adds.

        Raises:
            ValueError: if the inner learner needs images, of which there are none of classes that have only a name, or
                other features than SHIP makes.
        """
        if inner is None:
            return super().facts()
        _require_joint_features("the learner inside it", inner)
        return replace(super().facts(inner), normalised=inner.normalised)

    def forward(self, image_features: Tensor) -> Tensor:
        """The inner learner's logits (B, C) of image features (B, D), as that reads them."""
        logits: Tensor = self.inner(image_features)
        return logits

    def scorer(self) -> Scorer:
        """The inner learner's."""
        return self.inner.scorer()

    def fit_plan(self) -> list[Stage]:
        """The generator's stage, then the inner learner's with synthetic features added."""
        generator = GradientStage(
            "generator",
            list(self.generator.parameters()),
            self._generator_loss,
            self.generator_optim,
            chosen_by="loss" if isinstance(self.generator, VAE) else "last",  # a GAN's loss says nothing of its quality
        )
        return [generator, *(self._with_synthetic(stage) for stage in self.inner.fit_plan())]

    def classes_changed(self, classes: ClassSet) -> None:
        """The generator for the new names; names from elsewhere have no images."""
        self.generator = self.generator.rebind(classes.names, classes.template or self.template)
        if classes.indices is None:
            self.has_images = (False,) * len(classes.names)
        self._note_images()

    def extend(
        self,
        class_names: Sequence[str],
        template: str = DEFAULT_TEMPLATE,
        own: Sequence[int | str | None] | None = None,
    ) -> Self:
        """Own classes among others, which have no images.

        Raises:
            TypeError: if the inner learner can't.
            ValueError: as every learner's.
        """
        other = super().extend(class_names, template, own)
        rows = self._rows_of(other.class_names, own)
        other.has_images = tuple(row is not None and self.has_images[row] for row in rows)
        other._note_images()
        return other

    def _note_images(self) -> None:
        """What a card says of the classes, so that it is brought back with these."""
        self.arguments = {**self.arguments, "has_images": self.has_images}

    @torch.no_grad()
    def synthesize(self, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Synthetic features (N, D), L2-normalised, of classes (N,)."""
        return self.generator.synthesize(labels, generator)

    def synthetic_features(
        self,
        class_names: Sequence[str],
        per_class: int,
        generator: torch.Generator | None = None,
        *,
        template: str | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Features of any classes, by name.

        Args:
            class_names: C names.
            per_class: features of each.
            generator: source of the noise; None draws from torch's own stream.
            template: hand-written prompt of the names, for generators that read one; the learner's own if None.

        Returns:
            Features (C * per_class, D), L2-normalised, and their classes, class after class.
        """
        maker = self.generator.rebind(class_names, template or self.template)
        labels = torch.arange(len(class_names)).repeat_interleave(per_class)
        with torch.no_grad():
            return maker.synthesize(labels, generator), labels.to(self.clip.device)

    @torch.no_grad()
    def generated_prompts(self, image_features: Tensor) -> Tensor:
        """Context vectors (B, M, E) that the generator makes of image features (B, D), at the latent's mean.

        Raises:
            TypeError: if the generator has no encoder or makes no prompts.
        """
        if not isinstance(self.generator, VAE):
            raise TypeError("only prompt_generator=vae makes prompts of images: a GAN has no encoder")
        return self._prompt_decoder.contexts(self.generator.encoder(image_features)[0])

    @torch.no_grad()
    def prior_prompts(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Context vectors (count, M, E) that the generator makes of noise.

        Raises:
            TypeError: if the generator makes no prompts.
        """
        return self._prompt_decoder.contexts(self.generator.noise(count, generator))

    @property
    def _prompt_decoder(self) -> PromptDecoder:
        if not isinstance(self.generator.decoder, PromptDecoder):
            raise TypeError("prompt_generator=vae_scratch_decoder makes features without prompts")
        return self.generator.decoder

    def _with_synthetic(self, stage: Stage) -> Stage:
        if isinstance(stage, ClosedFormStage):
            return replace(stage, solve=lambda train, val: stage.solve(self.with_fixed_draw(train), val))
        return replace(stage, loss=lambda batch: stage.loss(self.with_fresh_draw(batch)))

    def with_fresh_draw(self, batch: Batch) -> Batch:
        """The batch's B items and as many synthetic ones of label-only classes, drawn uniformly."""
        new = self._label_only
        labels = new[torch.randint(len(new), (len(batch.labels),), generator=batch.generator)]
        made = self._as_long(self.synthesize(labels, batch.generator), batch.inputs)  # (B, D)
        return _joined(batch, made, labels)

    def with_fixed_draw(self, train: Batch) -> Batch:
        """All items (N, K, D) and ``n_synth`` synthetic ones for each label-only class, the same in all K views."""
        new = self._label_only
        count = self.n_synth or int(torch.bincount(train.labels).max())
        labels = new.repeat_interleave(count)
        made = self._as_long(self.synthesize(labels, train.generator), train.inputs)
        made = made.unsqueeze(1).expand(-1, train.inputs.shape[1], -1)
        return _joined(train, made, labels)

    def _generator_loss(self, batch: Batch) -> Tensor:
        """The generator's, on directions."""
        if not self.normalised:
            batch = batch._replace(inputs=F.normalize(batch.inputs, dim=-1))
        return self.generator.loss(batch)

    def _as_long(self, made: Tensor, real: Tensor) -> Tensor:
        """Made-up directions (N, D), as long as real features are in the mean where the inner learner reads lengths."""
        return made if self.normalised else made * real.norm(dim=-1).mean()

    @property
    def _label_only(self) -> Tensor:
        """Classes without images, on the CPU."""
        return torch.tensor([i for i, has in enumerate(self.has_images) if not has])


def _joined(real: Batch, made: Tensor, labels: Tensor) -> Batch:
    """A batch with made-up features behind its own; their labels come on the CPU."""
    classes = None if real.classes is None else (*real.classes, *labels.tolist())
    together = torch.cat([real.labels, sent(labels, real.labels.device)])
    return Batch(torch.cat([real.inputs, made]), together, real.generator, classes=classes)


def _require_joint_features(name: str, inner: LearnerFacts | PromptLearner) -> None:
    """Refuse a learner that reads what SHIP's generators don't make."""
    if inner.needs != "features":
        raise ValueError(f"SHIP makes features, but {name} needs images")
    if inner.reads != "projected":
        raise ValueError(f"SHIP makes features of the joint space, by the text tower, but {name} reads those in front "
                         "of the image projection, which follow from no text")  # fmt: skip


def _checked(has_images: Sequence[bool], class_names: Sequence[str]) -> tuple[bool, ...]:
    if len(has_images) != len(class_names):
        raise ValueError(f"has_images has {len(has_images)} entries for {len(class_names)} classes")
    if all(has_images):
        raise ValueError("every class has images, so SHIP has nothing to synthesise: use the inner learner by itself")
    if not any(has_images):
        raise ValueError("no class has images for SHIP's generator to learn from")
    return tuple(has_images)
