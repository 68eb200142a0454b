"""``promptlab list``: what there is to choose from, by the ``about:`` blocks of the configuration files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from promptlab.paths import conf_dir

KINDS = {"learners": "learner", "datasets": "dataset", "protocols": "protocol", "backbones": "backbone"}


def about(group: str, folders: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The ``about:`` block of each choice of a group, by name; empty where a file has none.

    Args:
        group: a folder of the configuration, e.g. ``learner``.
        folders: configuration folders; the first that has a choice wins.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for path in sorted((folder / group).glob("*.yaml")):
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            found.setdefault(path.stem, content.get("about") or {})
    return found


def show(arguments: Sequence[str]) -> int:
    """Print one list, or all; ``--config-dir DIR`` adds a plug-in's folder.

    Returns:
        0, or 2 if the arguments name no list.
    """
    words = list(arguments)
    folders = [conf_dir()]
    if "--config-dir" in words[:-1]:
        at = words.index("--config-dir")
        folders.append(Path(words[at + 1]))
        del words[at : at + 2]
    unknown = [word for word in words if word not in KINDS]
    if unknown:
        sys.stderr.write(f"promptlab: no list {unknown[0]!r}; there are {', '.join(KINDS)}\n")
        return 2
    console = Console()
    for kind in words or KINDS:
        console.print(_entries(kind, about(KINDS[kind], folders)))
    return 0


def _entries(kind: str, blocks: dict[str, dict[str, Any]]) -> Table:
    """A name with its summary, and below it the other facts in one line."""
    table = Table(
        title=kind, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 2, 0, 0)
    )
    table.add_column("name", style="cyan", no_wrap=True)
    table.add_column("about")
    for name, block in blocks.items():
        facts = "; ".join(f"{key}: {value}" for key, value in block.items() if key != "summary")
        table.add_row(name, f"{block.get('summary', '')}\n[dim]{facts}[/dim]" if facts else block.get("summary", ""))
    return table
