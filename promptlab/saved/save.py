"""Write a learner into a folder: ``learned.safetensors`` and ``card.json``, a few kilobytes that load anywhere."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors.torch import load, save

from promptlab.data.pictures.reading import Reading
from promptlab.learners.base.decision import ALWAYS
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.document import Result
from promptlab.results.store import RESULT_NAME
from promptlab.saved.arguments import arguments_from_json, arguments_to_json
from promptlab.saved.card import (
    CARD_NAME,
    LEARNED_NAME,
    BackboneCard,
    BackboneSource,
    Card,
    CardError,
    TrainingCard,
)
from promptlab.saved.load import made
from promptlab.support.files import open_atomic, sweep_leftovers
from promptlab.support.signatures import path_of
from promptlab.support.tensor_files import pack

_Files = dict[str, bytes]


def save_learner(
    learner: PromptLearner, folder: str | Path, *, result: Result | None = None, training: TrainingCard | None = None
) -> Path:
    """Write a learner into a folder, so that :func:`load_learner` brings it back; see ``PromptLearner``.

    The learner is brought back once before anything is written, and must score as the one at hand.

    Args:
        learner: what to save; the backbone's weights aren't written.
        folder: made if missing. Each of its files is the old one or the new one, never half of it.
        result: what the fit left, written beside as ``result.json``.
        training: what it was trained on, of a learner without a result, whose card says what that has.

    Returns:
        The folder.

    Raises:
        CardError: if a hyper-parameter has no place in a card, if the learner couldn't be brought back, or if the
            result is of another backbone.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> import tempfile
        >>> learner = promptlab.CoOp(clip, ["red circle", "blue star"], n_ctx=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     saved = promptlab.save_learner(learner, folder)
        ...     sorted(path.name for path in saved.iterdir())
        ['card.json', 'learned.safetensors']
    """
    if result is not None and result.fit.backbone_fingerprint != learner.clip.fingerprint:
        raise CardError(
            f"the result is of backbone {result.backbone} ({result.fit.backbone_fingerprint}), the learner has "
            f"{learner.clip.name} ({learner.clip.fingerprint})"
        )
    files = _files(learner, training if result is None else training_of(result), RESULT_NAME if result else None)
    _rehearse(learner)
    if result is not None:
        files[RESULT_NAME] = result.to_json().encode()
    sweep_leftovers(Path(folder))
    _write(Path(folder), files)
    return Path(folder)


def save_run(learner: PromptLearner, folder: Path, training: TrainingCard) -> None:
    """Write a run's learner before its evaluations; the Result comes later, under its usual name.

    Raises:
        CardError: if a hyper-parameter has no place in a card; the tensors are written nevertheless.
    """
    try:
        files = _files(learner, training, RESULT_NAME)
    except CardError:
        (folder / CARD_NAME).unlink(missing_ok=True)  # an older one would not be of these tensors
        _write(folder, {LEARNED_NAME: _learned(learner)})
        raise
    _write(folder, files)


def save_run_card(learner: PromptLearner, folder: Path, training: TrainingCard) -> None:
    """Write the card of a run anew, beside the tensors that are there.

    Raises:
        CardError: if a hyper-parameter has no place in a card.
    """
    card = _card(learner, (folder / LEARNED_NAME).read_bytes(), training, RESULT_NAME)
    _write(folder, {CARD_NAME: card.to_json().encode()})


def training_of(result: Result) -> TrainingCard:
    """What a Result says of its learner, for a card."""
    return TrainingCard(
        dataset=result.dataset,
        protocol=result.protocol,
        shots=result.shots,
        seed=result.seed,
        views=result.views,
        train_images=result.train_images,
        fit_id=result.fit_id,
        top1={name: None if of.metrics is None else of.metrics.top1 for name, of in result.evaluations.items()},
        harmonic=None if result.harmonic is None else result.harmonic.learner,
    )


def _files(learner: PromptLearner, training: TrainingCard | None, result: str | None) -> _Files:
    learned = _learned(learner)
    return {LEARNED_NAME: learned, CARD_NAME: _card(learner, learned, training, result).to_json().encode()}


def _card(learner: PromptLearner, learned: bytes, training: TrainingCard | None, result: str | None) -> Card:
    clip = learner.clip
    return Card(
        learner=path_of(type(learner)),
        learner_version=learner.version,
        arguments=arguments_to_json(learner),
        backbone=BackboneCard(
            name=clip.name,
            fingerprint=clip.fingerprint,
            precision=clip.precision,
            dim=clip.dim,
            width=clip.width,
            source=None if clip.source is None else BackboneSource(**clip.source),
        ),
        class_names=learner.class_names,
        learned_sha256=hashlib.sha256(learned).hexdigest(),
        reading=Reading(**learner.reading) if learner.reading else None,
        decision=None if learner.decision == ALWAYS else learner.decision,
        training=training,
        result=result,
    )


def _learned(learner: PromptLearner) -> bytes:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in learner.learned_tensors().items()}
    return pack(save, tensors, {})


def _write(folder: Path, files: _Files) -> None:
    """All files or none: they take their names when every one of them is written."""
    with ExitStack() as stack:
        for name, data in files.items():
            file = stack.enter_context(open_atomic(folder / name))
            file.write(data)
            file.flush()


def _rehearse(learner: PromptLearner) -> None:
    """Refuse a learner that can't be brought back: some can't once they were moved to other classes."""
    name, clip = type(learner).__name__, learner.clip
    advice = "save it before select or rebind, and use those after loading"
    arguments = arguments_from_json(arguments_to_json(learner))
    try:
        again = made(type(learner), clip, learner.class_names, arguments, load(_learned(learner)))
    except CardError as error:
        raise CardError(
            f"{name} with these {len(learner.class_names)} classes can't be brought back ({error}): {advice}"
        ) from error
    shape: tuple[int, ...] = (2, 3, clip.image_size, clip.image_size)
    if learner.needs == "features":
        shape = (2, clip.dim if learner.reads == "projected" else clip.pre_projection_width)
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(clip.device)
    if learner.needs == "features":
        inputs = torch.nn.functional.normalize(inputs, dim=-1)
    training = learner.training
    with torch.no_grad():
        difference = float((learner.eval()(inputs) - again(inputs)).abs().max())
    learner.train(training)
    if not difference <= (1e-3 if clip.precision == "fp32" else 0.5):
        raise CardError(f"{name} would score otherwise when brought back, by up to {difference:.2g}: {advice}")
