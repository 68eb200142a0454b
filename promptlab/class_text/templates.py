"""The hand-written prompts of CoOp's zero-shot baseline."""

from __future__ import annotations

from pathlib import Path

DEFAULT_TEMPLATE = "a photo of a {}."

TEMPLATES: dict[str, str] = {
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

SELECT_TEMPLATES: tuple[str, ...] = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
"""The seven templates that CLIP's authors selected for ImageNet; CoOp's ensemble adds the dataset's own elsewhere."""


def template_for(dataset: str) -> str:
    """The hand-written prompt for a dataset, by the name that CoOp gives it; ``a photo of a {}.`` for others."""
    return TEMPLATES.get(dataset, DEFAULT_TEMPLATE)


def template_of(given: str) -> str:
    """A prompt that was given as it is, or as a small text file that holds it (which needs no quotes in a shell).

    Raises:
        ValueError: as :func:`check_template`, or if the file can't be read or has more than one line.
    """
    path = Path(given).expanduser()
    if "{}" in given or not path.is_file():
        return check_template(given)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"template file {given} can't be read ({error}). A text file is needed.") from error
    if len(lines) != 1:
        raise ValueError(
            f"template file {given} has {len(lines)} lines; a dataset has one prompt (learner.templates takes several)"
        )
    return check_template(lines[0])


def check_template(template: str) -> str:
    """Return ``template`` if it has exactly one ``{}`` for the class name.

    Raises:
        ValueError: naming the template and what it needs.
    """
    if template.count("{}") != 1:
        raise ValueError(
            f"template {template!r} needs exactly one {{}} where the class name goes (a text file may hold it)"
        )
    return template
