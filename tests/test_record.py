"""The evidence schema: CSV cells out and in are exact inverses, and bad cells are refused with the reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.record import COLUMNS, SEED_COLUMNS, EvidenceRow, from_csv, row_id_of, to_csv

ROW = EvidenceRow("t1", "general", "gpt-5.5")
CELLS = {"task_id": "t1", "task_type": "general", "model": "gpt-5.5"}


def back(row: EvidenceRow) -> EvidenceRow:
    return from_csv(dict(zip(COLUMNS, to_csv(row), strict=True)))


def test_the_first_eleven_columns_are_the_seeds() -> None:
    assert ",".join(SEED_COLUMNS) == (
        "task_id,task_type,model,score,time_to_first_useful_s,wall_time_s,"
        "input_tokens,output_tokens,cost_usd,manual_corrections,notes"
    )
    assert COLUMNS[:11] == SEED_COLUMNS and len(set(COLUMNS)) == len(COLUMNS)


def test_a_row_is_written_as_people_write_it() -> None:
    row = replace(
        ROW,
        score=4.0,
        time_to_first_useful_s=1.25,
        wall_time_s=0.000001,
        input_tokens=1200,
        output_tokens=0,
        cost_usd=0.0421,
        manual_corrections=1,
        notes="fine, mostly",
        at=datetime(2026, 11, 24, 6, tzinfo=timezone(timedelta(hours=2))),
        stream=True,
    )
    cells = dict(zip(COLUMNS, to_csv(row), strict=True))

    assert list(cells.values())[:11] == [
        "t1", "general", "gpt-5.5", "4", "1.25", "1e-06", "1200", "0", "0.0421", "1", "fine, mostly"
    ]  # fmt: skip
    assert cells["at"] == "2026-11-24T04:00:00.000Z" and cells["stream"] == "true"
    assert (cells["source"], cells["outcome"], cells["error_kind"], cells["attempt"]) == ("import", "ok", "", "")


NAMES = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=8)
FORMULAS = st.text("'=+-@x", min_size=1, max_size=4)
WORDS = NAMES | FORMULAS
NOTES = st.text() | FORMULAS | st.sampled_from(["\t=1", "\rx", "'\tx", "''", "'", "'x", "a\r\nb", '"', "\u2028"])


def numbers(most: float = 1e300) -> st.SearchStrategy[float]:
    return st.floats(0, most) | st.integers(0, int(min(most, 2**60))).map(float)


WHOLES = st.integers(0, 2**63 - 1)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
TYPES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(["task_id", "task_type", "model"], WORDS),
    **dict.fromkeys(["row_id"], st.just("") | WORDS),
    "notes": NOTES,
    "score": st.none() | numbers(5),
    "quality": st.none() | numbers(2),
    **dict.fromkeys(["correctness", "format", "rework", "confidence", "propensity"], st.none() | numbers(1)),
    **dict.fromkeys(["time_to_first_useful_s", "wall_time_s", "cost_usd", "overhead_ms"], st.none() | numbers()),
    **dict.fromkeys(["input_tokens", "output_tokens", "manual_corrections", "attempt", "cached_tokens",
                     "cache_write_tokens", "reasoning_tokens"], st.none() | WHOLES),
    "source": st.sampled_from(["benchmark", "live", "shadow", "import", "simulated"]),
    "outcome": st.sampled_from(["ok", "error", "truncated", "cancelled"]),
    "usage_source": st.sampled_from([None, "provider", "estimated"]),
    "at": TIMES,
    "stream": st.none() | st.booleans(),
    **dict.fromkeys(["request_id", "error_kind", "finish_reason", "price_version", "scorer", "assigned", "reason",
                     "table_version", "policy", "session", "key_id", "suite", "run_id"], st.none() | WORDS),
}  # fmt: skip


@settings(max_examples=60)
@given(st.fixed_dictionaries(TYPES).map(lambda values: EvidenceRow(**values)))
def test_to_csv_and_from_csv_are_exact_inverses(row: EvidenceRow) -> None:
    assert set(TYPES) == set(COLUMNS)
    assert back(row) == row
    assert to_csv(back(row)) == to_csv(row)


@given(NOTES)
def test_no_cell_begins_as_a_spreadsheet_begins_a_formula(notes: str) -> None:
    cell = to_csv(replace(ROW, notes=notes))[COLUMNS.index("notes")]

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("notes", "cell"),
    [("=1+1", "'=1+1"), ("-5", "'-5"), ("'=x", "''=x"), ("'quoted'", "'quoted'"), ("a=b", "a=b"), ("\tx", "'\tx")],
)
def test_text_that_would_run_is_quoted_with_an_apostrophe(notes: str, cell: str) -> None:
    row = replace(ROW, notes=notes)

    assert to_csv(row)[COLUMNS.index("notes")] == cell
    assert back(row).notes == notes


def test_unknown_is_empty_and_zero_is_zero() -> None:
    cells = to_csv(replace(ROW, cost_usd=0.0, score=None))

    assert cells[COLUMNS.index("cost_usd")] == "0" and cells[COLUMNS.index("score")] == ""
    assert from_csv(CELLS).cost_usd is None
    assert from_csv({**CELLS, "cost_usd": "0"}).cost_usd == 0.0


def test_missing_columns_take_their_defaults() -> None:
    assert from_csv(CELLS) == ROW


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("score", "4", 4.0),
        ("score", " 4.5 ", 4.5),
        ("cost_usd", "1e-3", 0.001),
        ("input_tokens", "1200", 1200),
        ("input_tokens", "1200.0", 1200),
        ("input_tokens", " 7 ", 7),
        ("stream", "false", False),
        ("at", "2026-11-24T06:00:00Z", datetime(2026, 11, 24, 6, tzinfo=UTC)),
        ("at", "2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("at", "2026-11-24T06:00:00+02:00", datetime(2026, 11, 24, 4, tzinfo=UTC)),
        ("notes", "a\nb", "a\nb"),
        ("session", "x" * 200, "x" * 200),
    ],
)
def test_a_cell_written_by_hand_is_read(name: str, text: str, value: object) -> None:
    assert getattr(from_csv({**CELLS, name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("task_id", ""),
        ("task_type", ""),
        ("model", ""),
        ("model", "a\nb"),
        ("model", "x" * 201),
        ("model", "\x00"),
        ("session", "a\u2028b"),
        ("score", "5.1"),
        ("score", "-1"),
        ("score", "nan"),
        ("score", "high"),
        ("score", "4,5"),
        ("score", "1_0"),
        ("score", "\u0664"),
        ("quality", "2.5"),
        ("confidence", "1.01"),
        ("cost_usd", "inf"),
        ("cost_usd", "1e999"),
        ("cost_usd", "$1"),
        ("wall_time_s", "1 s"),
        ("input_tokens", "1.5"),
        ("input_tokens", "-1"),
        ("input_tokens", "1_000"),
        ("input_tokens", "\u0661"),
        ("input_tokens", "9223372036854775808"),
        ("input_tokens", "9" * 5000),
        ("input_tokens", "0x10"),
        ("source", "guess"),
        ("outcome", "OK"),
        ("usage_source", "me"),
        ("stream", "yes"),
        ("at", "yesterday"),
        ("at", "2026-13-01"),
        ("at", "0001-01-01T00:00:00+10:00"),
        ("at", "9999-12-31T23:00:00-10:00"),
    ],
)
def test_a_bad_cell_is_refused_by_the_name_of_its_column(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} ") as caught:
        from_csv({**CELLS, name: text})
    assert len(str(caught.value)) < 200


def test_the_same_cells_give_the_same_id_and_twins_another() -> None:
    first, twin = row_id_of(["a", "b"], 0), row_id_of(["a", "b"], 1)

    assert first == row_id_of(["a", "b"], 0)
    assert len({first, twin, row_id_of(["ab", ""], 0), row_id_of(["a", "b", ""], 0)}) == 4
    assert [len(part) for part in first.split("-")] == [8, 4, 4, 4, 12]
    assert first[14] == "8" and first[19] in "89ab"
