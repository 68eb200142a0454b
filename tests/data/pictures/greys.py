"""Files of grey pictures from black to white, in every depth that there is."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
from PIL import Image

GREYS = np.tile(np.arange(256, dtype=np.int64), (4, 1))


def saved(pixels, kind="TIFF", **options):
    """The file of an array that Pillow can write."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def tiff(data, *, bits, sample_format=1, photometric=1, width=256, height=4):
    """An uncompressed grey TIFF by hand, for what Pillow can read but not write."""
    longs = {256: width, 257: height, 273: 8, 278: height, 279: len(data)}
    shorts = {258: bits, 259: 1, 262: photometric, 277: 1, 339: sample_format}
    tags = sorted(
        [(tag, 4, value) for tag, value in longs.items()] + [(tag, 3, value) for tag, value in shorts.items()]
    )
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def packed12(values):
    """Two values of 12 bits in three bytes."""
    pairs = values.reshape(-1, 2)
    first, second = pairs[:, 0], pairs[:, 1]
    return np.stack([first >> 4, ((first & 15) << 4) | (second >> 8), second & 255], 1).astype(np.uint8).tobytes()
