"""The benchmarks at miniature size: counts, names, and how they are opened."""

from omegaconf import OmegaConf

from promptlab.config.choices import choice_of
from promptlab.support.paths import conf_dir

OFFICIAL_NAMES = {
    "fgvc_aircraft": ("707-320", "Boeing 717", "F/A-18"),
    "imagenet": ("tench", "goldfish", "great white shark"),
    "imagenetv2": tuple(f"class {label}" for label in range(12)),
    "imagenet_sketch": ("tench", "goldfish", "great white shark"),
    "imagenet_a": ("tench", "great white shark"),
    "imagenet_r": ("goldfish", "great white shark"),
}


BUILT_NAMES = {
    "caltech101": ("face", "leopard", "motorbike", "airplane", "car_side"),
    "oxford_pets": ("abyssinian", "american_bulldog", "russian_blue"),
    "stanford_cars": ("2000 AM General Hummer SUV", "2012 Ram C/V Cargo Van Minivan"),
    "oxford_flowers": ("pink primrose", "hard-leaved pocket orchid", "canterbury bells"),
    "food101": ("apple_pie", "waffles"),
    "sun397": ("abbey", "airplane_cabin", "outdoor apartment_building"),
    "dtd": ("banded", "dotted"),
    "eurosat": ("Annual Crop Land", "Forest", "Sea or Lake"),
    "ucf101": ("Apply_Eye_Makeup", "Yo_Yo"),
}


NAMES = BUILT_NAMES | OFFICIAL_NAMES


COUNTS = {
    "caltech101": (25, 10, 15),
    "oxford_pets": (24, 6, 15),
    "stanford_cars": (16, 4, 10),
    "oxford_flowers": (20, 8, 12),
    "food101": (10, 4, 6),
    "sun397": (24, 6, 15),
    "dtd": (10, 4, 6),
    "eurosat": (15, 6, 9),
    "ucf101": (16, 4, 6),
    "fgvc_aircraft": (6, 6, 6),
    "imagenet": (36, 6, 6),
    "imagenetv2": (0, 0, 12),
    "imagenet_sketch": (0, 0, 6),
    "imagenet_a": (0, 0, 4),
    "imagenet_r": (0, 0, 4),
}


TEMPLATES = {
    "oxford_pets": "a photo of a {}, a type of pet.",
    "oxford_flowers": "a photo of a {}, a type of flower.",
    "fgvc_aircraft": "a photo of a {}, a type of aircraft.",
    "dtd": "{} texture.",
    "eurosat": "a centered satellite photo of {}.",
    "stanford_cars": "a photo of a {}.",
    "food101": "a photo of {}, a type of food.",
    "sun397": "a photo of a {}.",
    "caltech101": "a photo of a {}.",
    "ucf101": "a photo of a person doing {}.",
    "imagenet": "a photo of a {}.",
    "imagenetv2": "a photo of a {}.",
    "imagenet_sketch": "a photo of a {}.",
    "imagenet_a": "a photo of a {}.",
    "imagenet_r": "a photo of a {}.",
}
"""The prompts of CoOp's zero-shot baseline, as its code has them."""


def node(name, root, **changes):
    """The dataset's own YAML, with a miniature's number of classes."""
    whole = {"data": {"root": root and str(root)}, "dataset": OmegaConf.load(conf_dir() / "dataset" / f"{name}.yaml")}
    dataset = OmegaConf.to_container(OmegaConf.create(whole), resolve=True)["dataset"]
    return dataset | {"n_classes": len(NAMES[name])} | changes


def opened(name, root, **changes):
    return choice_of(node(name, root, **changes), "dataset").make()
