"""Sentences about each class, written by people or by a language model, in place of a template.

The form is that of CuPL (https://arxiv.org/abs/2209.03320): a JSON object of class name to a list of sentences.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from promptlab.class_text.spelling import spelling
from promptlab.support.errors import DatasetError
from promptlab.support.json_texts import read_json_text
from promptlab.support.pointers import refuse_pointer
from promptlab.support.words import closest, counted, some_of

log = logging.getLogger(__name__)
PromptSet = Mapping[str, Sequence[str]] | str
"""Sentences by class name, or the JSON file that holds them."""


def read_prompt_set(path: PromptSet, class_names: Sequence[str]) -> list[list[str]]:
    """The sentences of each class.

    Names are compared without regard to case, underscores and repeated spaces. Entries of other classes are passed
    over: one file may serve base and new classes.

    Args:
        path: a JSON file of class name to list of sentences, or such a mapping.
        class_names: C names; one may appear twice.

    Returns:
        C lists of sentences.

    Raises:
        DatasetError: if the file can't be read, is not of this form, or lacks classes; those are named.
    """
    sentences, where = load_prompt_set(path), path if isinstance(path, str) else "given"
    by_name: dict[str, str] = {}
    for key in sentences:
        if by_name.setdefault(spelling(key), key) != key:
            raise DatasetError(f"prompt set {where}: {by_name[spelling(key)]!r} and {key!r} are the same class")
    missing = [name for name in dict.fromkeys(class_names) if spelling(name) not in by_name]
    if missing:
        close = closest(spelling(missing[0]), by_name)
        hint = f" (is {by_name[close[0]]!r} meant for {missing[0]!r}?)" if close else ""
        lacking = counted(len(missing), "class")
        raise DatasetError(f"prompt set {where} has no sentences for {lacking}: {some_of(missing)}{hint}")
    extra = by_name.keys() - {spelling(name) for name in class_names}
    if extra:
        log.info(
            "prompt set %s: %d entries of other classes are ignored: %s", where, len(extra), some_of(sorted(extra))
        )
    return [list(sentences[by_name[spelling(name)]]) for name in class_names]


def load_prompt_set(path: PromptSet) -> Mapping[str, Sequence[str]]:
    """The whole mapping, checked.

    Raises:
        DatasetError: if the file can't be read or is not of the form.
    """
    content: object = path
    if isinstance(path, str):
        try:
            content = read_json_text(_bytes(path))
        except ValueError as error:
            raise DatasetError(f"prompt set {path} is not valid JSON ({error})") from error
    where = path if isinstance(path, str) else "given"
    if not isinstance(content, Mapping):
        raise DatasetError(f"prompt set {where} must be an object of class name to list of sentences")
    wrong = [name for name, sentences in content.items() if not _is_list_of_sentences(sentences)]
    if wrong:
        raise DatasetError(f"prompt set {where} needs a list of sentences, not empty, for {some_of(wrong)}")
    return content


def equal_sentences(path: PromptSet, class_names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """As :func:`read_prompt_set`, for methods that draw one number for all classes: K sentences of each of C.

    Raises:
        DatasetError: also if classes have different numbers of them; two such classes are named.

    Example:
        >>> equal_sentences({"cat": ["It purrs.", "It has fur."], "dog": ["It barks.", "It runs."]}, ["dog"])
        (('It barks.', 'It runs.'),)
    """
    sentences = tuple(map(tuple, read_prompt_set(path, class_names)))
    fewest, most = (choose(range(len(sentences)), key=lambda i: len(sentences[i])) for choose in (min, max))
    if len(sentences[fewest]) != len(sentences[most]):
        where = path if isinstance(path, str) else "given"
        raise DatasetError(
            f"prompt set {where} has {len(sentences[fewest])} sentences for {class_names[fewest]!r} and "
            f"{len(sentences[most])} for {class_names[most]!r}: give every class equally many"
        )
    return sentences


def content_digest(path: str) -> str:
    """What stands for a file in a fit's id: the SHA-256 of its bytes.

    Raises:
        DatasetError: if it can't be read.
    """
    return f"sha256:{hashlib.sha256(_bytes(path)).hexdigest()}"


def _bytes(path: str) -> bytes:
    refuse_pointer(Path(path).expanduser(), DatasetError)
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise DatasetError(f"prompt set can't be read: {path} ({error.strerror})") from error


def _is_list_of_sentences(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(s, str) and s.strip() for s in value)
