"""Datasets: files to labelled items, few-shot draws.

Names are imported when first used: reading labels and splits needs no torch.
"""

import lazy_loader

from promptlab.support.deprecation import moved

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = moved(
    __name__,
    __getattr__,
    {
        "DatasetError": "promptlab.support.errors",
        "ImageDataset": "promptlab.training.pictures",
        "FeatureBank": "promptlab.features",
        "SELECT_TEMPLATES": "promptlab.class_text",
        "TrainingTransform": "promptlab.features",
        "template_for": "promptlab.class_text",
        "training_transform": "promptlab.features",
    },
)
