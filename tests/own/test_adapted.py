"""``adapted.json``: there and back, and what is refused."""

import json
from dataclasses import replace

import pytest

from promptlab.own.adapted import (
    ADAPTED_NAME,
    Adapted,
    AdaptedError,
    CandidateScores,
    GivenPicture,
    Honesty,
    read_adapted,
    write_adapted,
)

ADAPTED = Adapted(
    created="2026-11-27T04:00:00+00:00",
    command="promptlab adapt 'my pictures'",
    given="/my pictures",
    root="/my pictures",
    class_names=("<b>cat</b>", "собака"),
    class_origins=("<b>cat</b>", "собака"),
    others=(),
    template="a photo of a {}.",
    pictures=(
        GivenPicture(file="<b>cat</b>/1.png", label=0, content_id="0" * 32, group=0, fold=0),
        GivenPicture(file="собака/1.png", label=1, content_id="1" * 32, group=1, fold=None),
    ),
    seen=("2 classes",),
    left_out=(),
    backbone="demo",
    views=0,
    seed=1,
    folds=1,
    candidates=(
        CandidateScores(name="zero_shot", title="zero-shot", accuracy=0.5, fold_accuracies=(0.5,)),
        CandidateScores(name="coop", title="CoOp", left_out="over the budget"),
    ),
    chosen="zero_shot",
    reason="nothing was better",
    honesty=Honesty(temperature=1.5, ece=0.1, ece_before=0.2, nll=0.5, nll_before=0.6),
    seconds={"look": 0.5},
)


def test_there_and_back(tmp_path):
    write_adapted(tmp_path, ADAPTED)
    assert read_adapted(tmp_path) == ADAPTED
    assert ADAPTED.counts == (1, 1)


def test_a_folder_without_it_says_what_is_needed(tmp_path):
    with pytest.raises(AdaptedError, match=r"has no adapted\.json: a folder that promptlab adapt left is needed"):
        read_adapted(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "can't be read as JSON"),
        ("[]", "expected an object, got a list"),
        ("{}", "reads format 1, this one has None"),
    ],
)
def test_what_is_no_such_document_is_refused(tmp_path, text, said):
    (tmp_path / ADAPTED_NAME).write_text(text)
    with pytest.raises(AdaptedError, match=said):
        read_adapted(tmp_path)


def test_one_that_was_edited_is_refused(tmp_path):
    path = write_adapted(tmp_path, ADAPTED)
    path.write_text(path.read_text().replace('"chosen": "zero_shot"', '"chosen": "coop"'))
    with pytest.raises(AdaptedError, match="edited by hand"):
        read_adapted(tmp_path)


def test_a_newer_one_says_who_wrote_it(tmp_path):
    document = json.loads(replace(ADAPTED, promptlab="9.9").to_json()) | {"format": 2}
    (tmp_path / ADAPTED_NAME).write_text(json.dumps(document))
    with pytest.raises(AdaptedError, match=r"has 2, written by promptlab 9\.9"):
        read_adapted(tmp_path)
