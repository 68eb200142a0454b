"""Texts that many learners are made with, encoded once."""

from contextlib import contextmanager
from unittest.mock import patch

import torch


@contextmanager
def kept_texts(clip):
    """A backbone's features of whole texts are kept while the block lasts; each who asks gets a copy of its own.

    What the tower gives under autocast is neither kept nor replaced.
    """
    plain, kept = clip.encode_texts, {}

    def encode_texts(texts, *, normalised=True):
        if torch.is_autocast_enabled("cpu"):
            return plain(texts, normalised=normalised)
        asked = tuple(texts), normalised
        if asked not in kept:
            kept[asked] = plain(texts, normalised=normalised)
        return kept[asked].clone()

    with patch.object(clip, "encode_texts", encode_texts):
        yield
