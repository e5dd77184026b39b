"""The heatmap: mean score of each class and model at a glance, as a grid for the terminal and as SVG.

Colour only repeats what the figures in the cells say; its scale (cividis) is safe for colour-blind readers.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from router.ranking import bare, evidence_cells
from router.record import CellSummary
from router.table import Cell, RoutingTable

ROUTED = "◆"

_SCALE = ("#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838")  # cividis: score 0 to 5
_NO_EVIDENCE = "#8a8a8a"
_PIPED_WIDTH = 200
_CELL_WIDTH, _CELL_HEIGHT, _LABEL_WIDTH, _TOP = 170, 44, 230, 76


@dataclass(frozen=True, slots=True)
class Heatmap:
    """`cells` by class and model; `routed` holds for each class the model that its requests go to."""

    classes: tuple[str, ...]
    models: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    routed: Mapping[str, str]
    table_version: str
    simulated: bool

    @property
    def title(self) -> str:
        rows = "SIMULATED rows" if self.simulated else "real rows"
        return f"Mean score (scored runs) by class and model: {rows}; {ROUTED} routed by table {self.table_version}"


def heatmap_of(
    summaries: Iterable[CellSummary], table: RoutingTable, classes: Sequence[str], *, simulated: bool
) -> Heatmap:
    """The grid of these classes, from the real rows or from the simulated ones."""
    evidence = evidence_cells(summaries, simulated=simulated)
    seen = {model for models in evidence.values() for model in models}
    called = {bare(model): model for model in seen}
    routed = {
        key: called.get(bare(ranking.models[0]), ranking.models[0])
        for key, ranking in table.classes.items()
        if key in classes
    }
    return Heatmap(
        classes=tuple(classes),
        models=tuple(sorted(seen | set(routed.values()))),
        cells={(key, model): cell for key, models in evidence.items() for model, cell in models.items()},
        routed=routed,
        table_version=table.version,
        simulated=simulated,
    )


def console() -> Console:
    """Standard output; wide when it is piped, so that names stay whole for grep."""
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(width=width, markup=False, emoji=False, highlight=False)  # names are text, whatever they hold


def render_heatmap(heatmap: Heatmap) -> Grid:
    """The grid for a rich console."""
    grid = Grid(title=heatmap.title, show_lines=True)
    grid.add_column("class", no_wrap=True)
    for model in heatmap.models:
        grid.add_column(Text(bare(model)), justify="center", overflow="fold")  # the title says what is simulated
    for task_class in heatmap.classes:
        grid.add_row(Text(task_class), *(_text(heatmap, task_class, model) for model in heatmap.models))
    return grid


def svg(heatmap: Heatmap) -> str:
    """The grid as a picture that needs nothing else, its figures as text."""
    width = _LABEL_WIDTH + _CELL_WIDTH * len(heatmap.models)
    height = _TOP + _CELL_HEIGHT * len(heatmap.classes)
    parts = [_label(heatmap.title, 10, 24, "start")]
    for column, model in enumerate(heatmap.models):
        parts.append(_label(model, _LABEL_WIDTH + _CELL_WIDTH * (column + 0.5), _TOP - 14, "middle"))
    for line, task_class in enumerate(heatmap.classes):
        top = _TOP + _CELL_HEIGHT * line
        parts.append(_label(task_class, _LABEL_WIDTH - 10, top + _CELL_HEIGHT * 0.6, "end"))
        for column, model in enumerate(heatmap.models):
            parts.append(_box(heatmap, task_class, model, _LABEL_WIDTH + _CELL_WIDTH * column, top))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>{escape(heatmap.title)}</title>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def document(heatmap: Heatmap) -> dict[str, object]:
    """The grid for --json."""
    return {
        "simulated": heatmap.simulated,
        "table_version": heatmap.table_version,
        "routed": heatmap.routed,
        "cells": [
            {"task_class": key, "model": model, "mean_score": cell.mean_score, "scored": cell.scored, "rows": cell.rows}
            for (key, model), cell in sorted(heatmap.cells.items())
        ],
    }


def _text(heatmap: Heatmap, task_class: str, model: str) -> Text:
    fill, ink = _colours(heatmap.cells.get((task_class, model)))
    return Text(f" {_words(heatmap, task_class, model)} ", style=f"{ink} on {fill}" if fill else "")


def _words(heatmap: Heatmap, task_class: str, model: str) -> str:
    cell = heatmap.cells.get((task_class, model))
    mark = f"{ROUTED} " if heatmap.routed.get(task_class) == model else ""
    if cell is None:
        return f"{mark}-"
    if cell.mean_score is None:
        return f"{mark}unscored ({cell.rows} rows)"
    return f"{mark}{cell.mean_score:.2f} ({cell.scored})"


def _colours(cell: Cell | None) -> tuple[str, str]:
    """Fill and ink; no fill without a score."""
    if cell is None or cell.mean_score is None:
        return "", _NO_EVIDENCE
    step = min(int(cell.mean_score / 5 * len(_SCALE)), len(_SCALE) - 1)
    return _SCALE[step], "#ffffff" if step < 3 else "#000000"


def _box(heatmap: Heatmap, task_class: str, model: str, left: float, top: float) -> str:
    fill, ink = _colours(heatmap.cells.get((task_class, model)))
    words = _label(_words(heatmap, task_class, model), left + _CELL_WIDTH / 2, top + _CELL_HEIGHT * 0.6, "middle", ink)
    return (
        f'<rect x="{left}" y="{top}" width="{_CELL_WIDTH - 2}" height="{_CELL_HEIGHT - 2}" fill="{fill or "#f0f0f0"}"/>'
        f"{words}"
    )


def _label(text: str, left: float, top: float, anchor: str, ink: str = "#000000") -> str:
    return f'<text x="{left:g}" y="{top:g}" text-anchor="{anchor}" fill="{ink}">{escape(text)}</text>'
