"""Every verb runs on the demo backbone and prints JSON of one form; what can't be measured is said."""

import json
import subprocess
import sys

import pytest

import promptlab.cli.main as cli
from promptlab.bench import coop
from promptlab.bench.equal import DifferenceError
from promptlab.bench.report import OURS, PLAIN, PRODUCTS
from promptlab.bench.split import KINDS

SMALL = ["--backbone", "demo", "--classes", "6", "--rounds", "1", "--json"]
VERBS = {
    "coop": ["--batch", "4", "--n-ctx", "3", "--many", "40", "--no-memory"],
    "cocoop": ["--batch", "3", "--no-memory"],
    "ship": ["--batch", "5", "--no-memory"],
    "towers": ["--batch", "3", "--n-ctx", "3"],
    "features": ["--images", "6", "--batch", "4", "--rows", "50,200"],
    "sweep": [
        "--batch",
        "8",
        "--dataset",
        "demo_textures",
        "--shots",
        "1",
        "--seeds",
        "1,2",
        "--epochs",
        "1",
        "--loop-epochs",
        "1,2",
    ],
}


def asked(capsys, *arguments):
    assert cli.main(["bench", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("verb", VERBS)
def test_verb_gives_one_document(capsys, verb):
    document = asked(capsys, verb, *SMALL, *VERBS[verb])
    assert set(document) == {"bench", "settings", "machine", "comparisons", "figures"}
    assert document["bench"] == verb
    assert document["settings"]["backbone"] == "demo"
    assert {"processor", "cores", "threads", "torch", "promptlab"} <= set(document["machine"])
    for figure in document["figures"]:
        assert set(figure) == {"what", "value", "unit", "note"}
        assert isinstance(figure["value"], float | int)
    for row in document["comparisons"]:
        check_row(row)
    assert document["comparisons"] or document["figures"]


def check_row(row):
    assert {OURS, PLAIN} <= set(row["seconds"])
    assert len(row["seconds"][PLAIN]) == 1
    assert row["ratio"] == pytest.approx(row["median_seconds"][PLAIN] / row["median_seconds"][OURS])
    assert row["differences"]
    assert all(difference < 1e-3 for difference in row["differences"].values())
    if row["useful_flop"] is None:
        assert "flops" not in row
        return
    assert set(row["split"]) == set(KINDS)
    assert sum(row["split"].values()) == pytest.approx(1, abs=1e-6)
    achieved = row["useful_flop"][0] / sorted(row["seconds"][OURS])[len(row["seconds"][OURS]) // 2]
    alone = row["useful_flop"][1] / sorted(row["seconds"][PRODUCTS])[len(row["seconds"][PRODUCTS]) // 2]
    assert row["flops"] == pytest.approx(achieved)
    assert row["share_of_products_rate"] == pytest.approx(achieved / alone)


def test_cocoop_counts_per_image(capsys):
    batch, single = asked(capsys, "cocoop", *SMALL, *VERBS["cocoop"])["comparisons"]
    assert batch["per"] == {OURS: 3}
    assert batch["useful_flop"][0] == 3 * single["useful_flop"][0]


def test_tables_for_people(capsys):
    assert cli.main(["bench", "ship", *SMALL[:-1], "--batch", "5", "--no-memory"]) == 0
    out = capsys.readouterr().out
    assert "times faster" in out
    assert "generator step" in out


def test_startup(capsys, monkeypatch):
    from promptlab.bench import startup

    monkeypatch.setattr(startup, "COMMANDS", {"promptlab --help": startup.COMMANDS["promptlab --help"]})
    document = asked(capsys, "startup", "--rounds", "1", "--json")
    assert [figure["what"] for figure in document["figures"]] == ["promptlab --help"]


def test_memory_of_each_side_in_its_own_process(capsys):
    """The plain step keeps 77 tokens a class; promptlab's may not come near."""
    small = [*SMALL[:2], "--classes", "60", *SMALL[4:]]
    figures = asked(capsys, "coop", *small, "--batch", "2", "--many", "0")["figures"]
    used = {figure["what"].rsplit(", ", 1)[-1]: figure["value"] for figure in figures if figure["unit"] == "MiB"}
    assert 0 < used[OURS] < used[PLAIN] / 2
    (ratio,) = [figure["value"] for figure in figures if figure["what"].endswith("times less memory")]
    assert ratio == pytest.approx(used[PLAIN] / used[OURS])


def test_a_difference_fails_the_command(capsys, monkeypatch):
    def differ(*arguments):
        raise DifferenceError("text side: promptlab and the plain rendering differ: logits differ by 7")

    from promptlab.bench import cases

    monkeypatch.setattr(cases, "require_equal", differ)
    assert cli.main(["bench", "coop", *SMALL, *VERBS["coop"]]) == 1
    said = capsys.readouterr()
    assert "logits differ by 7" in said.err
    assert not said.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["coop", "--backbone", "no-such-model"], "no-such-model"),
        (["coop", "--backbone", "demo", "--classes", "5000"], "classes=5000"),
        (["sweep", "--dataset", "no_such_dataset", *SMALL[:-1]], "no_such_dataset"),
    ],
)
def test_what_cannot_be_measured_is_said(capsys, arguments, word):
    assert cli.main(["bench", *arguments]) in (1, 2)
    assert word in capsys.readouterr().err


def test_help_imports_no_torch():
    """The command's own help answers at once."""
    code = "import sys; from promptlab.cli.main import main\ntry: main(['bench', '--help'])\nexcept SystemExit: pass\n"
    code += "sys.stderr.write(str('torch' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "coop" in done.stdout
    assert done.stderr == "False"


def test_step_of_many_classes_is_the_learners():
    """The step that the memory of 1,000 classes is measured on trains the context."""
    from promptlab.bench.settings import Settings
    from tests.helpers.models import tiny_clip

    step = coop.step(Settings(backbone="tiny", classes=9, n_ctx=2, batch=3), tiny_clip())
    answer = step()
    assert answer["gradient of ctx"].abs().sum() > 0
