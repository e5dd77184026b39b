"""Gemini's generateContent as the provider: checks a request and answers it, whole or streamed. Pure.

Written from the provider's documents of 2026-11, not from our own coder.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from router.simulated.answers import Answer, Question, Tool, answer
from router.simulated.gemini_checks import abilities, calling, check, declarations, held, signature, text_of
from router.simulated.gemini_shapes import invalid, read_message
from router.simulated.wire import Call, Refused, Reply, bearer, encode, few_words, tokens

Json = Any

_CONTEXT_TOKENS = 1_048_576
_CACHE_MINIMUM = 4096
_REASONING = {"MINIMAL": 16, "LOW": 64, "MEDIUM": 128, "HIGH": 256, "XHIGH": 512}
_THOUGHTS = "Simulated thoughts: read the request, then answer it."
_PATH = re.compile(r"/models/(?P<model>[^/:]+):(?P<verb>generateContent|streamGenerateContent)$")
_READ_SIZE = 700  # bytes of a stream in one piece: an event comes in several reads, as it does over the network


def reply(call: Call) -> Reply:
    """The answer to one POST of .../models/{model}:generateContent or :streamGenerateContent."""
    path = _PATH.search(call.path)
    try:
        if path is None:
            raise Refused("Requested entity was not found.", status=404, kind="NOT_FOUND")
        model = path["model"]
        request = read_message("Request", _decoded(call.body))
        check(request, model)
        prompt_tokens = _prompt_tokens(request)
    except Refused as refusal:
        return error_reply(call, refusal)
    except RecursionError:
        return error_reply(call, invalid("Invalid JSON payload received. Nested too deep."))
    question = _question(request, model)
    given = answer(question)
    answers = _chunks(call, request, model, given, prompt_tokens)
    if path["verb"] == "generateContent":
        return _json_reply(200, encode(_joined(list(answers))))
    if _sse(call):
        events = [b"data: " + encode(chunk) + b"\r\n\r\n" for chunk in answers]
        pieces = [piece for event in events for piece in _pieces(event)]
        return Reply(200, (("content-type", "text/event-stream"),), tuple(pieces))
    return _json_reply(200, b"[" + b",\r\n".join(encode(chunk) for chunk in answers) + b"]")


def error_reply(call: Call, refusal: Refused) -> Reply:
    error: dict[str, Json] = {"code": refusal.status, "message": refusal.message, "status": refusal.kind}
    if refusal.param:
        violation = {"field": refusal.param, "description": refusal.message}
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    body = encode({"error": error})
    in_list = call.path.endswith(":streamGenerateContent") and not _sse(call)
    return _json_reply(refusal.status, b"[" + body + b"]" if in_list else body)


def missing_key(call: Call) -> Refused | None:
    key = call.headers.get("x-goog-api-key") or parse_qs(call.query).get("key") or bearer(call.headers)
    if key:
        return None
    message = "Request is missing required authentication credential. Expected an API key in x-goog-api-key."
    return Refused(message, status=401, kind="UNAUTHENTICATED")


def _json_reply(status: int, body: bytes) -> Reply:
    return Reply(status, (("content-type", "application/json; charset=UTF-8"),), (body,))


def _sse(call: Call) -> bool:
    return parse_qs(call.query).get("alt") == ["sse"]


def _pieces(event: bytes) -> list[bytes]:
    return [event[start : start + _READ_SIZE] for start in range(0, len(event), _READ_SIZE)]


def _decoded(body: bytes) -> Json:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"Invalid JSON payload received. {error}") from None


def _prompt_tokens(request: Mapping[str, Json]) -> int:
    blobs = [blob for content in request["contents"] for blob in held(content, "inlineData")]
    said = sum(len(encode(request[name])) for name in ("systemInstruction", "tools", "contents") if name in request)
    count = tokens(said - sum(len(blob.get("data", b"")) * 4 // 3 for blob in blobs))
    if count > _CONTEXT_TOKENS:
        raise invalid(
            f"The input token count ({count}) exceeds the maximum number of tokens allowed ({_CONTEXT_TOKENS})."
        )
    return count


def _question(request: Mapping[str, Json], model: str) -> Question:
    contents, config = request["contents"], request.get("generationConfig", {})
    texts = [text_of(content) for content in contents if content.get("role", "user") == "user"]
    responses = held(contents[-1], "functionResponse")
    mode, allowed = calling(request).get("mode", "AUTO"), calling(request).get("allowedFunctionNames")
    declared = [one for one in declarations(request) if mode != "NONE" and (not allowed or one["name"] in allowed)]
    return Question(
        model=model,
        text=next((text for text in reversed(texts) if text), ""),
        tool_result=encode(responses[-1].get("response")).decode() if responses and not texts[-1] else None,
        tools=tuple(Tool(one["name"], one.get("parametersJsonSchema") or one.get("parameters")) for one in declared),
        forced=mode == "ANY",
        schema=_answer_schema(config),
        max_tokens=config.get("maxOutputTokens"),
        stop=tuple(config.get("stopSequences", [])),
        reasoning_tokens=_reasoning_tokens(config.get("thinkingConfig", {}), model),
    )


def _answer_schema(config: Mapping[str, Json]) -> dict[str, Json] | None:
    if config.get("responseMimeType") != "application/json":
        return None
    return config.get("responseJsonSchema") or config.get("responseSchema") or {}


def _reasoning_tokens(config: Mapping[str, Json], model: str) -> int:
    budget = config.get("thinkingBudget")
    if budget is not None and budget >= 0:
        return int(min(budget, 256))
    return _REASONING[config.get("thinkingLevel", "HIGH" if abilities(model).signs else "MEDIUM")]


def _chunks(
    call: Call, request: Mapping[str, Json], model: str, given: Answer, prompt_tokens: int
) -> Iterator[dict[str, Json]]:
    """The answer as a stream says it; each chunk holds the usage so far, the last one a finishReason."""
    parts = list(_parts(call, request, model, given))
    spoken = given.output_tokens - given.reasoning_tokens
    for index, part in enumerate(parts, 1):
        candidate: dict[str, Json] = {"index": 0}
        if part is not None:
            candidate = {"content": {"parts": [part], "role": "model"}, "index": 0}
        if index == len(parts):
            candidate["finishReason"] = "MAX_TOKENS" if given.end == "length" else "STOP"
        yield {
            "candidates": [candidate],
            "usageMetadata": _usage(given, prompt_tokens, spoken * index // len(parts)),
            "modelVersion": model,
            "responseId": call.nonce[:22],
        }


def _parts(call: Call, request: Mapping[str, Json], model: str, given: Answer) -> Iterator[dict[str, Json] | None]:
    """One part for each chunk; None is a chunk without content, as after tool calls."""
    thinking = request.get("generationConfig", {}).get("thinkingConfig", {})
    if thinking.get("includeThoughts") and given.reasoning_tokens:
        yield {"text": _THOUGHTS, "thought": True}
    signs = abilities(model).signs
    seal = {"thoughtSignature": signature(model, call.nonce)} if signs else {}
    for index, made in enumerate(given.calls):
        id_ = {"id": f"{call.nonce[:6]}{index:02x}"} if signs else {}
        yield {"functionCall": {"name": made.tool.name, "args": made.arguments, **id_}, **(seal if index == 0 else {})}
    if given.calls:
        yield None
        return
    for piece in few_words(given.text, 6):
        yield {"text": piece}
    if seal:
        yield {"text": "", **seal}


def _usage(given: Answer, prompt_tokens: int, spoken: int) -> dict[str, Json]:
    usage = {
        "promptTokenCount": prompt_tokens,
        "candidatesTokenCount": spoken,
        "totalTokenCount": prompt_tokens + spoken + given.reasoning_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt_tokens}],
    }
    if given.reasoning_tokens:
        usage["thoughtsTokenCount"] = given.reasoning_tokens
    if prompt_tokens >= _CACHE_MINIMUM and given.luck % 2 == 0:
        usage["cachedContentTokenCount"] = prompt_tokens // 2
    return usage


def _joined(chunks: list[dict[str, Json]]) -> dict[str, Json]:
    """The whole answer: neighbouring texts of the stream are one part, which carries the signature."""
    parts: list[dict[str, Json]] = []
    for chunk in chunks:
        for part in chunk["candidates"][0].get("content", {}).get("parts", []):
            if parts and "text" in part and "text" in parts[-1] and not parts[-1].get("thought"):
                parts[-1] = {**parts[-1], **part, "text": parts[-1]["text"] + part["text"]}
            else:
                parts.append(part)
    last = chunks[-1]
    return {**last, "candidates": [{**last["candidates"][0], "content": {"parts": parts, "role": "model"}}]}
