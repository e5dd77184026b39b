"""`router models`: the catalogue."""

from datetime import UTC, date, datetime
from typing import Any

import rich_click as click

from router.catalog import Model
from router.cli import Context, json_option


@click.group()
def models() -> None:
    """The models that can be routed to."""


@models.command("list")
@json_option
@click.pass_obj
def list_models(obj: Context) -> None:
    """List the models with their limits, today's prices, and whether their provider has a key."""
    settings = obj.settings
    catalog = settings.catalog()
    today = datetime.now(UTC).date()
    rows = [_row(model, today) for model in catalog]

    def render() -> None:
        _print(rows)
        if catalog.simulated:
            click.echo("No provider has a key, so simulated providers answer. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or")
            click.echo("GEMINI_API_KEY to use real ones.")

    obj.emit({"simulated": catalog.simulated, "aliases": catalog.aliases, "models": rows}, render)


def _row(model: Model, day: date) -> dict[str, Any]:
    tariff = model.tariff(day)
    return {
        "name": model.name,
        "provider": model.provider.name,
        "id": model.id,
        "effort": model.effort,
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "input_usd": tariff and tariff.input,
        "cached_usd": tariff and tariff.cached,
        "output_usd": tariff and tariff.output,
        "price_version": model.price_version,
        "fallbacks": model.fallbacks,
        "usable": model.provider.usable,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for heading in ("model", "provider", "effort"):
        table.add_column(heading, no_wrap=True)
    for heading in ("context", "$/M in", "$/M out"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("usable", no_wrap=True)
    for row in rows:
        prices = ["?" if row[key] is None else f"{row[key]:g}" for key in ("input_usd", "output_usd")]
        context = f"{row['context_tokens'] // 1000}k"
        usable = "yes" if row["usable"] else "no key"
        table.add_row(row["name"], row["provider"], row["effort"] or "", context, *prices, usable)
    Console().print(table)
