"""aider on the command line, one message a run."""

from common import HELLO, KEY, OPENAI_URL, UNKNOWN, expect, not_applicable, run, served_by
from terminal import Ran, ran, version_of, went_well


def aider(model: str, *words: str) -> Ran:
    return ran(
        "aider", "--model", f"openai/{model}", "--openai-api-base", OPENAI_URL, "--openai-api-key", KEY,
        "--no-git", "--no-pretty", "--yes-always", "--no-check-update", "--analytics-disable",
        "--no-show-model-warnings", "--no-gitignore", "--map-tokens", "0", *words,
    )  # fmt: skip


def chat(model: str) -> str:
    done = aider(model, "--no-stream", "--message", HELLO)
    served_by(model, " ".join(done.text.split()))
    return went_well(done, model, calls=1, streamed=False)


def stream(model: str) -> str:
    done = aider(model, "--stream", "--message", HELLO)
    served_by(model, " ".join(done.text.split()))
    return went_well(done, model, calls=1, streamed=True)


def error(model: str) -> str:
    done = aider(f"{model}-{UNKNOWN}", "--message", HELLO)
    expect("NotFoundError" in done.text and "does not exist" in " ".join(done.text.split()), done)
    return "litellm.NotFoundError"


run(
    "aider-chat",
    "chat completions",
    {
        "chat": chat,
        "stream": stream,
        "tool loop": not_applicable("its edits are text in the answer, it never offers a tool"),
        "structured output": not_applicable("it never asks for JSON"),
        "error": error,
    },
    number=version_of("aider"),
)
