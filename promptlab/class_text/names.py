"""Names of classes for prompts: whose name is which, and in what order classes without another one are."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from os import PathLike

from promptlab.class_text.names_file import (
    keyed_by_a_word,
    named_by_key,
    read_class_names,
    right_way_round,
    texts_of,
)
from promptlab.class_text.spelling import spelling
from promptlab.support.errors import DatasetError
from promptlab.support.words import counted, some_of

log = logging.getLogger(__name__)

ClassNames = Sequence[str] | Mapping[str, str] | str | PathLike[str]
"""Names in label order, a mapping of some keys to names, or a file with either."""

_SAY_WHOSE = "Say whose each name is: a file with a line KEY<TAB>NAME for each class"


def in_label_order(keys: Iterable[str]) -> list[str]:
    """Keys of classes, each once: numbers as numbers where all are, else in alphabetical order.

    Example:
        >>> in_label_order(["10", "9", "1"]), in_label_order(["dog", "cat", "cat"])
        (['1', '9', '10'], ['cat', 'dog'])
    """
    distinct = set(keys)
    if all(key.isascii() and key.isdecimal() for key in distinct):
        return sorted(distinct, key=lambda key: (int(key), key))
    return sorted(distinct)


def names_for(keys: Sequence[str], given: ClassNames | None) -> tuple[str, ...]:
    """Names for prompts, in the order of ``keys``; the keys themselves, without blanks around, where nothing is given.

    Names that hold every key, in whatever order and spelling, belong to the keys that they are; others belong to the
    keys by their place.

    Args:
        keys: C keys in label order, e.g. names of folders.
        given: C names in that order, or names of some of the keys, or a file with either.

    Raises:
        DatasetError: if there are more or fewer names than keys, names of other keys, or it can't be told whose name
            is which; or a name is no text or empty.

    Example:
        >>> names_for(["dog", "hot_dog"], ["hot dog", "dog"])
        ('dog', 'hot dog')
        >>> names_for(["1", "2"], {1: "rose"})
        ('rose', '2')
    """
    if given is None:
        return tuple(re.sub(r"[\t\r\n]+", " ", key).strip() for key in keys)
    where = f"class names ({given})" if isinstance(given, str | PathLike) else "class names"
    names = _values(given, where, keys)
    names = right_way_round(names, keys) if isinstance(names, Mapping) else names
    return _by_key(keys, names, where) if isinstance(names, Mapping) else _by_place(keys, names, where)


def names_of_numbers(given: ClassNames | None) -> tuple[str, ...]:
    """Names by label, where the labels are numbers from 0.

    Raises:
        DatasetError: if there are none, a mapping's keys are not 0 to C-1, or a name is no text or empty.

    Example:
        >>> names_of_numbers({"1": "dog", "0": "cat"})
        ('cat', 'dog')
    """
    if given is None:
        raise DatasetError("labels are numbers: set dataset.class_names to a text file with their names, one per line")
    names = _values(given, "class names")
    if not isinstance(names, Mapping):
        numbered = keyed_by_a_word(names, [str(label) for label in range(len(names))])
        if numbered is None:
            return tuple(names)
        names = numbered
    names = right_way_round(names, [str(label) for label in range(len(names))])
    by_number = {str(int(key)) if key.isdecimal() else key: name for key, name in names.items()}
    if by_number.keys() != {str(label) for label in range(len(names))}:
        raise DatasetError(
            f"class names of labels that are numbers need the keys 0 to {len(names) - 1}; given are "
            f"{some_of(list(names))}"
        )
    return tuple(by_number[str(label)] for label in range(len(names)))


def names_by_label(labels: Collection[str], given: ClassNames | None) -> dict[str, str]:
    """Names of labels that are numbers, in their order: of 0 to C-1, or of whatever numbers a mapping names.

    Raises:
        DatasetError: as :func:`names_of_numbers`, for names that aren't a mapping of all these labels.

    Example:
        >>> names_by_label({"2", "1"}, {"2": "tulip", "1": "rose"})
        {'1': 'rose', '2': 'tulip'}
    """
    keys = in_label_order(labels)
    names = None if given is None else _values(given, "class names", keys)
    if isinstance(names, Mapping):
        names = right_way_round(names, keys)
        form, own = _told_apart(keys)
        if own.keys() <= {form(key) for key in names}:
            return dict(zip(keys, _by_key(keys, names, "class names"), strict=True))
    odd = [label for label in keys if not label.isdecimal() or label != str(int(label))]
    if odd:
        raise DatasetError(
            f"{counted(len(odd), 'label is a number', 'labels are numbers')}, but not whole from 0: {some_of(odd)}. "
            f"{_SAY_WHOSE}."
        )
    return {str(label): name for label, name in enumerate(names_of_numbers(given))}


def _values(given: ClassNames, where: str, keys: Sequence[str] = ()) -> list[str] | dict[str, str]:
    if isinstance(given, str | PathLike):
        return read_class_names(str(given), keys)
    if isinstance(given, Set):
        raise DatasetError(f"{where} are a set, which has no order: give a list, or a mapping of key to name")
    return named_by_key(given.items(), where) if isinstance(given, Mapping) else texts_of(given, where)


def _by_key(keys: Sequence[str], names: Mapping[str, str], where: str) -> tuple[str, ...]:
    form, own = _told_apart(keys)
    found = {own[form(key)]: name for key, name in names.items() if form(key) in own}
    found |= {key: name for key, name in names.items() if key in found}  # one that is spelled as the key goes first
    unknown = [key for key in names if form(key) not in own]
    if unknown and len(found) < len(keys):
        raise DatasetError(
            f"{where} are given for what is no class: {some_of(unknown)}; the classes are {some_of(list(keys))}"
        )
    if unknown:
        log.info("%s: %d of other classes are passed over: %s", where, len(unknown), some_of(unknown))
    return tuple(found.get(key, key.strip()) for key in keys)


def _by_place(keys: Sequence[str], names: Sequence[str], where: str) -> tuple[str, ...]:
    form, own = _told_apart(keys)
    by_form = {form(name): name for name in names}
    if own.keys() <= by_form.keys():
        return tuple(by_form[form(key)] for key in keys)
    if len(names) != len(keys):
        raise DatasetError(
            f"{where}: {counted(len(names), 'name')} for {counted(len(keys), 'class')}, which are in this order: "
            f"{some_of(list(keys))}. {_SAY_WHOSE}."
        )
    for key, name in zip(keys, names, strict=True):
        other = own.get(form(name), key)
        if other != key:
            raise DatasetError(f"{where}: by its place {name!r} names {key!r}, but there is a class {other!r}. "
                               f"{_SAY_WHOSE}.")  # fmt: skip
    _require_one_order(keys, names, where)
    return tuple(names)


def _require_one_order(keys: Sequence[str], names: Sequence[str], where: str) -> None:
    """Refuse names by place where the keys' alphabetical order isn't the one that people count in."""
    counted = sorted(keys, key=_as_counted)
    one_pattern = len({re.sub(r"\d+", "#", key) for key in keys}) == 1 and "#" in re.sub(r"\d+", "#", keys[0])
    numbered = one_pattern or all(key[0].isdecimal() for key in keys)
    if numbered and list(keys) == sorted(keys) != counted and in_label_order(keys) != counted:
        raise DatasetError(
            f"{where}: are they in the order {some_of(list(keys))}, or {some_of(counted)}? {_SAY_WHOSE}."
        )
    firsts = [re.split(r"[\s,;:=|]", name, maxsplit=1)[0] for name in names]
    if firsts != list(keys) and sorted(firsts) == sorted(keys):
        raise DatasetError(
            f"{where}: is {names[0]!r} the name of {keys[0]!r}, whose place it has, or of {firsts[0]!r}, which it "
            f"begins with? {_SAY_WHOSE}."
        )
    own = {spelling(key): key for key in keys}
    held = [_key_in(name, own) for name in names]
    if held != list(keys) and None not in held and set(held) == set(keys):
        place = next(place for place, key in enumerate(held) if key != keys[place])
        raise DatasetError(
            f"{where}: is {names[place]!r} the name of {keys[place]!r}, whose place it has, or of {held[place]!r}, "
            f"which it holds? {_SAY_WHOSE}."
        )


def _key_in(name: str, own: Mapping[str, str]) -> str | None:
    """The longest key, by its spelling, whose words stand in a name one after the other."""
    words = spelling(name).split()
    spans = ((start, start + size) for size in range(len(words), 0, -1) for start in range(len(words) - size + 1))
    return next((own[part] for start, end in spans if (part := " ".join(words[start:end])) in own), None)


def _as_counted(key: str) -> list[tuple[int, str]]:
    """What sorts the numbers in a text as numbers."""
    return [(int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", key)]


def _told_apart(keys: Sequence[str]) -> tuple[Callable[[str], str], dict[str, str]]:
    """The loosest form for comparing in which no two keys are the same, and the keys by their form."""
    forms: tuple[Callable[[str], str], ...] = (_letters, spelling, str)
    return next((form, own) for form in forms if len(own := {form(key): key for key in keys}) == len(set(keys)))


def _letters(name: str) -> str:
    """A name without case, blanks and signs, and numbers without zeros in front: ``AnnualCrop`` is ``annual crop``.

    Signs between digits count: 1.0 isn't 10.
    """
    form = spelling(name)
    around = zip(f" {form}", form, f"{form[1:]} ", strict=False)
    bare = "".join(
        sign
        for before, sign, after in around
        if unicodedata.category(sign)[0] in "LMN" or (before.isdigit() and after.isdigit())
    )
    return str(int(bare)) if bare.isascii() and bare.isdecimal() else bare or form
