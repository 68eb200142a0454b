"""``promptlab report``: the results of folders as tables, figures and a page, for the terminal or for a paper."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.support.errors import UsageError
from promptlab.support.garbage import no_garbage_sought

if TYPE_CHECKING:
    from promptlab.report.collection import Collection

SUMMARY = "results as tables, figures, or a page"
USAGE = "report [DIR ...] [--html FILE]"
FORMATS = {
    "table": "averaged over seeds, for the terminal",
    "markdown": "the same for a page",
    "latex": "the same for a paper, with booktabs",
    "csv": "the same, a number to a cell",
    "runs": "CSV of every run and evaluation",
}
FILES = {
    "html": ("FILE", "one page of everything, to open in a browser or to send: no network, no other files"),
    "figures": ("DIR", "every figure as SVG, PDF and PNG, one and two columns of a paper wide"),
    "markdown": ("FILE", "as --format markdown"),
    "latex": ("FILE", "as --format latex"),
    "csv": ("FILE", "as --format csv"),
    "runs": ("FILE", "as --format runs"),
    "parquet": ("FILE", "every run and evaluation, for pandas, Polars or DuckDB"),
}


@no_garbage_sought()
def main(arguments: Sequence[str]) -> int:
    """Print a table, or write files; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    from promptlab.jobs.undone import undone_sweeps
    from promptlab.report.collection import collect
    from promptlab.support.console import say, say_json

    missing = [folder for folder in options.folders if not Path(folder).is_dir()]
    if missing:
        raise UsageError(f"there is no folder {missing[0]}")
    collection = collect(options.folders)
    if not collection.results:
        raise UsageError(f"there are no results in {', '.join(options.folders)}")
    collection = replace(collection, sweeps=undone_sweeps(options.folders, collection.results))
    if options.json:
        from promptlab.report.spreadsheet import document

        say_json(document(collection))
        return 0
    asked = {name: getattr(options, name) for name in FILES if getattr(options, name) is not None}
    for name, path in asked.items():
        say(f"wrote {_write(name, Path(path), collection, options)}")
    if options.format not in (None, "table") or asked:
        for sweep in collection.sweeps:
            say(sweep.sentence, stderr=True)
    if asked and options.format is None:
        return 0
    if options.format in (None, "table"):
        _print(collection, cost=options.cost)
    else:
        sys.stdout.write(_text(options.format, collection, options))
    return 0


def _print(collection: Collection, *, cost: bool) -> None:
    """Tables for the terminal, then what has no result."""
    from promptlab.report.average_table import average_tables
    from promptlab.report.table import sweep_table
    from promptlab.report.undone import undone_lines
    from promptlab.support.console import console, say

    console().print(sweep_table(collection.results, cost=cost))
    for table in average_tables(collection.results):
        console().print("", table)
    for sweep in collection.sweeps:
        say("\n".join(["", *undone_lines(sweep)]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab report",
        description="Results as a table on the terminal, or in files; several files may be asked for at once.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="formats:\n" + "\n".join(f"  {name:<10}{what}" for name, what in FORMATS.items()),
    )
    parser.add_argument("folders", nargs="*", metavar="DIR", default=["results"], help="where results lie (results)")
    parser.add_argument("--format", choices=FORMATS, help="what is printed: table, unless files are asked for")
    for name, (metavar, help_text) in FILES.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=help_text)
    parser.add_argument("--json", action="store_true", help="one JSON document of everything in place of tables")
    parser.add_argument("--cost", action="store_true", help="tables show what learners cost beside what they score")
    parser.add_argument("--subscripts", action="store_true", help="LaTeX has intervals as subscripts")
    return parser


def _text(form: str, collection: Collection, options: argparse.Namespace) -> str:
    """Tables as text in one of the forms."""
    from promptlab.report.average_table import average_tables
    from promptlab.report.markup import latex, markdown, markdown_undone
    from promptlab.report.spreadsheet import record_csv, sweep_csv
    from promptlab.report.table import sweep_tables

    if form in ("csv", "runs"):
        return (sweep_csv if form == "csv" else record_csv)(collection.results)
    tables = [*sweep_tables(collection.results, cost=options.cost), *average_tables(collection.results)]
    if form == "markdown":
        undone = [markdown_undone(collection.sweeps)] if collection.sweeps else []
        return "\n".join([*map(markdown, tables), *undone])
    return "\n".join(latex(table, subscripts=options.subscripts) for table in tables)


def _write(name: str, path: Path, collection: Collection, options: argparse.Namespace) -> str:
    """Write what one option asks for; returns what was written, in words."""
    if name in FORMATS:
        from promptlab.support.files import write_text_atomic

        write_text_atomic(path, _text(name, collection, options))
        return str(path)
    return _WRITERS[name](path, collection)


def _parquet(path: Path, collection: Collection) -> str:
    from promptlab.report.spreadsheet import write_parquet

    write_parquet(path, collection.results)
    return str(path)


def _figures(path: Path, collection: Collection) -> str:
    from promptlab.report.figures.every import of_collection
    from promptlab.support.words import counted

    drawn = of_collection(collection)
    files = [file for drawing in drawn for file in drawing.write(path)]
    return f"{counted(len(drawn), 'figure')} to {path}, {counted(len(files), 'file')}"


def _page(path: Path, collection: Collection) -> str:
    from promptlab.report.page.page import html
    from promptlab.support.files import write_text_atomic

    write_text_atomic(path, html(collection))
    return str(path)


_WRITERS: dict[str, Callable[[Path, Collection], str]] = {
    "html": _page,
    "figures": _figures,
    "parquet": _parquet,
}
