"""OpenAI as the simulated provider: what it refuses and says, against values from OpenAI's documents."""

import json
from typing import Any

import pytest

from router.simulated import Call, answer

USER = {"role": "user", "content": "What is a monad?"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}},
            "required": ["city"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock_now"}}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
}
AUDIO = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"}


def ask(body: Any, **headers: str) -> tuple[int, bytes]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = Call(
        "/v1/chat/completions",
        "",
        {"content-type": "application/json", **headers},
        data,
        "0123456789abcdef" * 2,
        1764000000,
    )
    reply = answer(call)
    return reply.status, b"".join(reply.chunks)


def request(model: str = "gpt-5.5", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [USER], **fields}


def whole(body: dict[str, Any]) -> dict[str, Any]:
    status, data = ask(body)
    assert status == 200, data
    return json.loads(data)


def stream(body: dict[str, Any]) -> list[dict[str, Any]]:
    status, data = ask({**body, "stream": True})
    assert status == 200, data
    events = data.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


def schema_format(schema: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, **fields}}


REFUSED = {
    "audio answers": (request(modalities=["text", "audio"]), 400, "modalities", "unsupported_value"),
    "a cache that is kept in memory": (
        request(prompt_cache_retention="in_memory"),
        400,
        "prompt_cache_retention",
        "unsupported_value",
    ),
    "cache options before gpt-5.6": (
        request(prompt_cache_options={"mode": "explicit"}),
        400,
        "prompt_cache_options",
        "unsupported_parameter",
    ),
    "functions beside tools": (request(functions=[{"name": "a"}], tools=[CLOCK]), 400, "functions", None),
    "function_call without functions": (request(function_call="auto"), 400, "function_call", None),
    "functions with gpt-5.6": (request("gpt-5.6", functions=[{"name": "a"}]), 400, "reasoning_effort", None),
    "a function that is not there": (
        request(functions=[{"name": "a"}], function_call={"name": "b"}),
        400,
        "function_call",
        None,
    ),
    "oneOf in a strict schema": (
        request(response_format=schema_format({"oneOf": [{"type": "string"}]}, strict=True)),
        400,
        "response_format",
        "invalid_json_schema",
    ),
    "no model": ({"messages": [USER]}, 400, None, None),
    "no messages": ({"model": "gpt-5.5"}, 400, "messages", "missing_required_parameter"),
    "empty messages": (request(messages=[]), 400, "messages", "empty_array"),
    "unknown field": (request(top_k=3), 400, None, None),
    "unknown field of a message": (
        request(messages=[{"role": "assistant", "content": "a", "reasoning_content": "b"}, USER]),
        400,
        "messages[0].reasoning_content",
        "unknown_parameter",
    ),
    "unknown field of a tool call": (
        request(messages=[USER, {**CALLED, "tool_calls": [{**CALLED["tool_calls"][0], "extra_content": {}}]}, RESULT]),
        400,
        "messages[1].tool_calls[0].extra_content",
        "unknown_parameter",
    ),
    "wrong type": (request(reasoning_effort="none", temperature="hot"), 400, "temperature", "invalid_type"),
    "null where none may be": (request(tools=None), 400, "tools", "invalid_type"),
    "unknown role": (request(messages=[{"role": "robot", "content": "a"}]), 400, "messages[0].role", "invalid_value"),
    "unknown part": (
        request(messages=[{"role": "user", "content": [{"type": "video"}]}]),
        400,
        "messages[0].content[0].type",
        "invalid_value",
    ),
    "image in a system message": (
        request(messages=[{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://a/b"}}]}]),
        400,
        "messages[0].content[0].type",
        "invalid_value",
    ),
    "audio": (
        request(messages=[{"role": "user", "content": [AUDIO]}]),
        400,
        "messages[0].content[0]",
        "invalid_value",
    ),
    "image that is no URL": (
        request(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "cat.png"}}]}]),
        400,
        "messages[0].content[0].image_url.url",
        "invalid_value",
    ),
    "empty list of parts": (
        request(messages=[{"role": "user", "content": []}]),
        400,
        "messages[0].content",
        "empty_array",
    ),
    "file of nothing": (
        request(messages=[{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf"}}]}]),
        400,
        "messages[0].content[0].file.file_id",
        "missing_required_parameter",
    ),
    "catalogue name": (request("gpt-5.5-high"), 404, None, "model_not_found"),
    "auto": (request("auto"), 404, None, "model_not_found"),
    "another provider's model": (request("claude-opus-4-7"), 404, None, "model_not_found"),
    "responses-only model": (request("gpt-5.5-pro"), 404, "model", None),
    "temperature too high": (request("gpt-4o", temperature=3), 400, "temperature", "decimal_above_max_value"),
    "top_p below 0": (request("gpt-4o", top_p=-0.5), 400, "top_p", "decimal_below_min_value"),
    "n of 0": (request(n=0), 400, "n", "integer_below_min_value"),
    "five stops": (request("gpt-4o", stop=list("abcde")), 400, "stop", "array_above_max_length"),
    "top_logprobs alone": (request("gpt-4o", top_logprobs=2), 400, "top_logprobs", None),
    "long metadata": (request(metadata={"a": "b" * 513}), 400, "metadata.a", "string_above_max_length"),
    "much metadata": (
        request(metadata={str(n): "" for n in range(17)}),
        400,
        "metadata",
        "object_above_max_properties",
    ),
    "long safety identifier": (
        request(safety_identifier="a" * 129),
        400,
        "safety_identifier",
        "string_above_max_length",
    ),
    "stream_options without stream": (request(stream_options={"include_usage": True}), 400, "stream_options", None),
    "no tools in tools": (request(tools=[]), 400, "tools", "empty_array"),
    "tool_choice without tools": (request(tool_choice="auto"), 400, "tool_choice", None),
    "parallel_tool_calls without tools": (request(parallel_tool_calls=True), 400, "parallel_tool_calls", None),
    "choice of no tool": (
        request(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "other"}}),
        400,
        "tool_choice",
        None,
    ),
    "tool's name": (
        request(tools=[{"type": "function", "function": {"name": "a.b"}}]),
        400,
        "tools[0].function.name",
        "invalid_value",
    ),
    "tool's parameters": (
        request(tools=[{"type": "function", "function": {"name": "a", "parameters": {"type": "string"}}}]),
        400,
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    "strict tool that is open": (
        request(tools=[{"type": "function", "function": {**WEATHER["function"], "strict": True}}]),
        400,
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    "calls without results": (request(messages=[USER, CALLED, USER]), 400, "messages.[2].role", None),
    "calls at the end": (request(messages=[USER, CALLED]), 400, "messages.[2].role", None),
    "result without a call": (request(messages=[USER, RESULT]), 400, "messages.[1].role", None),
    "result given twice": (request(messages=[USER, CALLED, RESULT, RESULT]), 400, "messages.[3].role", None),
    "empty tool_calls": (
        request(messages=[USER, {"role": "assistant", "content": "a", "tool_calls": []}, USER]),
        400,
        "messages[1].tool_calls",
        "empty_array",
    ),
    "silent assistant": (
        request(messages=[USER, {"role": "assistant", "content": None}, USER]),
        400,
        "messages.[1].content",
        None,
    ),
    "long tool call id": (
        request(messages=[USER, {**CALLED, "tool_calls": [{**CALLED["tool_calls"][0], "id": "x" * 41}]}, RESULT]),
        400,
        "messages[1].tool_calls[0].id",
        "string_above_max_length",
    ),
    "json_object unsaid": (request(response_format={"type": "json_object"}), 400, "messages", None),
    "schema without a schema": (
        request(response_format={"type": "json_schema", "json_schema": {"name": "a"}}),
        400,
        "response_format.json_schema.schema",
        "missing_required_parameter",
    ),
    "schema's name": (
        request(response_format={"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}),
        400,
        "response_format.json_schema.name",
        "invalid_value",
    ),
    "malformed schema": (
        request(response_format=schema_format({"type": "object", "properties": {"a": {"enum": 1}}})),
        400,
        "response_format",
        "invalid_json_schema",
    ),
    "malformed parameters": (
        request(tools=[{"type": "function", "function": {"name": "a", "parameters": {"properties": []}}}]),
        400,
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    "strict schema that is open": (
        request(response_format=schema_format({"type": "object", "properties": {}}, strict=True)),
        400,
        "response_format",
        "invalid_json_schema",
    ),
    "strict schema with an optional property": (
        request(
            response_format=schema_format(
                {"type": "object", "properties": {"a": {}}, "required": [], "additionalProperties": False}, strict=True
            )
        ),
        400,
        "response_format",
        "invalid_json_schema",
    ),
    "gpt-5.5 max_tokens": (request(max_tokens=9), 400, "max_tokens", "unsupported_parameter"),
    "gpt-5.5 stop": (request(stop="a"), 400, "stop", "unsupported_parameter"),
    "gpt-5.5 frequency_penalty": (request(frequency_penalty=1), 400, "frequency_penalty", "unsupported_parameter"),
    "gpt-5.5 presence_penalty": (request(presence_penalty=1), 400, "presence_penalty", "unsupported_parameter"),
    "gpt-5.5 logit_bias": (request(logit_bias={"1": 1}), 400, "logit_bias", "unsupported_parameter"),
    "gpt-5.5 stop even without effort": (
        request(stop="a", reasoning_effort="none"),
        400,
        "stop",
        "unsupported_parameter",
    ),
    "gpt-5.5 temperature": (request(temperature=0), 400, "temperature", "unsupported_value"),
    "gpt-5.5 top_p": (request(top_p=0.5), 400, "top_p", "unsupported_parameter"),
    "gpt-5.5 logprobs": (request(logprobs=True), 400, "logprobs", "unsupported_parameter"),
    "gpt-5.5 minimal effort": (request(reasoning_effort="minimal"), 400, "reasoning_effort", "unsupported_value"),
    "gpt-5.5 max effort": (request(reasoning_effort="max"), 400, "reasoning_effort", "unsupported_value"),
    "gpt-5.6 max effort": (request("gpt-5.6", reasoning_effort="max"), 400, "reasoning_effort", "unsupported_value"),
    "gpt-5.5 tools with effort": (request(tools=[WEATHER], reasoning_effort="low"), 400, "reasoning_effort", None),
    "gpt-5.6 tools with its default effort": (request("gpt-5.6", tools=[WEATHER]), 400, "reasoning_effort", None),
    "gpt-4o effort": (request("gpt-4o", reasoning_effort="low"), 400, None, None),
}


@pytest.mark.parametrize("case", REFUSED)
def test_openai_refuses(case: str) -> None:
    body, status, param, code = REFUSED[case]
    given, data = ask(body)
    error = json.loads(data)["error"]
    assert (given, error["type"]) == (status, "invalid_request_error")
    assert (error["param"], error["code"]) == (param, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]


TAKEN = {
    "temperature without effort": request(temperature=0.2, top_p=0.5, reasoning_effort="none"),
    "the default temperature": request(temperature=1),
    "tools without effort": request(tools=[WEATHER], reasoning_effort="none"),
    "tools with the default effort": request(tools=[WEATHER], tool_choice="auto", parallel_tool_calls=False),
    "gpt-6 at its most": request("gpt-6-sol", reasoning_effort="max"),
    "gpt-5.4 thinks only when asked": request("gpt-5.4", temperature=0.5),
    "gpt-5.6 tools without effort": request("gpt-5.6", tools=[WEATHER], reasoning_effort="none"),
    "nulls of an echoed answer": request(
        messages=[
            USER,
            {
                "role": "assistant",
                "content": "a",
                "refusal": None,
                "annotations": [],
                "audio": None,
                "function_call": None,
            },
            USER,
        ]
    ),
    "nulls of unset options": request(temperature=None, stop=None, n=None, stream_options=None, max_tokens=None),
    "a whole tool loop": request(tools=[WEATHER], messages=[USER, CALLED, RESULT]),
    "pictures and papers": request(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
                ],
            }
        ]
    ),
    "an open schema that is not strict": request(response_format=schema_format({"type": "object"})),
    "old models take old fields": request("gpt-4o", max_tokens=9, stop=["a"], presence_penalty=1, temperature=0.1),
    "models of compatible servers": request("llama-4"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_openai_takes(case: str) -> None:
    status, data = ask(TAKEN[case])
    assert status == 200, data


def test_a_body_that_is_not_json_is_refused() -> None:
    assert ask(b"{")[0] == 400


def test_a_body_without_the_json_content_type_is_refused() -> None:
    status, data = ask(request(), **{"content-type": "text/plain"})
    assert status == 400
    assert "Unsupported content type: 'text/plain'" in json.loads(data)["error"]["message"]


def test_a_request_over_the_context_is_refused_by_its_code() -> None:
    status, data = ask(request(messages=[{"role": "user", "content": "word " * 900_000}]))
    assert status == 400
    assert json.loads(data)["error"]["code"] == "context_length_exceeded"


def test_a_whole_answer_has_openais_shape() -> None:
    body = whole(request())
    text = body["choices"][0]["message"]["content"]
    assert text.startswith("This is a simulated answer in the name of gpt-5.5; no provider was asked.")
    assert "What is a monad?" in text
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert {key: body[key] for key in ("id", "object", "created", "model")} == {
        "id": "chatcmpl-0123456789abcdef0123456789abcdef",
        "object": "chat.completion",
        "created": 1764000000,
        "model": "gpt-5.5-2026-04-23",
    }


def test_usage_counts_cached_and_reasoning_as_parts() -> None:
    usage = whole(request(messages=[{"role": "user", "content": "word " * 2000}]))["usage"]
    assert usage["prompt_tokens"] > 2400
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 128
    assert usage["completion_tokens"] > 128
    assert 0 <= usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]


def test_the_same_request_gets_the_same_text_and_another_one_another() -> None:
    texts = [whole(request(messages=[{"role": "user", "content": text}]))["choices"][0]["message"] for text in "aab"]
    assert texts[0] == texts[1] != texts[2]


def test_a_stream_says_what_the_whole_answer_says_in_openais_order() -> None:
    text = whole(request())["choices"][0]["message"]["content"]
    chunks = stream(request())
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert all(set(delta) == {"content"} for delta in deltas[1:-1])
    assert len(deltas) > 6
    assert "".join(delta["content"] for delta in deltas[1:-1]) == text
    assert deltas[-1] == {}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert {(chunk["id"], chunk["created"], chunk["object"]) for chunk in chunks} == {
        ("chatcmpl-0123456789abcdef0123456789abcdef", 1764000000, "chat.completion.chunk")
    }
    assert all("usage" not in chunk for chunk in chunks)


def test_usage_comes_in_one_last_chunk_only_when_asked_for() -> None:
    chunks = stream(request(stream_options={"include_usage": True}))
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == whole(request())["usage"]


def test_obfuscation_can_be_switched_off() -> None:
    assert all("obfuscation" in chunk for chunk in stream(request()))
    off = stream(request(stream_options={"include_obfuscation": False}))
    assert all("obfuscation" not in chunk for chunk in off)


def test_a_tool_is_called_when_the_user_names_a_word_of_it() -> None:
    asked = request(tools=[CLOCK, WEATHER], messages=[{"role": "user", "content": "How is the weather?"}])
    choice = whole(asked)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    call = choice["message"]["tool_calls"][0]
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    assert call["id"].startswith("call_")
    assert len(call["id"]) <= 40
    arguments = json.loads(call["function"]["arguments"])
    assert arguments["city"] == "simulated city"
    assert arguments["unit"] in ("c", "f")


def test_no_tool_is_called_when_nothing_speaks_for_it() -> None:
    choice = whole(request(tools=[WEATHER]))["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert "tool_calls" not in choice["message"]


def test_a_forced_tool_is_called_whatever_was_said() -> None:
    named = {"type": "function", "function": {"name": "clock_now"}}
    for choice, name in (("required", "get_weather"), (named, "clock_now")):
        message = whole(request(tools=[WEATHER, CLOCK], tool_choice=choice))["choices"][0]["message"]
        assert [call["function"]["name"] for call in message["tool_calls"]] == [name]


def test_tool_choice_none_and_a_tool_result_end_in_text() -> None:
    named = {"role": "user", "content": "get_weather please"}
    assert (
        whole(request(tools=[WEATHER], tool_choice="none", messages=[named]))["choices"][0]["finish_reason"] == "stop"
    )
    after = whole(request(tools=[WEATHER], messages=[named, CALLED, RESULT]))["choices"][0]
    assert after["finish_reason"] == "stop"
    assert "The tool answered: 12 degrees" in after["message"]["content"]


def test_tools_named_in_full_are_called_together_unless_that_is_off() -> None:
    both = request(tools=[WEATHER, CLOCK], messages=[{"role": "user", "content": "clock_now, then get_weather"}])
    calls = whole(both)["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["get_weather", "clock_now"]
    assert calls[1]["function"]["arguments"] == "{}"
    assert len({call["id"] for call in calls}) == 2
    assert len(whole({**both, "parallel_tool_calls": False})["choices"][0]["message"]["tool_calls"]) == 1


def test_tool_calls_stream_as_a_head_and_fragments_of_arguments() -> None:
    asked = request(tools=[WEATHER, CLOCK], messages=[{"role": "user", "content": "clock_now, then get_weather"}])
    whole_calls = whole(asked)["choices"][0]["message"]["tool_calls"]
    chunks = stream(asked)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": None}
    pieces = [delta["tool_calls"][0] for delta in deltas[1:-1]]
    heads = [piece for piece in pieces if "id" in piece]
    assert [(head["index"], head["type"], head["function"]["arguments"]) for head in heads] == [
        (0, "function", ""),
        (1, "function", ""),
    ]
    assert [head["id"] for head in heads] == [call["id"] for call in whole_calls]
    for index, call in enumerate(whole_calls):
        fragments = [
            piece["function"]["arguments"] for piece in pieces if piece["index"] == index and "id" not in piece
        ]
        assert "".join(fragments) == call["function"]["arguments"]
    assert sum(piece["index"] == 0 for piece in pieces) > 3
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_custom_tool_gets_text() -> None:
    custom = {"type": "custom", "custom": {"name": "shell"}}
    call = whole(request(tools=[custom]))["choices"][0]["message"]["tool_calls"][0]
    assert (call["type"], call["custom"]) == ("custom", {"name": "shell", "input": "simulated input"})


def test_a_json_schema_is_answered_with_a_value_of_it() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    content = whole(request(response_format=schema_format(schema)))["choices"][0]["message"]["content"]
    assert set(json.loads(content)) == {"a"}
    assert isinstance(json.loads(content)["a"], int)


def test_json_object_is_answered_with_an_object() -> None:
    said = [{"role": "user", "content": "Answer in JSON"}]
    content = whole(request(response_format={"type": "json_object"}, messages=said))["choices"][0]["message"]["content"]
    assert json.loads(content)["simulated"] is True


def test_the_token_limit_cuts_the_answer() -> None:
    body = whole(request(max_completion_tokens=8))
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] <= 8


def test_a_stop_sequence_ends_the_answer_before_it() -> None:
    choice = whole(request("gpt-4o", stop="simulated"))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("This is a ", "stop")


def test_n_choices_are_counted() -> None:
    assert [choice["index"] for choice in whole(request(n=3))["choices"]] == [0, 1, 2]
    chunks = [chunk["choices"][0] for chunk in stream(request(n=2))]
    assert [chunk["index"] for chunk in chunks[:4]] == [0, 1, 0, 1]
    assert sorted(chunk["index"] for chunk in chunks if chunk["finish_reason"]) == [0, 1]


def test_choices_differ_and_stream_as_they_are() -> None:
    said = [choice["message"]["content"] for choice in whole(request(n=2))["choices"]]
    pieces = [chunk["choices"][0] for chunk in stream(request(n=2))]
    assert said[0] != said[1]
    for index, text in enumerate(said):
        assert "".join(one["delta"].get("content", "") for one in pieces if one["index"] == index) == text


def test_unusual_line_breaks_of_the_user_come_back_in_the_stream() -> None:
    chunks = stream(request(messages=[{"role": "user", "content": "a\u2028b\u0085c\x1cd\r\ne"}]))
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert "a\u2028b\u0085c\x1cd\r\ne" in text


def test_log_probabilities_come_with_the_text_and_with_each_delta() -> None:
    asked = request(reasoning_effort="none", logprobs=True, top_logprobs=2)
    choice = whole(asked)["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert choice["logprobs"]["refusal"] is None
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert tokens[0] == {
        "token": "This",
        "logprob": tokens[0]["logprob"],
        "bytes": [84, 104, 105, 115],
        "top_logprobs": tokens[0]["top_logprobs"],
    }
    assert tokens[0]["top_logprobs"][0]["token"] == "This"
    assert {len(token["top_logprobs"]) for token in tokens} == {2}
    streamed = [chunk["choices"][0]["logprobs"] for chunk in stream(asked)]
    assert [token for one in streamed if one for token in one["content"]] == tokens


def test_functions_are_answered_in_the_form_of_their_time() -> None:
    function = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    asked = request(messages=[{"role": "user", "content": "get_weather"}], functions=[function], function_call="auto")
    choice = whole(asked)["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "get_weather", "arguments": '{"city":"simulated city"}'}
    assert "tool_calls" not in choice["message"]
    chunks = stream(asked)
    deltas = [chunk["choices"][0]["delta"].get("function_call", {}) for chunk in chunks]
    assert deltas[0] == {"name": "get_weather", "arguments": ""}
    assert "".join(delta.get("arguments", "") for delta in deltas) == '{"city":"simulated city"}'
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"
    result = {"role": "function", "name": "get_weather", "content": "12 degrees"}
    called = {"role": "assistant", "content": None, "function_call": choice["message"]["function_call"]}
    after = whole({**asked, "messages": [USER, called, result]})["choices"][0]
    assert "The tool answered: 12 degrees" in after["message"]["content"]


def test_the_service_tier_that_served_is_named() -> None:
    assert [whole(request(service_tier=tier))["service_tier"] for tier in ("auto", "flex", "fast")] == [
        "default",
        "flex",
        "priority",
    ]


def test_cache_writes_are_counted_from_gpt_5_6_on() -> None:
    said = [{"role": "user", "content": "word " * 2000}]
    details = [
        whole(request(model, messages=said))["usage"]["prompt_tokens_details"] for model in ("gpt-5.5", "gpt-5.6")
    ]
    assert "cache_write_tokens" not in details[0]
    assert details[1]["cache_write_tokens"] + details[1]["cached_tokens"] > 0


def provoked(words: str, **fields: Any) -> dict[str, Any]:
    return request(messages=[{"role": "user", "content": words}], **fields)


def test_a_refusal_is_a_field_of_the_message() -> None:
    choice = whole(provoked("[[refuse]]"))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "stop")
    assert choice["message"]["refusal"] == "I'm sorry, but I can't help with that."
    deltas = [chunk["choices"][0]["delta"] for chunk in stream(provoked("[[refuse]]"))]
    assert "".join(delta["refusal"] for delta in deltas[1:-1]) == choice["message"]["refusal"]
    assert all("content" not in delta for delta in deltas[1:])


def test_half_an_answer_ends_by_length() -> None:
    form = schema_format({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
    choice = whole(provoked("[[length]]", response_format=form))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ('{"a":"sim', "length")


def test_odd_characters_come_in_texts_and_in_arguments() -> None:
    odd = " one\u2028two\u0085three \U0001f389 \u6f22\u5b57"
    text = whole(provoked("[[unicode]]"))["choices"][0]["message"]["content"]
    assert odd in text
    streamed = stream(provoked("[[unicode]]"))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in streamed) == text
    called = whole(provoked("[[unicode]] get_weather", tools=[WEATHER]))["choices"][0]["message"]["tool_calls"][0]
    assert json.loads(called["function"]["arguments"])["city"] == "simulated city" + odd


def test_two_calls_can_be_provoked_where_they_are_allowed() -> None:
    def names(**fields: Any) -> list[str]:
        message = whole(provoked("[[parallel]]", **fields))["choices"][0]["message"]
        return [call["function"]["name"] for call in message.get("tool_calls", [])]

    assert names(tools=[WEATHER, CLOCK]) == ["get_weather", "clock_now"]
    assert names(tools=[WEATHER]) == ["get_weather", "get_weather"]
    assert names(tools=[WEATHER, CLOCK], parallel_tool_calls=False, tool_choice="required") == ["get_weather"]
    assert names() == []


def test_thinking_can_be_provoked_but_only_counts() -> None:
    body = whole(provoked("[[think]]", reasoning_effort="none"))
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 64
    assert set(body["choices"][0]["message"]) == {"role", "content", "refusal", "annotations"}


def test_a_schema_that_is_only_told_is_followed_unless_the_user_provokes_prose() -> None:
    told = {"role": "system", "content": 'Follow this JSON Schema: {"type": "object", "properties": {"a": {}}}'}

    def said(words: str, **fields: Any) -> str:
        messages = [told, {"role": "user", "content": words}]
        return whole(request("llama-4", messages=messages, **fields))["choices"][0]["message"]["content"]

    assert said("Hello") == '{"a":"simulated a"}'
    assert said("[[invalid]]").startswith("This is a simulated answer")
    assert said("[[invalid]]", response_format={"type": "json_object"}).startswith('{"simulated":true')
