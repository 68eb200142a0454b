"""What verbs that print a table say to programs: one JSON document on standard output, and nothing else there."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from promptlab.cli import _verbs
from promptlab.cli.main import main
from promptlab.results.store import find_results, load_results

RESULTS = str(Path(__file__).resolve().parents[1] / "earlier" / "written" / "results")
DOCUMENTED = Path(__file__).resolve().parents[2] / "AGENTS.md"


def said(capsys, *arguments, status=0):
    assert main(list(arguments)) == status
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "verb",
    ["adapt", "add-class", "bench coop", "cache list", "check", "convert", "data", "diagnose", "encode", "export",
     "interpret", "list", "predict", "pull", "push", "report", "status", "study", "verify"],
)  # fmt: skip
def test_every_verb_that_prints_a_table_has_it(capsys, verb):
    with suppress(SystemExit):  # argparse ends so
        main([*verb.split(), "--help"])
    assert "--json" in capsys.readouterr().out
    assert f"`{verb.split()[0]}" in DOCUMENTED.read_text()


def test_what_agents_are_told_names_verbs_that_exist():
    table = DOCUMENTED.read_text().split("## Driving it from a program")[1].split("\n## ")[0]
    named = {line.split("`")[1].split()[0] for line in table.splitlines() if line.startswith("| `")}
    assert named <= set(_verbs.names())


def test_a_report_holds_every_run_and_their_averages(capsys):
    document = said(capsys, "report", RESULTS, "--json")
    assert {row["fit_id"] for row in document["runs"]} == {path.parent.name for path in find_results(RESULTS)}
    assert 0 < len(document["averages"]) < len(document["runs"])
    first = load_results(RESULTS)[0]
    name, of = next(iter(first.evaluations.items()))
    (row,) = [row for row in document["runs"] if row["fit_id"] == first.fit_id and row["evaluation"] == name]
    assert row["top1"] == of.metrics.top1
    assert document["damaged"] == {}


def test_what_was_verified_is_a_list_of_files(capsys, tmp_path):
    document = said(capsys, "verify", RESULTS, "--json")
    assert document["damaged"] is False
    assert {file["state"] for file in document["files"]} == {"sound"}
    (tmp_path / "result.json").write_text("{")
    document = said(capsys, "verify", str(tmp_path), "--json", status=1)
    assert [(Path(file["path"]).name, file["state"]) for file in document["files"]] == [("result.json", "damaged")]


def test_what_is_there_of_a_dataset_is_a_list_of_findings(capsys, tmp_path):
    document = said(capsys, "data", "check", "demo_shapes", "--json")
    assert document["complete"] is True
    assert {"state", "what", "said"} == set(document["findings"][0])
    document = said(capsys, "data", "check", "eurosat", "--root", str(tmp_path), "--json", status=1)
    assert document["complete"] is False
    assert main(["data", "prepare", "demo_shapes", "--json"]) == 2


def test_a_contract_is_a_list_of_tests(capsys):
    document = said(capsys, "check", "promptlab.demo:demo_dataset", "name=demo_textures", "--json")
    assert document["passed"] is True
    assert all(test["passed"] and test["problem"] is None for test in document["tests"])
