"""What the drivers of command-line tools share: running the tool, and what the proxy recorded of its calls."""

import json
import os
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import URL, expect

COMMANDS = Path(os.environ.get("CLIENT_COMMANDS", ""))  # where the tool's own program lies
HOME = Path.home()  # the client's own, made by the runner
PATIENCE_S = 240


@dataclass(frozen=True)
class Ran:
    """`rows` are the proxy's evidence rows of the calls that the tool made, oldest first."""

    text: str
    errors: str
    code: int
    rows: list[dict[str, Any]]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines that it printed."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]


def ran(tool: str, *words: str, **variables: str) -> Ran:
    """What the tool did, `variables` laid over its environment."""
    seen = len(_rows())
    done = subprocess.run(
        [COMMANDS / tool, *words], env={**os.environ, **variables}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    return Ran(done.stdout, done.stderr, done.returncode, _rows()[seen:])


def went_well(done: Ran, model: str, *, calls: int, streamed: bool) -> str:
    """The tool ended well; its calls, at least so many, were complete answers of this model, streamed or not."""
    expect(done.code == 0, (done.code, done.text[-600:], done.errors[-600:]))
    its = [row for row in done.rows if row["model"] == model and row["stream"] is streamed]
    expect(len(its) >= calls and all(row["outcome"] == "ok" for row in done.rows), done.rows)
    return f"{len(its)} {'streamed' if streamed else 'whole'} calls" if len(its) != 1 else "one call"


def version_of(tool: str) -> str:
    """The version number in what `--version` prints."""
    words = subprocess.run([COMMANDS / tool, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return next(word.strip("(),") for word in words if word[0].isdigit())


def _rows() -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{URL}/v1/router/evidence?format=ndjson&limit=10000") as answer:
        return [json.loads(line) for line in answer.read().decode().splitlines()]
