"""`router demo`: the whole loop once, on simulated providers, in a folder that goes away with it.

The proxy runs as a process of its own and is spoken to over HTTP, as it would be by anybody.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import rich_click as click

from router.cli import Context, json_option
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.cli.heatmap import Heatmap
    from router.settings import Settings
    from router.table import RoutingTable

START_S = 30  # until the proxy is up
STOP_S = 10
FOLLOW_S = 5  # until it follows a publication
ANSWER_S = 10
SENT_TWICE = 3  # a research request: the class whose first model the new table replaces
EXPLAINED = (0, SENT_TWICE, 4)
SHOWN_CHARS = 52

_SECRETS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "ROUTER_KEY", "ROUTER_ADMIN_KEY")
_NEXT = """\
What to do next (an installed router is called as router alone):

  python3 -m router serve
      the proxy: point an OpenAI client at http://127.0.0.1:4000/v1;
      simulated until OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY is set
  python3 -m router explain "a prompt of yours"
      where it would go, and why
  python3 -m router evidence import runs.csv
  python3 -m router table build
  python3 -m router table publish
      your own runs, the table that they speak for, and that table in force"""

Say = Callable[..., None]  # print of a rich console, or nothing


@click.command()
@json_option
@click.pass_obj
def demo(context: Context) -> None:
    """Run the whole loop once with SIMULATED providers: requests, rows, the next table, a request routed by it.

    It needs no key and takes some seconds. Nothing is left behind.
    """
    from router.cli.heatmap import console

    say: Say = (lambda *_, **__: None) if context.json else console().print
    _leave_in_order()
    with TemporaryDirectory(prefix="router-demo-") as name:
        folder = Path(name)
        environment = _environment()
        settings = _configure(folder, environment)
        say("SIMULATED: no provider is asked; no figure here speaks of a real model.\n")
        with _running(folder, environment) as proxy:
            document = _play(proxy, settings, folder, say)
    context.emit(document, lambda: say(f"\n{_NEXT}"))


# --- the loop ------------------------------------------------------------------------------------------


def _play(proxy: "_Proxy", settings: "Settings", folder: Path, say: Say) -> dict[str, Any]:
    from router.cli.heatmap import document
    from router.simulated import demo

    bodies = demo.requests()
    answers = _send(proxy, bodies, say)
    built, heatmap = _build_and_publish(folder, settings, say)
    took_s = _follow(proxy, built.version)
    say(f"Published; the running proxy has it in force after {took_s:.1f} s.\n")
    say(_grid(heatmap))
    before, now = answers[SENT_TWICE], _ask(proxy, "POST", "/v1/chat/completions", bodies[SENT_TWICE])
    say(f"\nThe same request twice: {_shown(demo.said(bodies[SENT_TWICE]))}")
    say(f"  before: {before.model} by table {before.table}\n  now:    {now.model} by table {now.table}")
    explanations = [_explanation(proxy, bodies[index], say) for index in EXPLAINED]
    return {
        "simulated": True,
        "requests": len(bodies),
        "classes": Counter(answer.task_class for answer in answers),
        "table_before": before.table,
        "table": now.table,
        "in_force_after_s": round(took_s, 3),
        "routes": {key: ranking.models[0] for key, ranking in built.classes.items()},
        "same_request": {"before": before.model, "now": now.model},
        "heatmap": document(heatmap),
        "explanations": explanations,
    }


def _send(proxy: "_Proxy", bodies: "Sequence[Mapping[str, Any]]", say: Say) -> "list[_Answer]":
    from router.simulated.demo import said

    say(f"{len(bodies)} requests with model auto to {proxy.address}, half of them streamed:")
    answers = []
    for number, body in enumerate(bodies, 1):
        answer = _ask(proxy, "POST", "/v1/chat/completions", body)
        answers.append(answer)
        mode = "streamed" if body["stream"] else ""
        line = f"{number:>3} {answer.task_class:<23} {answer.model:<26}{mode:<9}{_shown(said(body))}"
        say(line, no_wrap=True, overflow="ellipsis")
    return answers


def _build_and_publish(folder: Path, settings: "Settings", say: Say) -> "tuple[RoutingTable, Heatmap]":
    """Add the bundled runs to the pool of the running proxy, build the next table of all rows, put it in force."""
    from router.cli.heatmap import heatmap_of
    from router.evidence.sqlite import open_pool
    from router.ranking.diff import diff
    from router.ranking.seed_rule import build
    from router.shelf import open_shelf
    from router.simulated.demo import benchmark_rows

    now, file, classes = datetime.now(UTC), folder / "router.db", list(settings.classes)
    before = settings.initial_table()
    with closing(open_pool(file)) as pool, closing(open_shelf(file)) as shelf:
        runs = pool.append(benchmark_rows(settings.catalog(), now))
        cells = pool.summarize()
        table = build(cells, classes, before, simulated=True)
        version = shelf.put(table, now=now)
        shelf.publish(version, who="router demo", why="the simulated runs", now=now, replacing=before)
    rows = sum(cell.rows for cell in cells)
    say(f"\n{rows} SIMULATED rows: {rows - runs} of these requests, {runs} bundled benchmark runs.")
    say(f"By the seed's rule, best quality per cost, they make table {version}:")
    say("\n".join(f"  {key} -> {ranking.models[0]}" for key, ranking in table.classes.items()))
    say("\n".join(["Against the table before:", *(f"  {sentence}" for sentence in diff(before, table))]))
    return table, heatmap_of(cells, table, classes, simulated=True)


def _follow(proxy: "_Proxy", version: str) -> float:
    """Seconds until the proxy has this table in force."""
    started = time.monotonic()
    while _ask(proxy, "GET", "/v1/router/table").document["version"] != version:
        if time.monotonic() - started > FOLLOW_S:
            raise ConfigError(
                f"the demo's proxy did not take the new table within {FOLLOW_S} s{_last_words(proxy.log)}"
            )
        time.sleep(0.02)
    return time.monotonic() - started


def _explanation(proxy: "_Proxy", body: "Mapping[str, Any]", say: Say) -> dict[str, Any]:
    """What the proxy says of where it would send `body`, and why."""
    from router.cli.explain import lines
    from router.simulated.demo import said

    document: dict[str, Any] = _ask(proxy, "POST", "/v1/router/route", body).document
    say(f"\nExplained: {_shown(said(body))}")
    say("\n".join(f"  {line}" for line in lines(document)))
    return document


def _grid(heatmap: "Heatmap") -> Any:
    from router.cli.heatmap import render_heatmap

    return render_heatmap(heatmap)


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else f"{line[: SHOWN_CHARS - 3]}..."


# --- the proxy's process -------------------------------------------------------------------------------


class _Proxy(NamedTuple):
    address: str  # host:port
    log: Path


class _Answer(NamedTuple):
    headers: Mapping[str, str]  # by lower-case name
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def task_class(self) -> str:
        return self.headers["x-router-task-class"]

    @property
    def model(self) -> str:
        return self.headers["x-router-model"]

    @property
    def table(self) -> str:
        return self.headers["x-router-table"]


def _leave_in_order() -> None:
    """SIGTERM and SIGHUP unwind as Ctrl-C does, so that they leave nothing behind either."""

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def _environment() -> dict[str, str]:
    """Ours for the child, without keys; it finds the same packages that we do."""
    kept = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _configure(folder: Path, environment: Mapping[str, str]) -> "Settings":
    """Lay over the shipped configuration, which may have been edited, that nobody but us and no provider is reached."""
    from router.settings import load

    providers = load(None, environment, folder).shape.providers
    own = {
        "server": {"host": "127.0.0.1"},
        "keys": [],
        "providers": {name: row and {"api_key": ""} for name, row in providers.items()},
        "evidence": {"url": "sqlite:///router.db"},
        "log": {"level": "warning"},
    }
    (folder / "config").mkdir()
    (folder / "config" / "router.yaml").write_text(json.dumps(own), encoding="utf-8")
    return load(None, environment, folder)


@contextmanager
def _running(folder: Path, environment: Mapping[str, str]) -> Iterator[_Proxy]:
    """The proxy as a process of its own on a free port, ended when this is left. Raises ConfigError."""
    log = folder / "proxy.log"
    command = [sys.executable, "-m", "router", "serve", "--host", "127.0.0.1", "--port", "0"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield _Proxy(_address(process, log), log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where the proxy says that it is up."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        said, found, _ = log.read_text("utf-8", "replace").partition(" (OpenAI base URL")
        if found:
            return said.rpartition("http://")[2]
        time.sleep(0.02)
    raise ConfigError(f"the demo's proxy did not start{_last_words(log)}")


def _ask(proxy: _Proxy, method: str, path: str, body: Mapping[str, Any] | None = None) -> _Answer:
    """Raises ConfigError for anything but a complete 200."""
    connection = http.client.HTTPConnection(proxy.address, timeout=ANSWER_S)
    data = None if body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, data, {"content-type": "application/json"})
        response = connection.getresponse()
        answer = _Answer({name.lower(): value for name, value in response.getheaders()}, response.read())
    except (OSError, http.client.HTTPException):
        raise ConfigError(f"the demo's proxy went away{_last_words(proxy.log)}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise ConfigError(
            f"the demo's proxy answered {response.status}: {answer.body.decode('utf-8', 'replace')[:300]}"
        )
    return answer


def _last_words(log: Path) -> str:
    said = log.read_text("utf-8", "replace").strip().splitlines()
    return f": {said[-1].removeprefix('router: ')}" if said else ""
