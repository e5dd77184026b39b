"""Two simulators that others wrote, as the providers: `python -m tests.clients.simulators`.

npm's @copilotkit/aimock and PyPI's llmock are installed at their newest, started on this machine, and asked through a
running proxy in each dialect that they offer: a chat, a stream, a tool's call whole and streamed, and the answer to its
result. Prints what works; exit code 3 when something doesn't. Not in the everyday suite.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import openai

from tests.clients.environments import install
from tests.running import environment, running

MODELS = {"openai": "gpt-5.5", "anthropic": "claude-opus-4.7", "gemini": "gemini-3.1-pro"}
ASK_WEATHER = "What is the weather in Paris?"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [
    {
        "type": "function",
        "function": {"name": "get_weather", "description": "The weather now", "parameters": PARAMETERS},
    }
]
FIXTURES = {
    "fixtures": [
        {"match": {"userMessage": "Hello"}, "response": {"content": "Hello from the simulator, in a few words."}},
        {
            "match": {"userMessage": "weather", "hasToolResult": True},
            "response": {"content": "It is 18 degrees and sunny in Paris."},
        },
        {
            "match": {"userMessage": "weather"},
            "response": {"toolCalls": [{"name": "get_weather", "arguments": '{"city": "Paris"}'}]},
        },
    ]
}


@dataclass(frozen=True)
class Simulator:
    """`command` starts it on a free port; `paths` are what its address is followed by in each dialect's base URL."""

    name: str
    kind: Literal["python", "node"]
    package: str
    command: tuple[str, ...]
    paths: Mapping[str, str]


SIMULATORS = (
    Simulator(
        "aimock",
        "node",
        "@copilotkit/aimock",
        ("llmock", "-p", "0", "-f", "fixtures.json", "--strict"),
        {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"},
    ),
    Simulator(
        "llmock",
        "python",
        "llmock",
        ("llmock", "serve", "--port", "0"),
        {"openai": "/v1", "anthropic": "/anthropic", "gemini": "/gemini/v1beta"},
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.clients.simulators",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="keep environments there, use those that are there"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        failed = [run(simulator, Path(folder), options.cache) for simulator in SIMULATORS]
    if any(failed):
        sys.exit(3)


def run(simulator: Simulator, folder: Path, cache: Path | None) -> int:
    """Print one line for each dialect and check; how many failed."""
    failures = 0
    with started(simulator, folder, cache) as url, proxy(simulator, folder, url) as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="unused", max_retries=0)
        for dialect, model in MODELS.items():
            for check in CHECKS:
                try:
                    detail, mark = check(client, model), "ok"
                except (openai.OpenAIError, AssertionError, ValueError) as error:
                    detail, mark = f"{type(error).__name__}: {error}", "FAILED"
                    failures += 1
                print(f"{simulator.name:8} {dialect:10} {check.__name__:20} {mark:7} {detail[:300]}", flush=True)
    return failures


@contextmanager
def started(simulator: Simulator, folder: Path, cache: Path | None) -> Iterator[str]:
    """The simulator's address."""
    place = install(simulator.kind, [simulator.package], (cache or folder) / simulator.name)
    home, log = folder / f"{simulator.name}-home", folder / f"{simulator.name}.log"
    home.mkdir()
    (home / "fixtures.json").write_text(json.dumps(FIXTURES), "utf-8")
    command = [place.commands / simulator.command[0], *simulator.command[1:]]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=home, env=environment({"HOME": str(home)}), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            process.wait(20)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"(?:listening|running) on (http://127\.0\.0\.1:[1-9][0-9]*)", log.read_text("utf-8")):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"the simulator did not start: {log.read_text('utf-8')}")


@contextmanager
def proxy(simulator: Simulator, folder: Path, url: str) -> Iterator[str]:
    home = folder / f"{simulator.name}-proxy"
    home.mkdir()
    keys = {f"{dialect.upper()}_API_KEY": f"secret-{dialect}" for dialect in MODELS}
    urls = {f"{dialect.upper()}_BASE_URL": url + path for dialect, path in simulator.paths.items()}
    with running(home, {**keys, **urls}) as process:
        yield process.url


def chat(client: openai.OpenAI, model: str) -> str:
    answer = client.chat.completions.create(model=model, messages=_user("Hello there"))
    choice = answer.choices[0]
    assert choice.finish_reason == "stop" and choice.message.content, answer
    assert answer.usage is not None, answer  # aimock says 0 tokens for Anthropic and Gemini
    return f"{choice.message.content[:60]!r}, {answer.usage.total_tokens} tokens"


def stream(client: openai.OpenAI, model: str) -> str:
    answer = client.chat.completions.create(
        model=model, messages=_user("Hello there"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(answer)
    ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert ends == ["stop"] and text and chunks[-1].usage, (ends, text, chunks[-1])
    return f"{len(chunks)} chunks"


def tool_call(client: openai.OpenAI, model: str) -> str:
    return _loop(client, model, client.chat.completions.create(model=model, messages=_user(ASK_WEATHER), tools=TOOLS))


def streamed_tool_call(client: openai.OpenAI, model: str) -> str:
    with client.chat.completions.stream(model=model, messages=_user(ASK_WEATHER), tools=TOOLS) as events:
        first = events.get_final_completion()
    return _loop(client, model, first)


def _loop(client: openai.OpenAI, model: str, first: Any) -> str:
    """The call is whole, and its result is answered."""
    choice = first.choices[0]
    assert choice.finish_reason == "tool_calls", first
    (call,) = choice.message.tool_calls
    assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments), first
    result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees and sunny"}
    history: Any = [*_user(ASK_WEATHER), choice.message, result]
    last = client.chat.completions.create(model=model, messages=history, tools=TOOLS).choices[0]
    assert last.finish_reason == "stop" and last.message.content, last
    return f"{call.function.arguments}, then {last.message.content[:40]!r}"


def _user(text: str) -> Any:
    return [{"role": "user", "content": text}]


CHECKS: tuple[Callable[[openai.OpenAI, str], str], ...] = (chat, stream, tool_call, streamed_tool_call)

if __name__ == "__main__":
    main()
