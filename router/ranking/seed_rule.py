"""The decision rule of the document that started the project: best quality per cost, exactly as it is stated there.

Mean score by class and model, over the cost per successful run (score of 4 or more). It knows no uncertainty.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from router.ranking import bare, evidence_cells, figures
from router.record import CellSummary
from router.table import Cell, Ranking, RoutingTable


def build(cells: Sequence[CellSummary], classes: Sequence[str], base: RoutingTable, *, simulated: bool) -> RoutingTable:
    """The table that the evidence speaks for: the real rows, or the simulated ones.

    A class without a scored run keeps the order of `base`; in the others, models of `base` without one follow as
    fallbacks. A class that neither knows is left out.
    """
    evidence = evidence_cells(cells, simulated=simulated)
    names = {bare(model): model for models in evidence.values() for model in models}
    rankings = {
        task_class: _ranking(evidence.get(task_class, {}), _fallbacks(base, task_class, names), simulated)
        for task_class in classes
    }
    return RoutingTable("seed_rule", {key: ranking for key, ranking in rankings.items() if ranking.cells}, simulated)


def _fallbacks(base: RoutingTable, task_class: str, names: Mapping[str, str]) -> Ranking:
    """The base's ranking, its models called as the evidence calls them (a simulated twin has a name of its own)."""
    ranking = base.classes.get(task_class, Ranking(()))
    cells = (Cell(names.get(bare(cell.model), cell.model), note=cell.note) for cell in ranking.cells)
    return Ranking(tuple(cells), ranking.why)


def _ranking(evidence: Mapping[str, Cell], base: Ranking, simulated: bool) -> Ranking:
    ranked = sorted((cell for cell in evidence.values() if cell.scored), key=_rank)
    scored = {cell.model for cell in ranked}
    rest = [replace(evidence.get(cell.model, cell), note=cell.note) for cell in base.cells if cell.model not in scored]
    proven = [cell for cell in ranked if cell.successes]
    failed = [cell for cell in ranked if not cell.successes]  # nothing speaks for them against an untried model
    why = _why(ranked, simulated) if proven or (failed and not rest) else _kept(base, simulated, failed)
    return Ranking((*proven, *rest, *failed), why)


def _rank(cell: Cell) -> tuple[int, float, float, float, str]:
    """Sorts best first: free successes, the best ratio, successes at an unknown cost, no success; then ties."""
    if not cell.successes:
        group = 3
    elif cell.cost_per_success_usd is None:
        group = 2
    else:
        group = 1 if cell.cost_per_success_usd else 0
    first_useful_s = math.inf if cell.median_first_useful_s is None else cell.median_first_useful_s
    return group, -(cell.quality_per_cost or 0), -(cell.mean_score or 0), first_useful_s, cell.model


def _why(ranked: Sequence[Cell], simulated: bool) -> str:
    best, others = ranked[0], ranked[1:]
    runs = "simulated runs: " if simulated else ""
    if not others:
        return f"{runs}the only model with scored runs: {figures(best)}"
    claim = "best quality per cost" if best.cost_per_success_usd is not None else "best mean score (no known cost)"
    if not best.successes:
        claim = "best mean score (no model succeeded)"
    return f"{runs}{claim} of {len(ranked)} models: {figures(best)}; next {others[0].model}: {figures(others[0])}"


def _kept(base: Ranking, simulated: bool, failed: Sequence[Cell]) -> str:
    runs = "simulated run" if simulated else "run"
    if failed:
        return f"no successful {runs} yet, those without a success go last: {base.why or 'as it was'}"
    return f"no scored {runs} yet, order kept: {base.why or 'as it was'}"
