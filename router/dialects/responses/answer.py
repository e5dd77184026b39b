"""Our vocabulary -> what a caller of Responses gets whole: the response object, its items, and errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from router.dialects import Frame
from router.dialects.responses import seals
from router.dialects.responses.namespaces import Namespaced, namespaced, placed
from router.errors import RouterError
from router.types import ChatResponse, FinishReason, Json, Reasoning, ToolCall, Usage

Document = dict[str, Any]
Members = Mapping[str, msgspec.Raw]  # of a JSON object
ItemStatus = Literal["in_progress", "completed", "incomplete"]

MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])  # members stay as they came


def encode_response(response: ChatResponse, frame: Frame, extra: Mapping[str, Any]) -> bytes:
    """The answer as a response object."""
    asked = MEMBERS.decode(frame.request.raw)
    output = _output(response, frame.answer_id, namespaces(asked), sealed=wants_seals(asked))
    document = ended(head(frame, asked), output, response.finish_reason, response.usage)
    return msgspec.json.encode({**document, **extra})


def whole_passthrough(body: bytes, frame: Frame, extra: Mapping[str, Any]) -> bytes:
    """A response object as it came, except for what is ours to say."""
    members: Document = {**MEMBERS.decode(body), **own_members(frame)}
    return msgspec.json.encode({**members, **extra})


def own_members(frame: Frame) -> Document:
    """The model's name, and what the answer continues: its provider may have been sent the whole conversation."""
    previous = frame.request.previous
    return {"model": frame.model} | ({} if previous is None else {"previous_response_id": previous})


class _Answer(msgspec.Struct):
    id: str
    output: list[Json]


def answer_of(document: bytes) -> _Answer:
    """The id and the output items of a response object."""
    return msgspec.json.decode(document, type=_Answer)


# --- the response object -------------------------------------------------------------------------------

# What a response says of its request, in OpenAI's own order, and what it says when the request didn't.
_ECHOES: Mapping[str, Json] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}
_INCOMPLETE: Mapping[FinishReason, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
_TIERS = {"standard": "default"}  # Anthropic's word


def head(frame: Frame, asked: Members) -> Document:
    """A response object that has just begun; `asked` are the members of the request."""
    return {
        "id": f"resp_{frame.answer_id}",
        "object": "response",
        "created_at": frame.created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": frame.model,
        "output": [],
        "usage": None,
        **_echoes(asked),
    }


def _echoes(asked: Members) -> Document:
    said = {name: value for name, value in asked.items() if bytes(value) != b"null"}
    echoes: Document = {name: said.get(name, default) for name, default in _ECHOES.items()}
    for name in said.keys() & {"reasoning", "text"}:
        echoes[name] = {**_ECHOES[name], **_given(msgspec.json.decode(said[name]))}
    if "tools" in said:
        echoes["tools"] = [_tool_echo(tool) for tool in msgspec.json.decode(said["tools"])]
    return echoes


def _given(members: Document) -> Document:
    return {name: value for name, value in members.items() if value is not None}


def _tool_echo(tool: Document) -> Document:
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}


def ended(begun: Document, output: list[Document], reason: FinishReason, usage: Usage | None) -> Document:
    """The response object of an answer that ended for `reason`."""
    why = _INCOMPLETE.get(reason)
    if why and output and "status" in output[-1]:
        output[-1]["status"] = "incomplete"
    document = {**begun, "status": "incomplete" if why else "completed", "output": output}
    if why:
        document["incomplete_details"] = {"reason": why}
    if usage is not None:
        document["usage"] = _usage(usage)
        document["service_tier"] = _TIERS.get(usage.service_tier or "", usage.service_tier)
    return document


def failed(begun: Document, error: RouterError) -> Document:
    """The response object of an answer that broke off."""
    why = {"code": error.code, "message": error.message, "param": error.param, "type": error.type}
    return {**begun, "status": "failed", "error": why}


def _usage(usage: Usage) -> Document:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


# --- its items -----------------------------------------------------------------------------------------


def wants_seals(asked: Members) -> bool:
    """Whether the caller, whose request has these members, takes reasoning back to us itself."""
    include = msgspec.json.decode(asked.get("include", b"null"))
    return "reasoning.encrypted_content" in (include or ())


def namespaces(asked: Members) -> Namespaced:
    """The tools in namespaces of the request with these members."""
    return namespaced(msgspec.json.decode(asked.get("tools", b"null")))


def _output(response: ChatResponse, answer_id: str, known: Namespaced, *, sealed: bool) -> list[Document]:
    shown = [thought for thought in response.thoughts if is_shown(thought, sealed=sealed)]
    output = [
        reasoning_item(f"rs_{answer_id}_{number}", thought, response.model if sealed else None)
        for number, thought in enumerate(shown)
    ]
    parts = []
    if response.text or response.logprobs:
        parts.append(text_part(response.text or "", logprobs(response.logprobs)))
    if response.refusal:
        parts.append(refusal_part(response.refusal))
    if parts:
        output.append(message_item(f"msg_{answer_id}_0", parts, "completed"))
    for number, call in enumerate(response.tool_calls):
        output.append(call_item(call_item_id(call, answer_id, number), call, "completed", known))
    return output


def is_shown(thought: Reasoning, *, sealed: bool) -> bool:
    """Whether there is anything of it that the caller may have."""
    return bool(thought.text) or (sealed and thought.seal is not None)


def reasoning_item(id_: str, thought: Reasoning, sealed_by: str | None) -> Document:
    """`sealed_by` is the provider's name of the model, None where the caller wants no seals."""
    summary = [summary_part(thought.text)] if thought.text else []
    item: Document = {"id": id_, "type": "reasoning", "summary": summary}
    if sealed_by is not None and thought.seal is not None:
        item["encrypted_content"] = seals.wrap(thought.seal, thought, sealed_by)
    return item


def summary_part(text: str) -> Document:
    return {"type": "summary_text", "text": text}


def message_item(id_: str, parts: list[Document], status: ItemStatus) -> Document:
    return {"id": id_, "type": "message", "status": status, "role": "assistant", "content": parts}


def text_part(text: str, tokens: list[Document]) -> Document:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": tokens}


def refusal_part(text: str) -> Document:
    return {"type": "refusal", "refusal": text}


def call_item_id(call: ToolCall, answer_id: str, number: int) -> str:
    return f"{'fc' if call.kind == 'function' else 'ctc'}_{answer_id}_{number}"


def call_item(id_: str, call: ToolCall, status: ItemStatus, known: Namespaced) -> Document:
    kind, argument = ("function_call", "arguments") if call.kind == "function" else ("custom_tool_call", "input")
    item = {"id": id_, "type": kind, "status": status, "call_id": call.id, "name": call.name}
    return placed({**item, argument: call.arguments}, known)


def logprobs(tokens: Sequence[Json]) -> list[Document]:
    """Tokens as chat completions has them, which may have no bytes; Responses always has."""
    return [
        {**_token(token), "top_logprobs": [_token(top) for top in token.get("top_logprobs") or ()]} for token in tokens
    ]


def _token(token: Json) -> Document:
    return {"token": token["token"], "bytes": token.get("bytes") or [], "logprob": token["logprob"]}
