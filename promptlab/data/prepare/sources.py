"""Where each benchmark's files come from (``sources.yaml``), and which of them are on this disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import yaml

FILE = Path(__file__).with_name("sources.yaml")
_DIGESTS = ("md5", "sha256")


@dataclass(frozen=True)
class Remote:
    """A file on a server.

    Args:
        url: its address.
        place: path in the archive to path below the folder of datasets; the empty path is the file itself.
        inner: an archive inside the archive that holds what ``place`` names, or None.
        size: its bytes, or None if nobody recorded them.
        digest: name of a hash and its hexadecimal value, or None if nobody recorded one.
        checksum_of: who recorded the hash.
        unless: paths below the folder of datasets, of which any makes it unneeded.
    """

    url: str
    place: dict[str, str]
    inner: str | None = None
    size: int | None = None
    digest: tuple[str, str] | None = None
    checksum_of: str = ""
    unless: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(urlsplit(self.url).path).name


@dataclass(frozen=True)
class ByHand:
    """Something to be fetched by its user.

    Args:
        to: where it belongs, below the folder of datasets.
        get: what to fetch, and from where.
        note: what holds without it.
        unless: as :attr:`Remote.unless`.
    """

    to: str
    get: str
    note: str = ""
    unless: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sources:
    """Where a dataset's files come from.

    Args:
        download: what can be downloaded.
        by_hand: what can't.

    Example:
        >>> Sources(by_hand=(ByHand("dtd/images", "the images"),)).download
        ()
    """

    download: tuple[Remote, ...] = field(default=())
    by_hand: tuple[ByHand, ...] = field(default=())


def sources_of(name: str) -> Sources:
    """The sources of a dataset; none at all for one that the file doesn't know.

    Args:
        name: a dataset's name.

    Example:
        >>> sources_of("eurosat").download[0].name
        'EuroSAT.zip'
    """
    known = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    entry = known.get(name) or {}
    return Sources(
        tuple(_remote(row) for row in entry.get("download", ())),
        tuple(ByHand(**{**row, "unless": tuple(row.get("unless", ()))}) for row in entry.get("by_hand", ())),
    )


def find(root: Path, path: str, layouts: Sequence[str] = ()) -> Path | None:
    """Where something is, in CoOp's layout or another that is read; None if it is not there.

    Args:
        root: the folder of datasets.
        path: where it belongs in CoOp's layout, below ``root``.
        layouts: the image folders that are read, below ``root``; CoOp's first.
    """
    candidates = [root / path, *(root / other for other in _elsewhere(Path(path), [Path(it) for it in layouts]))]
    return next((candidate for candidate in candidates if _is_there(candidate)), None)


def _elsewhere(path: Path, layouts: Sequence[Path]) -> list[Path]:
    """Where else :func:`promptlab.data.benchmarks.layout.find_layout` looks for what belongs at ``path``.

    Images are looked for in the image folders alone; a list in them, in those above them, and in the root.
    """
    if layouts and not path.suffix and path.is_relative_to(layouts[0]):
        return [layout / path.relative_to(layouts[0]) for layout in layouts]
    inside = Path(*path.parts[1:])
    return [folder / inside for layout in layouts for folder in (layout, *layout.parents)]


def is_needed(source: Remote | ByHand, root: Path, layouts: Sequence[str] = ()) -> bool:
    """Whether nothing on this disk makes it unneeded; it may be there itself."""
    return not any(find(root, path, layouts) for path in source.unless)


def _is_there(path: Path) -> bool:
    """A file, or a folder with something in it."""
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _remote(row: dict[str, Any]) -> Remote:
    digest = next(((kind, row[kind]) for kind in _DIGESTS if kind in row), None)
    rest = {key: row[key] for key in ("inner", "size", "checksum_of") if key in row}
    place = row["place"] if "place" in row else {"": row["to"]}
    return Remote(row["url"], place, digest=digest, unless=tuple(row.get("unless", ())), **rest)
