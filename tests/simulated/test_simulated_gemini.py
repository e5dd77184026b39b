"""Gemini as the simulated provider: what it refuses and says, against values from Google's documents."""

import base64
import json
from typing import Any

import pytest

from router.simulated import Call, answer

PRO = "gemini-3.1-pro-preview"
USER = {"role": "user", "parts": [{"text": "What is a monad?"}]}
WEATHER = {
    "name": "get_weather",
    "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "clock_now"}
TOOLS = [{"functionDeclarations": [WEATHER, CLOCK]}]
SEAL = "skip_thought_signature_validator"
CALL = {"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}, "id": "c1"}}
SEALED = {**CALL, "thoughtSignature": SEAL}
RESPONSE = {"functionResponse": {"name": "get_weather", "response": {"result": "12 degrees"}, "id": "c1"}}


def ask(body: Any, model: str = PRO, verb: str = "generateContent", query: str = "") -> tuple[int, list[bytes]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = f"/v1beta/models/{model}:{verb}"
    reply = answer(Call(path, query, {"content-type": "application/json"}, data, "0123456789abcdef" * 2, 1764000000))
    return reply.status, list(reply.chunks)


def request(*contents: Any, **fields: Any) -> dict[str, Any]:
    return {"contents": list(contents) or [USER], **fields}


def whole(body: dict[str, Any], model: str = PRO) -> dict[str, Any]:
    status, chunks = ask(body, model)
    assert status == 200, chunks
    return json.loads(b"".join(chunks))


def stream(body: dict[str, Any], model: str = PRO) -> list[dict[str, Any]]:
    status, chunks = ask(body, model, "streamGenerateContent", "alt=sse")
    assert status == 200, chunks
    events = b"".join(chunks).decode().split("\r\n\r\n")
    assert events.pop() == ""
    return [json.loads(event.removeprefix("data: ")) for event in events]


def model_says(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def user_says(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def config(**fields: Any) -> dict[str, Any]:
    return request(generationConfig=fields)


def declared(**fields: Any) -> dict[str, Any]:
    return request(tools=[{"functionDeclarations": [{"name": "a", **fields}]}])


REFUSED = {
    "no contents": ({}, "contents is not specified"),
    "unknown field": (request(messages=[]), 'Unknown name "messages": Cannot find field.'),
    "unknown field of a part": (
        request(user_says({"type": "text", "text": "a"})),
        "Unknown name \"type\" at 'contents[0].parts[0]'",
    ),
    "OpenAI's max_tokens": (config(max_tokens=9), "Unknown name \"max_tokens\" at 'generation_config'"),
    "wrong type": (config(temperature="hot"), "Invalid value at 'generation_config.temperature'"),
    "fraction for a whole number": (
        config(maxOutputTokens=1.5),
        "Invalid value at 'generation_config.max_output_tokens'",
    ),
    "no object": (request(systemInstruction="be kind"), "Invalid value at 'system_instruction'"),
    "list for one": (request(user_says({"text": ["a"]})), "Proto field is not repeating, cannot start list."),
    "no base64": (request(user_says({"inlineData": {"mimeType": "image/png", "data": "?"}})), "Base64 decoding failed"),
    "arguments as text": (
        request(USER, model_says({**SEALED, "functionCall": {"name": "a", "args": "{}"}})),
        "Invalid value at 'contents[1].parts[0].function_call.args'",
    ),
    "role": (request({"role": "assistant", "parts": [{"text": "a"}]}), "Please use a valid role: user, model."),
    "no parts": (request(user_says()), "contents.parts must not be empty."),
    "part of nothing": (request(user_says({})), "must have one initialized field"),
    "empty text": (request(user_says({"text": ""})), "must have one initialized field"),
    "part of two": (request(user_says({"text": "a", **CALL})), "oneof field 'data' is already set"),
    "GIF": (
        request(user_says({"inlineData": {"mimeType": "image/gif", "data": "AA=="}})),
        "Unsupported MIME type: image/gif",
    ),
    "empty system instruction": (request(systemInstruction={"parts": []}), "contents.parts must not be empty."),
    "blank system instruction": (request(systemInstruction={"parts": [{"text": ""}]}), "system_instruction.parts[0]"),
    "temperature over 2": (config(temperature=3), "temperature must be in the range [0, 2]."),
    "nine candidates": (config(candidateCount=9), "candidateCount must be in the range [1, 8]."),
    "logprobs over 20": (config(responseLogprobs=True, logprobs=21), "logprobs must be in the range [0, 20]."),
    "too many tokens": (config(maxOutputTokens=65_537), "maxOutputTokens value of 65537"),
    "six stops": (config(stopSequences=list("abcdef")), "at most 5 stop sequences"),
    "logprobs alone": (config(logprobs=2), "logprobs is only allowed"),
    "two answer schemas": (
        config(responseMimeType="application/json", responseSchema={"type": "OBJECT"}, responseJsonSchema={}),
        "Only one of response_schema and response_json_schema",
    ),
    "answer schema without JSON": (
        config(responseJsonSchema={"type": "object"}),
        "response_mime_type application/json",
    ),
    "minimal level": (config(thinkingConfig={"thinkingLevel": "minimal"}), "Thinking level MINIMAL is not supported"),
    "xhigh level": (config(thinkingConfig={"thinkingLevel": "XHIGH"}), "Thinking level XHIGH is not supported"),
    "unknown level": (config(thinkingConfig={"thinkingLevel": "none"}), "thinking_config.thinking_level"),
    "no thinking": (config(thinkingConfig={"thinkingBudget": 0}), "This model only works in thinking mode."),
    "budget and level": (
        config(thinkingConfig={"thinkingBudget": 9, "thinkingLevel": "low"}),
        "only one of thinking budget and thinking level",
    ),
    "function's name": (declared(name="1a"), "Invalid function name."),
    "function declared twice": (
        request(tools=[*TOOLS, {"functionDeclarations": [CLOCK]}]),
        "Duplicate function declaration found: clock_now",
    ),
    "both kinds of parameters": (
        declared(parameters={"type": "OBJECT"}, parametersJsonSchema={"type": "object"}),
        "Only one of parameters and",
    ),
    "parameters of another type": (declared(parametersJsonSchema={"type": "string"}), "should be of type OBJECT"),
    "const in Google's schema": (
        declared(parameters={"type": "OBJECT", "properties": {"b": {"const": 1}}}),
        'Unknown name "const"',
    ),
    "$ref in Google's schema": (declared(parameters={"type": "OBJECT", "$ref": "#"}), 'Unknown name "$ref"'),
    "type list in Google's schema": (
        declared(parameters={"type": "OBJECT", "properties": {"b": {"type": ["string", "null"]}}}),
        "Proto field is not repeating, cannot start list.",
    ),
    "malformed schema": (
        declared(parametersJsonSchema={"type": "object", "required": 1}),
        "invalid JSON Schema: required",
    ),
    "required but not there": (declared(parameters={"type": "OBJECT", "required": ["b"]}), "property is not defined"),
    "array of what": (
        declared(parameters={"type": "OBJECT", "properties": {"b": {"type": "ARRAY"}}}),
        "properties[b].items: missing field.",
    ),
    "something beside $ref": (
        declared(
            parametersJsonSchema={"type": "object", "properties": {"b": {"$ref": "#/$defs/c", "description": "d"}}}
        ),
        "$ref can't have other fields beside it: description",
    ),
    "calling without functions": (
        request(toolConfig={"functionCallingConfig": {"mode": "AUTO"}}),
        "without function_declarations",
    ),
    "names without ANY": (
        request(tools=TOOLS, toolConfig={"functionCallingConfig": {"allowedFunctionNames": ["clock_now"]}}),
        "allowed_function_names should be set only when mode is ANY",
    ),
    "name of no function": (
        request(tools=TOOLS, toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["b"]}}),
        "a function that is not declared: b",
    ),
    "no signature": (
        request(USER, model_says(CALL), user_says(RESPONSE)),
        "Function call is missing a thought_signature in functionCall parts.",
    ),
    "no signature on the second step": (
        request(USER, model_says(SEALED), user_says(RESPONSE), model_says(CALL), user_says(RESPONSE)),
        "function call `default_api:get_weather` , position 4.",
    ),
    "foreign signature": (
        request(USER, model_says({**CALL, "thoughtSignature": "AAAA"}), user_says(RESPONSE)),
        "Corrupted thought signature.",
    ),
    "response missing": (
        request(USER, model_says(SEALED), user_says({"text": "well?"})),
        "number of function response parts is equal",
    ),
    "responses split over contents": (
        request(USER, model_says(SEALED, CALL), user_says(RESPONSE), user_says(RESPONSE)),
        "number of function response parts is equal",
    ),
    "response without a call": (request(USER, user_says(RESPONSE)), "immediately after a function call turn"),
    "response of another name": (
        request(USER, model_says(SEALED), user_says({"functionResponse": {"name": "b", "response": {}}})),
        "do not match the function calls'",
    ),
    "response without a name": (
        request(USER, model_says(SEALED), user_says({"functionResponse": {"response": {}}})),
        "Name cannot be empty.",
    ),
    "response with a $ref": (
        request(
            USER, model_says(SEALED), user_says({"functionResponse": {"name": "get_weather", "response": {"$ref": 1}}})
        ),
        "$ref is not allowed",
    ),
    "calls at the start": (request(model_says(SEALED), user_says(RESPONSE)), "comes immediately after a user turn"),
    "calls at the end": (request(USER, model_says(SEALED)), "followed by a function response turn"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_gemini_refuses(case: str) -> None:
    body, message = REFUSED[case]
    status, chunks = ask(body)
    error = json.loads(chunks[0])["error"]
    assert (status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert message in error["message"]


TAKEN = {
    "snake case": {"contents": [USER], "generation_config": {"max_output_tokens": "9", "top_k": 3}},
    "nulls": request(generationConfig={"temperature": None}, tools=None),
    "temperature 0": config(temperature=0),
    "same roles in a row": request(USER, USER, model_says({"text": "a"}), model_says({"text": "b"}), USER),
    "old steps unsigned": request(USER, model_says(CALL), user_says(RESPONSE), model_says({"text": "12"}), USER),
    "the other dummy": request(
        USER, model_says({**CALL, "thoughtSignature": "context_engineering_is_the_way_to_go"}), user_says(RESPONSE)
    ),
    "only the first of parallel calls signed": request(USER, model_says(SEALED, CALL), user_says(RESPONSE, RESPONSE)),
    "a $ref said as text": request(
        USER,
        model_says(SEALED),
        user_says({"functionResponse": {"name": "get_weather", "response": {"result": '{"$ref": 1}'}}}),
    ),
    "Google's own schema": declared(
        parameters={"type": "OBJECT", "properties": {"b": {"type": "STRING", "nullable": True}}, "required": ["b"]}
    ),
    "JSON Schema": declared(
        parametersJsonSchema={
            "$schema": "x",
            "type": "object",
            "properties": {"b": {"$ref": "#/$defs/c"}},
            "$defs": {"c": {"const": 1}},
        }
    ),
    "pictures and sound": request(
        user_says(
            {"text": "see"},
            {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a/b.pdf"}},
        )
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_gemini_takes(case: str) -> None:
    status, chunks = ask(TAKEN[case])
    assert status == 200, chunks


@pytest.mark.parametrize("model", ["gemini-3.1-pro", "gpt-5.5", "claude-opus-4-7", "auto"])
def test_an_id_that_is_none_of_googles_is_not_found(model: str) -> None:
    status, chunks = ask(request(), model)
    assert (status, json.loads(chunks[0])["error"]["status"]) == (404, "NOT_FOUND")


def test_models_before_3_ask_for_no_signature() -> None:
    assert ask(request(USER, model_says(CALL), user_says(RESPONSE)), "gemini-2.5-pro")[0] == 200


def test_a_field_error_names_the_field_in_its_details() -> None:
    error = json.loads(ask(config(max_tokens=9))[1][0])["error"]
    assert error["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "generation_config", "description": error["message"]}],
        }
    ]


def test_a_body_that_is_not_json_is_refused() -> None:
    status, chunks = ask(b"{")
    assert status == 400
    assert json.loads(chunks[0])["error"]["message"].startswith("Invalid JSON payload received.")


def test_a_whole_answer_has_googles_shape() -> None:
    body = whole(request())
    (candidate,) = body["candidates"]
    (part,) = candidate["content"]["parts"]
    assert part["text"].startswith(f"This is a simulated answer in the name of {PRO}")
    assert len(base64.b64decode(part["thoughtSignature"])) > 700
    assert (candidate["content"]["role"], candidate["finishReason"], candidate["index"]) == ("model", "STOP", 0)
    assert (body["modelVersion"], body["responseId"]) == (PRO, "0123456789abcdef012345")
    usage = body["usageMetadata"]
    assert usage["thoughtsTokenCount"] == 256
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"] + 256
    assert usage["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": usage["promptTokenCount"]}]
    assert "cachedContentTokenCount" not in usage


def test_long_prompts_are_cached_sometimes() -> None:
    usages = [whole(request(user_says({"text": f"{n}" + "word " * 4000})))["usageMetadata"] for n in range(8)]
    cached = [usage.get("cachedContentTokenCount") for usage in usages]
    assert None in cached
    assert any(count and count < usages[0]["promptTokenCount"] for count in cached)


def test_a_stream_has_cumulative_usage_and_ends_with_an_empty_signed_part() -> None:
    body, chunks = whole(request()), stream(request())
    parts = [chunk["candidates"][0]["content"]["parts"][0] for chunk in chunks]
    assert len(chunks) > 4
    assert "".join(part["text"] for part in parts) == body["candidates"][0]["content"]["parts"][0]["text"]
    assert set(parts[-1]) == {"text", "thoughtSignature"}
    assert parts[-1]["text"] == ""
    reasons = [chunk["candidates"][0].get("finishReason") for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["STOP"]
    counts = [chunk["usageMetadata"]["candidatesTokenCount"] for chunk in chunks]
    assert counts == sorted(counts)
    assert chunks[-1]["usageMetadata"] == body["usageMetadata"]
    assert {(chunk["responseId"], chunk["modelVersion"]) for chunk in chunks} == {("0123456789abcdef012345", PRO)}


def test_one_event_comes_in_several_pieces() -> None:
    _, pieces = ask(request(), PRO, "streamGenerateContent", "alt=sse")
    assert any(not piece.startswith(b"data: ") for piece in pieces)


def test_without_alt_sse_a_stream_is_a_json_array_and_so_is_its_error() -> None:
    chunks = json.loads(b"".join(ask(request(), PRO, "streamGenerateContent")[1]))
    assert chunks == stream(request())
    assert json.loads(ask({}, PRO, "streamGenerateContent")[1][0])[0]["error"]["code"] == 400


def test_thoughts_come_as_parts_of_their_own_when_included() -> None:
    asked = config(thinkingConfig={"includeThoughts": True, "thinkingLevel": "low"})
    parts = whole(asked)["candidates"][0]["content"]["parts"]
    assert [part.get("thought") for part in parts] == [True, None]
    assert stream(asked)[0]["candidates"][0]["content"]["parts"][0] == parts[0]
    assert whole(asked)["usageMetadata"]["thoughtsTokenCount"] == 64


def test_a_tool_call_finishes_with_stop_in_a_chunk_without_content() -> None:
    asked = request(user_says({"text": "How is the weather?"}), tools=TOOLS)
    candidate = whole(asked)["candidates"][0]
    (part,) = candidate["content"]["parts"]
    assert candidate["finishReason"] == "STOP"
    assert (part["functionCall"]["name"], part["functionCall"]["args"]) == ("get_weather", {"city": "simulated city"})
    assert part["functionCall"]["id"]
    chunks = stream(asked)
    assert chunks[0]["candidates"][0]["content"]["parts"] == [part]
    assert chunks[-1]["candidates"] == [{"index": 0, "finishReason": "STOP"}]


def test_only_the_first_of_parallel_calls_is_signed() -> None:
    both = request(user_says({"text": "get_weather and clock_now"}), tools=TOOLS)
    parts = whole(both)["candidates"][0]["content"]["parts"]
    assert [part["functionCall"]["name"] for part in parts] == ["get_weather", "clock_now"]
    assert ["thoughtSignature" in part for part in parts] == [True, False]
    assert parts[1]["functionCall"]["args"] == {}


def test_its_own_signature_is_taken_back_by_the_same_model_only() -> None:
    first = whole(request(user_says({"text": "get_weather"}), tools=TOOLS))["candidates"][0]["content"]
    called = first["parts"][0]["functionCall"]
    response = {"functionResponse": {"name": called["name"], "id": called["id"], "response": {"result": "12 degrees"}}}
    again = request(user_says({"text": "get_weather"}), first, user_says(response), tools=TOOLS)
    assert "12 degrees" in whole(again)["candidates"][0]["content"]["parts"][0]["text"]
    status, chunks = ask(again, "gemini-3.5-flash")
    assert (status, json.loads(chunks[0])["error"]["message"]) == (400, "Corrupted thought signature.")


def test_calling_modes_force_choose_and_forbid() -> None:
    def parts(**fields: Any) -> list[dict[str, Any]]:
        asked = request(tools=TOOLS, toolConfig={"functionCallingConfig": fields})
        return whole(asked)["candidates"][0]["content"]["parts"]

    assert parts(mode="ANY")[0]["functionCall"]["name"] == "get_weather"
    assert parts(mode="ANY", allowedFunctionNames=["clock_now"])[0]["functionCall"]["name"] == "clock_now"
    assert "text" in parts(mode="AUTO")[0]
    assert "text" in parts(mode="NONE")[0]


def test_json_answers_satisfy_either_kind_of_schema() -> None:
    for schema in (
        {"responseJsonSchema": {"type": "object", "properties": {"a": {"const": 3}}, "required": ["a"]}},
        {"responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER", "minimum": 3, "maximum": 3}}}},
    ):
        body = whole(config(responseMimeType="application/json", **schema))
        assert json.loads(body["candidates"][0]["content"]["parts"][0]["text"]) == {"a": 3}


def test_the_token_limit_is_said_as_max_tokens() -> None:
    body = whole(config(maxOutputTokens=10))
    assert body["candidates"][0]["finishReason"] == "MAX_TOKENS"
    usage = body["usageMetadata"]
    assert usage["candidatesTokenCount"] + usage["thoughtsTokenCount"] == 10


def test_candidates_differ_and_stream_as_they_are() -> None:
    asked = config(candidateCount=2)
    body = whole(asked)
    assert [candidate["index"] for candidate in body["candidates"]] == [0, 1]
    assert [candidate["finishReason"] for candidate in body["candidates"]] == ["STOP", "STOP"]
    chunks = stream(asked)
    assert [candidate["index"] for candidate in chunks[0]["candidates"]] == [0, 1]
    texts = ["", ""]
    for chunk in chunks:
        for candidate in chunk["candidates"]:
            texts[candidate["index"]] += candidate["content"]["parts"][0]["text"]
    assert texts == [candidate["content"]["parts"][0]["text"] for candidate in body["candidates"]]
    assert texts[0] != texts[1]
    assert chunks[-1]["usageMetadata"] == body["usageMetadata"]
    assert body["usageMetadata"]["thoughtsTokenCount"] == 512


def test_log_probabilities_come_with_the_text_and_with_each_chunk() -> None:
    candidate = whole(config(responseLogprobs=True, logprobs=2))["candidates"][0]
    result = candidate["logprobsResult"]
    assert "".join(one["token"] for one in result["chosenCandidates"]) == candidate["content"]["parts"][0]["text"]
    assert {len(one["candidates"]) for one in result["topCandidates"]} == {2}
    assert set(result["chosenCandidates"][0]) == {"token", "tokenId", "logProbability"}
    assert candidate["avgLogprobs"] < 0
    chunks = [chunk["candidates"][0] for chunk in stream(config(responseLogprobs=True, logprobs=2))]
    results = [chunk["logprobsResult"] for chunk in chunks if "logprobsResult" in chunk]
    assert [one for part in results for one in part["chosenCandidates"]] == result["chosenCandidates"]
    assert set(whole(config(responseLogprobs=True))["candidates"][0]["logprobsResult"]) == {"chosenCandidates"}


def provoked(words: str, **fields: Any) -> dict[str, Any]:
    return request(user_says({"text": words}), **fields)


def test_a_refusal_is_for_safety_and_has_no_content() -> None:
    (candidate,) = whole(provoked("[[refuse]]"))["candidates"]
    assert candidate["finishReason"] == "SAFETY"
    assert "content" not in candidate
    assert candidate["safetyRatings"][0]["blocked"] is True
    assert stream(provoked("[[refuse]]"))[-1]["candidates"] == [candidate]


def test_half_an_answer_and_visible_thoughts_can_be_provoked() -> None:
    assert whole(provoked("[[length]]"))["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert whole(provoked("[[think]]"))["candidates"][0]["content"]["parts"][0]["thought"] is True


def test_of_two_calls_that_are_provoked_the_first_is_signed() -> None:
    parts = whole(provoked("[[parallel]] [[unicode]]", tools=TOOLS))["candidates"][0]["content"]["parts"]
    assert [part["functionCall"]["name"] for part in parts] == ["get_weather", "clock_now"]
    assert ["thoughtSignature" in part for part in parts] == [True, False]
    assert parts[0]["functionCall"]["args"]["city"].endswith("one\u2028two\u0085three \U0001f389 \u6f22\u5b57")
