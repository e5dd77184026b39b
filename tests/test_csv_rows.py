"""Evidence as CSV: our own exports come back exactly; what people write by hand is read with care."""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.csv_rows import Reject, read, write, write_rejects
from router.errors import EvidenceError
from router.record import COLUMNS, EvidenceRow

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
CLASSES = ("coding_deep_review", "general")
HEADER = (
    "task_id,task_type,model,score,time_to_first_useful_s,wall_time_s,"
    "input_tokens,output_tokens,cost_usd,manual_corrections,notes\n"
)
LINE = "t1,general,gpt-5.5,4,1.5,9,100,20,0.01,0,fine\n"
ROW = EvidenceRow("t", "general", "gpt-5.5", row_id="0193-a", source="live", at=NOW, stream=True)


def parse(text: str) -> list[EvidenceRow | Reject]:
    return list(read(io.StringIO(text, newline=""), classes=CLASSES, now=NOW))


def rows_of(text: str) -> list[EvidenceRow]:
    return [record for record in parse(text) if isinstance(record, EvidenceRow)]


def rejects_of(text: str) -> list[tuple[int, str]]:
    return [(record.line, record.reason) for record in parse(text) if isinstance(record, Reject)]


def text_of(rows: Sequence[EvidenceRow]) -> str:
    stream = io.StringIO(newline="")
    write(rows, stream)
    return stream.getvalue()


def test_an_export_begins_with_the_columns_of_the_seed() -> None:
    assert text_of([]) == ",".join(COLUMNS) + "\n"
    assert text_of([]).startswith(HEADER.rstrip("\n") + ",row_id,")


@pytest.mark.parametrize(
    "notes",
    ["", "a,b", 'said "no"', "two\nlines", "lone\rreturn", "dos\r\nlines", " spaces ", '"', '""', "ü 東", "=SUM(A1)",
     "'=x", "-1", "x" * 300_000, '"\n' * 50, "\n", ",,\n,,"],
)  # fmt: skip
def test_an_exported_row_comes_back_exactly(notes: str) -> None:
    row = replace(ROW, notes=notes, score=3.3333333333333335)
    assert parse(text_of([row, replace(row, row_id="0193-b")])) == [row, replace(row, row_id="0193-b")]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=5))
def test_any_text_survives_the_round_trip_to_the_byte(notes: list[str]) -> None:
    rows = [replace(ROW, row_id=f"r{number}", notes=note) for number, note in enumerate(notes)]
    text = text_of(rows)
    back = rows_of(text)
    assert back == rows
    assert text_of(back) == text


def test_a_cell_that_a_spreadsheet_would_run_is_neutralised() -> None:
    assert ",'=cmd|x," in text_of([replace(ROW, notes="=cmd|x")])


def test_a_line_with_the_eleven_columns_alone_is_an_imported_row() -> None:
    (row,) = rows_of(HEADER + LINE)
    assert (row.task_id, row.score, row.input_tokens, row.cost_usd, row.notes) == ("t1", 4.0, 100, 0.01, "fine")
    assert (row.source, row.at, row.outcome) == ("import", NOW, "ok")
    assert row.row_id != ""


def test_the_same_line_has_the_same_id_and_twins_have_their_own() -> None:
    first = [row.row_id for row in rows_of(HEADER + LINE + LINE)]
    again = [row.row_id for row in rows_of(HEADER + LINE.replace("0.01", "0.010") + LINE.replace(",4,", ",4.0,"))]
    assert first == again
    assert len(set(first)) == 2


def test_columns_may_stand_in_any_order_and_optional_ones_may_be_missing() -> None:
    (row,) = rows_of("Model, Task_Type ,task_id,score\n gpt-5.5 ,general, t1 ,5\n")
    assert (row.model, row.task_type, row.task_id, row.score, row.cost_usd) == ("gpt-5.5", "general", "t1", 5.0, None)


def test_files_as_windows_saves_them_are_read() -> None:
    text = "\ufeff" + '"task_id","task_type","model","notes"\r\n"t1","general","gpt-5.5","a ""b"", c"\r\n\r\n,,,\r\n'
    (row,) = rows_of(text)
    assert (row.task_id, row.notes) == ("t1", 'a "b", c')


def test_an_unknown_class_is_rejected_by_hand_but_kept_with_a_row_id() -> None:
    assert rejects_of(HEADER + LINE.replace("general", "coding_deep_reviw")) == [
        (
            2,
            "task_type is 'coding_deep_reviw'; did you mean 'coding_deep_review'? (known: coding_deep_review, general)",
        )
    ]
    (row,) = rows_of("task_id,task_type,model,row_id\nt1,gone_class,m,0193-a\n")
    assert row.task_type == "gone_class"


