"""``promptlab diagnose``: which pictures hurt, which classes are taken for which, whether more would help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

SUMMARY = "which pictures hurt, what is confused, whether more would help"
USAGE = "diagnose DIR [--out PAGE.html]"


def main(arguments: Sequence[str]) -> int:
    """Show what was found; returns the exit status."""
    options = _parser().parse_args(arguments)
    from promptlab.own.advice import advice
    from promptlab.own.diagnosis import diagnosis_of
    from promptlab.own.diagnosis_tables import diagnosis_view
    from promptlab.own.evidence import read_evidence
    from promptlab.support.console import console, say, say_json
    from promptlab.support.typed_json import to_plain

    evidence = read_evidence(options.folder, options.evaluation, options.pictures)
    found = diagnosis_of(evidence)
    if options.out is not None:
        from promptlab.own.diagnosis_page import write_page

        write_page(options.out, found, evidence)
    if options.json:
        say_json({**cast(dict[str, Any], to_plain(found)), "advice": advice(found)})
    else:
        console().print(diagnosis_view(found))
    if options.out is not None:
        say(f"\npage in {options.out}", stderr=options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab diagnose",
        description="Which pictures hurt, which classes are taken for which, whether more pictures would help. Nothing "
        "is changed.",
        epilog="exit status: 0, whatever is found; 1 for damaged files; 2 for a folder without scores",
    )
    parser.add_argument("folder", metavar="DIR", help="what `promptlab adapt` wrote, or a run's folder")
    parser.add_argument("--evaluation", metavar="NAME", help="which scores (held_out, or the first that are there)")
    parser.add_argument("--pictures", metavar="DIR", help="where the pictures lie, if they were moved")
    parser.add_argument("--out", metavar="FILE", type=Path, help="also a page with the pictures, to open in a browser")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the tables")
    return parser
