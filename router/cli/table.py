"""`router table` and `router heatmap`: build the next routing table from the evidence, look at it, put it in force."""

import getpass
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from router.cli import FILE, Context, json_option
from router.cli.evidence import FILLED_BY, opened_pool, pool_path
from router.errors import TableError, nearest

if TYPE_CHECKING:
    from router.catalog import Catalog
    from router.record import CellSummary
    from router.shelf import Entry, Shelf
    from router.table import Cell, RoutingTable

_rows_option = click.option(
    "--rows",
    type=click.Choice(["auto", "real", "simulated"]),
    default="auto",
    show_default=True,
    help="Which evidence; auto takes real rows, and simulated ones only where there is no real one.",
)
_why_option = click.option("--why", default="no reason given", help="The reason, kept in the history.")


@click.group()
def table() -> None:
    """The routing table: which model serves which task class, and on what evidence."""


@table.command()
@click.option("--policy", type=click.Choice(["seed_rule"]), default="seed_rule", show_default=True)
@_rows_option
@click.option("-o", "--output", type=FILE, help="Write the table to this file too.")
@json_option
@click.pass_obj
def build(context: Context, policy: str, rows: str, output: Path | None) -> None:
    """Build the next table from the evidence and keep it as a candidate; nothing is put in force."""
    from router.ranking import RULES
    from router.ranking.diff import diff
    from router.table import dump

    with opened_pool(context) as pool:
        cells = pool.summarize()
    simulated = _simulated(cells, rows)
    known, left_out = _known(cells, context.settings.catalog(), simulated=simulated)
    built = RULES[policy](known, list(context.settings.classes), context.settings.initial_table(), simulated=simulated)
    with _shelf(context) as shelf:
        version = shelf.put(built, now=datetime.now(UTC))
        changes = diff(_in_force(context, shelf), built)
    if output is not None:
        output.write_bytes(dump(built))
    lines = _plain(context, built)

    def render() -> None:
        click.echo(f"table {version} built by {policy} from {_counted(known, simulated)}")
        click.echo("\n".join([*lines, *left_out, "", "against the table in force:", *changes]))
        if any(cell.scored for cell in known):
            click.echo(f"\nput it in force: router table publish {version} --why '...'")
        else:
            click.echo("\nno row has a score yet, so no order has changed: import scored runs first")

    context.emit(
        {"version": version, "simulated": simulated, "routes": lines, "left_out": left_out, "changes": changes}, render
    )


@table.command()
@click.argument("reference", metavar="[VERSION|FILE]", required=False)
@click.option("--plain", is_flag=True, help="Only lines `class -> model`.")
@json_option
@click.pass_obj
def show(context: Context, reference: str | None, plain: bool) -> None:
    """Show a table; without an argument the one in force."""
    import msgspec

    from router.table import dump

    with _shelf_if_any(context) as shelf:
        shown = _find(shelf, reference) if reference else _in_force(context, shelf)
        entry = shelf.in_force() if shelf else None
    standing = _standing(shown, entry) if reference or entry else "in force from the configuration"

    def render() -> None:
        if plain:
            click.echo("\n".join(_plain(context, shown)))
        else:
            _print_table(context, shown, standing)

    context.emit({**msgspec.json.decode(dump(shown)), "standing": standing}, render)


@table.command("diff")
@click.argument("old", metavar="[OLD]", required=False)
@click.argument("new", metavar="[NEW]", required=False)
@json_option
@click.pass_obj
def diff_(context: Context, old: str | None, new: str | None) -> None:
    """Say what would change from OLD (a version or file; the table in force) to NEW (the newest built)."""
    from router.ranking.diff import diff

    with _shelf_if_any(context) as shelf:
        before = _find(shelf, old) if old else _in_force(context, shelf)
        after = _find(shelf, new or _newest(shelf))
    sentences = diff(before, after)
    context.emit(
        {"old": before.version, "new": after.version, "changes": sentences},
        lambda: click.echo("\n".join([f"{before.version} -> {after.version}", *sentences])),
    )


