"""Why a model of this API can't express a request."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from router.catalog import Model
from router.dialects.anthropic import native, thinking
from router.dialects.anthropic.blocks import said
from router.dialects.anthropic.request import SERVICE_TIERS, output_format
from router.dialects.anthropic.tools import forces_a_tool, tool, tool_obstacles
from router.dialects.anthropic.turns import is_system
from router.errors import BadRequest
from router.types import ChatRequest, Json, Message, Text

# Fields of a caller that only advise; this API has no word for them.
_ADVISORY = frozenset({"frequency_penalty", "presence_penalty", "store", "metadata", "stream_options", "verbosity",
                       "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
                       "modalities", "service_tier"})  # fmt: skip
_TRANSLATED = frozenset({"safety_identifier", "top_k", "cache_control"})
_NO_REQUEST_WHEN_FALSE = frozenset({"logit_bias", "functions", "function_call"})


def obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    """One text per field, nothing when the model can. A caller of this API meets the limits of the model alone."""
    if request.stop and not model.stop:
        yield "stop: this model takes no stop sequences"
    if forces_a_tool(request) and not model.forced_tool_choice:
        yield "tool_choice: this model can't be forced to call a tool"
    if request.wire == "messages":
        yield from native.obstacles(request, model)
    else:
        yield from _translation_obstacles(request, model)


def _translation_obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    if request.n > 1:
        yield "n: this model gives one choice"
    if request.logprobs is not None:
        yield "logprobs: this model gives no log probabilities"
    if any(not text.strip() for text in request.stop):
        yield "stop: this model takes no stop sequence of white space alone"
    known = model.efforts if model.thinking == "adaptive" else ()
    if thinking.level(request.effort) not in (None, *known) and model.thinking != "budget":
        yield f"reasoning_effort: this model knows {', '.join(known) or 'no effort'}"
    yield from _other_obstacles(request.others)
    yield from _turn_obstacles(request.messages)
    yield from _refusals(output_format, request.response_format)
    yield from tool_obstacles(request.tools)
    for index, each in enumerate(request.tools):
        yield from _refusals(tool, index, each)


def _other_obstacles(others: Mapping[str, Json]) -> Iterator[str]:
    for name, value in others.items():
        if name in _NO_REQUEST_WHEN_FALSE and not value:
            continue
        if name not in _ADVISORY and name not in _TRANSLATED:
            yield f"{name}: this model's API has no such field"
    if not isinstance(others.get("cache_control", {}), Mapping):
        yield "cache_control: it is an object of type ephemeral for this model"
    if others.get("modalities", ["text"]) != ["text"]:
        yield "modalities: this model answers in text alone"
    tier = str(others.get("service_tier", "auto"))
    if tier not in SERVICE_TIERS:
        yield f"service_tier: this model has no tier {tier[:40]!r}; it can be auto or default"


def _turn_obstacles(messages: Sequence[Message]) -> Iterator[str]:
    first = next((message for message in messages if not is_system(message)), None)
    if first is not None and first.role == "assistant":
        yield "messages: the first turn after the system messages must be the user's for this model"
    if messages and messages[-1].role == "assistant":
        yield "messages: this model doesn't continue a last message of the assistant"
    for index, message in enumerate(messages):
        for place, part in enumerate(message.parts):
            if not isinstance(part, Text):
                yield from _refusals(said, f"messages[{index}].content[{place}]", part)


def _refusals(convert: Callable[..., object], *values: object) -> Iterator[str]:
    try:
        convert(*values)
    except BadRequest as error:
        yield f"{error.param}: {error.message}"
