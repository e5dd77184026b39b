"""Anthropic's Messages API as the provider: checks a request and answers it, whole or streamed. Pure.

Written from the provider's documents of 2026-11, not from our own coder.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from router.simulated.answers import REFUSAL, THOUGHTS, Answer, Question, Tool, ToolCall, answer, provoked, told_schema
from router.simulated.anthropic_checks import (
    VERSIONS,
    answer_format,
    cache_ttls,
    check,
    refused,
    shape,
    thinks,
    tool_of,
    turns,
)
from router.simulated.anthropic_models import abilities, redacted, signature
from router.simulated.anthropic_shapes import (
    BETA_FIELDS,
    Adaptive,
    AnyChoice,
    AutoChoice,
    Base64Source,
    Block,
    CountRequest,
    Disabled,
    Document,
    Enabled,
    Image,
    NoneChoice,
    OutputConfig,
    Request,
    Text,
    ToolChoice,
    ToolReference,
    ToolResult,
)
from router.simulated.wire import (
    JSON_TYPE,
    STREAM_TYPE,
    Call,
    Misshapen,
    Refused,
    Reply,
    bearer,
    cut,
    encode,
    few_words,
    read,
    tokens,
)

Json = Any
R = TypeVar("R", bound=CountRequest)

_MAX_BODY = 32 << 20
_CACHE_MINIMUM = 2048
_REASONING = {"low": 64, "medium": 128, "high": 256, "xhigh": 512, "max": 1024}
_STOP_REASONS = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
}
_STOP_DETAILS = {"refusal": {"type": "refusal", "category": "general_harms", "explanation": REFUSAL}}

PATHS = ("/messages", "/messages/count_tokens")


def reply(call: Call) -> Reply:
    """The answer to one POST of /v1/messages or /v1/messages/count_tokens."""
    counting = call.path.endswith("/count_tokens")
    try:
        version = _version(call)
        request = _countable(_read(call, CountRequest)) if counting else _read(call, Request)
        check(request, version)
        prompt_tokens = _prompt_tokens(request)
    except Refused as refusal:
        return error_reply(call, refusal)
    if counting:
        return Reply(200, (JSON_TYPE, *_headers(call)), (encode({"input_tokens": prompt_tokens}),))
    question = _question(request)
    given = answer(question)
    blocks = _blocks(call, request, question, given)
    usage = _usage(request, given, prompt_tokens)
    if request.stream is True:
        return Reply(200, (STREAM_TYPE, *_headers(call)), tuple(_stream(call, request, given, blocks, usage)))
    message = {
        **_frame(call, request),
        "content": blocks,
        "stop_reason": _STOP_REASONS[given.end],
        "stop_sequence": given.stop_sequence,
        "stop_details": _STOP_DETAILS.get(given.end),
        "usage": usage,
    }
    return Reply(200, (JSON_TYPE, *_headers(call)), (encode(message),))


def error_reply(call: Call, refusal: Refused) -> Reply:
    error = {"type": refusal.kind, "message": refusal.message, "details": None}
    body = {"type": "error", "error": error, "request_id": _request_id(call)}
    return Reply(refusal.status, (JSON_TYPE, *_headers(call)), (encode(body),))


def missing_key(call: Call) -> Refused | None:
    if call.headers.get("x-api-key") or bearer(call.headers):
        return None
    return Refused("x-api-key header is required", status=401, kind="authentication_error")


def _request_id(call: Call) -> str:
    return f"req_011{call.nonce[:21]}"


def _headers(call: Call) -> tuple[tuple[str, str], ...]:
    return (
        ("request-id", _request_id(call)),
        ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
        ("anthropic-ratelimit-requests-limit", "4000"),
        ("anthropic-ratelimit-requests-remaining", "3999"),
        ("anthropic-ratelimit-requests-reset", "2026-11-24T00:00:00Z"),
    )


def _version(call: Call) -> str:
    version = call.headers.get("anthropic-version")
    if version is None:
        raise refused("anthropic-version: header is required")
    if version not in VERSIONS:
        raise refused(f'anthropic-version: "{version}" is not a valid version')
    return version


def _read(call: Call, type_: type[R]) -> R:
    if len(call.body) > _MAX_BODY:
        raise Refused("Request exceeds the maximum size", status=413, kind="request_too_large")
    if not call.headers.get("content-type", "").startswith("application/json"):
        raise refused("content-type: must be application/json")
    try:
        request = read(call.body, type_)
    except Misshapen as fault:
        raise shape(fault) from None
    if not call.headers.get("anthropic-beta"):
        for name in BETA_FIELDS:
            if not isinstance(getattr(request, name, UNSET), UnsetType):
                raise refused(f"{name}: Extra inputs are not permitted")
    return request


def _countable(request: CountRequest) -> Request:
    """The request whose tokens are to be counted, with all the room that the model has."""
    fields = {name: getattr(request, name) for name in CountRequest.__struct_fields__}
    return Request(**fields, max_tokens=abilities(request.model).max_output_tokens)


def _prompt_tokens(request: Request) -> int:
    attached = sum(_attached(block) for turn in turns(request.messages) for block in turn.blocks)
    said = sum(len(encode(given)) for given in (request.system, request.tools, request.messages) if given)
    count, most = tokens(said - attached), abilities(request.model).context_tokens
    if count > most:
        raise refused(f"prompt is too long: {count} tokens > {most} maximum")
    return count


def _attached(block: Block | ToolReference) -> int:
    """Bytes of an attachment: they are not counted as text."""
    match block:
        case Image(source=Base64Source(data=data)) | Document(source=Base64Source(data=data)):
            return len(data)
        case ToolResult(content=list(parts)):
            return sum(_attached(part) for part in parts)
        case _:
            return 0


def _question(request: Request) -> Question:
    users = [turn for turn in turns(request.messages) if turn.role == "user"]
    texts = ["".join(block.text for block in turn.blocks if isinstance(block, Text)) for turn in users]
    results = [block for block in users[-1].blocks if isinstance(block, ToolResult)]
    choice, stop = request.tool_choice, request.stop_sequences
    text = next((text for text in reversed(texts) if text), "")
    form = answer_format(request)
    sequential = isinstance(choice, AutoChoice | AnyChoice | ToolChoice) and choice.disable_parallel_tool_use
    return Question(
        model=request.model,
        text=text,
        tool_result=_text_of(results[-1]) if results and not texts[-1] else None,
        tools=_callable_tools(request),
        forced=isinstance(choice, AnyChoice | ToolChoice),
        parallel=not sequential,
        schema=told_schema(str(request.system)) if form is None else form.schema,
        told=form is None,
        max_tokens=request.max_tokens,
        stop=() if isinstance(stop, UnsetType) else tuple(stop),
        reasoning_tokens=_reasoning_tokens(request, text),
    )


def _reasoning_tokens(request: Request, text: str) -> int:
    config = request.output_config if isinstance(request.output_config, OutputConfig) else OutputConfig()
    if thinks(request):
        return _REASONING[config.effort or "high"]
    can = not isinstance(request.thinking, Disabled) and not isinstance(request.tool_choice, AnyChoice | ToolChoice)
    return _REASONING["low"] if can and provoked(text, "think") else 0


def _text_of(result: ToolResult) -> str:
    if isinstance(result.content, str):
        return result.content
    return "".join(part.text for part in result.content if isinstance(part, Text))


def _callable_tools(request: Request) -> tuple[Tool, ...]:
    if isinstance(request.tools, UnsetType) or isinstance(request.tool_choice, NoneChoice):
        return ()
    custom = [tool_of(tool, index) for index, tool in enumerate(request.tools)]
    tools = [Tool(tool.name, tool.input_schema) for tool in custom if tool is not None]
    choice = request.tool_choice
    return tuple(tool for tool in tools if not isinstance(choice, ToolChoice) or tool.name == choice.name)


def _blocks(call: Call, request: Request, question: Question, given: Answer) -> list[dict[str, Json]]:
    """The content: thoughts where it thinks, a sentence before tools that it was not forced to call."""
    if given.end == "refusal":
        return []
    blocks = [_thoughts(request, question, given)] if given.reasoning_tokens else []
    said = "I will look that up." if given.calls and not question.forced else given.text
    if said:
        blocks.append({"type": "text", "text": said})
    return blocks + [_tool_use(call, index, made) for index, made in enumerate(given.calls)]


def _thoughts(request: Request, question: Question, given: Answer) -> dict[str, Json]:
    if provoked(question.text, "redact"):
        return {"type": "redacted_thinking", "data": redacted(request.model)}
    thoughts = THOUGHTS if given.thinks_aloud or _thoughts_shown(request) else ""
    return {"type": "thinking", "thinking": thoughts, "signature": signature(thoughts, request.model)}


def _thoughts_shown(request: Request) -> bool:
    thinking = request.thinking
    if isinstance(thinking, Enabled | Adaptive) and thinking.display is not None:
        return thinking.display == "summarized"
    return abilities(request.model).sampling


def _tool_use(call: Call, index: int, made: ToolCall) -> dict[str, Json]:
    return {
        "type": "tool_use",
        "id": f"toolu_01{call.nonce[:20]}{index:02x}",
        "name": made.tool.name,
        "input": made.arguments,
    }


def _usage(request: Request, given: Answer, prompt_tokens: int) -> dict[str, Json]:
    """`input_tokens` is what was neither read from the cache nor written to it."""
    ttls = cache_ttls(request)
    kept = prompt_tokens // 2 if ttls and prompt_tokens >= _CACHE_MINIMUM else 0
    read_tokens, written = (kept, 0) if given.luck % 2 == 0 else (0, kept)
    for_an_hour = written * ttls.count("1h") // len(ttls) if ttls else 0
    return {
        "input_tokens": prompt_tokens - kept,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written - for_an_hour,
            "ephemeral_1h_input_tokens": for_an_hour,
        },
        "output_tokens": given.output_tokens,
        "output_tokens_details": {"thinking_tokens": given.reasoning_tokens},
        "service_tier": "standard",
    }


def _frame(call: Call, request: Request) -> dict[str, Json]:
    return {"id": f"msg_01{call.nonce[:22]}", "type": "message", "role": "assistant", "model": request.model}


def _stream(
    call: Call, request: Request, given: Answer, blocks: list[dict[str, Json]], usage: dict[str, Json]
) -> Iterator[bytes]:
    opening = {name: count for name, count in usage.items() if name != "output_tokens_details"}
    message = {
        **_frame(call, request),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": {**opening, "output_tokens": 1},
    }
    yield _event("message_start", message=message)
    yield _event("ping")
    for index, block in enumerate(blocks):
        yield _event("content_block_start", index=index, content_block={**block, **_EMPTY[block["type"]]})
        for delta in _deltas(block):
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    delta = {
        "stop_reason": _STOP_REASONS[given.end],
        "stop_sequence": given.stop_sequence,
        "stop_details": _STOP_DETAILS.get(given.end),
    }
    closing = {name: count for name, count in usage.items() if name not in ("cache_creation", "service_tier")}
    yield _event("message_delta", delta=delta, usage=closing)
    yield _event("message_stop")


_EMPTY: dict[str, dict[str, Json]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "redacted_thinking": {},
    "tool_use": {"input": {}},
}


def _deltas(block: dict[str, Json]) -> Iterator[dict[str, Json]]:
    match block["type"]:
        case "redacted_thinking":
            return
        case "thinking":
            for piece in few_words(block["thinking"]) if block["thinking"] else ():
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use":
            yield {"type": "input_json_delta", "partial_json": ""}
            for piece in cut(encode(block["input"]).decode(), 12) if block["input"] else ():
                yield {"type": "input_json_delta", "partial_json": piece}
        case _:
            for piece in few_words(block["text"]):
                yield {"type": "text_delta", "text": piece}


def _event(kind: str, **fields: Json) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + encode({"type": kind, **fields}) + b"\n\n"
