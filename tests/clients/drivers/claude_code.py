"""Claude Code, `claude -p`, on messages. It always streams from the provider."""

import json
from typing import Any

from common import EXTRACT, HELLO, KEY, UNKNOWN, URL, expect, is_person, run, served_by, told
from terminal import Ran, ran, version_of, went_well

READ_NOTE = "Use your tool Bash to run: cat note.txt"
EXTRACT_BY_TOOL = f"{EXTRACT} Use StructuredOutput."  # the tool by which it makes a model answer to a schema
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def claude(model: str, text: str, *words: str) -> Ran:
    variables = {
        "ANTHROPIC_BASE_URL": URL,
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_SMALL_FAST_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
        "CLAUDE_CODE_MAX_RETRIES": "0",
    }
    return ran("claude", "-p", text, "--model", model, "--allowedTools", "Bash(cat *)", *words, **variables)


def result(done: Ran) -> dict[str, Any]:
    found = [event for event in done.events if event.get("type") == "result"]
    expect(len(found) == 1, done)
    return found[0]


def chat(model: str) -> str:
    done = claude(model, HELLO, "--output-format", "json")
    expect(result(done)["is_error"] is False, done)
    served_by(model, result(done)["result"])
    return went_well(done, model, calls=1, streamed=True)


def stream(model: str) -> str:
    words = ("--output-format", "stream-json", "--verbose", "--include-partial-messages")
    done = claude(model, HELLO, *words)
    deltas = [event["event"]["delta"] for event in done.events if event.get("event", {}).get("delta", {}).get("text")]
    served_by(model, "".join(delta["text"] for delta in deltas))
    return f"{len(deltas)} text deltas"


def tool_loop(model: str) -> str:
    done = claude(model, READ_NOTE, "--output-format", "json")
    told(model, result(done)["result"])
    return went_well(done, model, calls=2, streamed=True)


def structured_output(model: str) -> str:
    done = claude(model, EXTRACT_BY_TOOL, "--output-format", "json", "--json-schema", json.dumps(PERSON))
    person = result(done)["structured_output"]
    return "--json-schema: " + is_person(person, person["name"], person["age"])


def error(model: str) -> str:
    done = claude(f"{model}-{UNKNOWN}", HELLO, "--output-format", "json")
    last = result(done)
    expect(done.code != 0 and last["is_error"] is True and UNKNOWN in last["result"], done)
    expect(last["api_error_status"] == 404 and last["api_error_type"] == "not_found_error", last)
    return f"exit code {done.code}, not_found_error"


run(
    "",
    "messages",
    {"chat": chat, "stream": stream, "tool loop": tool_loop, "structured output": structured_output, "error": error},
    number=version_of("claude"),
)
