"""opencode on the command line, one message a run, its provider an OpenAI-compatible one."""

import json
from pathlib import Path

from common import HELLO, KEY, MODELS, OPENAI_URL, UNKNOWN, expect, not_applicable, run, served_by, told
from terminal import Ran, ran, version_of, went_well

READ_NOTE = "Use your tool bash to run: cat note.txt"


def configure() -> None:
    """Its settings, in the folder that it works in."""
    names = [*MODELS, *(f"{model}-{UNKNOWN}" for model in MODELS)]
    router = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Router",
        "options": {"baseURL": OPENAI_URL, "apiKey": KEY},
        "models": {name: {"name": name, "tool_call": True} for name in names},
    }
    settings = {
        "$schema": "https://opencode.ai/config.json",
        "provider": {"router": router},
        "enabled_providers": ["router"],
        "autoupdate": False,
        "share": "disabled",
        "permission": {"bash": "allow", "read": "allow"},
    }
    Path("opencode.json").write_text(json.dumps(settings), "utf-8")


def opencode(model: str, text: str) -> Ran:
    name = f"router/{model}"
    return ran("opencode", "run", "--format", "json", "-m", name, text, OPENCODE_CONFIG_CONTENT=small(name))


def small(name: str) -> str:
    """Titles are written by the same model."""
    return json.dumps({"small_model": name})


def said(done: Ran) -> str:
    return "".join(event["part"]["text"] for event in done.events if event["type"] == "text") or repr(done)


def chat(model: str) -> str:
    done = opencode(model, HELLO)
    served_by(model, said(done))
    return went_well(done, model, calls=1, streamed=True)


def tool_loop(model: str) -> str:
    done = opencode(model, READ_NOTE)
    used = [event["part"] for event in done.events if event["type"] == "tool_use"]
    expect([part["tool"] for part in used] == ["bash"] and used[0]["state"]["status"] == "completed", done)
    told(model, said(done))
    return went_well(done, model, calls=2, streamed=True)


def error(model: str) -> str:
    done = opencode(f"{model}-{UNKNOWN}", HELLO)
    errors = [event["error"] for event in done.events if event["type"] == "error"]
    expect(len(errors) == 1 and "does not exist" in json.dumps(errors) and "404" in json.dumps(errors), done)
    return f"{errors[0]['name']}, 404"


configure()
run(
    "",
    "chat completions",
    {
        "chat": chat,
        "stream": chat,
        "tool loop": tool_loop,
        "structured output": not_applicable("its command line has no option for it"),
        "error": error,
    },
    number=version_of("opencode"),
)
