"""Hand-written prompts: the template of each dataset, and those of CLIP's authors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from annotated_types import MinLen, Predicate, doc

from promptlab.support.errors import UsageError
from promptlab.support.paths import conf_dir
from promptlab.support.texts import text_lines

DEFAULT_TEMPLATE = "a photo of a {}."
"""Of datasets that have none of their own."""

SELECT_TEMPLATES: tuple[str, ...] = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
"""The seven templates that CLIP's authors selected for ImageNet; CoOp's ensemble adds the dataset's own elsewhere."""


@cache
def template_for(dataset: str) -> str:
    """The hand-written prompt for a dataset: that of its file in ``conf/dataset``; ``a photo of a {}.`` for others.

    Args:
        dataset: a name as CoOp spells it, or another of `promptlab list datasets`.

    Example:
        >>> template_for("oxford_pets"), template_for("my_own")
        ('a photo of a {}, a type of pet.', 'a photo of a {}.')
    """
    file = conf_dir() / "dataset" / f"{dataset}.yaml"
    known = Path(dataset).name == dataset and file.is_file()
    settings = yaml.safe_load(file.read_text(encoding="utf-8")) if known else {}
    return str(settings.get("template", DEFAULT_TEMPLATE))


def template_of(given: str | os.PathLike[str]) -> str:
    """A prompt that was given as it is, or as a small text file that holds it (which needs no quotes in a shell).

    Raises:
        ValueError: as :func:`check_template`, or if the file can't be read or has more than one line.
    """
    given = os.fspath(given)
    path = Path(given).expanduser()
    if "{}" in given or not path.is_file():
        return check_template(given)
    try:
        lines = text_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"template file {given} can't be read ({error}). A text file is needed.") from error
    if len(lines) != 1:
        raise ValueError(
            f"template file {given} has {len(lines)} lines; a dataset has one prompt (learner.templates takes several)"
        )
    return check_template(lines[0])


def check_template(template: str) -> str:
    """Return ``template`` if it has exactly one ``{}`` for the class name, and no other braces.

    Raises:
        UsageError: naming the template and what it needs.
    """
    if not is_template(template):
        raise UsageError(
            f"template {template!r} needs exactly one {{}} where the class name goes, and no other braces (a text file "
            "may hold it)"
        )
    return template


def is_template(text: str) -> bool:
    """Whether a text has exactly one ``{}`` and no other braces.

    Example:
        >>> is_template("a photo of a {}."), is_template("a {} and a {}."), is_template("a photo of a {name}.")
        (True, False, False)
    """
    around = text.split("{}")
    return len(around) == 2 and not {"{", "}"}.intersection("".join(around))


Template = Annotated[str, Predicate(is_template), doc("a prompt with exactly one {} for the class name")]
"""A hand-written prompt."""
Templates = (
    Annotated[Sequence[Template], MinLen(1), doc("a list of prompts, each with exactly one {} for the class name")]
    | Literal["select", "select_only"]
)
"""Several, averaged: one's own, or CLIP's seven best on ImageNet with or without the dataset's own."""
