"""Datasets, few-shot draws and image features.

Names are imported when first used: reading labels and splits needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlab.data.feature_bank import FeatureBank
    from promptlab.data.feature_files import FeatureRows, read_features
    from promptlab.data.image_dataset import ImageDataset
    from promptlab.data.images import FileImages, check_images
    from promptlab.data.items import Dataset, DatasetError, ImageSource, Items
    from promptlab.data.readers import read_coop_split
    from promptlab.data.sampling import base_new_classes, fewer_than, sample_few_shot, sample_linear_probe
    from promptlab.data.templates import SELECT_TEMPLATES, TEMPLATES, template_for
    from promptlab.data.transforms import TrainingTransform, training_transform

_MODULES = {
    "feature_bank": ("FeatureBank",),
    "feature_files": ("FeatureRows", "read_features"),
    "image_dataset": ("ImageDataset",),
    "images": ("FileImages", "check_images"),
    "items": ("Dataset", "DatasetError", "ImageSource", "Items"),
    "readers": ("read_coop_split",),
    "sampling": ("base_new_classes", "fewer_than", "sample_few_shot", "sample_linear_probe"),
    "templates": ("SELECT_TEMPLATES", "TEMPLATES", "template_for"),
    "transforms": ("TrainingTransform", "training_transform"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "SELECT_TEMPLATES",
    "TEMPLATES",
    "Dataset",
    "DatasetError",
    "FeatureBank",
    "FeatureRows",
    "FileImages",
    "ImageDataset",
    "ImageSource",
    "Items",
    "TrainingTransform",
    "base_new_classes",
    "check_images",
    "fewer_than",
    "read_coop_split",
    "read_features",
    "sample_few_shot",
    "sample_linear_probe",
    "template_for",
    "training_transform",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
