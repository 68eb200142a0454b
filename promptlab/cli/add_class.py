"""``promptlab add-class``: one class more for a saved learner, without training again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.support.words import counted

if TYPE_CHECKING:
    from promptlab.own.added import AddedClass

SUMMARY = "one class more for a saved learner, without training again"
USAGE = "add-class DIR NAME [PICTURES]"


def main(arguments: Sequence[str]) -> int:
    """Add it, and say what that did; returns the exit status."""
    options = _parser().parse_args(arguments)
    from promptlab.own.add_class import add_class
    from promptlab.support.console import say, say_json
    from promptlab.support.typed_json import to_plain

    grown, old = add_class(options.folder, options.name, options.pictures, to=options.out, template=options.template)
    folder = options.folder if options.out is None else options.out
    if options.json:
        added = to_plain(grown.added)
        classes = list(grown.learner.class_names)
        say_json({"folder": str(folder), "before": str(old), "classes": classes, "added": added})
        return 0
    for line in _lines(grown.added, len(grown.learner.class_names)):
        say(line)
    say(f"learner in {folder}" + ("" if options.out else f"; as it was in {old}"))
    return 0


def _lines(added: AddedClass, n_classes: int) -> list[str]:
    found = added.rescored
    lines = [f"{added.name} is class {n_classes}: {added.made}"]
    if found.right:
        lost = found.right - found.still_right
        lines.append(
            f"{counted(found.right, 'picture was', 'pictures were')} right before ({found.pictures}); "
            + (f"{found.still_right:,} still are, {lost:,} now taken for {added.name}" if lost else "all still are")
        )
    else:
        lines.append(f"nothing was scored again: {found.pictures}")
    if found.own:
        what = counted(found.own, "picture")
        lines.append(f"of its own {what} {found.own_right:,} {'is' if found.own_right == 1 else 'are'} taken for it, "
                     f"{found.own_how}")  # fmt: skip
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab add-class",
        description="Add a class to a saved learner by its name and, where the learner keeps something of single "
        "pictures, by some pictures. Nothing is trained; what was right before is scored again.",
        epilog="exit status: 0 done; 1 for a damaged file; 2 if the learner can't take a class or has it",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="what adapt, a run or save_pretrained wrote")
    parser.add_argument("name", metavar="NAME", help="what the class's pictures show, in words")
    parser.add_argument("pictures", metavar="PICTURE", nargs="*", help="its pictures: files, or folders of them")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="a new folder; else DIR changes, and DIR/before-1 is as it was"
    )
    parser.add_argument("--template", metavar="TEXT", help="the prompt with {} for the name (the learner's own)")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the lines")
    return parser
