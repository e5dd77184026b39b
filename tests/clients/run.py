"""The client matrix: `python -m tests.clients.run` installs each client at its newest version and runs it for real.

Each client has an environment of its own and speaks to a running proxy, whose three providers are the strict local
ones: chat, stream, a tool loop, structured output and an error, against a model of each dialect. Needs python3, node,
npm and a package registry; takes some minutes, so it is not in the everyday suite. Exit code 3 when a check fails.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from tests.clients.environments import Environment, InstallationFailed, install
from tests.clients.matrix import CLIENTS, Client
from tests.clients.provider import NOTE, Provider, provider
from tests.running import environment, running

DRIVERS = Path(__file__).parent / "drivers"
PATIENCE_S = 1800  # one client, all of its checks

# No tool may look for updates or report usage while it is tested.
QUIET = {
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
    "CI": "1",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "ANONYMIZED_TELEMETRY": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "AIDER_ANALYTICS_DISABLE": "true",
    "AIDER_CHECK_UPDATE": "false",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_SHARE": "1",
}


@dataclass(frozen=True)
class Result:
    """`detail` says what was seen, why it failed, or why the client can't do it at all."""

    client: str
    version: str
    surface: str
    model: str
    check: str
    ok: bool | Literal["n/a"]
    detail: str


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.clients.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="clients whose names hold one of these words")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result there, one JSON line each")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="keep environments there, use those that are there"
    )
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder behind and say where it is")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="clients-"))
    try:
        results = run(chosen(options.only), folder, options.cache or folder / "environments")
    finally:
        print(f"left behind: {folder}", file=sys.stderr) if options.keep else shutil.rmtree(folder)
    if options.json:
        options.json.write_text("".join(json.dumps(asdict(result)) + "\n" for result in results), "utf-8")
    print(table(results))
    if any(result.ok is False for result in results):
        sys.exit(3)


def chosen(words: Sequence[str] | None) -> list[Client]:
    found = [client for client in CLIENTS if not words or any(word.lower() in client.name.lower() for word in words)]
    return found or sys.exit(f"no client of that name; there are {', '.join(client.name for client in CLIENTS)}")


def run(clients: Sequence[Client], folder: Path, cache: Path) -> list[Result]:
    results: list[Result] = []
    with provider() as providers, proxy(folder, providers) as url:
        for client in clients:
            print(f"{client.name} ...", file=sys.stderr, flush=True)
            results += run_client(client, folder, cache / slug(client), url)
            for refusal in providers.refused:
                print(f"  a provider refused {refusal}", file=sys.stderr)
            if providers.refused:
                why = f"the strict providers refused {len(providers.refused)} requests: {providers.refused[0][:500]}"
                results.append(Result(client.name, "", "", "", "what providers got", False, why))
                providers.refused.clear()
    return results


@contextmanager
def proxy(folder: Path, providers: Provider) -> Iterator[str]:
    """A proxy process whose providers are these."""
    keys = {f"{name.upper()}_API_KEY": f"secret-{name}" for name in providers.base_url}
    urls = {f"{name.upper()}_BASE_URL": url for name, url in providers.base_url.items()}
    home = folder / "proxy"
    home.mkdir()
    with running(home, {**keys, **urls}) as process:
        yield process.url


def run_client(client: Client, folder: Path, installed: Path, url: str) -> list[Result]:
    try:
        place = install(client.kind, client.packages, installed, client.newest_python)
    except InstallationFailed as failure:
        return [Result(client.name, "", "", "", "installation", False, str(failure))]
    work, log = folder / slug(client), folder / f"{slug(client)}.log"
    (work / "home").mkdir(parents=True)
    (work / NOTE).write_text("18 degrees and sunny\n", "utf-8")
    variables = {"ROUTER_URL": url, "CLIENT_COMMANDS": str(place.commands)}
    variables |= {**QUIET, "HOME": str(work / "home"), "PWD": str(work)}
    printed, code = drive(command(client, place), work, environment(variables), log)
    results = [read(line, client) for line in printed.splitlines() if line.startswith("{")]
    if code != 0 or not results:
        why = f"exit code {code}: {log.read_text('utf-8', 'replace').strip()[-600:]}"
        results.append(Result(client.name, "", "", "", "driver", False, why))
    return results


def command(client: Client, place: Environment) -> list[str]:
    """How the client's driver is run; a tool that node runs is driven by this Python."""
    driver = DRIVERS / client.driver
    if driver.suffix == ".py":
        return [place.interpreter if client.kind == "python" else sys.executable, str(driver)]
    for file in DRIVERS.glob("*.mjs"):  # node looks for packages beside the file that imports them
        shutil.copy(file, place.folder)
    return [place.interpreter, str(place.folder / driver.name)]


def drive(words: Sequence[str], work: Path, variables: Mapping[str, str], log: Path) -> tuple[str, int]:
    """What the driver printed and its exit code; it and what it started are ended when it takes too long."""
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            words, cwd=work, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
            start_new_session=True,
        )  # fmt: skip
        try:
            printed, _ = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            printed, _ = process.communicate()
    return printed.decode("utf-8", "replace"), process.returncode


def read(line: str, client: Client) -> Result:
    return replace(Result(**json.loads(line)), client=client.name)


def slug(client: Client) -> str:
    return re.sub(r"[^a-z0-9]+", "-", client.name.lower())


_MARKS = {True: "✓", False: "✗", "n/a": "n/a"}


def table(results: Sequence[Result]) -> str:
    """A GitHub table with one row for each client and surface, then what failed and what doesn't apply."""
    models = list(dict.fromkeys(result.model for result in results if result.model))
    rows = dict.fromkeys((result.client, result.version, result.surface) for result in results if result.model)
    lines = [f"| client | version | surface | {' | '.join(models)} |", f"|---|---|---|{'---|' * len(models)}"]
    for row in rows:
        its = [result for result in results if (result.client, result.version, result.surface) == row]
        cells = [" ".join(_MARKS[one.ok] for one in its if one.model == model) for model in models]
        lines.append(f"| {' | '.join((*row, *cells))} |")
    order = "In each cell, in this order: chat, stream, tool loop, structured output, error."
    return "\n".join([*lines, "", order, *_remarks(results)])


def _remarks(results: Sequence[Result]) -> Iterator[str]:
    absent = (f"{one.client}, {one.surface}: no {one.check}; {one.detail}" for one in results if one.ok == "n/a")
    yield from dict.fromkeys(absent)
    for one in results:
        if one.ok is False:
            yield f"FAILED {one.client} {one.surface} {one.model} {one.check}: {one.detail[:600]}"


if __name__ == "__main__":
    main()
