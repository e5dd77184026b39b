"""What every Python driver shares: the models, the questions, and one JSON line on stdout for each check.

Standard library only: it runs inside the clients' own environments.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import version

URL = os.environ.get("ROUTER_URL", "")  # of the running proxy, without /v1
OPENAI_URL = f"{URL}/v1"
KEY = "unused"

# name in the catalogue -> id at the provider, which the simulated provider says in its answers
MODELS = {"gpt-5.5": "gpt-5.5", "claude-opus-4.7": "claude-opus-4-7", "gemini-3.1-pro": "gemini-3.1-pro-preview"}
UNKNOWN = "no-such-model"
CHECKS = ("chat", "stream", "tool loop", "structured output", "error")

HELLO = "Hello there"
ASK_WEATHER = "What is the weather in Paris?"  # has a word of get_weather in it, so that the tool is called
WEATHER = "18 degrees and sunny"
EXTRACT = "Extract the person: Ada Lovelace, 36 years old."

Check = Callable[[str], str]


class NotApplicable(Exception):
    """The client can't do this at all; the message says why."""


def run(package: str, surface: str, checks: Mapping[str, Check], *, number: str | None = None) -> None:
    """Run each check against each model. `package` is the distribution whose version is reported."""
    number = number or version(package)
    for model in MODELS:
        for check in CHECKS:
            line = {"client": "", "version": number, "surface": surface, "model": model, "check": check}
            try:
                line |= {"ok": True, "detail": checks[check](model)}
            except NotApplicable as reason:
                line |= {"ok": "n/a", "detail": str(reason)}
            except Exception as error:  # noqa: BLE001 - whatever a client raises is a result of the matrix
                line |= {"ok": False, "detail": f"{type(error).__name__}: {error}"[:1500]}
                traceback.print_exc(file=sys.stderr)
            print(json.dumps(line), flush=True)


def not_applicable(reason: str) -> Check:
    def check(_model: str) -> str:
        raise NotApplicable(reason)

    return check


def expect(claim: bool, seen: object) -> None:
    """Unlike assert it says what was seen, and stays under -O."""
    if not claim:
        raise AssertionError(f"unexpected: {seen!r}"[:1500])


def served_by(model: str, text: str | None) -> None:
    """The text is the whole answer of this model's own provider."""
    expect(f"in the name of {MODELS[model]};" in (text or ""), text)


def told(model: str, text: str | None) -> None:
    served_by(model, text)
    expect(WEATHER in (text or ""), text)


def is_person(person: object, name: object, age: object) -> str:
    expect(isinstance(name, str) and name != "" and isinstance(age, int), person)
    return f"{name}, {age}"
