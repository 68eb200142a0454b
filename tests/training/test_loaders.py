"""Batches: which are dropped (P18), and what their order and views depend on."""

import pytest
import torch

from promptlab.support.random_streams import stream_seed
from promptlab.training.loaders import FeatureLoader
from promptlab.training.rows import batches_of, count_of


@pytest.mark.parametrize(
    ("items", "size", "expected"), [(10, 32, [10]), (32, 32, [32]), (70, 32, [32, 32]), (64, 32, [32, 32])]
)
def test_an_incomplete_batch_is_dropped_unless_it_is_the_only_one(items, size, expected):
    assert [len(batch) for batch in batches_of(torch.arange(items), size)] == expected


@pytest.mark.parametrize("drop_last", [True, False])
def test_the_number_of_batches_is_known_without_making_them(drop_last):
    for items in range(0, 40):
        for size in (1, 7, 8, 40):
            assert count_of(items, size, drop_last) == len(batches_of(torch.arange(items), size, drop_last))


def loader(views=1, seed=1, stage="context", items=40):
    features = torch.arange(items * views, dtype=torch.float32).view(items, views, 1)
    return FeatureLoader(features, torch.arange(items), batch_size=8, seed=seed, stage=stage)


def epoch(batches, number):
    batches.set_epoch(number)
    return torch.cat([batch.labels for batch in batches])


def test_order_is_a_function_of_seed_stage_and_epoch():
    first = epoch(loader(), 3)
    torch.manual_seed(99)
    assert torch.equal(first, epoch(loader(), 3))
    for other in (epoch(loader(), 4), epoch(loader(seed=2), 3), epoch(loader(stage="adapter"), 3)):
        assert not torch.equal(first, other)
    assert torch.equal(first.sort().values, torch.arange(40))


def test_inputs_stay_with_their_labels_and_views_are_all_drawn():
    batches, seen = loader(views=4), set()
    for number in range(20):
        batches.set_epoch(number)
        for batch in batches:
            item, view = batch.inputs[:, 0].long() // 4, batch.inputs[:, 0].long() % 4
            assert torch.equal(item, batch.labels)
            seen |= {(int(i), int(v)) for i, v in zip(item, view, strict=True)}
    assert len(seen) > 0.9 * 160


def test_seeds_depend_on_every_part():
    seeds = {
        stream_seed(*parts) for parts in [(1, "a", 2), (1, "a", 3), (1, "b", 2), (2, "a", 2), (12, "a"), (1, "2a")]
    }
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def drawn(draws, *, items=40, views=5, drop_last=True, number=0):
    features = torch.arange(items * views, dtype=torch.float32).view(items, views, 1)
    batches = FeatureLoader(
        features, torch.arange(items), batch_size=16, seed=1, stage="s", draws=draws, drop_last=drop_last
    )
    batches.set_epoch(number)
    shown = list(batches)
    assert len(shown) == len(batches)
    rows = torch.cat([batch.inputs[:, 0].long() for batch in shown])
    assert torch.equal(rows // views, torch.cat([batch.labels for batch in shown]))
    return [len(batch.labels) for batch in shown], rows // views, rows % views


def test_a_pool_of_views_has_as_many_batches_as_the_items():
    sizes, items, views = drawn("pool")
    assert sizes == [16, 16]
    assert len(set(zip(items.tolist(), views.tolist(), strict=True))) == 32  # each row once
    assert len(items.unique()) < 32  # several views of an item
    sizes, items, _ = drawn("pool", items=6)  # CLAP: one batch of more rows than there are items
    assert sizes == [16]
    assert len(items.unique()) <= 6
    assert drawn("pool", items=2)[0] == [10]
    assert not torch.equal(drawn("pool", number=0)[1], drawn("pool", number=1)[1])
    assert drawn("pool", drop_last=False)[0] == [16, 16, 16]


def test_views_in_turn_show_all_items_by_one_view():
    for number, expected in ((0, 1), (3, 4), (4, 0)):
        sizes, items, views = drawn("views_in_turn", number=number, drop_last=False)
        assert sizes == [16, 16, 8]
        assert torch.equal(items.sort().values, torch.arange(40))
        assert views.unique().tolist() == [expected]
