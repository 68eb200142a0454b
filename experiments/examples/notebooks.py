"""Make the notebooks beside the examples, each run in an empty folder: ``python experiments/examples/notebooks.py``."""

import os
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent

TALK = ("encoding with", "training ", "choosing:", "wrote ")
"""How lines begin that say what is going on."""


def is_answer(output: dict[str, Any]) -> bool:
    """Whether an output is what the cell is about: no warning, no progress."""
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return output.get("name") != "stderr" and bool(text.strip()) and not text.startswith(TALK)


os.environ["TERM"] = "dumb"
for script in sorted(HERE.glob("*.py")):
    if script != Path(__file__).resolve():
        notebook = jupytext.read(script)
        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(notebook, resources={"metadata": {"path": folder}}).execute()
        notebook.metadata.pop("jupytext", None)
        for number, cell in enumerate(notebook.cells):
            cell["id"], cell["metadata"] = f"{script.stem}-{number}", {}
            if cell.cell_type == "code":
                cell["outputs"] = [output for output in cell.outputs if is_answer(output)]
        nbformat.write(notebook, script.with_suffix(".ipynb"))
