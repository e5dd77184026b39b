"""The command line: one file per verb group; a verb is imported when it is called, so that start-up stays fast.

Errors that the user can mend are one sentence on stderr. Exit codes: 0 fine, 1 error, 2 usage, 3 a check failed.
"""

import importlib
import io
import os
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from router import __version__
from router.errors import ConfigError, EvidenceError, RouterError, StateError, TableError

if TYPE_CHECKING:
    from router.settings import Settings

VERBS = {
    "serve": "router.cli.serve:serve",
    "test": "router.cli.test:test",
    "demo": "router.cli.demo:demo",
    "explain": "router.cli.explain:explain",
    "classify": "router.cli.explain:classify",
    "evidence": "router.cli.evidence:evidence",
    "table": "router.cli.table:table",
    "heatmap": "router.cli.table:heatmap",
    "models": "router.cli.models:models",
    "priors": "router.cli.priors:priors",
    "keys": "router.cli.keys:keys",
    "docs": "router.cli.docs:docs",
    "config": "router.cli.config:config",
}


FILE = click.Path(path_type=Path, dir_okay=False)


class CheckFailed(Exception):
    """A check that the user asked for did not pass: exit code 3."""


class Context:
    """What every verb shares: the settings, read on first use, and how to print."""

    def __init__(self, config: Path | None) -> None:
        self.config = config
        self.json = False

    @cached_property
    def settings(self) -> "Settings":
        from router.settings import load

        return load(self.config, os.environ)

    def emit(self, document: Any, render: Callable[[], None]) -> None:
        """Print `document` as JSON when --json was given; otherwise let `render` print it for people."""
        if self.json:
            import msgspec

            text = msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2)
            click.echo(text.decode())
        else:
            render()


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The --json flag of every verb; it sets `Context.json`."""

    def remember(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        context.ensure_object(Context).json = value

    return click.option(
        "--json", is_flag=True, expose_value=False, callback=remember, help="Print JSON instead of text."
    )(command)


class Verbs(click.RichGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module, _, attribute = VERBS[name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  # the dict above names commands only
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="router")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="A configuration file or folder, laid over the one that ships with the router.",
)
@click.pass_context
def router(context: click.Context, config: Path | None) -> None:
    """LLM routing proxy: route by task class, from evidence."""
    context.obj = Context(config)


def main() -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a character shows ? in its place
    try:
        router(prog_name="router")
    except (ConfigError, TableError, EvidenceError, StateError, RouterError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        click.echo(f"router: {error}", err=True)
        sys.exit(1)
    except CheckFailed as failure:
        click.echo(f"router: {failure}", err=True)
        sys.exit(3)
