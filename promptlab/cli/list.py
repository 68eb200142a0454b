"""``promptlab list``: what there is to choose from, by the ``about:`` blocks of the configuration files.

Datasets are many: each takes one line, and ``promptlab list datasets NAME`` says all about one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptlab.support.errors import UsageError
from promptlab.support.paths import conf_dir

SUMMARY = "what there is to choose from: learners, datasets, protocols, backbones"
USAGE = "list [learners|datasets|...]"
KINDS = {"learners": "learner", "datasets": "dataset", "protocols": "protocol", "backbones": "backbone"}


def about(group: str, folders: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The ``about:`` block of each choice of a group, by name; empty where a file has none.

    Args:
        group: a folder of the configuration, e.g. ``learner``.
        folders: configuration folders; the first that has a choice wins.
    """
    import yaml

    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for path in sorted((folder / group).glob("*.yaml")):
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            found.setdefault(path.stem, content.get("about") or {})
    return found


def main(arguments: Sequence[str]) -> int:
    """Print one list, or all, or some datasets in full; ``--config-dir DIR`` adds a plug-in's folder.

    Returns:
        The exit status.

    Raises:
        UsageError: if the arguments name no list.
    """
    words = list(arguments)
    folders = [conf_dir()]
    if "--config-dir" in words[:-1]:
        at = words.index("--config-dir")
        folders.append(Path(words[at + 1]))
        del words[at : at + 2]
    datasets = about("dataset", folders)
    named = [word for word in words[1:] if word in datasets] if words[:1] == ["datasets"] else []
    words = [word for word in words if word not in named]
    unknown = [word for word in words if word not in KINDS]
    if unknown:
        raise UsageError(f"no list {unknown[0]!r}; there are {', '.join(KINDS)}")
    for kind in words or KINDS:
        blocks = about(KINDS[kind], folders)
        if kind == "datasets" and not named:
            _print_lines(kind, blocks)
        else:
            wanted = named if kind == "datasets" else blocks
            _print_table(kind, {name: blocks[name] for name in wanted})
    return 0


def _print_lines(kind: str, blocks: dict[str, dict[str, Any]]) -> None:
    """A line for each."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(f"[bold]{kind}[/bold]")
    for name, block in blocks.items():
        line = f"[cyan]{name:<20}[/cyan]{escape(_in_one_line(block))}"
        console.print(line, soft_wrap=True, highlight=False)


def _in_one_line(block: dict[str, Any]) -> str:
    counts = ", ".join(f"{block[key]:,} {key}" for key in ("classes", "images") if isinstance(block.get(key), int))
    return f"{block.get('summary', '')}{f' ({counts})' if counts else ''}"


def _print_table(kind: str, blocks: dict[str, dict[str, Any]]) -> None:
    """A name with its summary, and below it the other facts in one line."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=kind, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 2, 0, 0)
    )
    table.add_column("name", style="cyan", no_wrap=True)
    table.add_column("about")
    for name, block in blocks.items():
        facts = "; ".join(f"{key}: {value}" for key, value in block.items() if key != "summary")
        table.add_row(name, f"{block.get('summary', '')}\n[dim]{facts}[/dim]" if facts else block.get("summary", ""))
    Console().print(table)
