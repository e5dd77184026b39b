"""The evidence schema: one row for one attempt of one model at one task, whoever ran it.

The first eleven CSV columns are those of the document that started the project, in its order; ours follow.
`to_csv` and `from_csv` are exact inverses. No I/O here.
"""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

Source = Literal["benchmark", "live", "shadow", "import", "simulated"]
Outcome = Literal["ok", "error", "truncated", "cancelled"]
UsageSource = Literal["provider", "estimated"]


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """Times in seconds, costs in USD (None when unknown, never 0 by accident), `at` in UTC, score 0 to 5."""

    task_id: str
    task_type: str
    model: str
    score: float | None = None
    time_to_first_useful_s: float | None = None
    wall_time_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    manual_corrections: int | None = None
    notes: str = ""
    row_id: str = ""
    source: Source = "import"
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    request_id: str | None = None
    attempt: int | None = None
    outcome: Outcome = "ok"
    error_kind: str | None = None
    finish_reason: str | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_source: UsageSource | None = None
    price_version: str | None = None
    quality: float | None = None
    correctness: float | None = None
    format: float | None = None
    rework: float | None = None
    scorer: str | None = None
    confidence: float | None = None
    propensity: float | None = None
    assigned: str | None = None
    reason: str | None = None
    table_version: str | None = None
    policy: str | None = None
    overhead_ms: float | None = None
    stream: bool | None = None
    session: str | None = None
    key_id: str | None = None
    suite: str | None = None
    run_id: str | None = None


class CellSummary(NamedTuple):
    """What the pool says of one (task class, model, source); sums over its rows. Times in seconds, costs in USD.

    `cost_usd` sums the rows whose cost is known (`priced` of them). Score sums cover the `scored` rows;
    `successes` are those with a score of 4 or more, `spent_usd` the known cost of all `scored` rows,
    `unpriced` how many scored rows have no known cost. `first_useful_s` holds every known time, ascending.
    """

    task_type: str
    model: str
    source: Source
    rows: int
    errors: int
    scored: int
    score_sum: float
    successes: int
    unpriced: int
    spent_usd: float
    priced: int
    cost_usd: float
    first_useful_s: tuple[float, ...]


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(EvidenceRow))
SEED_COLUMNS: tuple[str, ...] = COLUMNS[:11]

_MAXIMUM = {"score": 5.0, "quality": 2.0, "correctness": 1.0, "format": 1.0, "rework": 1.0,
            "confidence": 1.0, "propensity": 1.0}  # fmt: skip
_FLOATS = frozenset({*_MAXIMUM, "time_to_first_useful_s", "wall_time_s", "cost_usd", "overhead_ms"})
_INTEGERS = frozenset({"input_tokens", "output_tokens", "manual_corrections", "attempt",
                       "cached_tokens", "cache_write_tokens", "reasoning_tokens"})  # fmt: skip
_CLOSED = {"source": get_args(Source), "outcome": get_args(Outcome), "usage_source": get_args(UsageSource)}
_REQUIRED = frozenset({"task_id", "task_type", "model"})
_MAX_INTEGER = 2**63 - 1
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # a spreadsheet would run a cell that begins so
_DIGITS = re.compile(r"[+-]?[0-9]{1,40}")
_NAME_LIMIT = 200


def to_csv(row: EvidenceRow) -> list[str]:
    """The cells of `row` in the order of `COLUMNS`. Text that a spreadsheet would run is quoted with an apostrophe."""
    return [_cell(getattr(row, name)) for name in COLUMNS]


def from_csv(cells: Mapping[str, str]) -> EvidenceRow:
    """The row of these named cells; missing columns take their defaults. Raises ValueError with the reason."""
    values: dict[str, Any] = {}
    for name in COLUMNS:
        text = cells.get(name, "")
        if text == "":
            if name in _REQUIRED:
                raise ValueError(f"{name} is empty")
            continue
        values[name] = _value(name, text)
    return EvidenceRow(**values)


def row_id_of(seed_cells: Sequence[str], occurrence: int) -> str:
    """A stable id for a line that has none: the same cells give the same id; `occurrence` counts twins from 0."""
    text = "\x1f".join([*seed_cells, str(occurrence)])
    digest = bytearray(hashlib.sha256(text.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80  # version 8: our own content
    digest[8] = digest[8] & 0x3F | 0x80
    hexed = digest.hex()
    return f"{hexed[:8]}-{hexed[8:12]}-{hexed[12:16]}-{hexed[16:20]}-{hexed[20:]}"


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case str() if _FORMULA.match(value):
            return "'" + value
        case _:
            return str(value)


def _value(name: str, text: str) -> Any:
    if name in _FLOATS:
        return _float(name, text)
    if name in _INTEGERS:
        return _integer(name, text)
    if name in _CLOSED and text not in _CLOSED[name]:
        raise ValueError(f"{name} is {text!r}; it can be {', '.join(_CLOSED[name])}")
    if name == "at":
        return _time(text)
    if name == "stream":
        if text not in ("true", "false"):
            raise ValueError(f"stream is {text!r}; it can be true or false")
        return text == "true"
    if text.startswith("'") and _FORMULA.match(text):
        text = text[1:]
    if name != "notes" and (len(text) > _NAME_LIMIT or not text.isprintable()):
        raise ValueError(f"{name} has over {_NAME_LIMIT} characters or unprintable ones")
    return text


def _float(name: str, text: str) -> float:
    try:
        value = float(text if text.isascii() and "_" not in text else "")  # Python reads 1_0 and other digits too
    except ValueError:
        raise ValueError(f"{name} is {text[:40]!r}, not a number") from None
    if not math.isfinite(value) or value < 0 or value > _MAXIMUM.get(name, math.inf):
        limit = f"0 to {_MAXIMUM[name]:g}" if name in _MAXIMUM else "0 or more"
        raise ValueError(f"{name} is {text[:40]}; it can be {limit}")
    return value


def _integer(name: str, text: str) -> int:
    digits = text.strip().removesuffix(".0")  # spreadsheets and pandas write whole numbers so
    if not _DIGITS.fullmatch(digits):
        raise ValueError(f"{name} is {text[:40]!r}, not a whole number")
    value = int(digits)
    if not 0 <= value <= _MAX_INTEGER:
        raise ValueError(f"{name} is {text[:40]}; it can be 0 or more")
    return value


def _time(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"at is {text[:40]!r}, not a time such as 2026-11-24T06:00:00Z") from None
