"""Nearest features: of all rows at once and in chunks, and fewer than asked for."""

import torch
from torch.nn import functional as F

from promptlab.learners.base import neighbours
from promptlab.learners.base.neighbours import nearest


def test_chunks_find_what_a_sort_does(monkeypatch):
    rows, among = F.normalize(torch.randn(19, 8, generator=torch.Generator().manual_seed(0)), dim=-1).split([12, 7])
    monkeypatch.setattr(neighbours, "_AT_ONCE", 16)  # two rows at a time
    cosines, found = nearest(rows, among, 3)
    ordered = (rows @ among.T).sort(dim=1, descending=True)
    assert found.tolist() == ordered.indices[:, :3].tolist()
    torch.testing.assert_close(cosines, ordered.values[:, :3])


def test_there_may_be_fewer_or_none():
    rows = torch.eye(3)
    assert nearest(rows, rows[:2], 5)[0].shape == (3, 2)
    assert nearest(rows, rows[:0], 5)[1].shape == (3, 0)
