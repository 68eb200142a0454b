"""``added.json``: the classes that came to a saved learner later, as JSON with a checksum."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from promptlab.support.checksums import DamageError, sealed, unsealed
from promptlab.support.errors import PromptlabError
from promptlab.support.files import write_text_atomic
from promptlab.support.typed_json import PlainError, from_plain, render, to_plain
from promptlab.support.version import __version__

ADDED_NAME = "added.json"


class AddedError(PromptlabError, ValueError):
    """An ``added.json`` that can't be read."""


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """What was right before a class came, scored again with it.

    Args:
        pictures: which pictures, in words.
        right: how many of them were right before.
        still_right: how many of those are right with the new class.
        own: pictures of the new class.
        own_right: how many of those are taken for it.
        own_how: how that was counted, in words.
    """

    pictures: str
    right: int
    still_right: int
    own: int
    own_right: int
    own_how: str


@dataclass(frozen=True, kw_only=True)
class AddedClass:
    """A class that came later.

    Args:
        name: of it.
        files: absolute paths of its pictures.
        content_ids: of these.
        logits: (n, C) of these over the classes there were then, it last: each as the learner scores it without it, so
            that a later class can be held against them; none in what earlier versions wrote.
        made: what the learner made of name and pictures, in words.
        rescored: what that did to what was right.
        created: when, ISO 8601 in UTC.
    """

    name: str
    files: tuple[str, ...]
    content_ids: tuple[str, ...]
    made: str
    rescored: Rescored
    created: str
    logits: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Added:
    """All classes that came later, in order.

    Args:
        classes: them.
        promptlab: version that wrote it.
    """

    classes: tuple[AddedClass, ...]
    promptlab: str = __version__


def write_added(folder: Path, added: Added) -> None:
    """Write it into the folder of the learner, atomically."""
    write_text_atomic(folder / ADDED_NAME, render(sealed(cast(dict[str, Any], to_plain(added)))) + "\n")


def read_added(folder: str | Path) -> Added:
    """The classes that came later; none where nobody added any.

    Raises:
        AddedError: if the file is damaged or was edited.

    Example:
        >>> read_added("no/such/folder").classes
        ()
    """
    path = Path(folder) / ADDED_NAME
    if not path.is_file():
        return Added(classes=())
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise DamageError(f"expected an object, got a {type(document).__name__}")
        return from_plain(Added, unsealed(document))
    except (OSError, ValueError, RecursionError, PlainError, DamageError) as error:
        raise AddedError(f"{path} can't be read ({error}); the file may be damaged") from error
