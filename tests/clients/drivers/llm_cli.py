"""`llm` on the command line, with models of its extra-openai-models.yaml, on chat completions and on responses."""

import json
from collections.abc import Callable
from pathlib import Path

from common import (
    ASK_WEATHER,
    EXTRACT,
    HELLO,
    KEY,
    MODELS,
    OPENAI_URL,
    UNKNOWN,
    expect,
    is_person,
    run,
    served_by,
    told,
)
from terminal import Ran, ran, version_of, went_well

FUNCTION = """
def get_weather(city: str) -> str:
    "The weather now"
    return "18 degrees and sunny"
"""


def configured(responses: bool) -> Path:
    """A folder with its settings; JSON is YAML."""
    folder = Path("llm-responses" if responses else "llm-chat").absolute()
    folder.mkdir(exist_ok=True)
    models = [
        {
            "model_id": f"router/{name}",
            "model_name": name,
            "api_base": OPENAI_URL,
            "supports_tools": True,
            "supports_schema": True,
            "responses": responses,
        }
        for name in [*MODELS, *(f"{model}-{UNKNOWN}" for model in MODELS)]
    ]
    (folder / "extra-openai-models.yaml").write_text(json.dumps(models), "utf-8")
    return folder


def checks(responses: bool) -> dict[str, Callable[[str], str]]:
    folder = configured(responses)

    def llm(model: str, *words: str) -> Ran:
        return ran("llm", "-m", f"router/{model}", "--key", KEY, *words, LLM_USER_PATH=str(folder))

    def chat(model: str) -> str:
        done = llm(model, "--no-stream", HELLO)
        served_by(model, done.text)
        return went_well(done, model, calls=1, streamed=False)

    def stream(model: str) -> str:
        done = llm(model, HELLO)
        served_by(model, done.text)
        return went_well(done, model, calls=1, streamed=True)

    def tool_loop(model: str) -> str:
        done = llm(model, "--functions", FUNCTION, ASK_WEATHER)
        told(model, done.text)
        return went_well(done, model, calls=2, streamed=True)

    def structured_output(model: str) -> str:
        done = llm(model, "--no-stream", "--schema", "name, age int", EXTRACT)
        went_well(done, model, calls=1, streamed=False)
        person = json.loads(done.text)
        return is_person(person, person["name"], person["age"])

    def error(model: str) -> str:
        done = llm(f"{model}-{UNKNOWN}", HELLO)
        expect(done.code != 0 and "404" in done.errors and "does not exist" in done.errors, done)
        return f"exit code {done.code}, the 404 and its message on stderr"

    return {
        "chat": chat,
        "stream": stream,
        "tool loop": tool_loop,
        "structured output": structured_output,
        "error": error,
    }


number = version_of("llm")
run("llm", "chat completions", checks(responses=False), number=number)
run("llm", "responses", checks(responses=True), number=number)
