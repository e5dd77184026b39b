"""A caller's own request of this API -> the request for a model: its fields, but for what the model can't take."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec

from router.catalog import Model
from router.dialects.anthropic import thinking
from router.dialects.anthropic.turns import folded, is_system, leading
from router.errors import BadRequest
from router.types import ChatRequest, Json, Reasoning

Fields = dict[str, Any]  # a value that isn't changed stays a msgspec.Raw

_PASSED_HEADERS = ("anthropic-version", "anthropic-beta")
_SAMPLING = ("temperature", "top_p", "top_k")
_LEAST_TOP_P = 0.95  # beside thinking
_THOUGHTS = ("thinking", "redacted_thinking")
_KINDS = (None, "enabled", "adaptive", "disabled", "between_tools")  # of thinking


def body(request: ChatRequest, model: Model) -> Fields:
    """The fields to send. Raises BadRequest with `param`."""
    fields: Fields = {name: value for name, value in _object(request.raw, "body").items() if bytes(value) != b"null"}
    fields["model"] = model.id
    fields["max_tokens"] = thinking.max_tokens(request, model)
    thinks = _tell(fields, request, model)
    for name in _untaken(fields, model, thinks):
        del fields[name]
    if _is_to_be_rewritten(request, model):
        fields["messages"] = _rewritten(fields["messages"], request, model)
    return fields


def version_headers(request: ChatRequest) -> dict[str, str]:
    """The caller's own version of the API, and the betas that it opts in to."""
    passed: dict[str, str] = {}
    for name, value in request.headers:
        if name.lower() in _PASSED_HEADERS:
            before = passed.get(name.lower())
            passed[name.lower()] = f"{before},{value}" if before else value
    return passed


def obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    """What the caller asks for that the model can't do and that nothing stands in for."""
    if model.thinking == "none" or (model.thinking == "adaptive" and request.effort not in (None, *model.efforts)):
        yield from _effort_obstacles(_object(request.raw, "body"), model)
    if request.messages and request.messages[-1].role == "assistant" and _is_prefilled(request.raw):
        yield "messages: this model doesn't continue a last message of the assistant"


def _effort_obstacles(fields: Fields, model: Model) -> Iterator[str]:
    """Only by what the caller says in so many words: of a budget the model takes the nearest effort."""
    effort = _value(_object(fields.get("output_config"), "output_config").get("effort"))
    known = model.efforts if model.thinking == "adaptive" else ()
    if effort is not None and effort not in known:
        yield f"output_config.effort: this model knows {', '.join(known) or 'no effort'}"
    kind = _value(_object(fields.get("thinking"), "thinking").get("type"))
    if model.thinking == "none" and kind in ("enabled", "adaptive"):
        yield "thinking: this model doesn't think"


# --- JSON that stays as it is where nobody looks into it


class _Block(msgspec.Struct):
    type: Json = None
    text: Json = None
    signature: Json = None
    data: Json = None


class _Message(msgspec.Struct):
    role: Json = None
    content: str | list[_Block] | None = None


def _object(raw: bytes | msgspec.Raw | None, name: str) -> dict[str, msgspec.Raw]:
    try:
        return {} if raw is None else msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise BadRequest(f"{name} is an object", param=name, code="invalid_type") from None


def _value(raw: msgspec.Raw | None) -> Json:
    return None if raw is None else msgspec.json.decode(raw)


def _messages(raw: msgspec.Raw) -> list[_Message]:
    return msgspec.json.decode(raw, type=list[_Message])


def _is_prefilled(body: bytes) -> bool:
    """Whether the last message is the start of an answer; a pause in the work of a server's tool is another thing."""
    last = _messages(_object(body, "body")["messages"])[-1]
    return not isinstance(last.content, list) or not last.content or last.content[-1].type == "text"


# --- thinking and sampling


def _tell(fields: Fields, request: ChatRequest, model: Model) -> bool:
    """Say in `fields` what of the caller's wish the model takes, and whether it is told to think."""
    asked, config = (_object(fields.get(name), name) for name in ("thinking", "output_config"))
    kind, effort = _value(asked.get("type")), _value(config.get("effort"))
    if kind not in _KINDS:
        return True  # it is of a later time
    wanted = _wish(kind, asked, effort, model)
    broken = model.thinking == "budget" and wanted.think is not False and _breaks_off(fields["messages"], _own(request))
    terms = thinking.Terms(fields["max_tokens"], _forces_a_tool(fields), broken)
    told = thinking.told(wanted, model, terms)
    if not _stays(kind, told, model, lowered=fields["max_tokens"] != request.max_tokens):
        _put(fields, "thinking", told.thinking)
    if told.effort != effort:
        said = {} if told.effort is None else {"effort": told.effort}
        _put(fields, "output_config", {name: value for name, value in config.items() if name != "effort"} | said)
    return told.thinks


