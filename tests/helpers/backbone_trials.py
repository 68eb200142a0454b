"""What runs on a backbone: a step or a closed form of each kind of learner, on random pictures."""

import torch
from torch.nn import functional as F

from promptlab.clip import UnsupportedBackboneError
from promptlab.learners import Batch, ClosedFormStage, CoOp, LinearProbe, TipAdapter, ZeroShot
from promptlab.prompts import ClassPrompts

NAMES = ["red star", "blue boat", "old tree"]
TEXTS = [f"a photo of a {name}." for name in NAMES]
RUNS = "runs"


def trials(clip):
    """For each column of the table, ``runs`` or the reason why not."""
    images = torch.randn(3, 3, clip.image_size, clip.image_size, generator=torch.Generator().manual_seed(0))
    batch = Batch(clip.encode_images(images), torch.arange(3))
    return {
        "zero_shot": _reported(_scores, ZeroShot(clip, NAMES), batch),
        "coop": _reported(_descends, clip, batch),
        "tip_adapter": _reported(_scores, TipAdapter(clip, NAMES), batch),
        "linear_probe": _reported(_scores, LinearProbe(clip, NAMES), batch),
        "deep_text_prompts": _reported(_deep, clip),
        "image_prompts": _reported(_prompted, clip, images),
    }


def own_difference(clip):
    """The largest difference from the model's own ``encode_text``, normalised."""
    own = F.normalize(clip.model.encode_text(clip.tokenizer(TEXTS)), dim=-1)
    return float((own - clip.encode_texts(TEXTS)).abs().max())


def _reported(trial, *arguments):
    try:
        trial(*arguments)
    except UnsupportedBackboneError as error:
        return str(error).split(": ", 1)[1].split(". Use")[0]
    return RUNS


def _scores(learner, batch):
    with torch.no_grad():
        for stage in learner.fit_plan():
            if isinstance(stage, ClosedFormStage):
                stage.solve(batch._replace(inputs=batch.inputs.unsqueeze(1)), batch)
        logits = learner(batch.inputs)
    assert logits.shape == (3, 3)
    assert logits.isfinite().all()


def _descends(clip, batch):
    """A small step against CoOp's gradient makes its loss smaller."""
    learner = CoOp(clip, NAMES, n_ctx=4)
    before = learner.loss(batch)
    (gradient,) = torch.autograd.grad(before, learner.ctx)
    assert gradient.abs().max() > 0
    with torch.no_grad():
        learner.ctx -= 1e-3 * before / gradient.norm() ** 2 * gradient
        assert learner.loss(batch) < before


def _deep(clip):
    ctx = torch.zeros(2, clip.width)
    assert ClassPrompts(clip, NAMES, n_ctx=2).encode(ctx, deep={1: ctx}).isfinite().all()


def _prompted(clip, images):
    assert clip.encode_images(images, {0: torch.zeros(2, clip.vision_width)}).isfinite().all()
