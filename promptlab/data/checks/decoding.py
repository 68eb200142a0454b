"""Which images can't be decoded, and what is unusual about the others; what was found once is remembered by content."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from promptlab.data.checks.problems import Finding
from promptlab.data.hashing import content_id
from promptlab.data.items import ImageSource
from promptlab.data.pictures.picture import REMARKS
from promptlab.data.pictures.reading import Reading, reading_of
from promptlab.support.errors import DatasetError
from promptlab.support.files import write_text_atomic
from promptlab.support.machine import reader_threads
from promptlab.support.paths import cache_dir
from promptlab.support.progress import image_progress
from promptlab.support.words import of_one

log = logging.getLogger(__name__)

ONE_COLOUR, ALMOST_BLACK = "are of one colour", "are almost black: no value is above 15 of 255"
_ALMOST = 15
_CHUNK = 256
_SHOW_FROM = 500


@dataclass(frozen=True)
class Look:
    """What a look at images found, by their index in the source.

    Args:
        errors: why some can't be decoded.
        remarks: what is unusual about others, each a text that follows "images".
    """

    errors: Mapping[int, DatasetError]
    remarks: Mapping[int, tuple[str, ...]]

    @property
    def problems(self) -> list[str]:
        """A message for each that can't be decoded."""
        return [str(error) for error in self.errors.values()]

    def findings(self, names: Callable[[int], str]) -> list[Finding]:
        """The remarks with the names of their images, in order."""
        by_remark: dict[str, list[str]] = defaultdict(list)
        for index, remarks in sorted(self.remarks.items()):
            for remark in remarks:
                by_remark[remark].append(names(index))
        return [
            Finding(f"image {of_one(remark)}", f"images {remark}", tuple(found))
            for remark, found in sorted(by_remark.items())
        ]


def look_at(source: ImageSource, indices: Sequence[int]) -> Look:
    """Decode images.

    Args:
        source: where the images are; somebody's features were checked when they were read.
        indices: images of the source, all different.
    """
    from promptlab.data.sources.features import FeatureRows  # needs torch, which nobody waits for who reads lists alone

    if isinstance(source, FeatureRows):
        return Look({}, {})

    def look(index: int) -> DatasetError | tuple[str, ...]:
        try:
            with source.open(index) as image:
                return remarks_on(image)
        except DatasetError as error:
            return error

    errors: dict[int, DatasetError] = {}
    remarks: dict[int, tuple[str, ...]] = {}
    show = len(indices) >= _SHOW_FROM
    with (
        image_progress("reading images", len(indices), show) as advance,
        ThreadPoolExecutor(reader_threads()) as pool,
    ):
        for start in range(0, len(indices), _CHUNK):
            chunk = indices[start : start + _CHUNK]
            for index, found in zip(chunk, pool.map(look, chunk), strict=True):
                if isinstance(found, DatasetError):
                    errors[index] = found
                elif found:
                    remarks[index] = found
            advance(len(chunk))
    return Look(errors, remarks)


def remarks_on(image: Image.Image) -> tuple[str, ...]:
    """What is unusual about an opened picture: how its values were read, and whether anything is to be seen.

    Example:
        >>> remarks_on(Image.new("RGB", (8, 8)))
        ('are of one colour',)
    """
    said: tuple[str, ...] = image.info.get(REMARKS, ())
    ranges: list[Any] = [band.getextrema() for band in image.split()]  # a pair for each band
    if all(low == high for low, high in ranges):
        return (*said, ONE_COLOUR)
    return (*said, ALMOST_BLACK) if all(high <= _ALMOST for _, high in ranges) else said


def look_anew(source: ImageSource, indices: Sequence[int]) -> Look:
    """As :func:`look_at`, but of exactly these contents only what could not be read is tried again.

    Args:
        source: where the images are.
        indices: images of the source that are there, all different.
    """
    try:
        contents = dict(zip(indices, source.content_ids(indices), strict=True))
    except DatasetError:  # names the first bad one; decoding names all
        return look_at(source, indices)
    memory = _Memory(reading_of(source), contents.values())
    known = memory.read()
    if known is None:
        found = look_at(source, indices)
    else:
        again = [index for index, content in contents.items() if content in known.bad]
        anew = look_at(source, again)
        kept = {index: known.remarks[content] for index, content in contents.items() if content in known.remarks}
        found = Look(anew.errors, {**kept, **anew.remarks})
        if len(anew.errors) == len(again):
            return found
    bad = {contents[index] for index in found.errors}
    remarks = {contents[index]: said for index, said in found.remarks.items()}
    memory.write(bad, remarks)
    if bad:  # somebody may take them away
        _Memory(reading_of(source), set(contents.values()) - bad).write((), remarks)
    return found


@dataclass(frozen=True)
class _Known:
    bad: frozenset[str]
    remarks: Mapping[str, tuple[str, ...]]


class _Memory:
    """What a look at a set of contents found."""

    def __init__(self, reading: Reading, contents: Iterable[str]) -> None:
        key = "\n".join([f"{reading.max_pixels} {reading.marks}", *sorted(set(contents))])
        self.path: Path = cache_dir() / "looked" / f"{content_id(key.encode())}.json"

    def read(self) -> _Known | None:
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            return _Known(frozenset(kept["bad"]), {key: tuple(texts) for key, texts in kept["remarks"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none yet, or not as it was written
            return None

    def write(self, bad: Iterable[str], remarks: Mapping[str, tuple[str, ...]]) -> None:
        try:
            write_text_atomic(self.path, json.dumps({"bad": sorted(bad), "remarks": remarks}, sort_keys=True))
        except OSError as error:
            log.info("can't remember what was found in the images: %s", error)
