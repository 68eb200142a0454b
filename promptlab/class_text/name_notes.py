"""What a reader should know of class names: those that a prompt can't be told apart by, and those that are no words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from promptlab.class_text.spelling import spelling

CURE = "dataset.class_names gives other names, e.g. in a file with a line KEY<TAB>NAME for each class"
"""What helps against names that are no words."""
_SHOWN = 3
_SMALL, _LARGE = "a-zß-öø-ÿ", "A-ZÀ-ÖØ-Þ"
_CAMEL_CASE = re.compile(f"[{_SMALL}]{{2}}[{_LARGE}][{_SMALL}]{{2}}")
_WORDNET_ID = re.compile(r"(?<![A-Za-z0-9])n\d{8}(?!\d)")
_CODE = re.compile(r"[a-z]+\d+|(?=[0-9a-f]*\d)[0-9a-f]{12,}")
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
_MISSING = ("na", "n/a", "#n/a", "<na>", "nan", "null", "none", "unknown", "?", "-")
_NUMBERED = re.compile(r"(\d+)[.)_\s-]")


def prompt_of(name: str, template: str) -> str:
    """A hand-written prompt as CLIP reads it: underscores are spaces, and case doesn't count.

    Example:
        >>> prompt_of("Polar_bear", "a photo of a {}.")
        'a photo of a polar bear.'
    """
    return " ".join(template.replace("{}", name.replace("_", " ")).lower().split())


def name_notes(names: Sequence[str], template: str) -> tuple[str, ...]:
    """What should be said of a dataset's class names; nothing of names that are words, each another.

    Args:
        names: C names in label order.
        template: the hand-written prompt with ``{}``.

    Example:
        >>> name_notes(["cat", "dog"], "a photo of a {}.")
        ()
        >>> for note in name_notes(["AnnualCrop", "hot_dog", "hot dog"], "a {}."):
        ...     print(note)
        classes with the same prompt can't be told apart by their names: 'hot_dog' and 'hot dog' ('a hot dog.')
        1 class name isn't made of words: 'AnnualCrop' (CamelCase) is read as 'a annualcrop.'; ...
    """
    return (*_equal(names, template), *_no_words(names, template))


def _equal(names: Sequence[str], template: str) -> list[str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[spelling(name)].append(name)
    equal = [group for group in groups.values() if len(group) > 1]
    listed = [f"{' and '.join(map(repr, group))} ({prompt_of(group[0], template)!r})" for group in equal]
    return [f"classes with the same prompt can't be told apart by their names: {_first(listed)}"] if equal else []


def _no_words(names: Sequence[str], template: str) -> list[str]:
    starts = [match[1] for name in names if (match := _NUMBERED.match(name))]
    counted = len(names) > 1 and len(set(starts)) == len(names)
    odd = {name: kind for name in names if (kind := _kind(name) or ("a number in front" if counted else ""))}
    listed = [f"{name!r} ({kind}) is read as {prompt_of(name, template)!r}" for name, kind in odd.items()]
    if not odd:
        return []
    looks = "1 class name isn't made of words" if len(odd) == 1 else f"{len(odd)} class names aren't made of words"
    return [f"{looks}: {_first(listed)}; {CURE}"]


def _kind(name: str) -> str:
    """What a name looks like that isn't made of words; nothing of one that is."""
    parts = name.split("_")
    if name.strip().lower() in _MISSING:
        return "a missing value?"
    if name.strip().lower() in ("true", "false", "yes", "no"):
        return "a truth value"
    if _DATE.match(name):
        return "a date"
    if re.fullmatch(r"[\d.,\s]+", name):
        return "a number"
    if _WORDNET_ID.search(name) or _CODE.fullmatch(name):
        return "an id"
    if len(parts) > 1 and any(part.isdecimal() for part in parts):
        return "a number among its words"
    return "CamelCase" if not re.search(r"[\s_-]", name) and _CAMEL_CASE.search(name) else ""


def _first(listed: Sequence[str]) -> str:
    more = f", and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
