"""Our vocabulary -> POST /v1/messages. A caller of this API itself keeps its own fields (native)."""

import hashlib
from typing import Any

import msgspec

from router.catalog import Model
from router.dialects import WireRequest
from router.dialects.anthropic import native, thinking
from router.dialects.anthropic.blocks import given, is_thought, mark
from router.dialects.anthropic.schema import enforceable
from router.dialects.anthropic.tools import forces_a_tool, tool, tool_choice
from router.dialects.anthropic.turns import breaks_off, system, turns, wire_messages
from router.types import ChatRequest, ResponseFormat

VERSION = "2023-06-01"
SERVICE_TIERS = {"auto": "auto", "default": "standard_only"}

_JSON_OBJECT = "Answer with one JSON object and nothing else: no words around it, no code fence."
_MARKS_LIMIT = 4


def encode_request(request: ChatRequest, model: Model) -> WireRequest:
    """The POST for this model. Raises BadRequest with `param`."""
    if request.wire == "messages":
        body, version = native.body(request, model), native.version_headers(request)
    else:
        body, version = _body(request, model), {}
    headers = {"content-type": "application/json", "anthropic-version": VERSION} | version
    if model.provider.api_key:
        headers["x-api-key"] = model.provider.api_key
    return WireRequest("/v1/messages", tuple(headers.items()), msgspec.json.encode(body))


def _body(request: ChatRequest, model: Model) -> dict[str, Any]:
    conversation = turns(request.messages, model)
    most = thinking.max_tokens(request, model)
    terms = thinking.Terms(most, forces_a_tool(request), breaks_off(conversation))
    told = thinking.told(thinking.wish(request, model), model, terms)
    if model.thinking == "budget" and not told.thinks:  # a last turn that thought is a 400 then (forgecode issue 1853)
        for turn in conversation:
            turn.content = [block for block in turn.content if not is_thought(block)]
    hints = (_JSON_OBJECT,) if request.response_format.kind == "json_object" else ()
    body = given(
        model=model.id,
        max_tokens=most,
        system=system(request.messages, *hints),
        messages=wire_messages(conversation),
        tools=[tool(index, each) for index, each in enumerate(request.tools)] or None,
        tool_choice=tool_choice(request),
        stop_sequences=list(request.stop) or None,
        **({} if told.thinks else _sampling(request, model)),  # with thinking on, the API takes no temperature
        thinking=told.thinking,
        output_config=given(effort=told.effort, format=output_format(request.response_format)) or None,
        metadata=_metadata(request),
        service_tier=SERVICE_TIERS.get(str(request.others.get("service_tier"))),
        cache_control=request.others.get("cache_control"),
        stream=request.stream,
    )
    _limit_marks(body)
    return body


def output_format(format_: ResponseFormat) -> dict[str, Any] | None:
    """Raises BadRequest for a schema that can't be enforced."""
    if format_.kind != "json_schema":
        return None
    described = {"description": format_.description} if format_.description else {}
    schema = {**described, **(format_.schema or {})}
    return {"type": "json_schema", "schema": enforceable("response_format.json_schema.schema", schema)}


def _sampling(request: ChatRequest, model: Model) -> dict[str, float | None]:
    if not model.sampling:
        return {}
    top_k = request.others.get("top_k")
    if request.temperature is not None:  # the API takes one of temperature and top_p
        return {"temperature": min(request.temperature, 1.0), "top_k": top_k}
    return {"top_p": request.top_p, "top_k": top_k}


def _metadata(request: ChatRequest) -> dict[str, str] | None:
    user = request.others.get("safety_identifier") or request.user
    return {"user_id": hashlib.sha256(str(user).encode()).hexdigest()} if user else None


def _limit_marks(body: dict[str, Any]) -> None:
    """Keep the last marks for the cache, as many as the API takes, a mark on the whole request being one of them.

    What is kept for an hour may not come after what is kept for less: an earlier mark is for an hour then, too.
    """
    blocks = [*body.get("tools", ())]
    blocks += [block for block in body.get("system", ()) if isinstance(block, dict)]
    blocks += [block for message in body["messages"] for block in message["content"]]
    marked = [block for block in blocks if "cache_control" in block]
    whole = [body] if "cache_control" in body else []
    too_many = max(0, len(marked) + len(whole) - _MARKS_LIMIT)
    for block in marked[:too_many]:
        del block["cache_control"]
    kept = [*marked[too_many:], *whole]
    last_hour = max((at for at, block in enumerate(kept) if block["cache_control"].get("ttl") == "1h"), default=0)
    for block in kept[:last_hour]:
        block["cache_control"] = mark("1h")