def _wish(kind: str | None, asked: dict[str, msgspec.Raw], effort: Json, model: Model) -> thinking.Wish:
    match kind:
        case "enabled":
            return thinking.Wish(True, effort, _value(asked.get("display")), _value(asked.get("budget_tokens")))
        case "adaptive":
            return thinking.Wish(True, effort, _value(asked.get("display")))
        case "disabled" | "between_tools":
            return thinking.Wish(False, effort)
    if effort is None and model.effort is not None:
        return thinking.Wish(model.effort != "none", thinking.level(model.effort))
    return thinking.Wish(None, effort)


def _stays(kind: str | None, told: thinking.Told, model: Model, *, lowered: bool) -> bool:
    """Whether the caller's `thinking` can stay as it is."""
    if told.thinking is None:
        return kind == "disabled" and model.thinking != "none" and model.thinking_off == "unsaid"
    return bool(told.thinking["type"] == kind) and not (kind == "enabled" and lowered)


def _put(fields: Fields, name: str, value: dict[str, Any] | None) -> None:
    if value:
        fields[name] = value
    else:
        fields.pop(name, None)


def _forces_a_tool(fields: Fields) -> bool:
    return _value(_object(fields.get("tool_choice"), "tool_choice").get("type")) in ("any", "tool")


def _breaks_off(raw: msgspec.Raw, own: set[str]) -> bool:
    """Whether a turn that called tools has lost its thinking, or never had any but that of others."""
    for _, messages in groupby(_messages(raw), key=lambda message: message.role):
        turn = [block for message in messages for block in _blocks(message) if not _is_foreign(block, own)]
        if any(block.type == "tool_use" for block in turn) and turn[0].type not in _THOUGHTS:
            return True
    return False


def _blocks(message: _Message) -> list[_Block]:
    return message.content if isinstance(message.content, list) else [_Block("text", message.content)]


def _untaken(fields: Fields, model: Model, thinks: bool) -> list[str]:
    """The sampling parameters that this model doesn't take, or not together with what else is said."""
    given = {name: _value(fields[name]) for name in _SAMPLING if name in fields}
    if not model.sampling:
        return list(given)
    if thinks:
        return [name for name, value in given.items() if name != "top_p" or value < _LEAST_TOP_P]
    return [name for name in given if name == "top_p" and "temperature" in given]


# --- messages


def _is_to_be_rewritten(request: ChatRequest, model: Model) -> bool:
    later = request.messages[leading(request.messages) :]
    foreign = any(isinstance(part, Reasoning) and not _is_own(part) for message in later for part in message.parts)
    return foreign or (not model.mid_system and any(map(is_system, later)))


def _is_own(part: Reasoning) -> bool:
    return part.seal is not None and part.seal.wire == "messages"


def _own(request: ChatRequest) -> set[str]:
    """The seals of this API's own thoughts."""
    reasoning = (part for message in request.messages for part in message.parts if isinstance(part, Reasoning))
    return {part.seal.value for part in reasoning if part.seal is not None and _is_own(part)}


def _rewritten(raw: msgspec.Raw, request: ChatRequest, model: Model) -> list[dict[str, Any]]:
    """The messages without what others thought, and with the system's words in a user's turn where need be."""
    own = _own(request)
    kept: list[dict[str, Any] | None] = []
    for message in msgspec.json.decode(raw, type=list[dict[str, msgspec.Raw]]):
        role = _value(message.get("role"))
        if role == "system" and not model.mid_system:
            kept.append(_folded(message))
        else:
            kept.append(_without_foreign(message, own) if role == "assistant" else message)
    return [message for message in kept if message is not None]


def _without_foreign(message: dict[str, Any], own: set[str]) -> dict[str, Any] | None:
    if not bytes(message["content"]).startswith(b"["):
        return message
    blocks = msgspec.json.decode(message["content"], type=list[msgspec.Raw])
    kept = [block for block in blocks if not _is_foreign(msgspec.json.decode(block, type=_Block), own)]
    return message | {"content": kept} if kept else None


def _is_foreign(block: _Block, own: set[str]) -> bool:
    """Whether it is what another provider thought."""
    seal = block.data if block.type == "redacted_thinking" else block.signature
    return block.type in _THOUGHTS and seal not in own


def _folded(message: dict[str, Any]) -> dict[str, Any] | None:
    content = _value(message["content"])
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    kept = [block | {"text": folded(block["text"])} for block in blocks if str(block.get("text", "")).strip()]
    return {"role": "user", "content": kept} if kept else None
