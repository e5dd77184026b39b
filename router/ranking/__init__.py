"""How the next routing table follows from the evidence. One rule a file, pure and deterministic; registry: `RULES`.

A rule takes what the pool says, the classes, and the table to fall back on; it gives the next table.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Protocol

from router.catalog import SIMULATED_PREFIX
from router.record import CellSummary
from router.table import Cell, RoutingTable


class Rule(Protocol):
    def __call__(
        self, cells: Sequence[CellSummary], classes: Sequence[str], base: RoutingTable, *, simulated: bool
    ) -> RoutingTable: ...


def evidence_cells(summaries: Iterable[CellSummary], *, simulated: bool) -> dict[str, dict[str, Cell]]:
    """Class -> model -> cell, over all real sources, or over simulated rows alone: the two are never mixed.

    The cost per success is what all scored runs of the cell cost, over its successes (score of 4 or more): failures
    are paid for too. It is None, not a guess, while the cost of any scored run is unknown.
    """
    groups: defaultdict[str, defaultdict[str, list[CellSummary]]] = defaultdict(lambda: defaultdict(list))
    for summary in summaries:
        if (summary.source == "simulated") == simulated:
            groups[summary.task_type][summary.model].append(summary)
    return {
        task_class: {model: _cell(model, parts) for model, parts in models.items()}
        for task_class, models in groups.items()
    }


def bare(model: str) -> str:
    """The name without the mark of a simulated twin."""
    return model.removeprefix(SIMULATED_PREFIX)


def figures(cell: Cell) -> str:
    """What is known of a cell, in words: `mean score 4.67 of 3 scored runs at $0.031 per success`."""
    if cell.mean_score is None:
        return f"no scored runs of {cell.rows} rows" if cell.rows else "no runs"
    text = f"mean score {cell.mean_score:.2f} of {cell.scored} scored run{'s' * (cell.scored != 1)}"
    if not cell.successes:
        return f"{text}, no success"
    if cell.cost_per_success_usd is None:
        return f"{text} at an unknown cost"
    return f"{text} at {usd(cell.cost_per_success_usd)} per success"


def usd(amount: float) -> str:
    """An amount with three significant digits and at least cents: `$12.35`, `$0.031`, `$0.00042`."""
    if amount == 0 or amount >= 1:
        return f"${amount:,.2f}"
    decimals = 2 - math.floor(math.log10(amount))
    whole, _, fraction = f"{amount:.{decimals}f}".partition(".")
    return f"${whole}.{fraction.rstrip('0'):0<2}"


def _cell(model: str, parts: Sequence[CellSummary]) -> Cell:
    scored = sum(part.scored for part in parts)
    successes = sum(part.successes for part in parts)
    priced = sum(part.priced for part in parts)
    times = sorted(time for part in parts for time in part.first_useful_s)
    mean_score = _rounded(math.fsum(part.score_sum for part in parts) / scored) if scored else None
    per_success = None
    if successes and not any(part.unpriced for part in parts):
        per_success = _rounded(math.fsum(part.spent_usd for part in parts) / successes)
    return Cell(
        model=model,
        rows=sum(part.rows for part in parts),
        scored=scored,
        mean_score=mean_score,
        successes=successes,
        mean_cost_usd=_rounded(math.fsum(part.cost_usd for part in parts) / priced) if priced else None,
        cost_per_success_usd=per_success,
        median_first_useful_s=_rounded(median(times)) if times else None,
        quality_per_cost=_rounded(mean_score / per_success) if mean_score is not None and per_success else None,
    )


def _rounded(value: float) -> float:
    """Nine significant digits: the order in which a store adds up must not change the version of a table."""
    return float(f"{value:.9g}")


from router.ranking.seed_rule import build as seed_rule  # noqa: E402  # the rules need what stands above

RULES: dict[str, Rule] = {"seed_rule": seed_rule}
