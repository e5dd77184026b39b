"""`router demo` as a process of its own, in an empty folder, with keys in its environment that it must not use."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from router.simulated.demo import requests

CHECKOUT = Path(__file__).resolve().parents[2]
KEYS = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "ROUTER_KEY"), "not-a-real-one")
UNREACHABLE = dict.fromkeys(("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GEMINI_BASE_URL"), "http://127.0.0.1:9")
CLASSES = (
    "coding_deep_review",
    "agentic_terminal_work",
    "long_context_synthesis",
    "research_synthesis",
    "strict_json_extraction",
    "general",
)


@contextmanager
def started(folder: Path, *options: str, before: tuple[Path, ...] = ()) -> "Iterator[subprocess.Popen[str]]":
    """A demo in `folder` whose temporary folders are in `folder/tmp`."""
    (folder / "tmp").mkdir()
    path = os.pathsep.join(map(str, (*before, CHECKOUT)))
    with subprocess.Popen(
        [sys.executable, "-c", "from router.cli import main; main()", "demo", *options],
        cwd=folder,
        env={**os.environ, **KEYS, **UNREACHABLE, "PYTHONPATH": path, "TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def remains(folder: Path) -> list[Path]:
    return list((folder / "tmp").iterdir())


def is_up(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("shown")
    (folder / "config").mkdir()
    (folder / "config" / "router.yaml").write_text(
        "providers: {mine: {dialect: openai, base_url: 'http://127.0.0.1:9/v1'}}\nevidence: {url: 'sqlite:///mine.db'}\n"
    )
    with started(folder) as process:
        output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    assert remains(folder) == []
    assert [path.name for path in folder.iterdir() if path.name.endswith(".db")] == []
    return output


def test_the_demo_needs_no_key_uses_none_and_says_that_it_is_simulated(shown: str) -> None:
    assert shown.startswith("SIMULATED: ")
    answered = [line for line in shown.splitlines() if line[:3].strip().isdecimal() and " simulated/" in line]
    assert len(answered) == 30
    assert sum(" streamed " in line for line in answered) == 15
    assert "60 SIMULATED rows: 30 of these requests, 30 bundled benchmark runs." in shown
    assert "SIMULATED rows; ◆ routed by table" in shown


def test_the_new_table_routes_the_same_request_to_another_model(shown: str) -> None:
    place = shown.index("The same request twice: ")
    before, now = shown[place:].splitlines()[1:3]
    assert before.split()[:2] == ["before:", "simulated/gpt-5.5"]
    assert now.split()[:2] == ["now:", "simulated/gemini-3.1-pro"]
    assert before.split()[-1] != now.split()[-1]
    assert "research_synthesis: gpt-5.5 -> simulated/gemini-3.1-pro: mean score 4.25 of 2 scored runs" in shown


def test_three_requests_are_explained_and_commands_to_go_on_with_are_named(shown: str) -> None:
    assert shown.count("\nExplained: ") == 3
    assert shown.count("\n  candidates 1. simulated/") == 3
    assert "  python3 -m router serve\n" in shown.partition("What to do next")[2]


def test_the_json_tells_the_same(tmp_path: Path) -> None:
    with started(tmp_path, "--json") as process:
        output, _ = process.communicate(timeout=60)
    document: dict[str, Any] = json.loads(output)
    assert document["simulated"] is True
    assert document["classes"] == dict.fromkeys(CLASSES, 5)
    assert document["routes"] == {
        "coding_deep_review": "simulated/claude-opus-4.7",
        "agentic_terminal_work": "simulated/gpt-5.5",
        "long_context_synthesis": "simulated/gemini-3.1-pro",
        "research_synthesis": "simulated/gemini-3.1-pro",
        "strict_json_extraction": "simulated/gpt-5.5",
        "general": "simulated/claude-opus-4.7",
    }
    assert document["table"] == document["heatmap"]["table_version"] != document["table_before"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_leaves_no_process_and_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as process:
        assert process.stdout is not None
        address = next(line for line in process.stdout if " to 127.0.0.1:" in line).split(" to ")[1].split(",")[0]
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in error
    assert not is_up(address)
    assert remains(tmp_path) == []


def test_a_proxy_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "uvicorn.py").write_text("raise OSError('there is no room')\n")
    with started(tmp_path, before=(tmp_path / "broken",)) as process:
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (1, "router: the demo's proxy did not start: there is no room\n")
    assert remains(tmp_path) == []


def test_half_of_the_requests_of_the_demo_are_streamed_in_every_class() -> None:
    for place in range(len(CLASSES)):
        assert sum(body["stream"] for body in requests()[place :: len(CLASSES)]) in (2, 3)
