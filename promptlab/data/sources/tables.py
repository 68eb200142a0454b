"""Images in tables: a column of encoded bytes, or of paths, in Hugging Face's ``datasets``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from promptlab.data.pictures.identity import ids_under, picture_id
from promptlab.data.pictures.picture import open_picture
from promptlab.data.pictures.reading import USUAL, Reading
from promptlab.support.arrays import IntArray
from promptlab.support.errors import DatasetError

_OWN = "dataset.skip_bad=true leaves out what can't be read."


class TableImages:
    """An ``ImageSource`` over tables with a column of encoded images.

    Args:
        tables: ``datasets.Dataset`` by name; images are counted through all of them.
        column: the column of images, undecoded: cells with ``bytes`` or a ``path``.
        reading: how they are read.
    """

    def __init__(self, tables: Mapping[str, Any], column: str, reading: Reading = USUAL) -> None:
        self.column, self.reading = column, reading
        self._tables = dict(tables)
        self._ends = np.cumsum([len(table) for table in tables.values()])
        self._ids: dict[int, str] = {}

    def __len__(self) -> int:
        return int(self._ends[-1])

    def open(self, index: int) -> Image.Image:
        """Decode one image to RGB.

        Raises:
            DatasetError: if it is missing, empty, truncated or no image; the message names it.
        """
        return open_picture(BytesIO(self._bytes(index)), self.reading, name=self.describe(index), if_damaged=_OWN)

    def describe(self, index: int) -> str:
        """The table's name and the row."""
        name, row = self._place(index)
        return f"{name}[{row}]"

    def content_ids(self, indices: Sequence[int] | IntArray) -> list[str]:
        """Hashes of the encoded bytes, the same as those of files with these bytes."""
        wanted = np.asarray(indices, dtype=np.int64).tolist()
        for index in wanted:
            if index not in self._ids:
                (self._ids[index],) = ids_under(self.reading, [picture_id(self._bytes(index))])
        return [self._ids[index] for index in wanted]

    def _place(self, index: int) -> tuple[str, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        table = int(np.searchsorted(self._ends, index, side="right"))
        return list(self._tables)[table], index - int(self._ends[table - 1] if table else 0)

    def _bytes(self, index: int) -> bytes:
        name, row = self._place(index)
        cell = self._tables[name][row][self.column] or {}
        if cell.get("bytes"):
            return bytes(cell["bytes"])
        if not cell.get("path"):
            raise DatasetError(f"image is missing: {self.describe(index)}")
        try:
            return Path(cell["path"]).read_bytes()
        except OSError as error:
            raise DatasetError(f"image is missing: {self.describe(index)} ({error})") from error
