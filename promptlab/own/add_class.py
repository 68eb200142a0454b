"""One class more for a saved learner, by its name and a few pictures, without training again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from promptlab.class_text.spelling import spelling
from promptlab.clip.frozen import FrozenCLIP
from promptlab.data.items import Items
from promptlab.data.pictures.reading import Reading
from promptlab.evaluation.for_classes import template_of
from promptlab.features.bank import FeatureBank
from promptlab.learners.base.learner import PromptLearner
from promptlab.own.added import ADDED_NAME, Added, AddedClass, read_added, write_added
from promptlab.own.folder_contents import EXPORTS, KEPT
from promptlab.own.known_pictures import pictures_of
from promptlab.own.new_class import NewClass
from promptlab.own.picture_files import items_of_files, picture_files
from promptlab.own.rescoring import evidence_of, rescored
from promptlab.results.store import RESULT_NAME, RESUME_NAME, UNFINISHED_NAME
from promptlab.saved.card import CARD_NAME, LEARNED_NAME, TrainingCard, read_card
from promptlab.saved.load import backbone_of, load_learner
from promptlab.saved.save import save_learner
from promptlab.support.errors import UsageError
from promptlab.support.words import counted, printable, some_of

_OF_THE_OLD = (*EXPORTS, "README.md")
"""What says or holds the classes as they were, and would be pushed or used as the new learner's."""
_NOT_COPIED = (KEPT, ".*", RESULT_NAME, UNFINISHED_NAME, RESUME_NAME, *_OF_THE_OLD)


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
        UsageError: if the learner can't take a class, has one of that name however it is spelled, or pictures aren't
            there.
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
        raise UsageError(f"--out {target}: it is there already; a new folder is needed")
    if target is None and (folder / RESULT_NAME).is_file():
        raise UsageError(f"{folder} is a run's, whose Result is of the learner as it is: give --out with a new folder")
    learner = _loaded(folder, name, clip)
    _refuse(learner, name)
    grown = grow(learner, name, pictures, folder=folder, template=template, bank=bank or FeatureBank())
    return grown, _write(folder, target, grown)


def _loaded(folder: Path, name: str, clip: FrozenCLIP | None) -> PromptLearner:
    """The learner of a folder; what a backbone has to say of the words of old and new names is said at once."""
    if (folder / CARD_NAME).is_file():
        card = read_card(folder / CARD_NAME)
        clip = clip or backbone_of(card)
        clip.warn_of_unknown_words([one.replace("_", " ") for one in (*card.class_names, name)])
    return load_learner(folder, clip)


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
    alike = next((one for one in learner.class_names if spelling(one) == spelling(name)), None)
    if alike is not None:
        raise UsageError(
            f"{name!r} is read as {alike!r}, a class of it already: they can't be told apart by their names"
        )
    if printable(name) != name:
        raise UsageError(f"the name of the class holds signs that can't be seen: {printable(name)}")


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
    evidence = evidence_of(folder, learner)
    known = None if evidence is None else evidence.pictures
    new = _features(learner, own, bank)
    parts, names = pictures_of(folder, Reading(**learner.reading))
    old = torch.cat([_features(learner, items, bank) for items in parts or (known,)])
    making = NewClass(learner=learner, name=name, template=template or template_of(learner), others=old)
    grown, made = making.of(new)
    logits = making.own_logits(grown, new, own, bank)  # (n, C + 1)
    found = rescored(learner, grown, evidence, folder, bank)
    added = AddedClass(
        name=name,
        files=tuple(map(str, files)),
        content_ids=tuple(own.content_ids()),
        logits=tuple(map(tuple, logits.tolist())),
        made=made + _of_other_classes(own, files, parts, names),
        rescored=replace(
            found,
            own=len(own),
            own_right=int((logits.argmax(1) == len(learner.class_names)).sum()),
            own_how="each scored without itself" if learner.keeps_images else "by its name",
        ),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Grown(learner=grown, added=added)


def _of_other_classes(own: Items, files: Sequence[Path], parts: Sequence[Items], names: Sequence[str]) -> str:
    """What is said of pictures that are another class's to the byte, which the learner now holds under two labels."""
    known = dict(zip((content for items in parts for content in items.content_ids()), names, strict=True))
    pairs = zip(files, own.content_ids(), strict=True)
    both = [f"{file.name} ({known[content]})" for file, content in pairs if content in known]
    if not both:
        return ""
    return f"; {counted(len(both), 'picture is', 'pictures are')} another class's too, to the byte: {some_of(both, 3)}"


def _features(learner: PromptLearner, items: Items | None, bank: FeatureBank) -> Tensor:
    """(N, D) as the learner reads them; none where it reads pictures, or there are none."""
    if items is None or not len(items) or learner.needs == "images":
        return torch.zeros(0, learner.clip.dim, device=learner.clip.device)
    found = bank.features(learner.clip, items, kind=learner.reads, normalised=learner.normalised)
    return found.to(learner.clip.device)


def _write(folder: Path, target: Path | None, grown: Grown) -> Path:
    """Write the learner; the answer is where the old one is."""
    earlier = [
        one for one in read_added(folder).classes if one.name != grown.added.name
    ]  # one whose writing was cut off
    added = Added(classes=(*earlier, grown.added))
    training = _training(folder)
    if target is None:
        kept = _keep(folder)
        write_added(folder, added)
        save_learner(grown.learner, folder, training=training)
        return kept
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        whole = Path(temporary, target.name)
        shutil.copytree(folder, whole, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        save_learner(grown.learner, whole, training=training)
        write_added(whole, added)
        whole.rename(target)
    return folder


def _training(folder: Path) -> TrainingCard | None:
    """What the card of the learner as it was says of its training, without scores, which are of fewer classes."""
    training = read_card(folder / CARD_NAME).training
    return None if training is None else replace(training, top1=None, harmonic=None)


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
