import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.results.ids import EvalFacts, canonical_json, eval_id, fit_id, items_digest
from promptlab.support.typed_json import PlainError, to_plain
from tests.helpers.results import make_fit

ARGUMENTS = {"n_ctx": 16, "ctx_init": None, "csc": False, "class_token_position": "end"}
TEN = [
    ({}, "aaef6e4c276e4aff"),
    ({"seed": 2}, "9aec54410ee93181"),
    ({"learner_arguments": ARGUMENTS}, "66216ee7d2fcc7d8"),
    ({"learner_arguments": ARGUMENTS | {"csc": True}}, "0e1336d4b2624ccd"),
    ({"learner_arguments": ARGUMENTS | {"optimizer": {"lr": 0.002, "weight_decay": 5e-4}}}, "392d5670c2549105"),
    ({"learner_version": 2}, "753d546de0a522a8"),
    ({"views": "online"}, "555372aac768d320"),
    ({"precision": "fp16"}, "399579b3e969960b"),
    ({"val_digest": "89abcdef01234567"}, "a6b730080698bf71"),
    ({"learner": "promptlab.learners.ZeroShot", "template": "{} – naïve."}, "1e45db51695e9d67"),
]


@pytest.mark.parametrize(("changes", "expected"), TEN)
def test_ids_of_ten_configurations_never_change(changes, expected):
    """A changed id orphans everybody's finished runs; raise a learner's version instead."""
    assert fit_id(make_fit(**changes)) == expected


def test_the_id_of_an_evaluation_never_changes():
    facts = EvalFacts(
        name="new",
        items_digest="0" * 16,
        class_names=("red star", "blue ring"),
        template="a {}.",
        image_transform="eval",
    )
    assert eval_id("0" * 16, facts) == "ba7415585b5bdb4a"


def test_every_fact_counts():
    changed = {
        "learner": "x",
        "learner_arguments": {},
        "learner_version": 9,
        "seed": 9,
        "class_names": ("a", "b", "c", "d"),
        "has_images": (True, True, True, True),
        "template": "{}",
        "train_digest": "x",
        "val_digest": "x",
        "views": 0,
        "selection": "val",
        "trainer": {},
        "image_transforms": (),
        "backbone_fingerprint": "x",
        "precision": "bf16",
        "unlabelled_digest": "x",
        "balance": "class_weights",
        "calibration": "temperature",
        "tested_digest": "x",
    }
    assert changed.keys() == to_plain(make_fit()).keys()
    assert len({fit_id(make_fit())} | {fit_id(make_fit(**{name: value})) for name, value in changed.items()}) == 20
    facts = {"name": "new", "items_digest": "0", "class_names": ("a",), "template": "{}", "image_transform": None}
    ids = {eval_id("1", facts), eval_id("2", facts)} | {eval_id("1", facts | {name: "x"}) for name in facts}
    assert len(ids) == 7


def test_order_of_keys_and_kind_of_sequence_dont_matter():
    one = make_fit(learner_arguments={"a": (1, 2), "b": 0.0})
    other = make_fit(learner_arguments={"b": -0.0, "a": [1, 2]})
    assert fit_id(one) == fit_id(other) == fit_id(to_plain(one))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {"b": [1.0, math.nan]}}, r"a\.b\[1\]: nan is not a finite number"),
        ({"a": math.inf}, "a: inf"),
        ({"a": Path("x")}, "a: a PosixPath can't be written"),
        ({"a": {1: 2}}, "a: keys must be str, got 1"),
        ({"a": {3, 4}}, "a: a set"),
        ({"a": np.int64(3)}, "a: a int64"),
        (object(), "the value itself: a object"),
    ],
)
def test_what_has_no_exact_form_is_refused_with_its_path(value, message):
    with pytest.raises(PlainError, match=message):
        canonical_json(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_equal_texts_mean_equal_values(one, other):
    import json

    assert canonical_json(json.loads(canonical_json(one))) == canonical_json(one)
    if canonical_json(one) == canonical_json(other):
        assert one == other


def test_items_digest_sees_contents_labels_and_order():
    digests = [
        items_digest(["a", "b"], [0, 1]),
        items_digest(["b", "a"], [1, 0]),
        items_digest(["a", "b"], [1, 0]),
        items_digest(["ab"], [0]),
        items_digest([], []),
    ]
    assert len(set(digests)) == 5
    assert items_digest(["a", "b"], np.array([0, 1])) == digests[0] == "d961c692d55a5398"
    with pytest.raises(ValueError, match="zip"):
        items_digest(["a"], [0, 1])


def test_facts_need_a_flag_per_class():
    with pytest.raises(ValueError, match="one entry per class name, got 1 for 4"):
        make_fit(has_images=(True,))
