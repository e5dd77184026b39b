"""The main job on real requests: `python -m benchmarks.main_job.run FOLDER`.

FOLDER holds JSON lines with a chat body under `request`. Every body goes through a running proxy, every other one
streamed, to local provider servers of all three dialects. Passes when every answer is a complete 200, the pool has one
row for each call that the providers counted, and the run's CSV, imported into an empty pool, builds the same table;
the same again once every row has been given a score. Exit code 3 when a check fails.
"""

import argparse
import asyncio
import collections
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from router.simulated.server import App, application

CONCURRENCY = 16
HERE = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="JSON lines files with a chat body under `request`")
    parser.add_argument("--limit", type=int, help="send only so many requests")
    options = parser.parse_args()
    bodies = read_bodies(options.folder)[: options.limit]
    with tempfile.TemporaryDirectory() as folder:
        failures = run(bodies, Path(folder))
    if failures:
        print("FAILED: " + "; ".join(failures))
        sys.exit(3)
    print("passed")


def read_bodies(folder: Path) -> list[dict[str, Any]]:
    """The bodies in file and line order, every other one streamed."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        sys.exit(f"{folder} has no .jsonl files with requests")
    bodies = [json.loads(line)["request"] for file in files for line in file.read_text("utf-8").splitlines() if line]
    for index, body in enumerate(bodies):
        body["stream"] = index % 2 == 1
    return bodies


def run(bodies: list[dict[str, Any]], folder: Path) -> list[str]:
    """Send `bodies`, print what came of it, give the checks that failed."""
    with providers() as (counts, base), proxy(folder, base) as url:
        started = time.monotonic()
        outcomes = asyncio.run(send_all(bodies, url))
        took_s = time.monotonic() - started
    problems = collections.Counter(outcome for outcome in outcomes if outcome != "ok")
    rows = export(folder, "run.csv", "evidence", folder)
    print(f"{len(bodies)} requests, {sum(body['stream'] for body in bodies)} streamed, in {took_s:.1f} s")
    print(f"complete 200s: {outcomes.count('ok')}; others: {dict(problems) or 'none'}")
    print(f"calls counted by the providers: {dict(counts)}; rows in the pool: {len(rows)}")
    print(f"rows by class: {dict(collections.Counter(row['task_type'] for row in rows))}")
    print(f"rows by model: {dict(collections.Counter(row['model'] for row in rows))}")
    failures = []
    if problems:
        failures.append(f"{sum(problems.values())} requests without a complete 200")
    if sum(counts.values()) != len(rows):
        failures.append(f"{sum(counts.values())} calls, {len(rows)} rows")
    failures += rebuilt_tables(folder, rows)
    return failures


def rebuilt_tables(folder: Path, rows: list[dict[str, str]]) -> list[str]:
    """Build the table from the pool of the run and from its CSV; then the same with scores."""
    failures = []
    first = build(folder)
    again = build(imported(folder, "again", folder / "run.csv"))
    print(f"table of the run: {first}; of its CSV in an empty pool: {again}")
    if first != again:
        failures.append("the CSV builds another table")
    scored_csv = folder / "scored.csv"
    with scored_csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "score": str(score_of(row)), "source": "benchmark"} for row in rows)
    scored = imported(folder, "scored", scored_csv)
    export(scored, "run.csv", "evidence", scored)
    first, again = build(scored), build(imported(folder, "scored_again", scored / "run.csv"))
    print(f"with a made-up score in each row: {first}; of its CSV: {again}")
    if first != again:
        failures.append("the scored CSV builds another table")
    print(router(scored, "table", "show", first, "--plain").strip())
    return failures


def score_of(row: dict[str, str]) -> int:
    """A score for the sake of the check: fixed by class and model, and by chance that the row's id fixes."""
    strength = int(hashlib.sha256(f"{row['task_type']} {row['model']}".encode()).hexdigest(), 16) % 3
    return 2 + (int(hashlib.sha256(row["row_id"].encode()).hexdigest(), 16) + strength) % 4


def imported(folder: Path, name: str, file: Path) -> Path:
    """A new folder whose pool has the rows of `file`."""
    target = folder / name
    target.mkdir()
    router(target, "evidence", "import", str(file))
    return target


def build(folder: Path) -> str:
    return str(json.loads(router(folder, "table", "build", "--policy", "seed_rule", "--json"))["version"])


def export(folder: Path, name: str, verb: str, target: Path) -> list[dict[str, str]]:
    router(folder, verb, "export", str(target / name))
    with (target / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE)}


def router(folder: Path, *words: str) -> str:
    """What the command line prints when it runs in `folder`."""
    command = [sys.executable, "-m", "router", *words]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"router {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def providers() -> Iterator[tuple[collections.Counter[str], str]]:
    """The simulated providers behind real sockets, counting the calls that reach them; their base URL."""
    counts: collections.Counter[str] = collections.Counter()
    server = uvicorn.Server(uvicorn.Config(counted(application(), counts), port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield counts, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def counted(app: App, counts: collections.Counter[str]) -> App:
    async def counting(scope: Any, receive: Any, send: Any) -> None:
        dialect = {"chat": "openai", "mess": "anthropic"}.get(scope["path"][4:8], "gemini")
        counts[dialect] += 1
        await app(scope, receive, send)

    return counting


@contextmanager
def proxy(folder: Path, base: str) -> Iterator[str]:
    """A proxy process with keys for all three providers; its base URL."""
    keys = {f"{name}_API_KEY": "local" for name in ("OPENAI", "ANTHROPIC", "GEMINI")}
    urls = {"OPENAI_BASE_URL": f"{base}/v1", "ANTHROPIC_BASE_URL": base, "GEMINI_BASE_URL": f"{base}/v1beta"}
    log = (folder / "proxy.log").open("w+", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "router", "serve", "--port", "0"],
        cwd=folder,
        env={**environment(), **keys, **urls},
        stderr=log,
    )
    try:
        yield wait_for_address(process, folder / "proxy.log")
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        first, _, rest = log.read_text("utf-8").partition(" (OpenAI base URL")
        if rest:
            return first.rpartition(" ")[2]
        time.sleep(0.05)
    sys.exit(f"the proxy did not start: {log.read_text('utf-8')}")


async def send_all(bodies: list[dict[str, Any]], url: str) -> list[str]:
    """The outcome of each body: "ok", or what was wrong with its answer."""
    places = asyncio.Semaphore(CONCURRENCY)
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:

        async def send(body: dict[str, Any]) -> str:
            async with places:
                response = await client.post("/v1/chat/completions", json=body)
            return verdict(response, streamed=body["stream"])

        return await asyncio.gather(*(send(body) for body in bodies))


def verdict(response: httpx.Response, *, streamed: bool) -> str:
    """Whether this is a complete answer of the kind asked for."""
    if response.status_code != 200:
        return f"{response.status_code} {response.text[:300]}"
    if not streamed:
        choice = response.json()["choices"][0]
        return "ok" if choice["finish_reason"] and choice["message"]["role"] == "assistant" else "an empty answer"
    events = response.text.split("\n\n")
    if '"error":' in response.text and '"choices"' not in events[-3]:
        return f"an error in the stream: {events[-2][:200]}"
    finished = any('"finish_reason":"' in event for event in events)
    return "ok" if finished and events[-2:] == ["data: [DONE]", ""] else "a stream without its end"


if __name__ == "__main__":
    main()
