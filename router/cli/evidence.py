"""`router evidence`: the pool in and out as CSV, what is in it, and what to drop."""

import io
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TextIO

import rich_click as click

from router.cli import FILE, Context, json_option
from router.errors import EvidenceError

if TYPE_CHECKING:
    from router.csv_rows import Reject
    from router.evidence.sqlite import SqlitePool
    from router.record import CellSummary, EvidenceRow

FILLED_BY = "`router serve`, `router demo` and `router evidence import` fill the pool"

_BATCH = 1000


def moment(value: str) -> datetime:
    """A day or a time of an option, UTC where nothing else is said."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no time such as 2026-11-24 or 2026-11-24T06:00:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


@click.group()
def evidence() -> None:
    """The evidence pool: one row for each attempt of a model at a task."""


@evidence.command("export")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False))
@click.option("--source", type=click.Choice(["all", "real", "simulated"]), default="all", show_default=True)
@click.option("--since", type=moment, metavar="TIME", help="Only rows from this time on.")
@json_option
@click.pass_obj
def export(context: Context, file: Path, source: str, since: datetime | None) -> None:
    """Write the pool as CSV to FILE (- is standard output)."""
    from router.csv_rows import write

    piped = str(file) == "-"
    if piped and context.json:
        raise click.UsageError("--json needs a FILE: with - the CSV itself goes to standard output")
    with opened_pool(context, must_exist=True) as pool:
        rows = (row for row in pool.rows() if _wanted(row, source, since))
        if piped:
            with _standard_output() as output:
                write(rows, output)
            return
        _refuse(file, pool_path(context), "the pool itself")
        with _replacing(file) as stream:
            count = write(rows, stream)
    context.emit({"rows": count, "file": str(file)}, lambda: click.echo(f"exported {count} rows to {file}"))


@evidence.command("import")
@click.argument("file", type=FILE)
@click.option(
    "--rejects",
    type=FILE,
    help="Where bad lines go.  [default: FILE.rejects.csv]",
)
@json_option
@click.pass_context
def import_(click_context: click.Context, file: Path, rejects: Path | None) -> None:
    """Take rows in from FILE: an export, or a CSV with the eleven columns of the seed. Twice adds nothing."""
    context: Context = click_context.obj
    rejects = rejects or file.with_name(f"{file.name}.rejects.csv")
    _refuse(rejects, file, "the file that is read")
    with opened_pool(context) as pool:
        taken, new, rejected = _take(pool, file, rejects, list(context.settings.classes))
    see = f" (see {rejects})" if rejected else ""
    context.emit(
        {"imported": new, "already_there": taken - new, "rejected": rejected, "rejects": str(rejects) if see else None},
        lambda: click.echo(f"imported {new}, already there {taken - new}, rejected {rejected}{see}"),
    )
    if rejected and not taken:
        click_context.exit(1)


@evidence.command()
@json_option
@click.pass_obj
def stats(context: Context) -> None:
    """Rows per class, model and source, with mean score and cost."""
    with opened_pool(context, must_exist=True) as pool:
        cells = pool.summarize()
    context.emit([_figures(cell) for cell in cells], lambda: _print_stats(cells))


@evidence.command()
@click.option("--before", type=moment, metavar="TIME", required=True, help="Rows older than this go.")
@json_option
@click.pass_obj
def prune(context: Context, before: datetime) -> None:
    """Delete old rows for good."""
    with opened_pool(context, must_exist=True) as pool:
        gone = pool.prune(before)
    context.emit({"deleted": gone}, lambda: click.echo(f"deleted {gone} rows from before {before:%Y-%m-%d %H:%M} UTC"))


@contextmanager
def _replacing(file: Path) -> Iterator[TextIO]:
    """A file that takes the place of `file` once it is written whole; until then the old one stays."""
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def pool_path(context: Context) -> Path:
    """The file that is the pool."""
    from router.evidence.sqlite import sqlite_path

    return sqlite_path(context.settings.evidence.url)


@contextmanager
def opened_pool(context: Context, *, must_exist: bool = False) -> Iterator["SqlitePool"]:
    """The pool, closed at the end. Raises EvidenceError, saying what fills it, when it must exist and doesn't."""
    from router.evidence.sqlite import open_pool

    path = pool_path(context)
    if must_exist and not path.exists():
        raise EvidenceError(f"no evidence yet at {path}: {FILLED_BY}")
    with closing(open_pool(path, durability=context.settings.evidence.durability)) as pool:
        yield pool


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Standard output in UTF-8 that translates no line ends, whatever the terminal says."""
    stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    try:
        yield stream
        stream.flush()
    finally:
        stream.detach()


def _refuse(target: Path, other: Path, called: str) -> None:
    if target.exists() and other.exists() and target.samefile(other):
        raise click.UsageError(f"{target} is {called}; name another file")


def _wanted(row: "EvidenceRow", source: str, since: datetime | None) -> bool:
    if since is not None and row.at < since:
        return False
    return source == "all" or (row.source == "simulated") == (source == "simulated")


def _take(pool: "SqlitePool", file: Path, rejects: Path, classes: list[str]) -> tuple[int, int, int]:
    """How many rows were read, how many of them were new, and how many records were rejected."""
    from router.csv_rows import Reject, read

    taken = new = 0
    with _Rejects(rejects) as bad:
        records = read(file, classes=classes, now=datetime.now(UTC))
        while batch := list(islice(records, _BATCH)):
            rows = [record for record in batch if not isinstance(record, Reject)]
            taken += len(rows)
            new += pool.append(rows)
            bad.add([record for record in batch if isinstance(record, Reject)])
    return taken, new, bad.count


class _Rejects:
    """The file of bad lines, made when the first one comes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: TextIO | None = None
        self.count = 0

    def __enter__(self) -> "_Rejects":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, rejects: "list[Reject]") -> None:
        from router.csv_rows import write_rejects

        if not rejects:
            return
        if self._stream is None:
            self._stream = self._path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            self._stream.write("line,reason,text\n")
        write_rejects(rejects, self._stream)
        self.count += len(rejects)


