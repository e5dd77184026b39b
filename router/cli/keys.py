"""`router keys`: make callers' keys."""

import re
import secrets
from typing import Literal

import rich_click as click

from router.cli import Context, json_option


@click.group()
def keys() -> None:
    """Keys that callers show as `Authorization: Bearer ...`."""


@keys.command()
@click.option("--id", "id_", required=True, help="What logs and rows call the key.")
@click.option(
    "--role",
    type=click.Choice(["call", "admin"]),
    default="call",
    show_default=True,
    help="call: send requests. admin: change tables and read evidence too.",
)
@json_option
@click.pass_obj
def new(obj: Context, id_: str, role: Literal["call", "admin"]) -> None:
    """Make a key. It is printed once and kept nowhere; the row for router.yaml holds only its SHA-256."""
    from router.shape import NAME, digest

    if not re.fullmatch(NAME, id_):
        raise click.BadParameter("it can be 1 to 100 letters, digits and . _ : / -", param_hint="--id")
    key = "rk-" + secrets.token_urlsafe(32)
    roles = ["call", "admin"] if role == "admin" else ["call"]
    sha256 = digest(key)

    def render() -> None:
        click.echo(f"key, shown this once:  {key}")
        click.echo("row for `keys` in router.yaml:")
        click.echo(f'  - {{id: "{id_}", sha256: "{sha256}", roles: [{", ".join(roles)}]}}')

    obj.emit({"key": key, "row": {"id": id_, "sha256": sha256, "roles": roles}}, render)
