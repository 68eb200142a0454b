"""One class more for a saved learner, by its name and a few pictures, without training again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.data.items import Items
from promptlab.data.pictures.reading import Reading
from promptlab.evaluation.evaluate import logits_of
from promptlab.evaluation.for_classes import template_of
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.own.adapted import HELD_OUT
from promptlab.own.added import ADDED_NAME, Added, AddedClass, Rescored, read_added, write_added
from promptlab.own.derived import EXPORTS, KEPT
from promptlab.own.evidence import Evidence, read_evidence
from promptlab.own.known import pictures_of
from promptlab.own.picture_files import items_of_files, picture_files
from promptlab.results.logits import logits_name, read_logits
from promptlab.results.store import RESULT_NAME, RESUME_NAME, UNFINISHED_NAME
from promptlab.saved.card import CARD_NAME, LEARNED_NAME
from promptlab.saved.load import load_learner
from promptlab.saved.save import save_learner
from promptlab.support.errors import UsageError
from promptlab.support.words import some_of

_OF_THE_OLD = (*EXPORTS, "README.md")
"""What says or holds the classes as they were, and would be pushed or used as the new learner's."""
_NOT_COPIED = (KEPT, ".*", RESULT_NAME, UNFINISHED_NAME, RESUME_NAME, *_OF_THE_OLD)
_WHAT = {HELD_OUT: "held out, each by a fold that didn't train on it"}
_NOTHING = "no scored pictures are at hand"


@dataclass(frozen=True, kw_only=True)
class Grown:
    """A learner with one class more.

    Args:
        learner: it.
        added: what came, and what that did.
    """

    learner: PromptLearner
    added: AddedClass


def add_class(
    folder: str | Path,
    name: str,
    pictures: Sequence[str | Path] = (),
    *,
    to: str | Path | None = None,
    template: str | None = None,
    clip: FrozenCLIP | None = None,
    bank: FeatureBank | None = None,
) -> tuple[Grown, Path]:
    """Add a class to a saved learner.

    Args:
        folder: of the learner: what ``promptlab adapt``, a run or ``save_pretrained`` wrote.
        name: of the class.
        pictures: of it: files, and folders of them; perhaps none.
        to: a folder that isn't there yet; None changes ``folder``, whose learner as it was goes into a folder
            ``before-1``, ``before-2`` and so on inside it.
        template: the hand-written prompt; that of the learner's own classes if None.
        clip: its backbone; the one that its card names if None.
        bank: the feature cache; the usual one if None.

    Returns:
        The learner with its class, and where the old one is (``folder`` itself with ``to``).

    Raises:
        UsageError: if the learner can't take a class, has one of that name, or pictures aren't there.
        CardError: if the learner can't be read or written.

    Example:
        >>> import promptlab
        >>> learner = promptlab.ZeroShot(promptlab.load_clip("demo"), ["red circle", "blue star"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     grown, old = add_class(learner.save_pretrained(folder), "green ring", clip=learner.clip)
        >>> grown.learner.class_names[-1], old.name
        ('green ring', 'before-1')
    """
    folder = Path(folder).expanduser()
    target = None if to is None else Path(to).expanduser()
    if target is not None and target.exists():
        raise UsageError(f"--to {target}: it is there already; a new folder is needed")
    if target is None and (folder / RESULT_NAME).is_file():
        raise UsageError(f"{folder} is a run's, whose Result is of the learner as it is: give --to with a new folder")
    learner = load_learner(folder, clip)
    _refuse(learner, name)
    grown = grow(learner, name, pictures, folder=folder, template=template, bank=bank or FeatureBank())
    return grown, _write(folder, target, grown)


def _refuse(learner: PromptLearner, name: str) -> None:
    kind = type(learner).__name__
    if not learner.takes_new_classes:
        raise UsageError(
            f"{kind} can't take a class without training: what it learned is bound to its {len(learner.class_names)} "
            "classes. Put the new class's pictures beside the others and run `promptlab adapt` again"
        )
    if name in learner.class_names:
        raise UsageError(f"{name!r} is a class of it already, among {some_of(sorted(learner.class_names))}")
    if not name.strip():
        raise UsageError("the name of the class is empty: its words are what the learner knows of it")


