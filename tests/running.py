"""A real proxy process for tests, in a folder of its own, and the command line run there."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from router.evidence.sqlite import open_pool
from router.record import EvidenceRow
from tests.providers import Providers

CHECKOUT = Path(__file__).resolve().parents[1]
PROVIDER_VARIABLES = ("OPENAI", "ANTHROPIC", "GEMINI")
# Under a configuration of its own a proxy forgets failures, so that one test's faults are not the next one's; it says
# `breaker: {}` to get what ships.
FORGETFUL = {"breaker": {"min_calls": 1_000_000, "max_cooling_s": 0}}


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: this one without provider keys, router keys and base URLs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PROVIDER_VARIABLES) and not name.startswith("ROUTER_")
    }
    return {**kept, "PYTHONPATH": str(CHECKOUT), **(extra or {})}


def with_keys(providers: Providers, *names: str) -> dict[str, str]:
    """Keys and base URLs that lead to `providers`; all three where no name is given."""
    found = {}
    for name, base_url in providers.base_url.items():
        if not names or name in names:
            found |= {f"{name.upper()}_API_KEY": f"secret-{name}", f"{name.upper()}_BASE_URL": base_url}
    return found


def command(folder: Path, *words: str, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `router WORDS` in `folder` and give what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "router", *words],
        cwd=folder,
        env=environment(extra),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class Running:
    """A proxy process. `client` speaks to it; `log` is what it has written to stderr."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.folder = folder
        self.process = process
        self._log = log
        self.url = self._wait_for_address()
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    def chat(
        self, text: str = "Hello there", *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        """One chat completion with `text` as the user's turn."""
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        return self.client.post("/v1/chat/completions", json=body, headers=dict(headers or {}))

    def rows(self, count: int | None = None, within_s: float = 5.0) -> list[EvidenceRow]:
        """The rows of the pool, waiting until there are `count` of them."""
        with closing(open_pool(self.folder / "router.db")) as pool:
            end = time.monotonic() + within_s
            while len(rows := pool.recent(limit=100_000)) < (count or 0) and time.monotonic() < end:
                time.sleep(0.01)
        assert count is None or len(rows) == count
        return rows

    def until(self, condition: Callable[[], bool], within_s: float = 5.0) -> None:
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, f"not within {within_s} s; the log: {self.log[-2000:]}"
            time.sleep(0.01)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process and give its exit code."""
        self.process.send_signal(how)
        return self.process.wait(20)

    def _wait_for_address(self) -> str:
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            before, found, _ = self.log.partition(" (OpenAI base URL")
            if found:
                return before.rpartition(" ")[2]
            time.sleep(0.02)
        self.process.kill()
        self.process.wait()
        raise AssertionError(f"the proxy did not start: {self.log}")


@contextmanager
def running(folder: Path, extra: Mapping[str, str] | None = None, config: Any = None) -> Iterator[Running]:
    """A proxy in `folder` on a free port; `config`, if any, is laid over the one that ships and FORGETFUL."""
    words = ["serve", "--port", "0"]
    if config is not None:
        (folder / "own.yaml").write_text(json.dumps({**FORGETFUL, **config}), "utf-8")  # JSON is YAML
        words = ["--config", str(folder / "own.yaml"), *words]
    log = folder / "proxy.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "router", *words], cwd=folder, env=environment(extra), stderr=stderr
        )
        try:
            proxy = Running(folder, process, log)
            with proxy.client:
                yield proxy
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(20)


def events(response: httpx.Response) -> list[Any]:
    """The JSON of a stream's events; its [DONE] as that string."""
    found = [line.removeprefix("data: ") for line in response.text.split("\n") if line.startswith("data: ")]
    return [data if data == "[DONE]" else json.loads(data) for data in found]
