"""`router serve`: the proxy on one address, until SIGTERM or Ctrl-C."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import rich_click as click

from router.cli import Context
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.app import Application
    from router.settings import Settings
    from router.web.edge import Patience

GRACE_S = 30  # what is in flight at SIGTERM may take this long to finish
BACKLOG = 2048
UNSENT_BYTES = 64 << 10  # of each connection that the kernel holds, beside what is on its way
FILES = 65_536  # open files to ask for: one a client, one a call, and some


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


def run(context: Context, host: str, listener: socket.socket, patience: "Patience | None" = None) -> None:
    """Serve on `listener`, which is bound to `host`, until told to stop."""
    import uvicorn

    from router.app import build
    from router.settings import load
    from router.web import edge, methods

    def read_again() -> "Settings":
        settings = load(context.config, os.environ)
        settings.check_host(host)  # a reload that drops the last key doesn't open the address we listen on
        return settings

    application = build(context.settings, read_again)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self._sweep = asyncio.create_task(edge.sweep(self.server_state.connections))
            _say_hello(listener, application)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            self._sweep.cancel()

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

    most = _connections(context.settings.limits.in_flight)
    config = uvicorn.Config(
        methods.with_methods(application.asgi),
        http=partial(edge.Edge, patience=patience or edge.Patience(), most=most),  # type: ignore[arg-type]
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


def _connections(in_flight: int) -> int:
    """How many clients may be connected: as many as leave a file for each call and some for the rest."""
    files = _open_files()
    return max(files // 2, files - in_flight - 256)


def _open_files() -> int:
    """How many files this process may open, after asking for FILES of them."""
    if sys.platform == "win32":
        return FILES
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES:
        return FILES
    files = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    except (OSError, ValueError):  # macOS has a lower limit than it says
        return soft
    return files


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # else the kernel takes megabytes for a client that doesn't read
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
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