def test_a_bad_line_is_named_by_the_line_it_begins_on_and_the_rest_is_read() -> None:
    text = HEADER + '\nt1,general,m,5,,,,,,,"two\nlines"\nt2,general,m,9,,,,,,,"bad\nscore"\nt3,general,m\n' + LINE
    assert [row.task_id for row in rows_of(text)] == ["t1", "t1"]
    assert rejects_of(text) == [(5, "score is 9; it can be 0 to 5"), (7, "3 cells where the header has 11")]


def test_the_text_of_a_reject_is_the_line_as_it_stands_in_the_file() -> None:
    (reject,) = parse(HEADER + 't2,general,m,9,,,,,,,"bad\r\nscore"\r\n')
    assert isinstance(reject, Reject)
    assert reject.text == 't2,general,m,9,,,,,,,"bad\r\nscore"'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("t1,general,m,x,,,,,,,", "score is 'x', not a number"),
        ("t1,general,,5,,,,,,,", "model is empty"),
        ("t1,general,m,5,,,1.5,,,,", "input_tokens is '1.5', not a whole number"),
        ("t1,general,m,5,,,,,nan,,", "cost_usd is nan; it can be 0 or more"),
        ("t1,general,m,5,,,,,-1,,", "cost_usd is -1; it can be 0 or more"),
        ("t1,general,m,5,,,,,,,a,b", "12 cells where the header has 11"),
        ("t1,general,m,5,,,,,,,\0", "holds a NUL byte; CSV is text"),
        ('t1,general,m,5,,,,,,,"a"b', "text follows a closing quote; a quote inside a quoted cell is written twice"),
    ],
)
def test_a_bad_cell_is_rejected_with_the_reason(line: str, reason: str) -> None:
    assert rejects_of(f"{HEADER}{LINE}{line}\n{LINE}") == [(3, reason)]
    assert len(rows_of(f"{HEADER}{LINE}{line}\n{LINE}")) == 2


def test_a_time_out_of_range_is_rejected() -> None:
    text = "task_id,task_type,model,row_id,at\nt,general,m,0193-a,0001-01-01T00:00:00+05:00\n"
    assert [line for line, _ in rejects_of(text)] == [2]


@pytest.mark.parametrize("lines", [1, 3, 500])
def test_a_quote_that_is_never_closed_costs_its_own_line_only(lines: int) -> None:
    text = HEADER + 't0,general,m,5,,,,,,,"oops\n' + LINE * lines
    assert rejects_of(text) == [(2, "a quote opens here and is never closed")]
    assert len(rows_of(text)) == lines


def test_a_stray_quote_inside_a_cell_is_kept() -> None:
    (row,) = rows_of(HEADER + 't1,general,m,5,,,,,,,a 5" disk\n')
    assert row.notes == 'a 5" disk'


def test_a_file_of_nothing_but_open_quotes_is_read_in_the_end() -> None:
    records = parse(HEADER + 'x",",\n' * 5_000)
    assert all(isinstance(record, Reject) for record in records)


def test_bytes_that_are_not_utf8_are_rejected_by_line_and_written_back_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    file.write_bytes(HEADER.encode() + b"t1,general,m,5,,,,,,,caf\xe9\n" + LINE.encode())
    reject, row = read(file, classes=CLASSES, now=NOW)
    assert isinstance(reject, Reject)
    assert isinstance(row, EvidenceRow)
    assert (reject.line, reject.reason) == (2, "not UTF-8; save the file as CSV UTF-8")
    with (tmp_path / "rejects.csv").open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        write_rejects([reject], stream)
    assert (tmp_path / "rejects.csv").read_bytes() == (
        b'2,not UTF-8; save the file as CSV UTF-8,"t1,general,m,5,,,,,,,caf\xe9"\n'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the CSV:1: the first line has no column of ours; it should be task_id,task_type,.*; it is ''"),
        (LINE, r"it should be task_id,task_type,model,score,.*; it is 't1,general,gpt-5.5"),
        (HEADER.replace(",", ";"), "the cells are separated by semicolons: save it with commas"),
        (HEADER.replace(",", "\t"), "the cells are separated by tabs"),
        (HEADER.replace("score", "scroe"), "the CSV:1: unknown column 'scroe'; did you mean 'score'"),
        ("task_id,task_id,model\n", "column task_id is there twice"),
        ("task_id,model\n", "column task_type is missing"),
        ("t\0a\0s\0k\0", "this is not UTF-8 text: save it as CSV UTF-8"),
    ],
)
def test_a_header_that_can_not_be_used_is_an_error_that_shows_what_is_right(text: str, message: str) -> None:
    with pytest.raises(EvidenceError, match=message):
        parse(text)


def test_a_file_that_can_not_be_read_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"none.csv can't be read: No such file or directory"):
        list(read(tmp_path / "none.csv", classes=CLASSES, now=NOW))
    with pytest.raises(EvidenceError, match="can't be read: Is a directory"):
        list(read(tmp_path, classes=CLASSES, now=NOW))
