"""Somebody's pictures of the demo's world in folders, and what ``promptlab adapt`` would leave of them."""

from datetime import UTC, datetime

import numpy as np
import torch
from PIL import Image

import promptlab
from promptlab.data.items import Items
from promptlab.data.sources.files import FileImages
from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.metrics import top_predictions
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.stages import Batch
from promptlab.own.adapted import HELD_OUT, Adapted, GivenPicture, write_adapted
from promptlab.own.folds import folds_of
from promptlab.results.content_ids import pack_content_ids
from promptlab.results.logits import logits_of_arrays, write_logits
from promptlab.results.predictions import Predictions, write_predictions

CREATED = datetime(2026, 11, 27, tzinfo=UTC).isoformat()


def write_pictures(folder, per_class=6, classes=4):
    """So many pictures of each of the demo's first classes, a folder each; the answer is their relative names."""
    train, names = promptlab.demo_dataset("demo_textures").train, promptlab.demo_dataset("demo_textures").class_names
    found = []
    for label in range(classes):
        own = np.flatnonzero(train.labels == label)[:per_class]
        for place, index in enumerate(train.indices[own].tolist()):
            found.append(f"{names[label]}/{place}.png")
            (folder / names[label]).mkdir(parents=True, exist_ok=True)
            train.source.open(index).save(folder / found[-1])
    return found


def copy_into(folder, file, other):
    """A near-copy of a picture under another name: made larger, and compressed."""
    with Image.open(folder / file) as picture:
        picture.resize((48, 48)).save(folder / other, quality=95)
    return other


def fitted(clip, names, items, bank, **changes):
    """Tip-Adapter with these pictures in its cache."""
    learner = promptlab.TipAdapter(clip, names, search=False, **{"alpha": 2.0, "beta": 5.5, **changes})
    features = bank.features(clip, items)[:, None]
    learner.fit_plan()[0].solve(Batch(features, torch.from_numpy(items.labels), torch.Generator()), None)
    return learner.eval()


def write_adapted_folder(folder, pictures, files, clip, *, bank=None, learner=fitted):
    """What ``promptlab adapt`` leaves: a learner, held-out predictions and logits, ``adapted.json``."""
    bank = bank or FeatureBank()
    names = sorted({file.partition("/")[0] for file in files})
    labels = np.array([names.index(file.partition("/")[0]) for file in files])
    items = Items(FileImages(pictures, files), np.arange(len(files)), labels)
    folds = folds_of(labels, np.arange(len(files)), seed=1)
    logits = torch.zeros(len(files), len(names))
    for fold in np.unique(folds[folds >= 0]):
        held, trained = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        logits[held] = logits_of(learner(clip, names, items.take(trained), bank), items.take(held), bank)
    learner(clip, names, items, bank).save_pretrained(folder)
    _write_scores(folder, logits, items, names, files)
    ids = items.content_ids()
    given = [
        GivenPicture(file=file, label=int(label), content_id=content, group=place, fold=int(fold))
        for place, (file, label, content, fold) in enumerate(zip(files, labels, ids, folds, strict=True))
    ]
    write_adapted(folder, _adapted(pictures, names, given, clip))
    return folder


def _write_scores(folder, logits, items, names, files):
    ids, best = top_predictions(logits)
    predictions = Predictions(
        evaluation=HELD_OUT, eval_id="0" * 16, class_names=tuple(names), labels=items.labels.astype(np.int32),
        top_ids=ids.numpy().astype(np.int32), top_probabilities=best.numpy(), files=tuple(files),
        image_ids=pack_content_ids(items.content_ids()),
    )  # fmt: skip
    write_predictions(folder, predictions)
    write_logits(folder, logits_of_arrays(logits, items.labels, names, items.content_ids(), HELD_OUT, "0" * 16))


def _adapted(pictures, names, given, clip):
    return Adapted(
        created=CREATED, command="", given=str(pictures), root=str(pictures), class_names=tuple(names),
        class_origins=tuple(names), others=(), template="a photo of a {}.", pictures=tuple(given), seen=(), left_out=(),
        backbone=clip.name, views=0, seed=1, folds=5, candidates=(), chosen="tip_adapter", reason="", honesty=None,
        seconds={},
    )  # fmt: skip
