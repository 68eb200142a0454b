"""How a table of scores lies on the console: as wide as it fits, without ever cutting a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from promptlab.support.characters import in_plain_characters

MAX_SCORE_COLUMNS = 6
ZERO_SHOT = "zero-shot"
LEARNER = "learner"
_UNLIMITED = 10_000


@dataclass(frozen=True)
class Line:
    """One run, or several averaged.

    Args:
        labels: column to text, the learner's name under ``learner``.
        scores: evaluation set to text.
        is_zero_shot: whether it is zero-shot CLIP with the baseline's prompts and scores.
        ranked: evaluation set to the number that it is ranked by among the lines of its block; none of a line that
            doesn't compare.
    """

    labels: Mapping[str, str]
    scores: Mapping[str, str]
    is_zero_shot: bool = False
    ranked: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """Lines that share one zero-shot baseline.

    Args:
        heading: stands above the block; none if empty.
        zero_shot: evaluation set to text.
        lines: the runs.
        zero_shot_ranked: evaluation set to the baseline's number.
    """

    heading: str
    zero_shot: Mapping[str, str]
    lines: Sequence[Line]
    zero_shot_ranked: Mapping[str, float] = field(default_factory=dict)

    @property
    def with_baseline(self) -> tuple[Line, ...]:
        """The zero-shot line, then the runs; without it where a run is zero-shot CLIP itself and says the same."""
        if any(line.is_zero_shot for line in self.lines):
            return tuple(self.lines)
        return (Line({LEARNER: ZERO_SHOT}, self.zero_shot, ranked=self.zero_shot_ranked), *self.lines)


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Title, facts, a table of blocks, notes, all as text; a rich renderable.

    Evaluation sets are columns; where the console is too narrow for that, first each score breaks before its interval,
    then evaluation sets become rows. More than six columns of scores always become rows.

    Args:
        title: first line.
        facts: what holds for every line of the table, by name.
        label_columns: the columns of labels after the learner's name.
        score_columns: the evaluation sets, in order.
        blocks: the contents.
        notes: lines under the table.
    """

    title: str
    facts: Mapping[str, str]
    label_columns: Sequence[str]
    score_columns: Sequence[str]
    blocks: Sequence[Block]
    notes: Sequence[str]

    @property
    def facts_line(self) -> str:
        """What holds for every line, in one."""
        return ", ".join(f"{name} {text}" for name, text in self.facts.items())

    def labels_of(self, line: Line) -> list[str]:
        """The learner's name and the labels, empty where the line has none."""
        return [line.labels.get(name, "") for name in (LEARNER, *self.label_columns)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self._in_plain_characters() if options.ascii_only else self
        yield Text(table.title, style="bold")
        yield Text(table.facts_line, style="dim")
        yield table._fitting(console, options)
        for note in table.notes:
            yield Text(note, style="dim")

    def _in_plain_characters(self) -> ScoreTable:
        """The same for a console that has no more than ASCII."""
        blocks = [
            Block(
                block.heading,
                _plain(block.zero_shot),
                [replace(line, scores=_plain(line.scores)) for line in block.lines],
            )
            for block in self.blocks
        ]
        return replace(self, facts=_plain(self.facts), blocks=blocks, notes=[*map(in_plain_characters, self.notes)])

    def _fitting(self, console: Console, options: ConsoleOptions) -> Table:
        if len(self.score_columns) <= MAX_SCORE_COLUMNS:
            for separator in (" ", "\n"):
                table = self._wide(separator)
                if _width(table, console, options) <= options.max_width:
                    return table
        return self._long()

    def _wide(self, separator: str) -> Table:
        """A column per evaluation set; ``separator`` stands between a score and its interval."""
        table = _empty_table(self.label_columns)
        for name in self.score_columns:
            table.add_column(Text(name.replace(" ", separator, 1)), justify="right", no_wrap=True)
        for block in self.blocks:
            _add_heading(table, block.heading)
            for line in block.with_baseline:
                scores = [line.scores.get(name, "").replace(" ", separator) for name in self.score_columns]
                table.add_row(*map(Text, [*self.labels_of(line), *scores]))
            table.add_section()
        return table

    def _long(self) -> Table:
        """A row per evaluation set that a line was scored on, zero-shot in a column."""
        table = _empty_table([*self.label_columns, "evaluation"], wraps=True)
        for name in (ZERO_SHOT, "score"):
            table.add_column(name, justify="right", overflow="fold")
        for block in self.blocks:
            _add_heading(table, block.heading)
            for line in block.lines:
                labels = self.labels_of(line)
                for name in (name for name in self.score_columns if name in line.scores):
                    table.add_row(*map(Text, [*labels, name, block.zero_shot.get(name, ""), line.scores[name]]))
                    labels = [""] * len(labels)
                table.add_section()
        return table


def _plain(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: in_plain_characters(text) for name, text in texts.items()}


def _empty_table(label_columns: Sequence[str], *, wraps: bool = False) -> Table:
    """A table of labels alone; ``wraps``: a long name goes on in the next line."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in (LEARNER, *label_columns):
        table.add_column(name, no_wrap=not wraps, overflow="fold")
    return table


def _add_heading(table: Table, heading: str) -> None:
    if heading:
        table.add_row(Text(heading, style="bold"))


def _width(table: Table, console: Console, options: ConsoleOptions) -> int:
    """Columns that the table takes when nothing is cut."""
    return Measurement.get(console, options.update(width=_UNLIMITED), table).maximum
