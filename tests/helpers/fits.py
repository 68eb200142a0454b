"""Small fits."""

import numpy as np
from PIL import Image

from promptlab.data.items import Items


class Squares:
    """Pictures of three colours with some noise."""

    def __len__(self):
        return 60

    def open(self, index):
        pixels = np.random.RandomState(index).randint(0, 90, (32, 32, 3)).astype(np.uint8)
        pixels[..., index % 3] += 120
        return Image.fromarray(pixels)

    def describe(self, index):
        return f"square {index}"

    def content_ids(self, indices):
        return [f"{int(index):032x}" for index in indices]


NAMES = ["red", "green", "blue"]


QUIET = {"enable_progress_bar": False}


def items(start=0, stop=60):
    indices = np.arange(start, stop)
    return Items(Squares(), indices, indices % 3)
