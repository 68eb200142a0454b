"""What many texts begin with alike."""

import torch

from promptlab.clip.text import shared
from promptlab.clip.text.shared import shared_beginnings
from tests.helpers.models import tiny_clip


def test_longest_beginning_that_enough_share(monkeypatch):
    monkeypatch.setattr(shared, "_SHARED_BY", 2)
    ids = [[0, 5, 6, 1], [0, 5, 7, 1], [0, 8, 1], [0, 5, 6, 2, 1]]
    beginnings, of_text = shared_beginnings(ids)
    assert [beginnings[place] for place in of_text] == [(0, 5, 6), (0, 5), (0,), (0, 5, 6)]


def test_no_beginning_is_a_whole_text(monkeypatch):
    """A text that others go on from keeps a last token of its own to be read at."""
    monkeypatch.setattr(shared, "_SHARED_BY", 1)
    beginnings, of_text = shared_beginnings([[0, 5, 1], [0, 5, 1, 4]])
    assert [beginnings[place] for place in of_text] == [(0, 5), (0, 5, 1)]


def test_many_texts_are_encoded_as_few_are(monkeypatch):
    clip = tiny_clip()
    texts = [f"{words} {name}." for words in ("a photo of a", "a photo of the large", "art of") for name in
             ("dog", "tall house", "red old tree", "cat", "star")]  # fmt: skip
    few = clip.encode_texts(texts, normalised=False)
    monkeypatch.setattr("promptlab.clip.text.side.MANY", 2)
    monkeypatch.setattr(shared, "_SHARED_BY", 4)
    prefixes, tails, plan = clip._with_beginnings(texts)
    assert len(prefixes) == 3
    assert len(plan) == len(tails) == len(texts)
    torch.testing.assert_close(clip.encode_texts(texts, normalised=False), few)
