"""The rule for a model that the caller named: that one, and after it only the fallbacks its catalogue row lists."""

from router.catalog import Model
from router.decision import Candidate, Classification, Decision
from router.errors import BadRequest, NoCapableModel
from router.policies import Question, consider


def choose(question: Question, classification: Classification, table_version: str, model: Model) -> Decision:
    """The decision for a pinned request. Raises NoCapableModel or BadRequest with what this model can't do."""
    candidates = consider(question, (model.name, *model.fallbacks), pinned=True)
    first = candidates[0]
    if first.excluded is not None:
        raise _refusal(first)
    return Decision(
        classification=classification,
        candidates=tuple(candidates),
        targets=tuple(c.model for c in candidates if c.model is not None and c.excluded is None),
        reason="pinned_by_user",
        table_version=table_version,
        objective=question.policy.objective,
        assigned="user",
        requirements=question.requirements,
    )


def _refusal(candidate: Candidate) -> BadRequest:
    text = f"{candidate.name} can't take this request: {candidate.excluded}"
    if candidate.detail:
        text += f" ({candidate.detail})"
    if candidate.excluded == "unsupported_parameter" and candidate.detail:
        return BadRequest(text, param=candidate.detail.partition(":")[0], code="unsupported_parameter")
    return NoCapableModel(text, param="model")