def grow(
    learner: PromptLearner,
    name: str,
    pictures: Sequence[str | Path],
    *,
    folder: Path,
    template: str | None = None,
    bank: FeatureBank,
) -> Grown:
    """A loaded learner with one class more, in memory alone.

    Args:
        learner: of ``folder``.
        name: of the class.
        pictures: files and folders, perhaps none.
        folder: whose scored pictures are scored again.
        template: the hand-written prompt; the learner's own if None.
        bank: the feature cache.
    """
    files = picture_files(pictures)
    own = items_of_files(files, Reading(**learner.reading), len(learner.class_names))
    evidence = _evidence(folder, learner)
    known = None if evidence is None else evidence.pictures
    template = template or template_of(learner)
    new = _features(learner, own, bank)
    parts, _ = pictures_of(folder, Reading(**learner.reading))
    old = torch.cat([_features(learner, items, bank) for items in parts or (known,)])
    grown, made = learner.with_class(name, new, old, template)
    rescored = _rescored(learner, grown, evidence, own, bank, template, (new, old))
    added = AddedClass(
        name=name,
        files=tuple(map(str, files)),
        content_ids=tuple(own.content_ids()),
        made=made,
        rescored=rescored,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Grown(learner=grown, added=added)


def _evidence(folder: Path, learner: PromptLearner) -> Evidence | None:
    """Scored pictures of exactly the learner's classes, or of those that it had before others came."""
    if not any(folder.glob("predictions-*.safetensors")):
        return None
    evidence = read_evidence(folder)
    names = evidence.predictions.class_names
    return evidence if names == learner.class_names[: len(names)] else None


def _features(learner: PromptLearner, items: Items | None, bank: FeatureBank) -> Tensor:
    """(N, D) as the learner reads them; none where it reads pictures, or there are none."""
    if items is None or not len(items) or learner.needs == "images":
        return torch.zeros(0, learner.clip.dim, device=learner.clip.device)
    found = bank.features(learner.clip, items, kind=learner.reads, normalised=learner.normalised)
    return found.to(learner.clip.device)


def _rescored(
    learner: PromptLearner,
    grown: PromptLearner,
    evidence: Evidence | None,
    own: Items,
    bank: FeatureBank,
    template: str,
    features: tuple[Tensor, Tensor],
) -> Rescored:
    """What was right and stays right, and what the new class's pictures are taken for."""
    what, right, still = _NOTHING, 0, 0
    if evidence is not None and evidence.pictures is not None:
        what, right, still = _still_right(learner, grown, evidence, bank)
    taken, how = _own_right(learner, grown, own, bank, template, features)
    return Rescored(pictures=what, right=right, still_right=still, own=len(own), own_right=taken, own_how=how)


def _still_right(
    learner: PromptLearner, grown: PromptLearner, evidence: Evidence, bank: FeatureBank
) -> tuple[str, int, int]:
    """Held-out logits of the old classes beside the new learner's of the new; else both learners on the pictures."""
    assert evidence.pictures is not None
    labels = torch.from_numpy(evidence.pictures.labels)
    before, after = (logits_of(each, evidence.pictures, bank) for each in (learner, grown))  # (M, C), (M, C + 1)
    kept = evidence.folder / logits_name(evidence.evaluation)
    what = _WHAT.get(evidence.evaluation, evidence.evaluation)
    n_scored = len(evidence.predictions.class_names)
    if kept.is_file():
        held_out = torch.from_numpy(read_logits(kept).logits)[evidence.rows]  # (M, classes that were scored)
        before, after = (torch.cat([held_out, logits[:, n_scored:]], 1) for logits in (before, after))
    right = before.argmax(1) == labels
    return what, int(right.sum()), int((right & (after.argmax(1) == labels)).sum())


def _own_right(
    learner: PromptLearner,
    grown: PromptLearner,
    own: Items,
    bank: FeatureBank,
    template: str,
    features: tuple[Tensor, Tensor],
) -> tuple[int, str]:
    """Of the new class's pictures how many are taken for it: each by what the others make, where pictures count."""
    name, label = grown.class_names[-1], len(learner.class_names)
    new, old = features
    if not learner.keeps_images or len(new) < 2:
        said = logits_of(grown, own, bank).argmax(1)
        return int((said == label).sum()), "itself among what was added" if learner.keeps_images else "by its name"
    right = 0
    for place in range(len(new)):
        others = torch.cat([new[:place], new[place + 1 :]])
        without, _ = learner.with_class(name, others, old, template)
        right += int(logits_of(without, own.take([place]), bank).argmax(1) == label)
    return right, "each scored without itself"


def _write(folder: Path, target: Path | None, grown: Grown) -> Path:
    """Write the learner; the answer is where the old one is."""
    earlier = [
        one for one in read_added(folder).classes if one.name != grown.added.name
    ]  # one whose writing was cut off
    added = Added(classes=(*earlier, grown.added))
    if target is None:
        kept = _keep(folder)
        write_added(folder, added)
        save_learner(grown.learner, folder)
        return kept
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        whole = Path(temporary, target.name)
        shutil.copytree(folder, whole, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        save_learner(grown.learner, whole)
        write_added(whole, added)
        whole.rename(target)
    return folder


def _keep(folder: Path) -> Path:
    """The learner as it is in a folder of its own: copies of what changes, and what is of the old learner alone."""
    number = 1
    while (folder / f"before-{number}").exists():
        number += 1
    kept = folder / f"before-{number}"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".before-") as temporary:
        whole = Path(temporary, kept.name)
        whole.mkdir()
        for name in (CARD_NAME, LEARNED_NAME, ADDED_NAME):
            if (folder / name).is_file():
                shutil.copy2(folder / name, whole / name)
        whole.rename(kept)
    for name in _OF_THE_OLD:
        if (folder / name).is_file():
            (folder / name).rename(kept / name)
    return kept
