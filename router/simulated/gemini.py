"""Gemini's generateContent as the provider: checks a request and answers it, whole or streamed. Pure.

Written from the provider's documents of 2026-11, not from our own coder.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from router.simulated.answers import THOUGHTS, Answer, Question, Tool, answer, told_schema
from router.simulated.gemini_checks import abilities, calling, check, declarations, held, signature, text_of
from router.simulated.gemini_shapes import invalid, read_message
from router.simulated.gemini_wire import decoded, error_reply, is_sse, json_reply
from router.simulated.log_probabilities import gemini_result
from router.simulated.wire import Call, Refused, Reply, encode, few_words, tokens

Json = Any

_CONTEXT_TOKENS = 1_048_576
_CACHE_MINIMUM = 4096
_REASONING = {"MINIMAL": 16, "LOW": 64, "MEDIUM": 128, "HIGH": 256, "XHIGH": 512}
_FINISH_REASONS = {"length": "MAX_TOKENS", "refusal": "SAFETY"}
_SAFETY_RATINGS = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}]
_PATH = re.compile(r"/models/(?P<model>[^/:]+):(?P<verb>generateContent|streamGenerateContent)$")
_READ_SIZE = 700  # bytes of a stream in one piece: an event comes in several reads, as it does over the network


def reply(call: Call) -> Reply:
    """The answer to one POST of .../models/{model}:generateContent or :streamGenerateContent."""
    path = _PATH.search(call.path)
    try:
        if path is None:
            raise Refused("Requested entity was not found.", status=404, kind="NOT_FOUND")
        model = path["model"]
        request = read_message("Request", decoded(call))
        check(request, model)
        prompt_tokens = _prompt_tokens(request)
    except Refused as refusal:
        return error_reply(call, refusal)
    except RecursionError:
        return error_reply(call, invalid("Invalid JSON payload received. Nested too deep."))
    question = _question(request, model)
    count = request.get("generationConfig", {}).get("candidateCount", 1)
    answers = [answer(replace(question, draw=draw)) for draw in range(count)]
    chunks = _chunks(call, request, model, answers, prompt_tokens)
    if path["verb"] == "generateContent":
        return json_reply(200, encode(_joined(list(chunks))))
    if is_sse(call):
        events = [b"data: " + encode(chunk) + b"\r\n\r\n" for chunk in chunks]
        pieces = [piece for event in events for piece in _pieces(event)]
        return Reply(200, (("content-type", "text/event-stream"),), tuple(pieces))
    return json_reply(200, b"[" + b",\r\n".join(encode(chunk) for chunk in chunks) + b"]")


def _pieces(event: bytes) -> list[bytes]:
    return [event[start : start + _READ_SIZE] for start in range(0, len(event), _READ_SIZE)]


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
    schema = _answer_schema(config)
    mode, allowed = calling(request).get("mode", "AUTO"), calling(request).get("allowedFunctionNames")
    declared = [one for one in declarations(request) if mode != "NONE" and (not allowed or one["name"] in allowed)]
    return Question(
        model=model,
        text=next((text for text in reversed(texts) if text), ""),
        tool_result=encode(responses[-1].get("response")).decode() if responses and not texts[-1] else None,
        tools=tuple(Tool(one["name"], one.get("parametersJsonSchema") or one.get("parameters")) for one in declared),
        forced=mode == "ANY",
        schema=told_schema(_instructions(request)) if schema is None else schema,
        told=schema is None,
        max_tokens=config.get("maxOutputTokens"),
        stop=tuple(config.get("stopSequences", [])),
        reasoning_tokens=_reasoning_tokens(config.get("thinkingConfig", {}), model),
    )


def _instructions(request: Mapping[str, Json]) -> str:
    return text_of(request["systemInstruction"]) if "systemInstruction" in request else ""


def _answer_schema(config: Mapping[str, Json]) -> dict[str, Json] | None:
    if config.get("responseMimeType") != "application/json":
        return None
    return config.get("responseJsonSchema") or config.get("responseSchema") or {}


def _reasoning_tokens(config: Mapping[str, Json], model: str) -> int:
    budget = config.get("thinkingBudget")
    if budget is not None and budget >= 0:
        return int(min(budget, 256))
    return _REASONING[config.get("thinkingLevel", "HIGH" if abilities(model).signs else "MEDIUM")]


Part = dict[str, Json]


def _chunks(
    call: Call, request: Mapping[str, Json], model: str, answers: list[Answer], prompt_tokens: int
) -> Iterator[dict[str, Json]]:
    """The answer as a stream says it: a part of each candidate in each chunk, with the usage so far. The last part of
    a candidate comes with its finishReason."""
    spoken = sum(given.output_tokens - given.reasoning_tokens for given in answers)
    parts = [list(_parts(call, request, model, given, place)) for place, given in enumerate(answers)]
    steps = max(map(len, parts))
    for step in range(steps):
        candidates = [
            _candidate(request, place, given, parts[place], step)
            for place, given in enumerate(answers)
            if step < len(parts[place])
        ]
        yield {
            "candidates": candidates,
            "usageMetadata": _usage(answers, prompt_tokens, spoken * (step + 1) // steps),
            "modelVersion": model,
            "responseId": call.nonce[:22],
        }


def _candidate(
    request: Mapping[str, Json], place: int, given: Answer, parts: list[Part | None], step: int
) -> dict[str, Json]:
    candidate: dict[str, Json] = {"index": place}
    part, config = parts[step], request.get("generationConfig", {})
    if part is not None:
        candidate = {"content": {"parts": [part], "role": "model"}, **candidate}
        if config.get("responseLogprobs") and part.get("text") and not part.get("thought"):
            candidate["logprobsResult"] = gemini_result(part["text"], config.get("logprobs", 0))
    if step + 1 == len(parts):
        candidate["finishReason"] = _FINISH_REASONS.get(given.end, "STOP")
        if given.end == "refusal":
            candidate["safetyRatings"] = _SAFETY_RATINGS
    return candidate


def _parts(call: Call, request: Mapping[str, Json], model: str, given: Answer, place: int) -> Iterator[Part | None]:
    """One part for each chunk; None is a chunk without content, as after tool calls."""
    thinking = request.get("generationConfig", {}).get("thinkingConfig", {})
    if given.reasoning_tokens and given.end != "refusal" and (thinking.get("includeThoughts") or given.thinks_aloud):
        yield {"text": THOUGHTS, "thought": True}
    signs = abilities(model).signs
    seal = {"thoughtSignature": signature(model, call.nonce)} if signs else {}
    for index, made in enumerate(given.calls):
        id_ = {"id": f"{call.nonce[:6]}{place:x}{index:x}"} if signs else {}
        yield {"functionCall": {"name": made.tool.name, "args": made.arguments, **id_}, **(seal if index == 0 else {})}
    if given.calls or given.end == "refusal":
        yield None
        return
    for piece in few_words(given.text, 6):
        yield {"text": piece}
    if seal:
        yield {"text": "", **seal}


def _usage(answers: list[Answer], prompt_tokens: int, spoken: int) -> dict[str, Json]:
    thoughts = sum(given.reasoning_tokens for given in answers)
    usage = {
        "promptTokenCount": prompt_tokens,
        "candidatesTokenCount": spoken,
        "totalTokenCount": prompt_tokens + spoken + thoughts,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt_tokens}],
    }
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    if prompt_tokens >= _CACHE_MINIMUM and answers[0].luck % 2 == 0:
        usage["cachedContentTokenCount"] = prompt_tokens // 2
    return usage


def _joined(chunks: list[dict[str, Json]]) -> dict[str, Json]:
    """The whole answer."""
    said = [candidate for chunk in chunks for candidate in chunk["candidates"]]
    places = sorted({candidate["index"] for candidate in said})
    candidates = [_joined_candidate([one for one in said if one["index"] == place]) for place in places]
    return {**chunks[-1], "candidates": candidates}


def _joined_candidate(pieces: list[dict[str, Json]]) -> dict[str, Json]:
    """Neighbouring texts of the stream are one part, which carries the signature."""
    parts: list[Part] = []
    for piece in pieces:
        for part in piece.get("content", {}).get("parts", []):
            if parts and "text" in part and "text" in parts[-1] and not parts[-1].get("thought"):
                parts[-1] = {**parts[-1], **part, "text": parts[-1]["text"] + part["text"]}
            else:
                parts.append(part)
    content = {"content": {"parts": parts, "role": "model"}} if parts else {}
    return {**pieces[-1], **content, **_joined_logprobs(pieces)}


def _joined_logprobs(pieces: list[dict[str, Json]]) -> dict[str, Json]:
    results = [piece["logprobsResult"] for piece in pieces if "logprobsResult" in piece]
    if not results:
        return {}
    joined = {name: [token for result in results for token in result[name]] for name in results[0]}
    chosen = joined["chosenCandidates"]
    average = sum(token["logProbability"] for token in chosen) / len(chosen)
    return {"logprobsResult": joined, "avgLogprobs": average}
