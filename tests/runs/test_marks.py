"""What sets a learner apart is in its Result and in tables; what a learner asks for, a run gives."""

import io
from functools import partial

import pytest
from rich.console import Console

from promptlab.config.choice import Choice
from promptlab.learners import SHIP, CoOp, MaPLe, Optim, TipAdapter, ZeroShot
from promptlab.report.table import sweep_table
from promptlab.results.store import read_result
from promptlab.runs.run import run
from tests.helpers.settings import small_settings
from tests.helpers.toys import Adapts, Corrected, Together, UsesUnlabelled

SHORT = {"optim": Choice(Optim, {"epochs": 1})}


@pytest.mark.parametrize(
    ("learner", "marks"),
    [
        (Choice(ZeroShot), ()),
        (Choice(Together, SHORT), ("transductive",)),
        (Choice(UsesUnlabelled, SHORT), ("unlabelled images",)),
    ],
)
def test_a_result_is_marked(learner, marks, tmp_path):
    outcome = run(small_settings(learner, tmp_path))
    assert outcome.result.marks == marks
    assert read_result(outcome.folder / "result.json").marks == marks


def test_tables_set_marked_results_apart(tmp_path):
    results = [run(small_settings(Choice(kind, SHORT), tmp_path)).result for kind in (CoOp, Together)]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(sweep_table(results))
    marked = next(line for line in console.export_text().splitlines() if "together" in line)
    assert "transductive" in marked


def test_unlabelled_images_are_part_of_what_a_fit_is(tmp_path):
    plain = run(small_settings(Choice(CoOp, SHORT), tmp_path)).result
    asked = run(small_settings(Choice(UsesUnlabelled, SHORT), tmp_path)).result
    assert plain.fit.unlabelled_digest is None
    assert len(asked.fit.unlabelled_digest) == 16


def test_facts_of_a_wrapper_are_known_before_it_is_built(tmp_path):
    def facts(learner):
        return small_settings(learner, tmp_path).learner_facts

    assert facts(Choice(Corrected, {"inner": Choice(MaPLe, as_factory=True)})).needs == "images"
    assert facts(Choice(Corrected, {"inner": CoOp})).needs == "features"
    assert facts(Choice(SHIP, {"inner": partial(TipAdapter, search=True)})).chooser == "TipAdapter"
    assert small_settings(Choice(Corrected, {"inner": MaPLe}), tmp_path).views == "online"
    assert facts(Choice(Adapts)).chooser is None
