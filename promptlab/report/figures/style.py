"""What all figures share: sizes of paper columns, one look per contestant, and how a figure becomes files.

Looks differ by marker and line as well as by colour, and the colours read on white and on black.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlab.report.study import ZERO_SHOT
from promptlab.support.extras import extra
from promptlab.support.files import write_bytes_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = {"one_column": 3.25, "two_columns": 6.75}
"""Inches, as CVPR's and most other templates have them."""
FORMATS = ("svg", "pdf", "png")
MOST_CONTESTANTS = 8
"""As many are drawn in one figure; of more, those with the highest average."""
MOST_PANELS = 18
POINTS = 72
"""An inch of what has no dots."""
CHARACTER = 0.058
"""Inches that a letter of a small label takes in the mean."""
INK = "#202124"
"""Of text, axes and reference lines; the page shows it in the colour of its own text."""
FAINT = "#9aa0a6"
"""Of grids, baselines and what stands back."""
COLOURS = ("#2f7fc1", "#d9722e", "#2a9d74", "#c05fa8", "#8268d0", "#b3861b", "#d1495b", "#3fa0b5")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (6, 2)), (0, (2, 2)))
_SETTINGS: Mapping[str, Any] = {
    "font.size": 8,
    "font.family": ["DejaVu Sans"],
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a name is a $
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
    "savefig.dpi": 300,
}


@dataclass(frozen=True)
class Look:
    """How one contestant is drawn wherever it is."""

    color: str
    marker: str
    linestyle: Any


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure that can be drawn at any width.

    Args:
        name: of its files, without ending.
        title: what stands above it on the page.
        caption: what it shows, in words.
        draw: a width in inches to the figure.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[float], Figure]

    def svg(self, width: float) -> str:
        """The figure as SVG text, whose letters can be read and found; equal figures give equal text.

        Args:
            width: in inches.
        """
        return self._rendered("svg", width, "none").decode("utf-8")

    def png(self) -> bytes:
        """The figure as PNG on white, two columns wide, at 300 dots an inch."""
        return self._rendered("png", WIDTHS["two_columns"], "path")

    def write(self, folder: Path) -> list[Path]:
        """The figure in every width and format; returns the files."""
        paths = []
        for column, width in WIDTHS.items():
            for form in FORMATS:
                path = folder / f"{self.name}-{column}.{form}"
                write_bytes_atomic(path, self._rendered(form, width, "path"))
                paths.append(path)
        return paths

    def _rendered(self, form: str, width: float, text: str) -> bytes:
        with extra("report", "a figure"):
            import matplotlib as mpl
        data = io.BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[form]
        settings: Any = {**_SETTINGS, "svg.fonttype": text, "svg.hashsalt": self.name}
        with mpl.rc_context(settings), warnings.catch_warnings():
            if text == "none":  # a browser finds another font for what this one lacks
                warnings.filterwarnings("ignore", "Glyph .* missing")
            figure = _laid_out(self.draw(width), form)
            figure.savefig(data, format=form, metadata=metadata, transparent=form == "svg")
        return data.getvalue()


def _laid_out(figure: Figure, form: str) -> Figure:
    """The figure with its parts in their places, which saving would draw it twice for."""
    from matplotlib.backend_bases import get_registered_canvas_class

    engine = figure.get_layout_engine()
    if engine is not None:
        get_registered_canvas_class(form)(figure)
        figure.set_dpi(_SETTINGS["savefig.dpi"] if form == "png" else POINTS)
        engine.execute(figure)
        figure.set_layout_engine("none")
    return figure


def looks(contestants: Iterable[str]) -> dict[str, Look]:
    """A look for each contestant, zero-shot CLIP's standing back.

    Example:
        >>> looks(["coop", "zero-shot"])["zero-shot"].color == FAINT
        True
    """
    found = {ZERO_SHOT: Look(FAINT, "", (0, (4, 2)))}
    for position, name in enumerate(dict.fromkeys(name for name in contestants if name != ZERO_SHOT)):
        at = position % len(COLOURS)
        # past eight names colours come again with other markers
        found[name] = Look(COLOURS[at], MARKERS[(at + position // len(COLOURS)) % len(MARKERS)], LINES[at])
    return found


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that lays its parts out by itself; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def panels(
    count: int, width: float, *, height: float = 1.35, least: float = 1.65, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of panels, as many beside each other as are legible.

    Args:
        count: how many, at least 1.
        width: of the figure in inches.
        height: of one panel in inches.
        least: inches that a panel is wide at least, if the figure is.
        share_y: whether all have one scale.
    """
    columns = min(count, max(1, round(width / least)))
    rows = math.ceil(count / columns)
    figure = new_figure(width, rows * max(height, 0.3 * width / columns) + 0.45)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_y).ravel()
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[:count]:
        axes.locator_params(nbins=4)  # small panels read best so, and ticks are most of what drawing takes
    return figure, list(grid[:count])


def legend_above(figure: Figure, panels: Iterable[Axes], width: float) -> None:
    """One legend for all panels, above them, each label once; the figure grows by its height."""
    entries = {
        wrapped(label, 26): handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if entries:
        lines = [line for label in entries for line in label.split("\n")]
        longest = max(map(len, lines)) * CHARACTER + 0.5  # inches that an entry takes, with its handle
        columns = max(1, min(len(entries), int(width / longest)))
        figure.set_figheight(figure.get_figheight() + 0.15 * len(lines) / columns)
        figure.legend(entries.values(), entries.keys(), loc="outside upper center", ncols=columns)


def leading(averages: Mapping[str, float], most: int = MOST_CONTESTANTS) -> list[str]:
    """The names with the highest averages, in their own order.

    Example:
        >>> leading({"a": 0.1, "b": 0.3, "c": 0.2}, most=2)
        ['b', 'c']
    """
    chosen = set(sorted(averages, key=lambda name: -averages[name])[:most])
    return [name for name in averages if name in chosen]


def left_out(names: Sequence[str], shown: Sequence[str]) -> str:
    """The end of a caption about contestants that aren't drawn; empty where all are."""
    if len(shown) == len(names):
        return ""
    return f" Of {len(names)} learners the {len(shown)} with the highest average are drawn."


def wrapped(name: str, width: int = 22) -> str:
    """A name over several lines where it is long, cut where it is very long; as plain text.

    Example:
        >>> print(wrapped("a photo of a very striped pattern"))
        a photo of a very
        striped pattern
    """
    return "\n".join(textwrap.wrap(name, width, max_lines=2, placeholder=" …")) or name


def capital(text: str) -> str:
    """A text as a sentence begins.

    Example:
        >>> capital("top-1 accuracy"), capital("H of seen and unseen")
        ('Top-1 accuracy', 'H of seen and unseen')
    """
    return text[:1].upper() + text[1:]


def cut(name: str, most: int = 30) -> str:
    """A name on one line, shortened in the end.

    Example:
        >>> cut("purple checkered hexagon", 12)
        'purple chec…'
    """
    return name if len(name) <= most else f"{name[: most - 1]}…"
