"""A decision in words and figures: the document that x-router-explain, the dry run and decisions/{id} give."""

from collections.abc import Iterable
from typing import Any

from router.catalog import Catalog
from router.decision import Candidate, Decision
from router.record import EvidenceRow

_WHY = {
    "table": "it stands first for this class in the routing table",
    "no_key": "the table's first choice has no key; this is the best that can be reached",
    "requirement": "the table's first choice can't do what this request needs; this is the best that can",
    "unavailable": "the first choice is failing or was told to wait; this is the best that isn't",
    "objective": "the objective asked for ranks it first",
    "pinned_by_user": "the caller named it",
    "default": "the routing table doesn't know this class; this is the default",
}


def document(decision: Decision, attempts: Iterable[EvidenceRow] = (), /, **facts: Any) -> dict[str, Any]:
    """The decision as plain values: class and reasons, candidates with exclusions, choice, table, attempts.

    `model` is the choice; `served_by` differs from it where the choice failed and another took over.
    """
    classification = decision.classification
    chosen = decision.targets[0]
    rows = list(attempts)
    return {
        **facts,
        "task_class": classification.task_class,
        "method": classification.method,
        "confidence": classification.confidence,
        "runner_up": classification.runner_up,
        "why_class": list(classification.why),
        "model": chosen.name,
        "provider": chosen.provider.name,
        "simulated": chosen.provider.simulated,
        "reason": decision.reason,
        "why_model": f"{chosen.name} because {_WHY[decision.reason]}",
        "objective": decision.objective,
        "assigned": decision.assigned,
        "propensity": decision.propensity,
        "table_version": decision.table_version,
        "fallbacks": [model.name for model in decision.targets[1:]],
        "candidates": [_candidate(candidate) for candidate in decision.candidates],
        "estimated_input_tokens": decision.requirements.input_tokens,
        "served_by": _served_by(rows),
        "attempts": [attempt(row) for row in rows],
    }


def _served_by(rows: list[EvidenceRow]) -> str | None:
    """Who answered in the end; None when nobody has, or nobody was asked."""
    return rows[-1].model if rows and rows[-1].outcome == "ok" else None


def _candidate(candidate: Candidate) -> dict[str, Any]:
    fields = {
        "model": candidate.name,
        "excluded": candidate.excluded,
        "detail": candidate.detail,
        "estimated_cost_usd": candidate.estimated_cost_usd,
    }
    return {key: value for key, value in fields.items() if value is not None}


def attempt(row: EvidenceRow) -> dict[str, Any]:
    """What one upstream call of the request came to."""
    fields = {
        "attempt": row.attempt,
        "model": row.model,
        "outcome": row.outcome,
        "error_kind": row.error_kind,
        "finish_reason": row.finish_reason,
        "time_to_first_useful_s": row.time_to_first_useful_s,
        "wall_time_s": row.wall_time_s,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost_usd": row.cost_usd,
        "row_id": row.row_id,
    }
    return {key: value for key, value in fields.items() if value is not None}


def remembered(rows: list[EvidenceRow], catalog: Catalog, /, **facts: Any) -> dict[str, Any]:
    """What the rows of a request still tell of its decision when the decision itself is no longer in memory."""
    first = rows[0]
    model = catalog.find(first.model)
    return {
        **facts,
        "task_class": first.task_type,
        "confidence": first.confidence,
        "model": first.model,
        "provider": model.provider.name if model else None,
        "simulated": first.source == "simulated",
        "reason": first.reason,
        "objective": first.policy,
        "assigned": first.assigned,
        "propensity": first.propensity,
        "table_version": first.table_version,
        "served_by": _served_by(rows),
        "attempts": [attempt(row) for row in rows],
    }
