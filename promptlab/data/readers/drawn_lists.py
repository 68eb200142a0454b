"""Few-shot draws that somebody published, as lists of images: 2SFS's form.

A folder holds ``shot_{shots}-seed_{seed}_train.jsonl`` and ``..._val.jsonl``. A line is an image, such as
``{"_impath": "eurosat/2750/River/River_12.jpg", "_label": 7}``: a path, the end of which is what the dataset calls the
image, and its label; more may stand there. The order of lines is that of training, and an image may be in several.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from promptlab.data.items import Dataset, Items
from promptlab.support.errors import DatasetError
from promptlab.support.json_texts import read_json_text
from promptlab.support.texts import read_text
from promptlab.support.words import counted, some_of

Part = Literal["train", "val"]
_CALLED = {"train": "training", "val": "validation"}


@dataclass(frozen=True)
class DrawnList:
    """A list's images.

    Args:
        positions: of each in the dataset's training or validation list, in the order of lines.
        digest: of the file, 12 hexadecimal digits.
    """

    positions: list[int]
    digest: str


def read_drawn_list(dataset: Dataset, folder: str | Path, part: Part, *, shots: int, seed: int) -> DrawnList:
    """Find the images of a published draw among those of a dataset.

    Args:
        dataset: what the lists were drawn from.
        folder: where the lists are.
        part: which of the two.
        shots: images per class, which the file is named by.
        seed: likewise.

    Raises:
        DatasetError: if the file is missing, no UTF-8 or empty, or a line is no such object, names an image that the
            dataset hasn't in this list, or gives it another label; the message names the line.

    Example:
        >>> import json, tempfile
        >>> from promptlab.demo import demo_dataset
        >>> data = demo_dataset("demo_textures")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     row = {"_impath": data.train.source.describe(int(data.train.indices[5])), "_label": 0}
        ...     _ = Path(folder, "shot_1-seed_2_train.jsonl").write_text(json.dumps(row))
        ...     read_drawn_list(data, folder, "train", shots=1, seed=2).positions
        [5]
    """
    path = Path(folder) / f"shot_{shots}-seed_{seed}_{part}.jsonl"
    text = _text_of(path)
    items: Items = getattr(dataset, part)
    places = {items.source.describe(index): place for place, index in enumerate(items.indices.tolist())}
    positions = [
        _place_of(*_row_of(line, f"{path}, line {number}"), places, f"{path}, line {number}", dataset, part)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]
    if not positions:
        raise DatasetError(f"{path} lists no images. Fetch it again.")
    return DrawnList(positions, hashlib.sha256(text.encode()).hexdigest()[:12])


def _text_of(path: Path) -> str:
    try:
        return read_text(path)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: {error}") from error
    except OSError as error:
        there = sorted(other.name for other in path.parent.glob("shot_*-seed_*_*.jsonl"))
        found = f"the folder has {some_of(there)}" if there else "the folder has no such lists"
        raise DatasetError(f"{path} can't be read ({error.strerror}); {found}") from error


def _row_of(line: str, where: str) -> tuple[str, int]:
    """The path and the label of a line."""
    try:
        row = read_json_text(line)
    except ValueError as error:
        raise DatasetError(f"{where} is no JSON ({error}): was the file cut off? Fetch it again.") from error
    named, label = (row.get("_impath"), row.get("_label")) if isinstance(row, dict) else (None, None)
    if not isinstance(named, str) or not isinstance(label, int) or isinstance(label, bool):
        raise DatasetError(
            f"{where}: an object with _impath, a text, and _label, a whole number, is needed: {line[:80]}"
        )
    return named, label


def _place_of(named: str, label: int, places: dict[str, int], where: str, dataset: Dataset, part: Part) -> int:
    """That of the image whose name is all of a path or the longest end of it, and whose label this is."""
    parts = named.replace("\\", "/").split("/")
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    place = next((places[end] for end in ends if end in places), None)
    other = "the list is of another split or dataset"
    if place is None:
        among = f"the {counted(len(places), f'{_CALLED[part]} image')} of {dataset.name}"
        example = next(iter(places), "none")
        raise DatasetError(f"{where}: {named!r} is none of {among}, whose names are such as {example!r}: {other}")
    own = int(getattr(dataset, part).labels[place])
    if label != own:
        its = f"{own} ({dataset.class_names[own]!r})"
        raise DatasetError(f"{where}: {named!r} has label {label}, but {its} in {dataset.name}: {other}")
    return place
