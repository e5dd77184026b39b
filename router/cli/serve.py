"""`router serve`: the proxy on one address, until SIGTERM or Ctrl-C."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import rich_click as click

from router.cli import Context
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.app import Application
    from router.settings import Settings

GRACE_S = 30  # what is in flight at SIGTERM may take this long to finish
BACKLOG = 2048


@click.command()
@click.option("--host", help="The address to listen on; default: server.host of the configuration.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, 0 for any free one; default: server.port.")
@click.pass_obj
def serve(context: Context, host: str | None, port: int | None) -> None:
    """Run the proxy. Point an OpenAI client's base URL at http://HOST:PORT/v1."""
    settings = context.settings
    host = host or settings.server.host
    settings.check_host(host)
    listener = _listen(host, settings.server.port if port is None else port)
    run(context, host, listener)


def run(context: Context, host: str, listener: socket.socket) -> None:
    """Serve on `listener`, which is bound to `host`, until told to stop."""
    import uvicorn

    from router.app import build
    from router.settings import load

    def read_again() -> "Settings":
        settings = load(context.config, os.environ)
        settings.check_host(host)  # a reload that drops the last key doesn't open the address we listen on
        return settings

    application = build(context.settings, read_again)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            _say_hello(listener, application)

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Stop in good order and leave with 0; uvicorn's own would raise the signal again afterwards."""
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """Told to stop a second time: at once. What callers have seen the end of is committed."""
            if self.should_exit and sig == signal.SIGINT:
                os._exit(130)
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        application.asgi,
        http="httptools",
        loop="auto",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(_cant_listen(host, port, error)) from None
    return listener


def _cant_listen(host: str, port: int, error: Exception) -> str:
    import errno

    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return f"port {port} of {host} is taken: stop what listens there, or choose another with --port"
        case errno.EACCES:
            return f"port {port} needs more rights than this user has: choose one above 1023 with --port"
        case _:
            return f"can't listen on {host}:{port} ({error}): choose an address of this machine with --host"


def _say_hello(listener: socket.socket, application: "Application") -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"router is up on http://{shown}:{port} (OpenAI base URL: http://{shown}:{port}/v1)", err=True)
    if application.simulated:
        click.echo(
            "no provider key is set: SIMULATED providers answer; set OPENAI_API_KEY, ANTHROPIC_API_KEY or "
            "GEMINI_API_KEY for real ones",
            err=True,
        )
