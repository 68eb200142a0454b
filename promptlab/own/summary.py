"""What ``promptlab adapt`` prints when it is done: for people a table and a few lines, for programs JSON."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from promptlab.own.adapted import PAGE_NAME, Adapted, CandidateScores
from promptlab.support.progress import in_words
from promptlab.support.words import printable

_NUMBERS = ("right %", "by class %", "folds %", "behind", "noise", "time")


def summary_view(adapted: Adapted, folder: str | Path) -> Group:
    """The candidates' scores, why one was chosen, and what to do next."""
    lines = [Text(printable(line), no_wrap=True, overflow="ignore") for line in _lines(adapted, folder)]
    return Group(*([_table(adapted)] if adapted.folds else []), *lines)


def document_of(adapted: Adapted, folder: str | Path) -> dict[str, Any]:
    """All but the list of pictures, as ``--json`` shows it."""
    document: dict[str, Any] = {"folder": str(Path(folder).absolute()), **asdict(adapted)}
    document["counts"] = dict(zip(adapted.class_names, adapted.counts, strict=True))
    del document["pictures"]
    return document


def _table(adapted: Adapted) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "learner", *_NUMBERS):
        table.add_column(column, justify="right" if column in _NUMBERS else "left")
    for row in adapted.candidates:
        chosen = row.name == adapted.chosen
        table.add_row("*" if chosen else "", *_cells(row), style="bold" if chosen else "")
    return table


def _cells(row: CandidateScores) -> list[str]:
    if row.accuracy is None or row.mean_class_accuracy is None:
        return [row.name, "", "", "left out", "", "", in_words(row.seconds)]
    folds = " ".join(f"{100 * accuracy:.0f}" for accuracy in row.fold_accuracies)
    shares = (row.accuracy, row.mean_class_accuracy)
    lag = ("", "") if not row.behind else (f"{100 * row.behind:.1f}", f"{100 * (row.noise or 0):.1f}")
    return [row.name, *(f"{100 * share:.1f}" for share in shares), folds, *lag, in_words(row.seconds)]


def _lines(adapted: Adapted, folder: str | Path) -> list[str]:
    left_out = [row for row in adapted.candidates if row.left_out and adapted.folds]
    lines = [*(f"{row.name} is left out: {row.left_out}" for row in left_out), adapted.reason]
    if adapted.honesty is not None:
        one = adapted.honesty
        lines.append(
            f"temperature {one.temperature:.2f}: probabilities are off by {100 * one.ece:.1f} points on average on the "
            f"held-out pictures, {100 * one.ece_before:.1f} without it"
        )
    total = in_words(sum(adapted.seconds.values()))
    where = Path(folder)
    page = f"; {where / PAGE_NAME} shows why" if (where / PAGE_NAME).exists() else ""
    lines.append(f"{adapted.chosen} fitted on all {len(adapted.pictures):,} pictures in {where}, in {total}{page}")
    lines.append(f"next: {shlex.join(['promptlab', 'predict', str(folder)])} PICTURES...")
    return lines
