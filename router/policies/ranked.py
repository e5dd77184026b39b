"""The default rule: the models of the class in the table's order, or in the order that the objective asks for.

quality   best mean score first; models without a score keep the table's order behind those with one
balanced  the table's own order: the rule that built it has weighed quality against cost
thrift    lowest estimated cost of this very request first, models of unknown price last
"""

import math
from collections.abc import Iterable

from router.decision import Candidate, Classification, Decision, Reason
from router.errors import NoCapableModel
from router.policies import UNAVAILABLE, Question, all_open, consider
from router.table import Cell, Ranking, RoutingTable

EXPLAINED_EXCLUSIONS = 4


def choose(question: Question, classification: Classification, table: RoutingTable, initial: RoutingTable) -> Decision:
    """The decision for a request of this class. Raises NoCapableModel, naming what stood in the way, or Overloaded.

    `initial` is asked about a class that `table` doesn't know. Models that the table leaves out stand in for those that
    can't do what the request needs, never for those that fail at the moment: nobody chose them for this class.
    """
    ranking, known = _ranking((table, initial), classification.task_class)
    candidates = consider(question, ranking.models)
    if not any(candidate.excluded in (None, "circuit_open") for candidate in candidates):
        rest = [name for name in question.catalog.names() if name not in {c.name for c in candidates}]
        candidates += consider(question, rest)
        known = known and bool(ranking.cells)
    usable = [candidate for candidate in candidates if candidate.excluded is None]
    if not usable and any(candidate.excluded == "circuit_open" for candidate in candidates):
        raise all_open(candidates)
    if not usable:
        raise NoCapableModel(no_capable_model(candidates))
    ordered = sorted(_ordered(question, usable, ranking), key=lambda candidate: _is_only_checked(question, candidate))
    targets = tuple(candidate.model for candidate in ordered if candidate.model is not None)
    return Decision(
        classification=classification,
        candidates=tuple(candidates),
        targets=targets,
        reason=_reason(question, candidates, ordered, known),
        table_version=table.version,
        objective=question.policy.objective,
        requirements=question.requirements,
    )


def no_capable_model(candidates: Iterable[Candidate]) -> str:
    """One sentence that names what ruled the models out, for the caller."""
    reasons = [f"{c.name}: {c.excluded}" + (f" ({c.detail})" if c.detail else "") for c in candidates]
    shown = "; ".join(reasons[:EXPLAINED_EXCLUSIONS])
    more = f"; and {len(reasons) - EXPLAINED_EXCLUSIONS} more" if len(reasons) > EXPLAINED_EXCLUSIONS else ""
    return f"no model can take this request: {shown}{more}"


def _ranking(tables: tuple[RoutingTable, RoutingTable], task_class: str) -> tuple[Ranking, bool]:
    """The class's ranking, and whether the table in force is the one that knows it; otherwise the nearest thing."""
    in_force, initial = tables
    if task_class in in_force.classes:
        return in_force.classes[task_class], True
    for table, name in ((initial, task_class), (in_force, "general"), (initial, "general")):
        if name in table.classes:
            return table.classes[name], False
    return Ranking(()), False


def _ordered(question: Question, usable: list[Candidate], ranking: Ranking) -> list[Candidate]:
    match question.policy.objective:
        case "quality":
            cells = _cells_by_name(question, ranking)
            return sorted(usable, key=lambda candidate: -_score(cells.get(candidate.name)))
        case "thrift":
            return sorted(usable, key=_cost)
        case "balanced":
            return usable


def _is_only_checked(question: Question, candidate: Candidate) -> bool:
    """Whether the model can't be held to the schema asked for: those that can come first."""
    return question.requirements.json_schema and candidate.model is not None and not candidate.model.json_schema


def _cells_by_name(question: Question, ranking: Ranking) -> dict[str, Cell]:
    """Cells by the catalogue's name for the model, which differs from the table's while providers are simulated."""
    found = ((question.catalog.find(cell.model), cell) for cell in ranking.cells)
    return {model.name: cell for model, cell in found if model is not None}


def _score(cell: Cell | None) -> float:
    return -1.0 if cell is None or cell.mean_score is None else cell.mean_score


def _cost(candidate: Candidate) -> float:
    return math.inf if candidate.estimated_cost_usd is None else candidate.estimated_cost_usd


def _reason(question: Question, candidates: list[Candidate], ordered: list[Candidate], known: bool) -> Reason:
    first = candidates[0]
    chosen = ordered[0]
    if not known:
        return "default"
    if chosen is first:
        return "table"
    best_usable = next(candidate for candidate in candidates if candidate.excluded is None)
    if chosen is not best_usable:
        return "requirement" if _is_only_checked(question, best_usable) else "objective"
    if first.excluded in UNAVAILABLE:
        return "unavailable"
    return "no_key" if first.excluded == "no_key" else "requirement"
