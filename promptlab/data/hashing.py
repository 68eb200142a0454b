"""Content ids of files, hashed once and remembered in the feature store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from promptlab.data.file_hashes import FileHashes, FileState
from promptlab.data.pictures.identity import ID_DIGITS as ID_DIGITS
from promptlab.data.pictures.identity import content_id as content_id
from promptlab.data.pictures.identity import picture_id
from promptlab.support.errors import DatasetError
from promptlab.support.machine import reader_threads
from promptlab.support.progress import image_progress

_SHOW_FROM = 2000
_CHUNK = 4096
_GROUP = 64
_SETTLED_NS = 2_000_000_000


def content_ids_of_files(files: Sequence[FileState]) -> list[str]:
    """Ids of pictures' files; those that were not touched since they were hashed are not read again.

    Args:
        files: the files as they are now, all different.

    Returns:
        One id per file.

    Raises:
        DatasetError: if a file can't be read.
    """
    if not files:
        return []
    store = FileHashes()
    hashes = store.remembered(files)
    unknown = [position for position, digest in enumerate(hashes) if digest is None]
    show = len(unknown) >= _SHOW_FROM
    with image_progress("hashing images", len(unknown), show) as advance, ThreadPoolExecutor(reader_threads()) as pool:
        for start in range(0, len(unknown), _CHUNK):
            chunk = unknown[start : start + _CHUNK]
            groups = [chunk[first : first + _GROUP] for first in range(0, len(chunk), _GROUP)]
            hashed = pool.map(lambda group: [_hash_file(files[position].path) for position in group], groups)
            fresh = [digest for group in hashed for digest in group]
            for position, digest in zip(chunk, fresh, strict=True):
                hashes[position] = digest
            _remember_settled(store, [files[position] for position in chunk], fresh)
            advance(len(chunk))
    return [digest for digest in hashes if digest is not None]


def _remember_settled(store: FileHashes, files: Sequence[FileState], hashes: Sequence[str]) -> None:
    """Remember files that were not changed just now: a second change could leave size and time as they are."""
    newest = time.time_ns() - _SETTLED_NS
    settled = [pair for pair in zip(files, hashes, strict=True) if pair[0].mtime_ns < newest]
    if settled:
        store.remember([file for file, _ in settled], [digest for _, digest in settled])


def _hash_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return picture_id(file.read())
    except OSError as error:
        raise DatasetError(f"image can't be read: {path} ({error.strerror})") from error
