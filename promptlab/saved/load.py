"""Bring back a learner from its folder, a run's folder or the Hugging Face hub.

Nothing in such a folder is code: tensors are safetensors, the card is JSON, and only promptlab's own classes are looked
up from it (:mod:`promptlab.saved.arguments`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.clip.weights.load import load_clip, portable
from promptlab.learners.base.decision import ALWAYS
from promptlab.learners.base.learner import PromptLearner
from promptlab.results.store import RESULT_NAME
from promptlab.saved.arguments import arguments_from_json, own_class, refuse_files, require_version
from promptlab.saved.card import CARD_NAME, LEARNED_NAME, Card, CardError, read_card
from promptlab.saved.hub_files import fetched, is_repo
from promptlab.saved.learned import read_learned, require_saved
from promptlab.support.devices import AUTO
from promptlab.support.errors import NotThereError
from promptlab.support.signatures import path_of
from promptlab.support.words import first_line

L = TypeVar("L", bound=PromptLearner)


def load_learner(
    source: str | Path,
    clip: FrozenCLIP | None = None,
    *,
    learner: type[PromptLearner] | None = None,
    device: str | torch.device | None = None,
) -> PromptLearner:
    """Bring back a learner that was saved, in eval mode.

    Args:
        source: a folder that ``save_pretrained`` or a run wrote, or the id of a repository with such files on the
            Hugging Face hub (``"organisation/name"``).
        clip: the backbone it was trained on; None loads the one that the card names.
        learner: the class, needed for learners that aren't promptlab's: classes of others aren't imported from a card.
        device: where that backbone and the learner go, ``"cuda"`` for example; chosen as :func:`load_clip` does if
            None. With ``clip``, whose device it is then, it is left out.

    Raises:
        ValueError: for a device that isn't there, or one besides ``clip``.
        FileNotFoundError: if there is no such folder, neither here nor on the hub.
        CardError: if files are missing or damaged, of another format or version of the learner, or don't fit each
            other or the backbone; the message says what was expected and what was found.

    Example:
        >>> learner = load_learner("results/demo_shapes/base_to_new/coop/0123456789abcdef")  # doctest: +SKIP
    """
    if clip is not None and device is not None:
        raise ValueError(f"device={device}: the learner is where its backbone is, and clip is on {clip.device}")
    folder = folder_of(source)
    card = read_card(folder / CARD_NAME)
    try:
        tensors = read_learned(folder / LEARNED_NAME, card)
        kind = _kind(card, learner)
        require_version(card.learner_version, kind)
        arguments = arguments_from_json(card.arguments)
        refuse_files(kind, arguments)
        clip = backbone_of(card, device or AUTO) if clip is None else clip
        _require_backbone(card, clip)
        found = made(kind, clip, card.class_names, arguments, tensors)
        found.reading = {} if card.reading is None else card.reading.choices
        found.decision = card.decision or ALWAYS
        return found
    except CardError as error:
        raise CardError(f"{folder}: {error}") from error


def made(
    kind: type[L],
    clip: FrozenCLIP,
    class_names: tuple[str, ...],
    arguments: dict[str, Any],
    tensors: Mapping[str, Tensor],
) -> L:
    """A learner of these arguments and tensors, in eval mode.

    Raises:
        CardError: if they don't fit each other.
    """
    try:
        return kind(clip, class_names, **arguments).load_learned(tensors).to(clip.device).eval()
    except (TypeError, ValueError) as error:
        raise CardError(str(error)) from error
    except (AttributeError, RuntimeError) as error:  # what values of other kinds run into
        raise CardError(f"its arguments don't make a {kind.__name__} ({type(error).__name__}: {error})") from error


def backbone_of(card: Card, device: str | torch.device = AUTO) -> FrozenCLIP:
    """The backbone that a card names.

    Args:
        card: of a saved learner.
        device: where it goes.

    Raises:
        CardError: if it can't be loaded by name.
    """
    facts = card.backbone
    if facts.source is None:
        raise CardError(
            f"its backbone {facts.name} (fingerprint {facts.fingerprint}, {facts.precision}) can't be loaded by name: "
            "load it yourself and give it as clip="
        )
    source, precision = asdict(facts.source), cast(Any, facts.precision)
    if portable(**source) is None:  # save_pretrained writes no such source
        raise CardError(
            f"its backbone {facts.name} is named by a file or folder of another machine, which isn't opened "
            f"({source['name']}, {source['pretrained']}): load it yourself and give it as clip="
        )
    return load_clip(**source, precision=precision, device=device)


def folder_of(source: str | Path) -> Path:
    """The folder itself, or where the hub's files are kept on this machine."""
    folder = Path(source).expanduser()
    if folder.is_file():
        raise NotThereError(f"{folder} is a file: the folder that save_pretrained, adapt or a run wrote is needed")
    if not folder.is_dir():
        if not (isinstance(source, str) and is_repo(source)):
            raise NotThereError(f"there is no folder {folder.absolute()}, and it can't be an id on the hub (a/b)")
        try:
            folder = fetched(source, (CARD_NAME, LEARNED_NAME, RESULT_NAME))
        except Exception as error:  # the hub's client has dozens
            raise FileNotFoundError(
                f"there is no folder {folder.absolute()}, and {source} could not be fetched from the Hugging Face hub "
                f"({first_line(error)}). Check the name and the network"
            ) from None
    require_saved(folder)
    return folder


def _kind(card: Card, learner: type[PromptLearner] | None) -> type[PromptLearner]:
    """The card's class: promptlab's own by its path, another's if the caller gives it."""
    if learner is not None:
        if path_of(learner) != card.learner:
            raise CardError(f"a {card.learner} was saved, but learner={path_of(learner)} was given")
        return learner
    if not card.learner.startswith("promptlab."):
        raise CardError(f"a {card.learner} was saved, and classes of others aren't imported: give learner=that class")
    kind = own_class(card.learner)
    if not issubclass(kind, PromptLearner):
        raise CardError(f"{card.learner} is no learner")
    return kind


def _require_backbone(card: Card, clip: FrozenCLIP) -> None:
    expected = card.backbone
    if clip.fingerprint != expected.fingerprint:
        raise CardError(
            f"it was learned on backbone {expected.name} (fingerprint {expected.fingerprint}, {expected.precision}), "
            f"not on {clip.name} (fingerprint {clip.fingerprint}, {clip.precision})"
        )
