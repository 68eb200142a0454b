"""The examples run from an empty folder, and the notebooks beside them are the same examples."""

import json
import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1] / "experiments" / "examples"
EXAMPLES = sorted(set(HERE.glob("*.py")) - {HERE / "notebooks.py"})
SMALLER = {
    r"shots=(16|4)\b": "shots=1",
    r"epochs=\d+": "epochs=1",
    r"views=4": "views=0",
    r"(seed|shots)=1,[\d,]+": r"\1=1",
}
"""What makes an example small, and leaves what it shows."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    code = example.read_text()
    for pattern, less in SMALLER.items():
        code = re.sub(pattern, less, code)
    exec(compile(code, example.name, "exec"), {"__name__": "__main__"})
    assert capfd.readouterr().out.strip()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_its_notebook_is_the_same(example):
    notebook = json.loads(example.with_suffix(".ipynb").read_text())
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    assert cells == list(cells_of(example.read_text()))
    assert all(cell.get("outputs") is not None for cell in notebook["cells"] if cell["cell_type"] == "code")


def cells_of(script):
    """Cells of a script in the percent format: their kind and text."""
    for block in re.split(r"^# %%", script, flags=re.MULTILINE)[1:]:
        head, _, text = block.partition("\n")
        if head.strip() == "[markdown]":
            yield "markdown", re.sub(r"^# ?", "", text.strip(), flags=re.MULTILINE)
        else:
            yield "code", text.strip()
