"""OpenAI's chat completions as the provider: checks a request and answers it, whole or streamed. Pure.

Written from the provider's documents of 2026-11, not from our own coder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from msgspec import UnsetType

from router.simulated.answers import Answer, Question, Tool, ToolCall, answer, provoked, told_schema
from router.simulated.log_probabilities import openai_tokens
from router.simulated.openai_checks import check, chosen_names, text_of
from router.simulated.openai_models import REASONING_TOKENS, abilities, dated
from router.simulated.openai_shapes import (
    AllowedChoice,
    AudioPart,
    CustomTool,
    Developer,
    FilePart,
    Function,
    FunctionMessage,
    FunctionTool,
    ImagePart,
    Message,
    Named,
    ObjectFormat,
    Request,
    SchemaFormat,
    System,
    ToolMessage,
    User,
)
from router.simulated.openai_wire import error_reply, headers, json_reply, read_body, refused, served_tier, shape
from router.simulated.wire import STREAM_TYPE, Call, Misshapen, Refused, Reply, cut, encode, few_words, tokens

Json = Any


def reply(call: Call) -> Reply:
    """The answer to one POST of /v1/chat/completions."""
    try:
        request = _read(call)
        check(request)
        prompt_tokens = _prompt_tokens(request)
    except Refused as refusal:
        return error_reply(call, refusal)
    question = _question(request)
    answers = [answer(replace(question, draw=draw)) for draw in range(request.n or 1)]
    if request.stream:
        return Reply(200, (STREAM_TYPE, *headers(call)), tuple(_stream(call, request, answers, prompt_tokens)))
    return json_reply(call, _whole(call, request, answers, prompt_tokens))


def _read(call: Call) -> Request:
    try:
        return read_body(call, Request)
    except Misshapen as fault:
        if fault.problem == "unknown" and not fault.path:
            raise refused(f"Unrecognized request argument supplied: {fault.found}", None) from None
        if fault.problem == "missing" and fault.field == "model":
            raise refused("you must provide a model parameter", None) from None
        raise shape(fault) from None


def _prompt_tokens(request: Request) -> int:
    said = len(encode(request.messages)) + len(encode(request.tools) if request.tools else b"")
    most = abilities(request.model).context_tokens
    count = tokens(said - sum(_attached(message) for message in request.messages))
    if count > most:
        message = (
            f"This model's maximum context length is {most} tokens. However, your messages resulted in "
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
    text = text_of(users[-1]) if users else ""
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    told = told_schema("\n".join(text_of(one) for one in request.messages if isinstance(one, System | Developer)))
    schema = _answer_schema(request)
    return Question(
        model=request.model,
        text=text,
        tool_result=text_of(last) if isinstance(last, ToolMessage | FunctionMessage) else None,
        tools=_callable_tools(request),
        forced=_forced(request.tool_choice) or isinstance(request.function_call, Named),
        parallel=request.parallel_tool_calls is not False and isinstance(request.functions, UnsetType),
        schema=told if schema is None else schema,
        told=schema is None,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        stop=tuple(stop),
        reasoning_tokens=_reasoning_tokens(request, text),
    )


def _reasoning_tokens(request: Request, text: str) -> int:
    """Reasoning is never visible here: it only counts."""
    able = abilities(request.model)
    least = REASONING_TOKENS["low"] if able.reasons and provoked(text, "think") else 0
    return max(least, REASONING_TOKENS[request.reasoning_effort or able.default_effort])


def _forced(choice: object) -> bool:
    if isinstance(choice, AllowedChoice):
        return choice.allowed_tools.mode == "required"
    return not isinstance(choice, UnsetType) and choice not in ("auto", "none")


def _callable_tools(request: Request) -> tuple[Tool, ...]:
    if not isinstance(request.functions, UnsetType):
        return _callable_functions(request.functions, request.function_call)
    if isinstance(request.tools, UnsetType) or request.tool_choice == "none":
        return ()
    tools = [_tool(tool) for tool in request.tools]
    chosen = chosen_names(request.tool_choice)
    return tuple(tool for tool in tools if not chosen or tool.name in chosen)


def _callable_functions(functions: list[Function], choice: object) -> tuple[Tool, ...]:
    if choice == "none":
        return ()
    chosen = choice.name if isinstance(choice, Named) else None
    return tuple(_function(one) for one in functions if chosen in (None, one.name))


def _tool(tool: FunctionTool | CustomTool) -> Tool:
    return Tool(tool.custom.name, free=True) if isinstance(tool, CustomTool) else _function(tool.function)


def _function(function: Function) -> Tool:
    schema = function.parameters
    return Tool(function.name, None if isinstance(schema, UnsetType) else schema)


def _answer_schema(request: Request) -> dict[str, Json] | None:
    match request.response_format:
        case SchemaFormat(json_schema=named) if not isinstance(named.schema, UnsetType):
            return named.schema
        case ObjectFormat():
            return {}
        case _:
            return None


def _usage(request: Request, answers: list[Answer], prompt_tokens: int) -> dict[str, Json]:
    completion = sum(given.output_tokens for given in answers)
    kept = prompt_tokens // 2 // 128 * 128 if prompt_tokens >= 1024 else 0
    hit = answers[0].luck % 2 == 0
    written = {"cache_write_tokens": 0 if hit else kept} if abilities(request.model).writes_cache else {}
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": kept if hit else 0, **written, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(given.reasoning_tokens for given in answers),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _finish_reason(request: Request, given: Answer) -> str:
    if given.end == "tool_calls" and not isinstance(request.functions, UnsetType):
        return "function_call"
    return {"stop_sequence": "stop", "refusal": "stop"}.get(given.end, given.end)


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
        "model": dated(request.model),
        "service_tier": served_tier(request.service_tier),
        "system_fingerprint": "fp_simulated",
    }


def _whole(call: Call, request: Request, answers: list[Answer], prompt_tokens: int) -> dict[str, Json]:
    choices = [_choice(call, request, index, given) for index, given in enumerate(answers)]
    frame = _frame(call, request, "chat.completion")
    return {**frame, "choices": choices, "usage": _usage(request, answers, prompt_tokens)}


def _choice(call: Call, request: Request, index: int, given: Answer) -> dict[str, Json]:
    refusing = given.end == "refusal"
    message: dict[str, Json] = {
        "role": "assistant",
        "content": None if given.calls or refusing else given.text,
        "refusal": given.text if refusing else None,
        "annotations": [],
    }
    calls = [_tool_call(call, index, place, made, made.text) for place, made in enumerate(given.calls)]
    if calls and not isinstance(request.functions, UnsetType):
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(request, few_words(given.text), refusing),
        "finish_reason": _finish_reason(request, given),
    }


def _logprobs(request: Request, pieces: list[str], refusing: bool) -> dict[str, Json] | None:
    """Of the text in these pieces, which is that of a refusal or of the content."""
    if not request.logprobs:
        return None
    said = [token for piece in pieces for token in openai_tokens(piece, request.top_logprobs or 0)]
    return {"content": None, "refusal": said} if refusing else {"content": said, "refusal": None}


def _stream(call: Call, request: Request, answers: list[Answer], prompt_tokens: int) -> Iterator[bytes]:
    options = request.stream_options
    with_usage = options is not None and options.include_usage is True
    obfuscated = options is None or options.include_obfuscation is not False
    frame = _frame(call, request, "chat.completion.chunk")
    usage: dict[str, Json] = {"usage": None} if with_usage else {}
    choices = [_choice_deltas(call, request, index, given) for index, given in enumerate(answers)]
    for place, turn in enumerate(zip_longest(*choices)):
        padding = {"obfuscation": call.nonce[place % 16 :]} if obfuscated else {}
        for choice in filter(None, turn):
            yield _event({**frame, "choices": [choice], **usage, **padding})
    if with_usage:
        yield _event({**frame, "choices": [], "usage": _usage(request, answers, prompt_tokens)})
    yield b"data: [DONE]\n\n"


def _choice_deltas(call: Call, request: Request, index: int, given: Answer) -> Iterator[dict[str, Json]]:
    for delta, logprobs, reason in _deltas(call, request, index, given):
        yield {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


Delta = tuple[dict[str, Json], dict[str, Json] | None, str | None]


def _deltas(call: Call, request: Request, choice: int, given: Answer) -> Iterator[Delta]:
    """Each delta of one choice with its logprobs and its finish_reason."""
    if given.calls and not isinstance(request.functions, UnsetType):
        yield from _function_call_deltas(given.calls[0])
    elif given.calls:
        yield {"role": "assistant", "content": None}, None, None
        for index, made in enumerate(given.calls):
            yield from _tool_call_deltas(call, choice, index, made)
    else:
        refusing = given.end == "refusal"
        yield {"role": "assistant", "content": "", "refusal": None}, None, None
        for piece in few_words(given.text):
            delta = {"refusal": piece} if refusing else {"content": piece}
            yield delta, _logprobs(request, [piece], refusing), None
    yield {}, None, _finish_reason(request, given)


def _function_call_deltas(made: ToolCall) -> Iterator[Delta]:
    opening = {"name": made.tool.name, "arguments": ""}
    yield {"role": "assistant", "content": None, "function_call": opening}, None, None
    for piece in cut(made.text, 12):
        yield {"function_call": {"arguments": piece}}, None, None


def _tool_call_deltas(call: Call, choice: int, index: int, made: ToolCall) -> Iterator[Delta]:
    yield {"tool_calls": [{"index": index, **_tool_call(call, choice, index, made, "")}]}, None, None
    kind, field = ("custom", "input") if made.tool.free else ("function", "arguments")
    for piece in cut(made.text, 12):
        yield {"tool_calls": [{"index": index, kind: {field: piece}}]}, None, None


def _event(value: Mapping[str, Json]) -> bytes:
    return b"data: " + encode(value) + b"\n\n"
