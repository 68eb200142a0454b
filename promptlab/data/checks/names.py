"""What is noted of a dataset's class names, in the log and in every Result."""

from __future__ import annotations

import logging
from dataclasses import replace

from promptlab.class_text.given_names import checked_names
from promptlab.class_text.name_notes import name_notes
from promptlab.data.items import Dataset
from promptlab.support.errors import DatasetError

log = logging.getLogger(__name__)


def with_names_noted(dataset: Dataset) -> Dataset:
    """A dataset with notes on names that are equal as prompts, or aren't words; what is new among them is logged.

    Raises:
        DatasetError: if a name is no text or is empty.
    """
    try:
        names = checked_names(dataset.class_names)
    except ValueError as error:
        raise DatasetError(f"dataset {dataset.name}: {error}") from error
    new = [note for note in name_notes(names, dataset.template) if note not in dataset.notes]
    for note in new:
        log.warning("dataset %s: %s", dataset.name, note)
    return replace(dataset, notes=(*dataset.notes, *new)) if new else dataset
