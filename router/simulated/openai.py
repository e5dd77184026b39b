"""OpenAI's chat completions as the provider: checks a request and answers it, whole or streamed. Pure.

Written from the provider's documents of 2026-11, not from our own coder.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import UnsetType

from router.simulated.answers import Answer, Question, Tool, ToolCall, answer
from router.simulated.openai_checks import check, chosen_names, default_effort, reasons, refused, text_of
from router.simulated.openai_shapes import (
    AllowedChoice,
    AudioPart,
    CustomTool,
    FilePart,
    FunctionTool,
    ImagePart,
    Message,
    ObjectFormat,
    Request,
    SchemaFormat,
    ToolMessage,
    User,
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

_CONTEXT_TOKENS = 1_050_000
_REASONING = {"none": 0, "minimal": 16, "low": 64, "medium": 128, "high": 256, "xhigh": 512, "max": 1024}
_DATED = {
    "gpt-5.5": "gpt-5.5-2026-04-23",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
}


def reply(call: Call) -> Reply:
    """The answer to one POST of /v1/chat/completions."""
    try:
        request = _read(call)
        check(request)
        prompt_tokens = _prompt_tokens(request)
    except Refused as refusal:
        return error_reply(call, refusal)
    question = _question(request)
    answers = [answer(question) for _ in range(request.n or 1)]
    if request.stream:
        return Reply(200, (STREAM_TYPE, *_headers(call)), tuple(_stream(call, request, answers, prompt_tokens)))
    return Reply(200, (JSON_TYPE, *_headers(call)), (encode(_whole(call, request, answers, prompt_tokens)),))


def error_reply(call: Call, refusal: Refused) -> Reply:
    error = {"message": refusal.message, "type": refusal.kind, "param": refusal.param, "code": refusal.code}
    return Reply(refusal.status, (JSON_TYPE, *_headers(call)), (encode({"error": error}),))


def missing_key(call: Call) -> Refused | None:
    if bearer(call.headers):
        return None
    message = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY)."
    )
    return Refused(message, status=401, kind="invalid_request_error", code="invalid_api_key")


def _headers(call: Call) -> tuple[tuple[str, str], ...]:
    return (
        ("x-request-id", f"req_{call.nonce}"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("openai-organization", "org-simulated"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-reset-requests", "6ms"),
    )


_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def _read(call: Call) -> Request:
    media = call.headers.get("content-type", "")
    if not media.startswith("application/json"):
        raise refused(
            f"Unsupported content type: '{media}'. This API method only accepts 'application/json' requests.", None
        )
    try:
        return read(call.body, Request)
    except Misshapen as fault:
        raise _shape(fault) from None


def _shape(fault: Misshapen) -> Refused:
    """A fault of shape in OpenAI's words."""
    name = fault.field
    match fault.problem:
        case "json":
            return refused("We could not parse the JSON body of your request.", None)
        case "missing" if name == "model":
            return refused("you must provide a model parameter", None)
        case "missing":
            return refused(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
        case "unknown" if not fault.path:
            return refused(f"Unrecognized request argument supplied: {name}", None)
        case "unknown":
            return refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        case "type":
            wanted = " or ".join(_WORDS.get(part, part) for part in fault.wanted.split(" | ") if part != "null")
            got = _WORDS.get(fault.found, fault.found)
            message = f"Invalid type for '{name}': expected {wanted}, but got {got} instead."
            return refused(message, name, "invalid_type")
        case _:
            return refused(f"Invalid value: '{fault.found}'.", name, "invalid_value")


def _prompt_tokens(request: Request) -> int:
    said = len(encode(request.messages)) + len(encode(request.tools) if request.tools else b"")
    count = tokens(said - sum(_attached(message) for message in request.messages))
    if count > _CONTEXT_TOKENS:
        message = (
            f"This model's maximum context length is {_CONTEXT_TOKENS} tokens. However, your messages resulted in "
            f"{count} tokens. Please reduce the length of the messages."
        )
        raise refused(message, "messages", "context_length_exceeded")
    return count


def _attached(message: Message) -> int:
    """Bytes of the attachments: they are not counted as text."""
    if not isinstance(message, User) or isinstance(message.content, str):
        return 0
    return sum(_attachment(part) for part in message.content)


def _attachment(part: object) -> int:
    match part:
        case ImagePart():
            return len(part.image_url.url)
        case AudioPart():
            return len(part.input_audio.data)
        case FilePart():
            return len(part.file.file_data or "")
        case _:
            return 0


def _question(request: Request) -> Question:
    last = request.messages[-1]
    users = [message for message in request.messages if isinstance(message, User)]
    effort = request.reasoning_effort or default_effort(request.model)
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    choice = request.tool_choice
    return Question(
        model=request.model,
        text=text_of(users[-1]) if users else "",
        tool_result=text_of(last) if isinstance(last, ToolMessage) else None,
        tools=_callable_tools(request),
        forced=_forced(choice),
        parallel=request.parallel_tool_calls is not False,
        schema=_answer_schema(request),
        max_tokens=request.max_completion_tokens or request.max_tokens,
        stop=tuple(stop),
        reasoning_tokens=_REASONING[effort] if reasons(request.model) else 0,
    )


def _forced(choice: object) -> bool:
    if isinstance(choice, AllowedChoice):
        return choice.allowed_tools.mode == "required"
    return not isinstance(choice, UnsetType) and choice not in ("auto", "none")


def _callable_tools(request: Request) -> tuple[Tool, ...]:
    if isinstance(request.tools, UnsetType) or request.tool_choice == "none":
        return ()
    tools = [_tool(tool) for tool in request.tools]
    chosen = chosen_names(request.tool_choice)
    return tuple(tool for tool in tools if not chosen or tool.name in chosen)


def _tool(tool: FunctionTool | CustomTool) -> Tool:
    if isinstance(tool, CustomTool):
        return Tool(tool.custom.name, free=True)
    schema = tool.function.parameters
    return Tool(tool.function.name, None if isinstance(schema, UnsetType) else schema)


def _answer_schema(request: Request) -> dict[str, Json] | None:
    match request.response_format:
        case SchemaFormat(json_schema=named) if not isinstance(named.schema, UnsetType):
            return named.schema
        case ObjectFormat():
            return {}
        case _:
            return None


def _usage(answers: list[Answer], prompt_tokens: int) -> dict[str, Json]:
    completion = sum(given.output_tokens for given in answers)
    hit = prompt_tokens >= 1024 and answers[0].luck % 2 == 0
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": prompt_tokens // 2 // 128 * 128 if hit else 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(given.reasoning_tokens for given in answers),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _finish_reason(given: Answer) -> str:
    return "stop" if given.end == "stop_sequence" else given.end


def _tool_call(call: Call, choice: int, index: int, made: ToolCall, text: str) -> dict[str, Json]:
    id_ = f"call_{call.nonce[:20]}{choice:02x}{index:02x}"
    if made.tool.free:
        return {"id": id_, "type": "custom", "custom": {"name": made.tool.name, "input": text}}
    return {"id": id_, "type": "function", "function": {"name": made.tool.name, "arguments": text}}


def _frame(call: Call, request: Request, kind: str) -> dict[str, Json]:
    return {
        "id": f"chatcmpl-{call.nonce}",
        "object": kind,
        "created": call.at,
        "model": _DATED.get(request.model, request.model),
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def _whole(call: Call, request: Request, answers: list[Answer], prompt_tokens: int) -> dict[str, Json]:
    choices = [_choice(call, index, given) for index, given in enumerate(answers)]
    frame = _frame(call, request, "chat.completion")
    return {**frame, "choices": choices, "usage": _usage(answers, prompt_tokens)}


def _choice(call: Call, index: int, given: Answer) -> dict[str, Json]:
    message: dict[str, Json] = {
        "role": "assistant",
        "content": None if given.calls else given.text,
        "refusal": None,
        "annotations": [],
    }
    if given.calls:
        message["tool_calls"] = [
            _tool_call(call, index, place, made, made.text) for place, made in enumerate(given.calls)
        ]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish_reason(given)}


def _stream(call: Call, request: Request, answers: list[Answer], prompt_tokens: int) -> Iterator[bytes]:
    options = request.stream_options
    with_usage = options is not None and options.include_usage is True
    obfuscated = options is None or options.include_obfuscation is not False
    frame = _frame(call, request, "chat.completion.chunk")
    usage: dict[str, Json] = {"usage": None} if with_usage else {}
    for index, given in enumerate(answers):
        for place, (delta, reason) in enumerate(_deltas(call, index, given)):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
            padding = {"obfuscation": call.nonce[place % 16 :]} if obfuscated else {}
            yield _event({**frame, "choices": [choice], **usage, **padding})
    if with_usage:
        yield _event({**frame, "choices": [], "usage": _usage(answers, prompt_tokens)})
    yield b"data: [DONE]\n\n"


def _deltas(call: Call, choice: int, given: Answer) -> Iterator[tuple[dict[str, Json], str | None]]:
    """Each delta of one choice with its finish_reason."""
    if not given.calls:
        yield {"role": "assistant", "content": "", "refusal": None}, None
        for piece in few_words(given.text):
            yield {"content": piece}, None
    else:
        yield {"role": "assistant", "content": None}, None
    for index, made in enumerate(given.calls):
        yield {"tool_calls": [{"index": index, **_tool_call(call, choice, index, made, "")}]}, None
        kind, field = ("custom", "input") if made.tool.free else ("function", "arguments")
        for piece in cut(made.text, 12):
            yield {"tool_calls": [{"index": index, kind: {field: piece}}]}, None
    yield {}, _finish_reason(given)


def _event(value: Json) -> bytes:
    return b"data: " + encode(value) + b"\n\n"
