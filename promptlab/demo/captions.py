"""What people might write under a picture: its noun in many templates, with words for style, size and place.

Style words go with the look (a dark picture is called dark), so the context of a prompt means something to the text
tower, and learning it can pay.
"""

from __future__ import annotations

import numpy as np

from promptlab.demo.world import SURFACE, Picture

PLAIN = ("a photo of a {}.", "a picture of a {}.", "an image of a {}.", "a good photo of a {}.", "a {}.", "{}.")
SKETCHED = ("a sketch of a {}.", "a drawing of a {}.", "a pencil sketch of a {}.")
STYLED = ("a {} photo of a {}.", "a {} picture of a {}.", "a {} image of a {}.")
DARK, BRIGHT, HAZY, NOISY, CLUTTERED = "dark", "bright", "hazy", "noisy", "cluttered"
SMALL, LARGE = 17, 26  # radii in half pixels below and above which size is worth a word


def noun(picture: Picture) -> str:
    """Name of what is seen, e.g. ``red striped star`` or ``blue plaid pattern``; 'solid' goes without saying."""
    texture = "" if picture.texture == "solid" else f"{picture.texture} "
    kind = "pattern" if picture.shape == SURFACE else picture.shape
    return f"{picture.colour} {texture}{kind}"


def caption(picture: Picture, random: np.random.RandomState) -> str:
    """One caption; what it leaves out and which template it takes are drawn."""
    words = _noun_words(picture, random)
    template = _template(picture, random)
    text = template.format(words)
    if picture.shape != SURFACE and not picture.sketch and random.randint(4) == 0:
        text = f"{text[:-1]} on {picture.background}."
    return text


def _noun_words(picture: Picture, random: np.random.RandomState) -> str:
    """The noun, at times without colour or texture, at times with a word for its size."""
    words = noun(picture).split()
    dropped = random.randint(10)
    if dropped == 0:
        words = words[1:]
    elif dropped == 1 and len(words) == 3 and picture.shape != SURFACE:
        words = [words[0], words[2]]
    if picture.shape != SURFACE and random.randint(3) == 0:
        if picture.size <= SMALL:
            words = ["small", *words]
        elif picture.size >= LARGE:
            words = ["large", *words]
    return " ".join(words)


def _template(picture: Picture, random: np.random.RandomState) -> str:
    styles = list(_styles(picture))
    if picture.sketch:
        return SKETCHED[random.randint(len(SKETCHED))]
    if styles and random.randint(3):
        style = styles[random.randint(len(styles))]
        return STYLED[random.randint(len(STYLED))].format(style, "{}")
    return PLAIN[random.randint(len(PLAIN))]


def _styles(picture: Picture) -> list[str]:
    looks = {
        DARK: max(picture.light) <= 150,
        BRIGHT: min(picture.light) >= 300,
        HAZY: picture.haze >= 80,
        NOISY: picture.grain >= 60,
        CLUTTERED: picture.clutter >= 70,
    }
    return [word for word, seen in looks.items() if seen]
