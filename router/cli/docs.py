"""`router docs`: what the program knows of itself, as text for people."""

import rich_click as click

from router.cli import Context, json_option


@click.group()
def docs() -> None:
    """What the program knows of itself."""


@docs.command("parameters")
@json_option
@click.pass_obj
def show_parameters(obj: Context) -> None:
    """Say what becomes of each parameter of chat completions with each provider, asked of the encoders themselves."""
    from router import parameters
    from router.app import FACES
    from router.dialects import chat

    rows = parameters.table(chat.FACE, FACES)
    obj.emit(rows, lambda: click.echo(parameters.markdown(rows), nl=False))
