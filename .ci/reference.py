"""Builds the API reference with pdoc: of ``promptlab`` and of every room, without a warning.

Usage: ``python .ci/reference.py [FOLDER]``; without a folder the pages are thrown away.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import pdoc

ROOT = Path(__file__).resolve().parents[1]
KNOWN = (
    "Import of Tensor failed",  # pdoc reads a NamedTuple's fields in the namespace of collections.namedtuple
    "Predicted._is_param is taken from",  # a tensor's own, made in C
)


def main() -> int:
    """Write the pages; 1 if pdoc warned of anything, or left a public name out."""
    rooms = sorted(path.parent.name for path in (ROOT / "promptlab").glob("*/__init__.py"))
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings(record=True) as caught, tempfile.TemporaryDirectory() as thrown_away:
        warnings.simplefilter("always")
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else thrown_away)
        pdoc.pdoc("promptlab", *(f"promptlab.{room}" for room in rooms), output_directory=folder)
        front, pages = (folder / "promptlab.html").read_text(), len(list(folder.rglob("*.html")))
    problems = [str(warning.message) for warning in caught if not any(known in str(warning.message) for known in KNOWN)]
    problems += [
        f"promptlab.{name} has no entry"
        for name in pdoc.extract.load_module("promptlab").__all__
        if f'id="{name}"' not in front
    ]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems) + f"{pages} pages, {len(problems)} problems\n")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
