"""Evidence rows as CSV (RFC 4180, UTF-8): our own exports, and files written by hand with the seed's eleven columns.

Not the csv module: it limits fields to 128 KB by a global, leaves a lone CR unquoted before Python 3.13, and lets one
quote that is never closed swallow the rest of the file.
"""

import re
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TextIO

from router.errors import EvidenceError, nearest
from router.record import COLUMNS, SEED_COLUMNS, EvidenceRow, from_csv, row_id_of, to_csv

REQUIRED = ("task_id", "task_type", "model")

_SPECIAL = re.compile(r'[",\r\n]')
_REST_OF_QUOTED = re.compile(r'((?:[^"]++|"")*+)"')  # up to the quote that closes
_NOT_UTF8 = re.compile(r"[\ud800-\udfff]")  # what surrogateescape makes of a stray byte
_MAX_RECORD_CHARS = 4_000_000
_MAX_RESUMES = 100  # beyond, a runaway quote costs all the lines it swallowed, so that reading stays linear
_SHOWN_CHARS = 80


class Reject(NamedTuple):
    """A record that is not a row: the line it begins on (from 1), why, and its text."""

    line: int
    reason: str
    text: str


def write(rows: Iterable[EvidenceRow], stream: TextIO) -> int:
    """Write a header and the rows. `stream` must not translate line ends (`newline=""`). Gives how many rows."""
    stream.write(_line(COLUMNS))
    count = 0
    for row in rows:
        stream.write(_line(to_csv(row)))
        count += 1
    return count


def write_rejects(rejects: Iterable[Reject], stream: TextIO) -> None:
    """Write what was rejected as CSV, safe to open in a spreadsheet. Open `stream` with `errors="surrogateescape"`."""
    for line, reason, text in rejects:
        stream.write(_line((str(line), reason, "'" + text if text[:1] in tuple("=+-@\t\r") else text)))


def read(source: Path | TextIO, *, classes: Collection[str], now: datetime) -> Iterator[EvidenceRow | Reject]:
    """The rows of a CSV and what is wrong with the others, in the order of the file.

    A record without row_id was written by hand: its id follows from its cells, its class must be one of `classes`.
    A record without a time gets `now`. Raises EvidenceError when the file or its header can't be read.
    """
    if not isinstance(source, Path):
        yield from _read(source, "the CSV", classes, now)
        return
    try:
        with source.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            yield from _read(stream, str(source), classes, now)
    except OSError as error:
        raise EvidenceError(f"{source} can't be read: {error.strerror}") from error


def _read(stream: Iterable[str], name: str, classes: Collection[str], now: datetime) -> Iterator[EvidenceRow | Reject]:
    lines = _Lines(stream)
    header = _header(lines, name)
    rows = _Rows(header, classes, now)
    resumes = 0
    while (record := _next_record(lines)) is not None:
        fault = record.fault or _miscounted(record.cells, header)
        if not any(record.cells) and not record.fault:
            continue
        if fault is None:
            try:
                yield rows.row(record.cells)
                continue
            except (ValueError, OverflowError) as error:
                fault = str(error)
        elif len(record.lines) > 1 and resumes < _MAX_RESUMES:
            resumes += 1
            lines.give_back(record.lines[1:])
            record = record._replace(lines=record.lines[:1])
        yield Reject(record.number, fault, "".join(record.lines).rstrip("\r\n"))


class _Rows:
    """Makes rows of cells, and counts twins among those without an id."""

    def __init__(self, header: Sequence[str], classes: Collection[str], now: datetime) -> None:
        self._header = header
        self._classes = classes
        self._now = now
        self._seen: Counter[str] = Counter()

    def row(self, cells: Sequence[str]) -> EvidenceRow:
        named = dict(zip(self._header, cells, strict=True))
        if any("\0" in cell for cell in cells):
            raise ValueError("holds a NUL byte; CSV is text")
        if any(not cell.isascii() and _NOT_UTF8.search(cell) for cell in cells):
            raise ValueError("not UTF-8; save the file as CSV UTF-8")
        if not named.get("row_id"):
            return self._by_hand({name: cell.strip() for name, cell in named.items()})
        return self._dated(from_csv(named), named)

    def _by_hand(self, named: dict[str, str]) -> EvidenceRow:
        row = self._dated(from_csv(named), named)
        if row.task_type not in self._classes:
            hint = nearest(row.task_type, self._classes)
            raise ValueError(f"task_type is {row.task_type!r}{hint} (known: {', '.join(self._classes)})")
        cells = to_csv(row)[: len(SEED_COLUMNS)]
        first = row_id_of(cells, 0)
        twins = self._seen[first]
        self._seen[first] += 1
        return replace(row, row_id=row_id_of(cells, twins))

    def _dated(self, row: EvidenceRow, named: dict[str, str]) -> EvidenceRow:
        return row if named.get("at") else replace(row, at=self._now)


