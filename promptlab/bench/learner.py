"""Any learner's step over the exact towers against the very same learner's over plain ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from promptlab import learners
from promptlab.bench.cases import Case, Step, Trained, sgd
from promptlab.bench.plain import PlainCLIP
from promptlab.bench.recipes import RECIPES, Recipe
from promptlab.bench.settings import Settings
from promptlab.clip.frozen import FrozenCLIP
from promptlab.evaluation.test_time import encoded
from promptlab.learners.base.adapting import adapting_scorer
from promptlab.learners.base.learner import PromptLearner, Scorer
from promptlab.learners.base.stages import Batch, GradientStage

_MOVED = 0.02
"""Spread of what is added to all that is learned, so that nothing starts where gradients vanish."""


def cases(name: str, settings: Settings, clip: FrozenCLIP, *, encoded: bool = True) -> list[Case]:
    """The step of a learner of :data:`~promptlab.bench.recipes.RECIPES`.

    Of a learner that reads features twice: with both sides on features, which is its text side; and as they are used,
    where the plain side encodes its images.

    Args:
        name: the learner's.
        settings: C, B.
        clip: the backbone.
        encoded: False for features that don't belong to the images, where only memory matters.
    """
    recipe = RECIPES[name]
    ours = build(recipe, clip, settings.names())
    plain = build(recipe, PlainCLIP(clip), settings.names())
    _move(ours)
    plain.load_state_dict(ours.state_dict())
    images = _images(ours, settings)
    size = f"{settings.classes} classes, " + ("one image" if ours.test_time else f"batch {settings.batch}")
    if ours.needs == "images":
        given = images if ours.keeps_states is None else clip.encode_images(images, kind=ours.keeps_states)
        steps = _step(ours, given, recipe), _step(plain, images, recipe)
        return [Case(f"{name}: training step, {size}", *steps, recorded=True, memory=True, note=recipe.note)]
    features = _features(ours, images) if encoded else torch.randn(*images.shape[:-3], clip.dim)
    own = _step(ours, features, recipe)
    text = Case(f"{name}: text side, {size}", own, _step(plain, features, recipe), recorded=True, note=recipe.note)
    if ours.test_time:
        return [text]
    whole = Case(
        f"{name}: training step, {size}", own, _step(plain, images, recipe), memory=True,
        note="promptlab's features are cached, the plain step encodes its images",
    )  # fmt: skip
    return [text, whole]


def build(recipe: Recipe, clip: FrozenCLIP, names: Sequence[str]) -> PromptLearner:
    """A learner by its entry."""
    layers = min(clip.text_layers, clip.vision_layers)
    arguments = dict(recipe.made_with(layers))
    if recipe.inner is not None:
        arguments["inner"] = partial(getattr(learners, recipe.inner.learner), **recipe.inner.made_with(layers))
    if recipe.teacher is not None:
        arguments["teacher"] = learners.SavedLearner(id="bench", dim=clip.dim)
    made: PromptLearner = getattr(learners, recipe.learner)(clip, names, **arguments)
    if isinstance(made, learners.PromptKD) and recipe.teacher is not None:
        kind = _ForgetfulTeacher if isinstance(clip, PlainCLIP) else learners.PromptSRC
        made.learn_from(kind(clip, names, **recipe.teacher(layers)))
    return made


class _ForgetfulTeacher(learners.PromptSRC):
    """Encodes its texts whenever it is asked, as the authors' teacher does."""

    def scorer(self) -> Scorer:
        return self


def _move(learner: PromptLearner) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(_MOVED * torch.randn(parameter.shape, generator=generator).to(parameter.device))


def _images(learner: PromptLearner, settings: Settings) -> Tensor:
    """(B, 3, H, W); (B, K, 3, H, W) for a stage of K views, (1, B, 3, H, W) for what adapts to one image's views."""
    side, generator = learner.clip.image_size, torch.Generator().manual_seed(0)
    shape = [settings.batch]
    if learner.test_time:
        shape = [1, settings.batch]
    elif stage_of(learner).views:
        shape = [settings.batch, len(stage_of(learner).views)]
    return torch.randn(*shape, 3, side, side, generator=generator).to(learner.clip.device)


def stage_of(learner: PromptLearner) -> GradientStage:
    """The learner's first stage of gradient descent."""
    return next(stage for stage in learner.fit_plan() if isinstance(stage, GradientStage))


def _step(learner: PromptLearner, inputs: Tensor, recipe: Recipe) -> Step:
    """A step on inputs as the learner reads them, or on images that it encodes first.

    Args:
        learner: whose.
        inputs: features or images.
        recipe: its entry.
    """
    if learner.test_time:
        return _adapting(learner, inputs)
    clip = learner.clip
    given = learner.needs == "images" or inputs.ndim < 4
    stage = stage_of(learner)
    name_of = {id(parameter): name for name, parameter in learner.named_parameters()}
    labels = torch.arange(len(inputs), device=clip.device) % len(learner.class_names)

    def loss() -> dict[str, Tensor]:
        with torch.no_grad():
            for _ in range(recipe.image_passes if inputs.ndim >= 4 else 0):
                clip.encode_images(inputs)
            own = inputs if given else _features(learner, inputs)
        others = own.flip(0) if stage.uses_unlabelled else None
        return {"loss": stage.loss(Batch(own, labels, torch.Generator().manual_seed(2), others))}

    named = [(name_of[id(parameter)], parameter) for parameter in stage.parameters]
    return Trained([pair for pair in named if pair[0] not in recipe.unmoved], sgd, loss)


def _adapting(learner: PromptLearner, views: Tensor) -> Step:
    """One test image's logits; what doesn't depend on the image is there beforehand, or over plain towers isn't."""
    if isinstance(learner.clip, PlainCLIP):
        return lambda: {"logits": adapting_scorer(learner)(views)}
    score = adapting_scorer(learner)
    return lambda: {"logits": score(views)}


@torch.no_grad()
def _features(learner: PromptLearner, images: Tensor) -> Tensor:
    return encoded(learner, images)


CASES = {name: partial(cases, name) for name in RECIPES}
"""By the learner's name."""
