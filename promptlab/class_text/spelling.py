"""One form for comparing names: two names that differ only in spelling are the same class, and the same prompt."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence


def spelling(name: str) -> str:
    """A name in the form that names are compared in: Unicode's NFC, no case, one space for underscores and spaces.

    Hyphens count: ``t-shirt`` and ``t shirt`` are different prompts.

    Example:
        >>> spelling("Hot_Dog") == spelling("hot  dog"), spelling("cafe\u0301") == spelling("caf\u00e9")
        (True, True)
    """
    return " ".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").split())


def in_one_form(columns: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Labels, by whatever column they stand in, with those alike that differ in their Unicode form alone.

    Example:
        >>> forms = in_one_form({"train": ["cafe\u0301"], "test": ["caf\u00e9"]})
        >>> forms["train"] == forms["test"]
        True
    """
    forms = {label: unicodedata.normalize("NFC", label) for column in columns.values() for label in set(column)}
    if len(set(forms.values())) == len(forms):  # names as they are: ids of earlier fits hold them
        return {key: list(column) for key, column in columns.items()}
    return {key: [forms[label] for label in column] for key, column in columns.items()}
