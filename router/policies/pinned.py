"""The rule for a model that the caller named: that one, and after it only the fallbacks its catalogue row lists."""

from router.catalog import Model
from router.decision import Candidate, Classification, Decision
from router.errors import BadRequest, NoCapableModel
from router.policies import UNAVAILABLE, Question, all_open, consider

NAMED_LIMIT = 4  # models that a refusal names


def choose(question: Question, classification: Classification, table_version: str, model: Model) -> Decision:
    """The decision for a pinned request. Raises NoCapableModel or BadRequest with what this model can't do, Overloaded
    when it and its fallbacks fail at the moment."""
    candidates = consider(question, (model.name, *model.fallbacks), pinned=True)
    first = candidates[0]
    if first.excluded is not None and first.excluded not in UNAVAILABLE:
        raise _refusal(question, first)
    targets = tuple(c.model for c in candidates if c.model is not None and c.excluded is None)
    if not targets:
        raise all_open(candidates)
    return Decision(
        classification=classification,
        candidates=tuple(candidates),
        targets=targets,
        reason="pinned_by_user" if first.excluded is None else "unavailable",
        table_version=table_version,
        objective=question.policy.objective,
        assigned="user",
        requirements=question.requirements,
    )


def _refusal(question: Question, candidate: Candidate) -> BadRequest:
    text = f"{candidate.name} can't take this request: {candidate.excluded}"
    if candidate.detail:
        text += f" ({candidate.detail})"
    text += f"; {_who_can(question)}"
    if candidate.excluded == "unsupported_parameter" and candidate.detail:
        return BadRequest(text, param=candidate.detail.partition(":")[0], code="unsupported_parameter")
    return NoCapableModel(text, param="model")


def _who_can(question: Question) -> str:
    able = [c.name for c in consider(question, question.catalog.names(), pinned=True) if c.excluded is None]
    if not able:
        return "no model here can"
    more = f" and {len(able) - NAMED_LIMIT} more" if len(able) > NAMED_LIMIT else ""
    return f"{', '.join(able[:NAMED_LIMIT])}{more} can"
