"""What a caller asks of the router itself, by request headers. A header or a value that we don't know is refused."""

import math
from collections.abc import Mapping
from typing import get_args

from router.decision import Objective, Wishes
from router.errors import BadRequest, nearest

HEADERS = (
    "x-router-task-class",
    "x-router-model",
    "x-router-max-cost-usd",
    "x-router-objective",
    "x-router-session",
    "x-router-explain",
    "x-router-record",
    "x-router-validate",
)
_NAME_LIMIT = 200


def read(headers: Mapping[str, str]) -> Wishes:
    """The wishes in `headers` (lower-case names). Raises BadRequest with `param` the header's name.

    Names of classes and models are checked later, against what is configured then.
    """
    for name in headers:
        if name.startswith("x-router-") and name not in HEADERS:
            hint = nearest(name, HEADERS) or f"; it can be {', '.join(HEADERS)}"
            raise BadRequest(f"unknown header {name[:60]}{hint}", param=name[:60])
    return Wishes(
        model=headers.get("x-router-model"),
        task_class=headers.get("x-router-task-class"),
        objective=_objective(headers),
        max_cost_usd=_max_cost_usd(headers),
        session=_session(headers),
        explain=_flag(headers, "x-router-explain", "full"),
        record=not _flag(headers, "x-router-record", "off"),
        validate=not _flag(headers, "x-router-validate", "off"),
    )


def _objective(headers: Mapping[str, str]) -> Objective | None:
    value = headers.get("x-router-objective")
    if value is None:
        return None
    for objective in get_args(Objective):
        if value == objective:
            return objective  # type: ignore[no-any-return]  # one of the Literal's own values
    raise _wrong("x-router-objective", value, ", ".join(get_args(Objective)))


def _max_cost_usd(headers: Mapping[str, str]) -> float | None:
    value = headers.get("x-router-max-cost-usd")
    if value is None:
        return None
    try:
        cost = float(value)
    except ValueError:
        cost = math.nan
    if not 0 < cost < math.inf:
        raise _wrong("x-router-max-cost-usd", value, "a number of dollars above 0, such as 0.05")
    return cost


def _session(headers: Mapping[str, str]) -> str | None:
    value = headers.get("x-router-session", headers.get("x-session-id"))
    if value is not None and (not value or len(value) > _NAME_LIMIT or not value.isprintable()):
        raise _wrong("x-router-session", value, f"1 to {_NAME_LIMIT} printable characters")
    return value


def _flag(headers: Mapping[str, str], name: str, word: str) -> bool:
    value = headers.get(name)
    if value is not None and value != word:
        raise _wrong(name, value, word)
    return value is not None


def _wrong(name: str, value: str, right: str) -> BadRequest:
    return BadRequest(f"{name} is {value[:60]!r}; it can be {right}", param=name)
