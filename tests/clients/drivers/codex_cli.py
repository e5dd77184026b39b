"""Codex CLI, `codex exec`, with a model provider of its own on responses. It always streams."""

import json
from pathlib import Path

from common import EXTRACT, HELLO, OPENAI_URL, UNKNOWN, expect, is_person, run, served_by
from terminal import HOME, Ran, ran, version_of, went_well

# web_search runs at OpenAI; a request that offers it is refused by name for the models of others.
SETTINGS = f"""
model_provider = "router"
check_for_update_on_startup = false
web_search = "disabled"
[model_providers.router]
name = "Router"
base_url = "{OPENAI_URL}"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
"""
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
READ_NOTE = "Use your shell tool, exec_command or shell_command, to run: cat note.txt"


def configure() -> None:
    folder = HOME / ".codex"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(SETTINGS, "utf-8")
    Path("person.json").write_text(json.dumps(PERSON), "utf-8")


def codex(model: str, text: str, *words: str) -> Ran:
    """The tool's own sandbox needs rights that a container lacks; it only ever runs `cat note.txt` here."""
    return ran(
        "codex", "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", model,
        *words, text,
    )  # fmt: skip


def items(done: Ran, kind: str) -> list[dict[str, object]]:
    completed = [event["item"] for event in done.events if event["type"] == "item.completed"]
    return [item for item in completed if item["type"] == kind]


def said(done: Ran) -> str:
    return str(items(done, "agent_message")[-1]["text"]) if items(done, "agent_message") else repr(done)


def chat(model: str) -> str:
    done = codex(model, HELLO)
    served_by(model, said(done))
    return went_well(done, model, calls=1, streamed=True)


def tool_loop(model: str) -> str:
    done = codex(model, READ_NOTE)
    (command,) = items(done, "command_execution") or [{}]
    expect("18 degrees" in str(command.get("aggregated_output")) and command.get("exit_code") == 0, done)
    served_by(model, said(done))
    expect("The tool answered" in said(done), done)  # it puts some lines before the command's output
    return went_well(done, model, calls=2, streamed=True)


def structured_output(model: str) -> str:
    done = codex(model, EXTRACT, "--output-schema", "person.json")
    person = json.loads(said(done))
    return "--output-schema: " + is_person(person, person["name"], person["age"])


def error(model: str) -> str:
    done = codex(f"{model}-{UNKNOWN}", HELLO)
    expect(done.code != 0 and "does not exist" in done.text, done)
    return f"exit code {done.code}, the proxy's message"


configure()
run(
    "",
    "responses",
    {"chat": chat, "stream": chat, "tool loop": tool_loop, "structured output": structured_output, "error": error},
    number=version_of("codex"),
)