@table.command()
@click.argument("reference", metavar="[VERSION|FILE]", required=False)
@_why_option
@json_option
@click.pass_obj
def publish(context: Context, reference: str | None, why: str) -> None:
    """Put a table in force (the newest built): running proxies follow within a second."""
    from router.table import check

    with _shelf(context) as shelf:
        chosen = _find(shelf, reference or _newest(shelf))
        try:
            check(chosen, context.settings.catalog(), context.settings.classes)
        except TableError as error:
            raise _placed(error, reference) from None
        now = datetime.now(UTC)
        if reference and _is_file(reference):
            shelf.put(chosen, now=now)
        entry = shelf.publish(chosen.version, who=_user(), why=why, now=now, replacing=context.settings.initial_table())
    strangers = [key for key in chosen.classes if key not in context.settings.classes]
    missing = [key for key in context.settings.classes if key not in chosen.classes]

    def render() -> None:
        click.echo(f"table {entry.version}{_mark(chosen)} is in force")
        for key in strangers:
            click.echo(f"note: {key} is no class of the configuration: no request will be routed by it")
        for key in missing:
            click.echo(f"note: it leaves out {key}: the table of the configuration goes on routing it")

    context.emit(
        {**_document(entry), "simulated": chosen.simulated, "unknown_classes": strangers, "missing_classes": missing},
        render,
    )


@table.command()
@_why_option
@json_option
@click.pass_obj
def rollback(context: Context, why: str) -> None:
    """Go back to the table that was in force before; again: to the one before that."""
    with _shelf(context) as shelf:
        version = shelf.rollback(who=_user(), why=why, now=datetime.now(UTC))
        restored = shelf.get(version)
    context.emit(
        {"version": version, "simulated": restored.simulated},
        lambda: click.echo(f"table {version}{_mark(restored)} is in force again"),
    )


@table.command()
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@json_option
@click.pass_obj
def history(context: Context, limit: int) -> None:
    """Which table came into force when, by whom and why; the newest first."""
    with _shelf_if_any(context) as shelf:
        entries = shelf.history(limit) if shelf else []
    context.emit([_document(entry) for entry in entries], lambda: _print_history(entries))


@click.command()
@_rows_option
@click.option("--svg", "picture", type=FILE, help="Write it to this SVG file too.")
@json_option
@click.pass_obj
def heatmap(context: Context, rows: str, picture: Path | None) -> None:
    """Mean score of each class and model at a glance, and where requests are routed."""
    from router.cli.heatmap import console, document, heatmap_of, render_heatmap, svg

    with opened_pool(context, must_exist=True) as pool:
        cells = pool.summarize()
    with _shelf(context) as shelf:
        routed = _in_force(context, shelf)
    shown = heatmap_of(cells, routed, list(context.settings.classes), simulated=_simulated(cells, rows))
    if picture is not None:
        picture.write_text(svg(shown), encoding="utf-8")

    def render() -> None:
        console().print(render_heatmap(shown))
        if not shown.cells:
            click.echo(f"no rows yet: {FILLED_BY}")

    context.emit(document(shown), render)


@contextmanager
def _shelf(context: Context) -> Iterator["Shelf"]:
    from router.shelf import open_shelf

    with closing(open_shelf(pool_path(context))) as shelf:
        yield shelf


@contextmanager
def _shelf_if_any(context: Context) -> Iterator["Shelf | None"]:
    """The shelf, without making one: looking at things leaves no file behind."""
    if not pool_path(context).exists():
        yield None
        return
    with _shelf(context) as shelf:
        yield shelf


def _in_force(context: Context, shelf: "Shelf | None") -> "RoutingTable":
    entry = shelf.in_force() if shelf else None
    table = shelf.get(entry.version) if shelf and entry else context.settings.initial_table()
    followed = not table.simulated or context.settings.catalog().simulated  # as the proxy does
    return table if followed else context.settings.initial_table()


def _newest(shelf: "Shelf | None") -> str:
    version = shelf.newest_built() if shelf else None
    if version is None:
        raise TableError("no table was built yet: `router table build` makes one")
    return version


def _find(shelf: "Shelf | None", reference: str) -> "RoutingTable":
    if _is_file(reference):
        return _read(Path(reference))
    if shelf is None:
        raise TableError(f"no table {reference!r}: no such file, and none was built yet")
    return shelf.get(reference)


def _is_file(reference: str) -> bool:
    return Path(reference).is_file() or reference.endswith(".json") or "/" in reference