class _Record(NamedTuple):
    """One record: the number of its first line, its lines as they stand in the file, its cells or what is wrong."""

    number: int
    lines: list[str]
    cells: list[str]
    fault: str | None = None


class _Lines:
    """The lines of the file, numbered from 1; lines can be given back."""

    def __init__(self, stream: Iterable[str]) -> None:
        self._stream = iter(stream)
        self._returned: deque[str] = deque()
        self.number = 0

    def next(self) -> str:
        """The next line with its end; "" after the last."""
        line = self._returned.popleft() if self._returned else next(self._stream, "")
        if self.number == 0:
            line = line.removeprefix("\ufeff")
        self.number += bool(line)
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        self._returned.extendleft(reversed(lines))
        self.number -= sum(map(bool, lines))


def _next_record(lines: _Lines) -> _Record | None:
    line = lines.next()
    if not line:
        return None
    number, taken = lines.number, [line]
    if '"' not in line:
        return _Record(number, taken, line.rstrip("\r\n").split(","))
    cells, size = _Cells(), len(line)
    while True:
        try:
            if cells.feed(line):
                return _Record(number, taken, cells.done)
        except ValueError as error:
            return _Record(number, taken, [], str(error))
        line = lines.next()
        size += len(line)
        taken.append(line)
        if not line or size > _MAX_RECORD_CHARS:
            return _Record(number, taken, [], "a quote opens here and is never closed")


class _Cells:
    """The cells of one record, fed line by line."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._quoted: list[str] | None = None  # pieces of the quoted cell that is still open

    def feed(self, line: str) -> bool:
        """Whether the record ends with this line. Raises ValueError when it breaks the grammar."""
        at = 0
        while True:
            if self._quoted is None and not line.startswith('"', at):
                end = line.find(",", at)
                if end < 0:
                    self.done.append(line[at:].rstrip("\r\n"))
                    return True
                self.done.append(line[at:end])
                at = end + 1
                continue
            if self._quoted is None:
                self._quoted, at = [], at + 1
            match = _REST_OF_QUOTED.match(line, at)
            if match is None:
                self._quoted.append(line[at:])
                return False
            self.done.append("".join([*self._quoted, match[1]]).replace('""', '"'))
            self._quoted, at = None, match.end()
            if line[at:].strip("\r\n") == "":
                return True
            if line[at] != ",":
                raise ValueError("text follows a closing quote; a quote inside a quoted cell is written twice")
            at += 1


def _header(lines: _Lines, name: str) -> list[str]:
    record = _next_record(lines)
    while record is not None and not any(record.cells) and not record.fault:
        record = _next_record(lines)
    text = "".join(record.lines[:1]).rstrip("\r\n") if record else ""
    header = [cell.strip().lower() for cell in record.cells] if record else []
    where = f"{name}:{record.number if record else 1}"
    if not set(header) & set(COLUMNS):
        raise EvidenceError(
            f"{where}: the first line has no column of ours; it should be {','.join(SEED_COLUMNS)}{_hint(text)}"
        )
    for column in header:
        if column not in COLUMNS:
            raise EvidenceError(f"{where}: unknown column {column[:_SHOWN_CHARS]!r}{nearest(column, COLUMNS)}")
        if header.count(column) > 1:
            raise EvidenceError(f"{where}: column {column} is there twice")
    for column in REQUIRED:
        if column not in header:
            raise EvidenceError(f"{where}: column {column} is missing; task_id, task_type and model are required")
    return header


def _hint(text: str) -> str:
    if "\0" in text or _NOT_UTF8.search(text):
        return "; this is not UTF-8 text: save it as CSV UTF-8"
    for separator, called in ((";", "semicolons"), ("\t", "tabs")):
        if text.split(separator, maxsplit=1)[0].strip('" ').lower() in COLUMNS:
            return f"; the cells are separated by {called}: save it with commas, and with points in numbers"
    return f"; it is {text[:_SHOWN_CHARS]!r}"


def _miscounted(cells: Sequence[str], header: Sequence[str]) -> str | None:
    if len(cells) == len(header):
        return None
    return f"{len(cells)} cells where the header has {len(header)}"


def _line(cells: Sequence[str]) -> str:
    return ",".join(_quoted(cell) for cell in cells) + "\n"


def _quoted(cell: str) -> str:
    if _SPECIAL.search(cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell
