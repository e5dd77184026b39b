"""OpenAI's Responses API as the provider: checks a request and answers it, whole or as typed events.

Written from the provider's documents of 2026-11 and the types of its SDK, not from our own coder.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UnsetType

from router.simulated.answers import THOUGHTS, Answer, Question, Tool, ToolCall, answer, provoked, told_schema
from router.simulated.log_probabilities import openai_tokens
from router.simulated.memory import Kept, Memory
from router.simulated.openai_models import REASONING_TOKENS, abilities, dated
from router.simulated.openai_responses_checks import check, chosen_names, effort, tools
from router.simulated.openai_responses_items import Conversation, attached, encrypted_reasoning, text_of
from router.simulated.openai_responses_shapes import (
    CustomTool,
    CustomToolCallOutput,
    FunctionCallOutput,
    FunctionTool,
    InputMessage,
    Request,
    SchemaFormat,
    TextConfig,
)
from router.simulated.openai_shapes import ObjectFormat
from router.simulated.openai_wire import error_reply, headers, json_reply, read_body, refused, served_tier, shape
from router.simulated.wire import STREAM_TYPE, Call, Misshapen, Refused, Reply, cut, encode, few_words, tokens

Json = Any
Document = dict[str, Json]

PATH = re.compile(r"/responses(?:/(?P<id>resp_[^/]+))?$")


def reply(call: Call, memory: Memory) -> Reply:
    """The answer to a POST of /v1/responses, or to a GET or DELETE of a stored response."""
    path = PATH.search(call.path)
    id_ = path["id"] if path else None
    try:
        if id_ is not None:
            return _stored(call, id_, memory)
        request = _read(call)
        conversation = check(request, memory)
        input_tokens = _input_tokens(request, conversation)
    except Refused as refusal:
        return error_reply(call, refusal)
    given = answer(_question(request, conversation))
    response = _response(call, request, given, input_tokens)
    if request.store is not False:
        memory.keep(Kept(response, (*conversation.documents, *response["output"])))
    if request.stream:
        return Reply(200, (STREAM_TYPE, *headers(call)), tuple(_stream(call, request, response)))
    return json_reply(call, response)


def _stored(call: Call, id_: str, memory: Memory) -> Reply:
    kept = memory.find(id_)
    if kept is None:
        raise Refused(f"Response with id '{id_}' not found.", status=404, kind="invalid_request_error")
    match call.method:
        case "GET":
            return json_reply(call, kept.document)
        case "DELETE":
            memory.forget(id_)
            return json_reply(call, {"id": id_, "object": "response", "deleted": True})
        case _:
            raise Refused(
                f"Invalid method for URL ({call.method} {call.path})", status=405, kind="invalid_request_error"
            )


def _read(call: Call) -> Request:
    try:
        return read_body(call, Request)
    except Misshapen as fault:
        raise shape(fault) from None


def _input_tokens(request: Request, conversation: Conversation) -> int:
    given = [] if isinstance(request.tools, UnsetType) else request.tools
    said = len(encode(conversation.documents)) + len(encode(given)) + len((request.instructions or "").encode())
    count = tokens(said - sum(attached(item) for item in conversation.items))
    if count > abilities(request.model).context_tokens and request.truncation != "auto":
        message = "Your input exceeds the context window of this model. Please adjust your input and try again."
        raise refused(message, "input", "context_length_exceeded")
    return count


def _question(request: Request, conversation: Conversation) -> Question:
    messages = [item for item in conversation.items if isinstance(item, InputMessage)]
    text = next((text_of(item) for item in reversed(messages) if item.role == "user"), "")
    instructions = [request.instructions or "", *(text_of(item) for item in messages if item.role != "user")]
    last = conversation.items[-1] if conversation.items else None
    schema = _answer_schema(request)
    choice = request.tool_choice
    mode = choice.get("mode") if isinstance(choice, dict) else None
    return Question(
        model=request.model,
        text=text,
        tool_result=text_of(last) if isinstance(last, FunctionCallOutput | CustomToolCallOutput) else None,
        tools=_callable_tools(request),
        forced=choice == "required" or (isinstance(choice, dict) and mode != "auto"),
        parallel=request.parallel_tool_calls is not False,
        schema=told_schema("\n".join(instructions)) if schema is None else schema,
        told=schema is None,
        max_tokens=request.max_output_tokens,
        reasoning_tokens=_reasoning_tokens(request, text),
    )


def _reasoning_tokens(request: Request, text: str) -> int:
    least = REASONING_TOKENS["low"] if abilities(request.model).reasons and provoked(text, "think") else 0
    return max(least, REASONING_TOKENS[effort(request)])


def _callable_tools(request: Request) -> tuple[Tool, ...]:
    chosen = chosen_names(request)
    if request.tool_choice == "none" or (isinstance(request.tool_choice, dict) and not chosen):
        return ()
    return tuple(_tool(tool) for tool in tools(request) if not chosen or tool.name in chosen)


def _tool(tool: FunctionTool | CustomTool) -> Tool:
    return Tool(tool.name, free=True) if isinstance(tool, CustomTool) else Tool(tool.name, tool.parameters)


def _answer_schema(request: Request) -> dict[str, Json] | None:
    match request.text:
        case TextConfig(format=SchemaFormat(schema=schema)):
            return schema
        case TextConfig(format=ObjectFormat()):
            return {}
        case _:
            return None


# --- the response


def _response(call: Call, request: Request, given: Answer, input_tokens: int) -> Document:
    cut_short = given.end == "length"
    return {
        "id": f"resp_{call.nonce}",
        "object": "response",
        "created_at": call.at,
        "status": "incomplete" if cut_short else "completed",
        "background": False,
        "completed_at": None if cut_short else call.at,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut_short else None,
        **_echoes(request),
        "output": _output(call, request, given),
        "usage": _usage(request, given, input_tokens),
    }


def _echoes(request: Request) -> Document:
    """What a response repeats of its request, defaults filled in."""
    config = request.reasoning
    summary = (config.summary or config.generate_summary) if config is not None else None
    reasons = abilities(request.model).reasons
    text = request.text if isinstance(request.text, TextConfig) else TextConfig()
    form = {"type": "text"} if isinstance(text.format, UnsetType) else msgspec.to_builtins(text.format)
    return {
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata or {},
        "model": dated(request.model),
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": effort(request) if reasons else None, "summary": summary},
        "safety_identifier": request.safety_identifier,
        "service_tier": served_tier(request.service_tier),
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": {"format": form, "verbosity": text.verbosity or "medium"},
        "tool_choice": "auto" if isinstance(request.tool_choice, UnsetType) else request.tool_choice,
        "tools": [] if isinstance(request.tools, UnsetType) else [_echoed(tool) for tool in request.tools],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "user": None if isinstance(request.user, UnsetType) else request.user,
    }


def _echoed(tool: Document) -> Document:
    return {"strict": True, "description": None, **tool} if tool["type"] == "function" else tool


def _usage(request: Request, given: Answer, input_tokens: int) -> Document:
    kept = input_tokens // 2 // 128 * 128 if input_tokens >= 1024 else 0
    hit = given.luck % 2 == 0
    writes = abilities(request.model).writes_cache and not hit
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": kept if hit else 0, "cache_write_tokens": kept if writes else 0},
        "output_tokens": given.output_tokens,
        "output_tokens_details": {"reasoning_tokens": given.reasoning_tokens},
        "total_tokens": input_tokens + given.output_tokens,
    }


def _output(call: Call, request: Request, given: Answer) -> list[Document]:
    items: list[Document] = []
    if given.reasoning_tokens:
        items.append(_reasoning(call, request, given))
    if given.calls:
        return items + [_tool_call(call, place, made) for place, made in enumerate(given.calls, len(items))]
    return [*items, _message(call, len(items), request, given)]


def _reasoning(call: Call, request: Request, given: Answer) -> Document:
    id_, config = f"rs_{call.nonce}00", request.reasoning
    asked = config is not None and (config.summary or config.generate_summary)
    thoughts = [{"type": "summary_text", "text": THOUGHTS}] if asked or given.thinks_aloud else []
    item: Document = {"id": id_, "type": "reasoning", "summary": thoughts}
    if "reasoning.encrypted_content" in (request.include or ()):
        item["encrypted_content"] = encrypted_reasoning(id_)
    return item


def _message(call: Call, place: int, request: Request, given: Answer) -> Document:
    part: Document = {"type": "refusal", "refusal": given.text}
    if given.end != "refusal":
        logprobs = _logprobs(request, few_words(given.text))
        part = {"type": "output_text", "annotations": [], "logprobs": logprobs, "text": given.text}
    return {
        "id": f"msg_{call.nonce}{place:02x}",
        "type": "message",
        "status": "incomplete" if given.end == "length" else "completed",
        "content": [part],
        "role": "assistant",
    }


def _logprobs(request: Request, pieces: list[str]) -> list[Document]:
    if "message.output_text.logprobs" not in (request.include or ()):
        return []
    return [token for piece in pieces for token in openai_tokens(piece, request.top_logprobs or 0)]


def _tool_call(call: Call, place: int, made: ToolCall) -> Document:
    ids = {"call_id": f"call_{call.nonce[:22]}{place:02x}", "name": made.tool.name}
    if made.tool.free:
        id_ = f"ctc_{call.nonce}{place:02x}"
        return {"id": id_, "type": "custom_tool_call", "status": "completed", "input": made.text, **ids}
    id_ = f"fc_{call.nonce}{place:02x}"
    return {"id": id_, "type": "function_call", "status": "completed", "arguments": made.text, **ids}


# --- its stream


Event = tuple[str, Document]


def _stream(call: Call, request: Request, response: Document) -> Iterator[bytes]:
    options = request.stream_options
    obfuscated = options is None or options.include_obfuscation is not False
    for number, (kind, fields) in enumerate(_events(request, response)):
        padding = {"obfuscation": call.nonce[number % 16 :]} if obfuscated and kind.endswith(".delta") else {}
        event = {"type": kind, "sequence_number": number, **fields, **padding}
        yield b"event: " + kind.encode() + b"\ndata: " + encode(event) + b"\n\n"


def _events(request: Request, response: Document) -> Iterator[Event]:
    begun: Document = {
        "status": "in_progress",
        "completed_at": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }
    yield "response.created", {"response": {**response, **begun}}
    yield "response.in_progress", {"response": {**response, **begun}}
    for index, item in enumerate(response["output"]):
        yield "response.output_item.added", {"output_index": index, "item": {**item, **_BEGUN[item["type"]]}}
        yield from _item_events(request, item, {"item_id": item["id"], "output_index": index})
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield f"response.{response['status']}", {"response": response}


_BEGUN: dict[str, Document] = {
    "reasoning": {"summary": []},
    "message": {"status": "in_progress", "content": []},
    "function_call": {"status": "in_progress", "arguments": ""},
    "custom_tool_call": {"status": "in_progress", "input": ""},
}


def _item_events(request: Request, item: Document, place: Document) -> Iterator[Event]:
    match item["type"]:
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                yield from _summary_events(part, {**place, "summary_index": index})
        case "message":
            part = item["content"][0]
            begun = {**part, "refusal": ""} if part["type"] == "refusal" else {**part, "text": "", "logprobs": []}
            here = {**place, "content_index": 0}
            yield "response.content_part.added", {**here, "part": begun}
            yield from _part_events(request, part, here)
            yield "response.content_part.done", {**here, "part": part}
        case "function_call":
            yield from _text_events("response.function_call_arguments", "arguments", cut(item["arguments"], 12), place)
        case "custom_tool_call":
            yield from _text_events("response.custom_tool_call_input", "input", cut(item["input"], 12), place)


def _summary_events(part: Document, place: Document) -> Iterator[Event]:
    yield "response.reasoning_summary_part.added", {**place, "part": {**part, "text": ""}}
    yield from _text_events("response.reasoning_summary_text", "text", few_words(part["text"]), place)
    yield "response.reasoning_summary_part.done", {**place, "part": part}


def _part_events(request: Request, part: Document, place: Document) -> Iterator[Event]:
    if part["type"] == "refusal":
        yield from _text_events("response.refusal", "refusal", few_words(part["refusal"]), place)
        return
    for piece in few_words(part["text"]):
        logprobs = _logprobs(request, [piece])
        yield "response.output_text.delta", {**place, "delta": piece, "logprobs": logprobs}
    yield "response.output_text.done", {**place, "text": part["text"], "logprobs": part["logprobs"]}


def _text_events(kind: str, field: str, pieces: list[str], place: Document) -> Iterator[Event]:
    for piece in pieces:
        yield f"{kind}.delta", {**place, "delta": piece}
    yield f"{kind}.done", {**place, field: "".join(pieces)}
