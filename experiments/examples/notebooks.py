"""Make the notebooks beside the examples, each run in an empty folder: ``python experiments/examples/notebooks.py``."""

import os
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent

os.environ["TERM"] = "dumb"
for script in sorted(HERE.glob("*.py")):
    if script != Path(__file__).resolve():
        notebook = jupytext.read(script)
        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(notebook, resources={"metadata": {"path": folder}}).execute()
        notebook.metadata.pop("jupytext", None)
        for number, cell in enumerate(notebook.cells):
            cell["id"], cell["metadata"] = f"{script.stem}-{number}", {}
        nbformat.write(notebook, script.with_suffix(".ipynb"))