def _read(file: Path) -> "RoutingTable":
    from router.table import load

    try:
        return load(file.read_bytes())
    except OSError as error:
        raise TableError(f"{file} can't be read: {error.strerror}") from error
    except TableError as error:
        raise _placed(error, reference=str(file)) from None


def _placed(error: TableError, reference: str | None) -> TableError:
    """The same error with the file, line and column it lies at, where the table is a file."""
    from router.settings import place_in_table

    if reference is None or not _is_file(reference):
        return error
    return TableError(f"{place_in_table(Path(reference).read_bytes(), reference, error)}: {error}")


def _simulated(cells: "list[CellSummary]", rows: str) -> bool:
    if rows == "auto":
        return bool(cells) and all(cell.source == "simulated" for cell in cells)
    return rows == "simulated"


def _known(cells: "list[CellSummary]", catalog: "Catalog", *, simulated: bool) -> "tuple[list[CellSummary], list[str]]":
    """The cells that the table is built from, and sentences on those whose model can't be routed to."""
    chosen = [cell for cell in cells if (cell.source == "simulated") == simulated]
    unknown = sorted({cell.model for cell in chosen if catalog.find(cell.model) is None})
    left_out = [
        f"left out: {sum(cell.rows for cell in chosen if cell.model == model)} rows of the model {model!r}, "
        f"which is not in the catalogue{nearest(model, catalog.plain_names())}"
        for model in unknown
    ]
    return [cell for cell in chosen if cell.model not in unknown], left_out


def _counted(cells: "list[CellSummary]", simulated: bool) -> str:
    kind = "SIMULATED" if simulated else "real"
    return f"{sum(cell.rows for cell in cells)} {kind} rows, {sum(cell.scored for cell in cells)} of them scored"


def _plain(context: Context, table: "RoutingTable") -> list[str]:
    """`class -> model` in the order of the configuration, classes that it doesn't know last."""
    known = [key for key in context.settings.classes if key in table.classes]
    others = [key for key in table.classes if key not in known]
    return [f"{key} -> {table.classes[key].models[0]}" for key in [*known, *others]]


def _mark(table: "RoutingTable") -> str:
    return " (SIMULATED evidence)" if table.simulated else ""


def _standing(table: "RoutingTable", entry: "Entry | None") -> str:
    if entry is None or entry.version != table.version:
        return "not in force"
    return f"in force since {entry.at:%Y-%m-%d %H:%M} UTC by {entry.who}: {entry.why}"


def _print_table(context: Context, table: "RoutingTable", standing: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Grid

    from router.cli.heatmap import console

    grid = Grid(title=f"table {table.version}{_mark(table)}, {table.policy}, {standing}", box=SIMPLE_HEAD)
    grid.add_column("class, models", no_wrap=True)
    for heading in ("scored", "mean", "$/success", "useful", "mean/$"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("from")
    ordered = [line.partition(" -> ")[0] for line in _plain(context, table)]
    for key in ordered:
        grid.add_row(key, style="bold")
        for place, cell in enumerate(table.classes[key].cells, 1):
            grid.add_row(f" {place} {cell.model}", *_cells(cell), cell.note or "")
    console().print(grid)
    for key in ordered:
        click.echo(f"{key}: {table.classes[key].why or 'no reason given'}")


def _cells(cell: "Cell") -> list[str]:
    from router.ranking import usd

    def shown(value: float | None, form: str) -> str:
        return "" if value is None else form.format(value)

    return [
        f"{cell.scored}/{cell.rows}",
        shown(cell.mean_score, "{:.2f}"),
        "" if cell.cost_per_success_usd is None else usd(cell.cost_per_success_usd),
        shown(cell.median_first_useful_s, "{:.2f} s"),
        shown(cell.quality_per_cost, "{:.4g}"),
    ]


def _document(entry: "Entry") -> dict[str, Any]:
    return {**entry._asdict(), "at": entry.at.isoformat()}


def _print_history(entries: "list[Entry]") -> None:
    from rich.table import Table as Grid

    from router.cli.heatmap import console

    if not entries:
        click.echo("nothing was published yet: the table of the configuration is in force")
        return
    grid = Grid("at (UTC)", "table", "action", "who", "why")
    for entry in entries:
        grid.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.version, entry.action, entry.who, entry.why)
    console().print(grid)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user often has no name
        return f"uid {os.getuid()}"