def _figures(cell: "CellSummary") -> dict[str, Any]:
    return {
        "task_type": cell.task_type,
        "model": cell.model,
        "source": cell.source,
        "rows": cell.rows,
        "errors": cell.errors,
        "scored": cell.scored,
        "mean_score": cell.score_sum / cell.scored if cell.scored else None,
        "successes": cell.successes,
        "cost_usd": cell.cost_usd if cell.priced else None,
        "rows_without_cost": cell.rows - cell.priced,
        "median_first_useful_s": median(cell.first_useful_s) if cell.first_useful_s else None,
    }


def _print_stats(cells: "list[CellSummary]") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from router.cli.heatmap import console
    from router.ranking import usd

    if not cells:
        click.echo(f"no rows yet: {FILLED_BY}")
        return
    table = Table(title=f"{sum(cell.rows for cell in cells)} evidence rows", box=SIMPLE_HEAD)
    for heading in ("class, models", "source"):
        table.add_column(heading, no_wrap=True)
    for heading in ("rows", "errors", "scored", "mean", "cost", "useful"):
        table.add_column(heading, justify="right")
    last = None
    for cell in cells:
        if cell.task_type != last:
            table.add_row(cell.task_type, style="bold")
            last = cell.task_type
        known = _figures(cell)
        table.add_row(
            f" {cell.model}",
            cell.source.upper() if cell.source == "simulated" else cell.source,
            str(cell.rows),
            str(cell.errors),
            str(cell.scored),
            "" if known["mean_score"] is None else f"{known['mean_score']:.2f}",
            "unknown" if known["cost_usd"] is None else usd(known["cost_usd"]),
            "" if known["median_first_useful_s"] is None else f"{known['median_first_useful_s']:.2f} s",
        )
    console().print(table)
