import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.results.document import Result, ResultError, harmonic_of
from promptlab.results.schema import EvaluationResult
from promptlab.support.checksums import sealed, unsealed
from promptlab.support.typed_json import PlainError, from_plain, render
from tests.helpers.results import make_evaluation, make_fit, make_result


def edited(edit):
    """The example's document after ``edit``, with the checksum that it then has."""
    document = unsealed(json.loads(make_result().to_json()))
    edit(document)
    return json.dumps(sealed(document))


def test_round_trip():
    result = make_result({"base": 0.8, "new": None}, reasons={"new": "no images"})
    again = Result.from_json(result.to_json())
    assert again == result
    assert again.to_json() == result.to_json()


def test_a_result_without_the_optional_parts_comes_back_too():
    result = make_result({"test": 0.8}, git=None, learning_curve=(), notes=(), shots="all", views="online", epochs={})
    assert result.harmonic is None
    assert Result.from_json(result.to_json()) == result


def test_the_text_is_json_for_people():
    text = make_result().to_json()
    document = json.loads(text)
    assert document["schema_version"] == 2
    assert list(document)[-1] == "checksum"
    assert list(document)[:4] == ["schema_version", "created", "protocol", "dataset"]
    assert document["evaluations"]["base"]["metrics"]["top1"] == 0.8
    assert document["evaluations"]["base"]["metrics"]["per_class_accuracy"] == [0.8, None]
    assert document["evaluations"]["base"]["zero_shot"]["top1"] == 0.5
    assert document["learning_curve"][1]["loss"] is None
    assert document["trained_parameters"]["shapes"]["ctx"] == [4, 512]
    assert '"per_class_images": [100, 0]' in text


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.pop("seed"), "seed: missing"),
        (lambda d: d.pop("schema_version"), "schema_version: .* has 'missing'"),
        (
            lambda d: d.update(schema_version=3),
            "schema_version: .* reads up to version 2, the file has 3.*update promptlab",
        ),
        (lambda d: d.update(schema_version=0), "schema_version: a number from 1 to 2 is expected, the file has 0"),
        (lambda d: d.update(schema_version=True), "schema_version"),
        (lambda d: d.update(sneed=1), "sneed: unknown field"),
        (lambda d: d.update(seed="1"), "seed: expected a int, got '1'"),
        (lambda d: d.update(seed=True), "seed: expected a int, got True"),
        (lambda d: d.update(shots=[1]), r"shots: expected a int or a str, got \[1\]"),
        (lambda d: d.update(notes="x"), "notes: expected a list"),
        (lambda d: d.update(evaluations=[]), "evaluations: expected an object"),
        (lambda d: d["harmonic"]["of"].append("x"), "harmonic.of: expected a list of 2"),
        (lambda d: d["fit"].pop("template"), "fit.template: missing"),
        (lambda d: d["fit"].update(has_images=[]), "fit: has_images needs one entry per class name"),
        (lambda d: d["evaluations"]["new"]["metrics"].pop("top1"), "evaluations.new.metrics.top1: missing"),
        (
            lambda d: d["evaluations"]["new"].update(metrics=None),
            "evaluations.new: an evaluation has either metrics or",
        ),
        (lambda d: d["learning_curve"][1].update(epoch=0.5), r"learning_curve\[1\].epoch: expected a int, got 0.5"),
        (lambda d: d["trained_parameters"]["shapes"].update(ctx=["a"]), r"shapes.ctx\[0\]: expected a int"),
    ],
)
def test_a_wrong_document_is_refused_naming_file_and_field(edit, message):
    with pytest.raises(ResultError, match="some/result.json: .*" + message):
        Result.from_json(edited(edit), source="some/result.json")


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", make_result().to_json()[:500], '{"schema_version": NaN}'])
def test_a_damaged_document_is_refused_naming_the_file(text):
    with pytest.raises(ResultError, match=r"some/result\.json: "):
        Result.from_json(text, source="some/result.json")


@given(st.integers(0, 4000))
@settings(max_examples=40, deadline=None)
def test_every_truncation_is_noticed(length):
    text = make_result().to_json().rstrip()
    with pytest.raises(ResultError):
        Result.from_json(text[: min(length, len(text) - 1)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": {"a": [float("nan")]}}, r"config\.a\[0\]: nan is not a finite number"),
        ({"config": {"a": np.float32(1)}}, r"config\.a: a float32 can't be written"),
        ({"train_images": np.int64(1)}, "train_images: a int64"),
    ],
)
def test_what_cant_be_written_exactly_is_refused(changes, message):
    with pytest.raises(ResultError, match=message):
        make_result(**changes).to_json()


def test_fields_with_a_default_may_be_missing():
    """So that a later promptlab can add fields and still read today's documents."""
    document = unsealed(json.loads(edited(lambda d: d.pop("schema_version"))))
    assert from_plain(Result, document).schema_version == 2


def test_marks_come_back_and_results_without_them_have_none():
    marked = make_result(marks=("transductive", "unlabelled images"))
    assert Result.from_json(marked.to_json()) == marked
    assert Result.from_json(edited(lambda d: d.pop("marks"))).marks == ()


def test_an_evaluation_has_metrics_or_a_reason():
    good = make_evaluation("new", "0" * 16, 0.5)
    for wrong in ({"metrics": None}, {"reason": "both"}, {"metrics": None, "reason": ""}):
        with pytest.raises(ValueError, match="either metrics or a reason"):
            replace(good, **wrong)
    assert isinstance(replace(good, metrics=None, reason="why"), EvaluationResult)


def test_harmonic_mean_of_two_evaluations():
    parts = {"base": make_evaluation("base", "0", 0.8), "new": make_evaluation("new", "0", 0.4, zero_shot=None)}
    found = harmonic_of(parts, ("base", "new"))
    assert found.learner == pytest.approx(2 * 0.8 * 0.4 / 1.2)
    assert found.zero_shot is None
    assert harmonic_of(parts, None) is None
    with pytest.raises(ValueError, match="no evaluation 'test' to make H of; there are base, new"):
        harmonic_of(parts, ("base", "test"))
    with pytest.raises(ValueError, match="top1, mean_class_accuracy, got 'f1'"):
        harmonic_of(parts, ("base", "new"), metric="f1")


def test_harmonic_mean_may_be_of_per_class_accuracies():
    part = make_evaluation("seen", "0", 0.8)
    uneven = replace(part, metrics=replace(part.metrics, mean_class_accuracy=0.2))
    found = harmonic_of({"seen": part, "unseen": uneven}, ("seen", "unseen"), metric="mean_class_accuracy")
    assert found.learner == pytest.approx(0.32)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(json_values)
@settings(deadline=None)
def test_rendered_values_come_back(value):
    assert json.loads(render(value)) == value


def test_an_integer_is_a_float_but_a_bool_is_not():
    assert isinstance(from_plain(float, 1), float)
    with pytest.raises(PlainError, match="the value itself: expected a float, got True"):
        from_plain(float, True)


@pytest.mark.parametrize(
    ("arguments", "marks"),
    [({"prompts": "sha256:1"}, ("descriptions",)), ({"inner": {"prompts": "x"}}, ("descriptions",)), ({"a": 1}, ())],
)
def test_a_document_without_marks_gets_the_one_it_can_have(arguments, marks):
    document = unsealed(json.loads(make_result(fit=make_fit(learner_arguments=arguments)).to_json()))
    del document["marks"]
    assert Result.from_json(json.dumps({**document, "schema_version": 1})).marks == marks
