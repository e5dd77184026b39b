"""What becomes of each parameter of chat completions with a provider of each dialect: asked of the encoders themselves.

A sample uses the parameter. It is passed where the provider's body holds it under its own name, translated where it
shows in another form, refused where the dialect names an obstacle, and left out where it only advises. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from router.catalog import Model, Provider
from router.dialects import ClientFace, ServerFace
from router.errors import BadRequest
from router.types import Effort, Json, Wire

Fate = Literal["passed", "translated", "refused", "left out"]
Fields = Mapping[str, Json]

_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
_FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": _SCHEMA}}
_CUSTOM = {"type": "custom", "custom": {"name": "c", "description": "d"}}
_TOOLS = {"tools": [_FUNCTION]}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":"b"}'}}
_TEXT = {"type": "text", "text": "Hello"}


@dataclass(frozen=True, slots=True)
class Sample:
    """`using` are members of a request that use the parameter, `without` those of the same request without it."""

    name: str
    using: Fields
    without: Fields = field(default_factory=dict)


def _user(*parts: Json) -> Fields:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def _parts(name: str, *parts: Json) -> Sample:
    return Sample(name, _user(_TEXT, *parts))


def _turns(name: str, *messages: Json, **fields: Json) -> Sample:
    return Sample(name, {"messages": list(messages), **fields}, fields)


_USER = {"role": "user", "content": "Hello"}
_CALLED = {"role": "assistant", "content": None, "tool_calls": [_CALL]}
_RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "7"}

SAMPLES: tuple[Sample, ...] = (
    _turns("messages: system", {"role": "system", "content": "s"}, _USER),
    _turns("messages: developer", {"role": "developer", "content": "d"}, _USER),
    _turns("messages: assistant", _USER, {"role": "assistant", "content": "Hi"}, _USER),
    _turns("messages: assistant refusal", _USER, {"role": "assistant", "content": None, "refusal": "No"}, _USER),
    _turns("messages: tool_calls, tool", _USER, _CALLED, _RESULT, **_TOOLS),
    _parts("part: text", _TEXT),
    _parts("part: image_url (data)", {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}),
    _parts("part: image_url (https)", {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}),
    _parts("part: input_audio", {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
    _parts("part: file (PDF data)", {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=",
                                                              "filename": "a.pdf"}}),
    _parts("part: file (file_id)", {"type": "file", "file": {"file_id": "file-1"}}),
    Sample("part: cache_control", _user({**_TEXT, "cache_control": {"type": "ephemeral"}}), _user(_TEXT)),
    Sample("audio", {"audio": {"format": "wav", "voice": "alloy"}, "modalities": ["text", "audio"]}),
    Sample("frequency_penalty", {"frequency_penalty": 0.5}),
    Sample("function_call", {"functions": [_FUNCTION["function"]], "function_call": {"name": "f"}}),
    Sample("functions", {"functions": [_FUNCTION["function"]]}),
    Sample("logit_bias", {"logit_bias": {"50256": -100}}),
    Sample("logprobs", {"logprobs": True}),
    Sample("max_completion_tokens", {"max_completion_tokens": 100}),
    Sample("max_tokens", {"max_tokens": 100}),
    Sample("metadata", {"metadata": {"a": "b"}}),
    Sample("modalities", {"modalities": ["text"]}),
    Sample("moderation", {"moderation": {"model": "omni-moderation-latest"}}),
    Sample("n", {"n": 2}),
    Sample("parallel_tool_calls: true", {**_TOOLS, "parallel_tool_calls": True}, _TOOLS),
    Sample("parallel_tool_calls: false", {**_TOOLS, "parallel_tool_calls": False}, _TOOLS),
    Sample("prediction", {"prediction": {"type": "content", "content": "a"}}),
    Sample("presence_penalty", {"presence_penalty": 0.5}),
    Sample("prompt_cache_key", {"prompt_cache_key": "k"}),
    Sample("prompt_cache_options", {"prompt_cache_options": {"mode": "implicit"}}),
    Sample("prompt_cache_retention", {"prompt_cache_retention": "24h"}),
    Sample("reasoning_effort", {"reasoning_effort": "high"}),
    Sample("response_format: json_object", {"response_format": {"type": "json_object"}}),
    Sample("response_format: json_schema", {"response_format": {
        "type": "json_schema", "json_schema": {"name": "n", "schema": _SCHEMA, "strict": True}}}),
    Sample("safety_identifier", {"safety_identifier": "u"}),
    Sample("seed", {"seed": 7}),
    Sample("service_tier: auto, default", {"service_tier": "default"}),
    Sample("service_tier: flex", {"service_tier": "flex"}),
    Sample("service_tier: priority", {"service_tier": "priority"}),
    Sample("stop", {"stop": ["END"]}),
    Sample("store", {"store": True}),
    Sample("stream", {"stream": True}),
    Sample("stream_options", {"stream": True, "stream_options": {"include_obfuscation": False}}, {"stream": True}),
    Sample("temperature", {"temperature": 0.5}),
    Sample("tool_choice: auto", {**_TOOLS, "tool_choice": "auto"}, _TOOLS),
    Sample("tool_choice: none", {**_TOOLS, "tool_choice": "none"}, _TOOLS),
    Sample("tool_choice: required", {**_TOOLS, "tool_choice": "required"}, _TOOLS),
    Sample("tool_choice: named", {**_TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}}, _TOOLS),
    Sample("tool_choice: allowed_tools", {
        "tools": [_FUNCTION, {"type": "function", "function": {"name": "g"}}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {
            "mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}}},
        {"tools": [_FUNCTION, {"type": "function", "function": {"name": "g"}}]}),
    Sample("tools: function", _TOOLS),
    Sample("tools: function without parameters", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
    Sample("tools: function, strict", {"tools": [
        {"type": "function", "function": {"name": "f", "parameters": _SCHEMA, "strict": True}}]}),
    Sample("tools: custom", {"tools": [_CUSTOM]}),
    Sample("tools: custom with a grammar", {"tools": [{"type": "custom", "custom": {"name": "c", "format": {
        "type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}}}]}),
    Sample("top_logprobs", {"logprobs": True, "top_logprobs": 3}, {"logprobs": True}),
    Sample("top_p", {"top_p": 0.5}),
    Sample("user", {"user": "u"}),
    Sample("verbosity", {"verbosity": "low"}),
    Sample("web_search_options", {"web_search_options": {}}),
)  # fmt: skip

_EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")
# Models that lack nothing their dialect can say: what one of them lacks stands in its row of the catalogue.
_ABLE = {
    "openai": Model("m", Provider("p", "openai", ""), "m", efforts=_EFFORTS, audio=True, images=True, files=True),
    "anthropic": Model("m", Provider("p", "anthropic", ""), "m", efforts=_EFFORTS, thinking="adaptive"),
    "gemini": Model("m", Provider("p", "gemini", ""), "m", efforts=_EFFORTS, thinking="level"),
}
COLUMNS = tuple(_ABLE)
_KEPT_BY_US = {("parallel_tool_calls: false", "gemini")}  # its answers are made to keep to it: the API can't be told


def fates(sample: Sample, door: ServerFace, faces: Mapping[Wire, ClientFace]) -> dict[str, Fate]:
    """What becomes of the parameter, by dialect."""
    return {name: _fate(sample, door, faces, model) for name, model in _ABLE.items()}


def _fate(sample: Sample, door: ServerFace, faces: Mapping[Wire, ClientFace], model: Model) -> Fate:
    with_it, without = (_body({"messages": [_USER], **fields}) for fields in (sample.using, sample.without))
    request = door.decode_request(with_it)
    face = faces[model.wire(request)]
    if any(face.obstacles(request, model)):
        return "refused"
    try:
        sent = face.encode_request(request, model)
    except BadRequest:
        return "refused"
    other = face.encode_request(door.decode_request(without), model)
    if (sample.name, model.provider.dialect) in _KEPT_BY_US:
        return "translated"
    if (sent.path, sent.body) == (other.path, other.body):
        return "left out"
    return "passed" if _holds(msgspec.json.decode(sent.body), sample) else "translated"


def _body(fields: Fields) -> bytes:
    return msgspec.json.encode({"model": "auto", **fields})


def _holds(sent: Fields, sample: Sample) -> bool:
    """Whether every member that the sample adds stands in `sent` as it is."""
    added = {name: value for name, value in sample.using.items() if sample.without.get(name) != value}
    return all(sent.get(name) == value or _holds_all(sent.get(name), value) for name, value in added.items())


def _holds_all(sent: Json, value: Json) -> bool:
    """`stream_options` has members of ours beside the caller's."""
    return isinstance(sent, dict) and isinstance(value, dict) and value.items() <= sent.items()


def table(door: ServerFace, faces: Mapping[Wire, ClientFace]) -> list[dict[str, str]]:
    """One row for each sample: its name, and its fate by dialect."""
    return [{"parameter": sample.name, **fates(sample, door, faces)} for sample in SAMPLES]


def markdown(rows: list[dict[str, str]]) -> str:
    """The table as the README has it."""
    lines = ["| parameter | " + " | ".join(COLUMNS) + " |", "|---|" + "---|" * len(COLUMNS)]
    lines += [f"| `{row['parameter']}` | " + " | ".join(row[name] for name in COLUMNS) + " |" for row in rows]
    return "\n".join(lines) + "\n"
