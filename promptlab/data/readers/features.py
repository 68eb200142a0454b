"""A user's own features in place of images: ``.npy``, ``.npz`` or ``.safetensors`` files with labels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from promptlab.class_text.names import ClassNames, names_of_numbers
from promptlab.class_text.templates import DEFAULT_TEMPLATE, template_of
from promptlab.data.checks.labels import check_labels
from promptlab.data.checks.names import with_names_noted
from promptlab.data.checks.problems import noted
from promptlab.data.checks.validate import copies_in
from promptlab.data.hashing import ID_DIGITS
from promptlab.data.items import Dataset, Items
from promptlab.data.readers.arrays import FeatureFile, read_feature_file
from promptlab.data.readers.default_name import own_name
from promptlab.data.sources.features import FeatureRows
from promptlab.support.errors import DatasetError


def read_features(
    *,
    train: str | Path | None,
    test: str | Path | None,
    val: str | Path | None = None,
    train_labels: str | Path | None = None,
    test_labels: str | Path | None = None,
    val_labels: str | Path | None = None,
    class_names: ClassNames | None = None,
    template: str = DEFAULT_TEMPLATE,
    name: str = "features",
) -> Dataset:
    """Build a dataset of features.

    ``.npz`` and ``.safetensors`` files hold arrays ``features`` (N, D) and ``labels`` (N,), and may hold the class
    names: an array ``class_names`` of strings, or a JSON list under ``class_names`` in safetensors' metadata. A
    ``.npy`` file holds the features alone; its labels are another ``.npy`` file.

    Args:
        train: file of training features.
        test: file of test features; ``none`` to learn without scoring anything.
        val: file of validation features, if there are any.
        train_labels: file of labels, where ``train`` is a ``.npy``.
        test_labels: likewise for ``test``.
        val_labels: likewise for ``val``.
        class_names: the names by label, a mapping of label to name, or a file with either; None to take them from the
            training file.
        template: the hand-written prompt with ``{}`` for the class name.
        name: what a Result calls the dataset; ``features``, as in the configuration, stands for the name of the
            training file.

    Returns:
        The dataset; its items' sources are :class:`FeatureRows`.

    Raises:
        DatasetError: naming the file and what is wrong with it.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name, "mine.npz")
        >>> features, labels = np.random.default_rng(0).normal(size=(4, 8)), np.array([0, 0, 1, 1])
        >>> np.savez(file, features=features, labels=labels, class_names=["cat", "dog"])
        >>> data = read_features(train=file, test=file)
        >>> data.class_names, len(data.train)
        (('cat', 'dog'), 4)
    """
    if not train or not test:
        raise DatasetError(
            "a dataset of features needs two files: set dataset.train=FILE and dataset.test=FILE (dataset.test=none to "
            "learn without scoring)"
        )
    name = own_name(name, "features", train)
    files = {"train": read_feature_file(train, train_labels)}
    if test != "none":
        files["test"] = read_feature_file(test, test_labels)
    if val:
        files["val"] = read_feature_file(val, val_labels)
    names = _class_names(class_names, files["train"])
    labels = {split: file.labels for split, file in files.items()}
    check_labels(labels, names, where=f"dataset {name}", train_only=test == "none")
    sources = {split: FeatureRows(file.features, Path(file.path).name) for split, file in files.items()}
    widths = {split: source.features.shape[1] for split, source in sources.items()}
    if len(set(widths.values())) > 1:
        raise DatasetError(f"dataset {name}: the files hold features of different widths: {widths}")
    items = {
        split: Items(source, np.arange(len(source), dtype=np.int64), files[split].labels)
        for split, source in sources.items()
    }
    nothing = items["train"].take([])
    dataset = Dataset(
        name=name,
        class_names=names,
        template=template_of(template),
        train=items["train"],
        val=items.get("val", nothing),
        test=items.get("test", nothing),
        split_source="files of features",
        split_hash=_split_hash(files),
        class_origins=tuple(f"label {label}" for label in range(len(names))),
    )
    return with_names_noted(noted(dataset, copies_in(dataset)))


def _class_names(given: ClassNames | None, train: FeatureFile) -> tuple[str, ...]:
    if given is None:
        if train.class_names is None:
            raise DatasetError(
                f"{train.path} holds no class names: set dataset.class_names to a list, or a text file with one name "
                "per line"
            )
        return train.class_names
    return names_of_numbers(given)


def _split_hash(files: dict[str, FeatureFile]) -> str:
    digest = hashlib.sha256()
    for split, file in sorted(files.items()):
        digest.update(f"{split} {file.features.dtype} {file.features.shape}\n".encode())
        digest.update(np.ascontiguousarray(file.features).tobytes() + file.labels.tobytes())
    return digest.hexdigest()[:ID_DIGITS]
