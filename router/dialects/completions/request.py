"""What a caller of completions sends -> our vocabulary."""

from collections.abc import Mapping
from typing import Any

from router.bodies import flag, missing, number, read_object, stop_sequences, text, typed, whole, wrong
from router.errors import BadRequest
from router.types import ChatRequest, Message, Text

_MAX_TOKENS = 16  # unless the caller says otherwise, as OpenAI has it


def decode_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises BadRequest with `param`."""
    fields = read_object(body)
    stream = typed(fields, "stream", bool) or False
    n = whole(fields, "n", 1, 128) or 1
    _refuse_what_chat_lacks(fields, n)
    return ChatRequest(
        model=_model(fields.pop("model", None)),
        messages=(Message("user", (Text(_prompt(fields.pop("prompt", None))),)),),
        max_tokens=whole(fields, "max_tokens", 1) or _MAX_TOKENS,
        temperature=number(fields, "temperature", 0, 2),
        top_p=number(fields, "top_p", 0, 1),
        stop=stop_sequences(fields),
        seed=typed(fields, "seed", int),
        n=n,
        user=typed(fields, "user", str),
        stream=stream,
        include_usage=_include_usage(typed(fields, "stream_options", dict), stream),
        logprobs=whole(fields, "logprobs", 0, 5),
        others=_others(fields),
        wire="completions",
        raw=body,
    )


def _model(value: object) -> str:
    if value == "":
        raise missing("model")
    return text("model", value)


def _prompt(value: object) -> str:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, list):
        raise _unsupported("prompt", "several prompts, or tokens instead of text,")
    return text("prompt", value)


def _refuse_what_chat_lacks(fields: dict[str, Any], n: int) -> None:
    best_of = whole(fields, "best_of", 1, 20)
    if best_of is not None and best_of > 1:
        raise _unsupported("best_of", "best_of above 1")
    if best_of is not None and best_of < n:
        raise wrong("best_of", f"best_of is {best_of}; it can't be less than n, which is {n}")
    if typed(fields, "echo", bool):
        raise _unsupported("echo", "echo")
    if typed(fields, "suffix", str):
        raise _unsupported("suffix", "suffix")


def _unsupported(param: str, what: str) -> BadRequest:
    return wrong(param, f"{param}: the models here are chat models; {what} is not supported", "unsupported_parameter")


def _include_usage(options: Mapping[str, Any] | None, stream: bool) -> bool:
    if options is None:
        return False
    if not stream:
        raise wrong("stream_options", "stream_options goes with stream: true only")
    return flag("stream_options.include_usage", options.get("include_usage")) or False


def _others(fields: Mapping[str, Any]) -> dict[str, Any]:
    others = {name: value for name, value in fields.items() if value is not None}
    unchecked = dict(others)
    for name in ("frequency_penalty", "presence_penalty"):
        number(unchecked, name, -2, 2)
    for token, bias in (typed(unchecked, "logit_bias", dict) or {}).items():
        path = f"logit_bias.{token[:20]}"
        number({path: bias}, path, -100, 100)
    return others
