"""OpenAI's Responses API as the simulated provider: what it refuses, stores and says, against OpenAI's documents."""

import json
from typing import Any

import pytest

from router.simulated import Call, Memory, answer

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
QUERY = {"type": "custom", "name": "sql_query"}
USER = {"role": "user", "content": "What is a monad?"}
CALLED = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "12 degrees"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
NONCE = "0123456789abcdef" * 2


def send(
    body: Any, memory: Memory | None = None, nonce: str = NONCE, method: str = "POST", path: str = ""
) -> tuple[int, bytes]:
    data = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    reply = answer(Call(f"/v1/responses{path}", "", headers, data, nonce, 1764000000, method), memory)
    return reply.status, b"".join(reply.chunks)


def request(*items: Any, model: str = "gpt-5.5", **fields: Any) -> dict[str, Any]:
    return {"model": model, "input": list(items) or [USER], **fields}


def says(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def whole(body: dict[str, Any], memory: Memory | None = None, nonce: str = NONCE) -> dict[str, Any]:
    status, data = send(body, memory, nonce)
    assert status == 200, data
    return json.loads(data)


def stream(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events; each one's name is checked to be its type, and its number to be its place."""
    status, data = send({**body, "stream": True})
    assert status == 200, data
    events = []
    for event in data.decode().split("\n\n")[:-1]:
        name, line = event.split("\n")
        events.append(json.loads(line.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def error(body: dict[str, Any], memory: Memory | None = None) -> dict[str, Any]:
    status, data = send(body, memory)
    assert status == 400, data
    return json.loads(data)["error"]


def text_format(**fields: Any) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, **fields}}


REFUSED = {
    "no model": ({"input": "a"}, "model", "missing_required_parameter"),
    "no input": ({"model": "gpt-5.5"}, "input", "missing_required_parameter"),
    "chat's messages": (request(messages=[USER]), "messages", "unknown_parameter"),
    "chat's response_format": (request(response_format={"type": "text"}), "response_format", "unknown_parameter"),
    "chat's reasoning_effort": (request(reasoning_effort="low"), "reasoning_effort", "unknown_parameter"),
    "chat's usage option": (
        request(stream=True, stream_options={"include_usage": True}),
        "stream_options.include_usage",
        "unknown_parameter",
    ),
    "options of a stream without one": (request(stream_options={}), "stream_options", None),
    "chat's content part": (
        request({"role": "user", "content": [{"type": "text", "text": "a"}]}),
        "input[0].content[0].type",
        "invalid_value",
    ),
    "input text in an assistant's message": (
        request({"role": "assistant", "content": [{"type": "input_text", "text": "a"}]}, USER),
        "input[0].content[0].type",
        "invalid_value",
    ),
    "chat's role of tools": (request({"role": "tool", "content": "a"}), "input[0].role", "invalid_value"),
    "unknown item": (request({"type": "thought"}), "input[0].type", "invalid_value"),
    "unknown field of an item": (
        request(USER, {**CALLED, "extra_content": {}}, RESULT),
        "input[1].extra_content",
        "unknown_parameter",
    ),
    "namespace null": (request(USER, {**CALLED, "namespace": None}, RESULT), "input[1].namespace", "invalid_type"),
    "arguments that are no text": (
        request(USER, {**CALLED, "arguments": {}}, RESULT),
        "input[1].arguments",
        "invalid_type",
    ),
    "call without an output": (request(USER, CALLED), "input", None),
    "output without a call": (request(USER, RESULT), "input", None),
    "output before its call": (request(USER, RESULT, CALLED), "input", None),
    "output of another kind": (request(USER, CALLED, {**RESULT, "type": "custom_tool_call_output"}), "input", None),
    "long call id": (
        request(USER, {**CALLED, "call_id": "c" * 65}, {**RESULT, "call_id": "c" * 65}),
        "input[1].call_id",
        "string_above_max_length",
    ),
    "call's id of another kind": (
        request(USER, {**CALLED, "id": "call_1"}, RESULT),
        "input[1].id",
        "invalid_value",
    ),
    "reasoning that it did not make": (
        request(USER, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAAB"}),
        None,
        "invalid_encrypted_content",
    ),
    "image that is no URL": (
        request({"role": "user", "content": [{"type": "input_image", "image_url": "cat.png"}]}),
        "input[0].content[0].image_url",
        "invalid_value",
    ),
    "file of nothing": (
        request({"role": "user", "content": [{"type": "input_file", "filename": "a.pdf"}]}),
        "input[0].content[0].file_id",
        "missing_required_parameter",
    ),
    "chat's nested tool": (
        request(tools=[{"type": "function", "function": {"name": "f"}}]),
        "tools[0].name",
        "missing_required_parameter",
    ),
    "tool without parameters": (
        request(tools=[{"type": "function", "name": "f"}]),
        "tools[0].parameters",
        "missing_required_parameter",
    ),
    "tool's name": (request(tools=[{**QUERY, "name": "a b"}]), "tools[0].name", "invalid_value"),
    "unknown tool": (request(tools=[{"type": "teleport"}]), "tools[0].type", "invalid_value"),
    "open strict tool": (
        request(tools=[{**WEATHER, "strict": True}]),
        "tools[0].parameters",
        "invalid_function_parameters",
    ),
    "chat's nested choice": (
        request(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}}),
        "tool_choice.function",
        "unknown_parameter",
    ),
    "choice of no tool": (
        request(tools=[WEATHER], tool_choice={"type": "function", "name": "other"}),
        "tool_choice",
        None,
    ),
    "required without tools": (request(tool_choice="required"), "tool_choice", None),
    "chat's nested schema": (
        request(text={"format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}}),
        "text.format.json_schema",
        "unknown_parameter",
    ),
    "open strict schema": (
        request(text=text_format(schema={"type": "object", "properties": {"a": {}}}, strict=True)),
        "text.format.schema",
        "invalid_json_schema",
    ),
    "oneOf in a strict schema": (
        request(text=text_format(schema={**SCHEMA, "properties": {"a": {"oneOf": [{}]}}}, strict=True)),
        "text.format.schema",
        "invalid_json_schema",
    ),
    "json_object without the word": (request(text={"format": {"type": "json_object"}}), "input", None),
    "unknown effort of the model": (
        request(model="gpt-5.5-pro", reasoning={"effort": "low"}),
        "reasoning.effort",
        "unsupported_value",
    ),
    "max before gpt-5.6": (request(reasoning={"effort": "max"}), "reasoning.effort", "unsupported_value"),
    "effort of a model without": (
        request(model="gpt-4o", reasoning={"effort": "low"}),
        "reasoning.effort",
        "unsupported_parameter",
    ),
    "temperature while it thinks": (request(temperature=0.5), "temperature", "unsupported_parameter"),
    "top_p while it thinks": (request(top_p=0.5), "top_p", "unsupported_parameter"),
    "too few tokens": (request(max_output_tokens=15), "max_output_tokens", "integer_below_min_value"),
    "unknown include": (request(include=["everything"]), "include[0]", "invalid_value"),
    "logprobs while it thinks": (request(include=["message.output_text.logprobs"]), "include", None),
    "cache options before gpt-5.6": (
        request(prompt_cache_options={"mode": "explicit"}),
        "prompt_cache_options",
        "unsupported_parameter",
    ),
    "unknown response to continue": (
        request(previous_response_id="resp_1"),
        "previous_response_id",
        "previous_response_not_found",
    ),
    "id of something else to continue": (
        request(previous_response_id="chatcmpl-1"),
        "previous_response_id",
        "invalid_value",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_responses_refuse(case: str) -> None:
    body, param, code = REFUSED[case]
    refused = error(body)
    assert (refused["param"], refused["code"], refused["type"]) == (param, code, "invalid_request_error")


@pytest.mark.parametrize("model", ["gpt-nothing", "claude-opus-4-7", "auto"])
def test_an_unknown_model_is_not_found(model: str) -> None:
    status, data = send(request(model=model))
    assert (status, json.loads(data)["error"]["code"]) == (404, "model_not_found")


TAKEN = {
    "text": {"model": "gpt-5.5", "input": "Hello"},
    "the pro model of this endpoint only": request(model="gpt-5.5-pro", reasoning={"effort": "xhigh"}),
    "function tools with effort": request(model="gpt-5.6", tools=[WEATHER], reasoning={"effort": "high"}),
    "function tools without effort": request(model="gpt-6-astra", tools=[WEATHER]),
    "max from gpt-5.6 on": request(model="gpt-5.6", reasoning={"effort": "max"}),
    "temperature without thinking": request(reasoning={"effort": "none"}, temperature=0.5, top_p=0.5),
    "no tools, a choice and no calls in parallel": request(tools=[], tool_choice="auto", parallel_tool_calls=False),
    "the provider's own tools and items": request(
        USER,
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "a"}},
        USER,
        tools=[{"type": "web_search"}, {"type": "mcp", "server_label": "a"}],
    ),
    "a tool of no arguments": request(tools=[{"type": "function", "name": "f", "parameters": None, "strict": False}]),
    "nulls where the SDK has them": request(instructions=None, reasoning=None, include=None, metadata=None, store=None),
    "all that Codex sends": request(
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be short"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        instructions="You are Codex",
        tools=[
            {**WEATHER, "strict": False},
            {**QUERY, "format": {"type": "grammar", "syntax": "lark", "definition": "a"}},
        ],
        tool_choice="auto",
        parallel_tool_calls=False,
        reasoning={"effort": "medium", "summary": "auto"},
        store=False,
        stream=True,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="a",
        text={"verbosity": "low"},
    ),
    "calls, outputs and refusals of before": request(
        USER,
        {"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]},
        CALLED,
        {"type": "custom_tool_call", "call_id": "c2", "name": "sql_query", "input": "a"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "b"}]},
        RESULT,
    ),
    "an image and a file": request(
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
            ],
        }
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_responses_take(case: str) -> None:
    status, data = send(TAKEN[case])
    assert status == 200, data


def test_a_whole_response_has_openais_shape() -> None:
    body = whole(request(max_output_tokens=2000, metadata={"a": "b"}))
    text = body["output"][1]["content"][0]["text"]
    assert "What is a monad?" in text
    assert body["output"] == [
        {"id": f"rs_{NONCE}00", "type": "reasoning", "summary": []},
        {
            "id": f"msg_{NONCE}01",
            "type": "message",
            "status": "completed",
            "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}],
            "role": "assistant",
        },
    ]
    assert {key: body[key] for key in ("id", "object", "created_at", "status", "model", "error")} == {
        "id": f"resp_{NONCE}",
        "object": "response",
        "created_at": 1764000000,
        "status": "completed",
        "model": "gpt-5.5-2026-04-23",
        "error": None,
    }
    assert (body["max_output_tokens"], body["metadata"], body["store"]) == (2000, {"a": "b"}, True)
    assert body["text"] == {"format": {"type": "text"}, "verbosity": "medium"}
    assert body["usage"]["output_tokens_details"] == {"reasoning_tokens": 128}
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] + body["usage"]["output_tokens"]


def test_text_streams_in_the_order_of_openais_events() -> None:
    response = whole(request(reasoning={"effort": "none"}))
    events = stream(request(reasoning={"effort": "none"}))
    kinds = [event["type"] for event in events]
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * len(deltas),
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    (message,) = response["output"]
    assert events[0]["response"]["status"] == "in_progress"
    assert (events[0]["response"]["output"], events[0]["response"]["usage"]) == ([], None)
    assert events[2]["item"] == {**message, "status": "in_progress", "content": []}
    assert all(event["logprobs"] == [] for event in deltas)
    assert {(event["item_id"], event["output_index"], event["content_index"]) for event in deltas} == {
        (message["id"], 0, 0)
    }
    assert "".join(event["delta"] for event in deltas) == message["content"][0]["text"]
    assert (events[-4]["text"], events[-4]["logprobs"]) == (message["content"][0]["text"], [])
    assert events[-3]["part"] == message["content"][0]
    assert events[-2]["item"] == message
    assert events[-1]["response"] == response


def test_reasoning_is_summarized_only_when_asked_for() -> None:
    asked = request(reasoning={"effort": "low", "summary": "auto"})
    assert whole(request())["output"][0]["summary"] == []
    (part,) = whole(asked)["output"][0]["summary"]
    events = [event for event in stream(asked) if event.get("item_id") == f"rs_{NONCE}00"]
    assert [event["type"].removeprefix("response.reasoning_summary_") for event in events] == [
        "part.added",
        *["text.delta"] * (len(events) - 3),
        "text.done",
        "part.done",
    ]
    assert "".join(event["delta"] for event in events[1:-2]) == events[-2]["text"] == part["text"]
    assert {event["summary_index"] for event in events} == {0}


def test_calls_stream_as_items_whose_arguments_come_in_pieces() -> None:
    asked = request(says("get_weather, then sql_query"), tools=[WEATHER, QUERY], reasoning={"effort": "none"})
    function, custom = whole(asked)["output"]
    assert function["type"] == "function_call"
    assert (function["name"], json.loads(function["arguments"])) == ("get_weather", {"city": "simulated city"})
    assert (custom["type"], custom["input"]) == ("custom_tool_call", "simulated input")
    assert function["call_id"] != custom["call_id"]
    events = stream(asked)
    assert events[2]["item"] == {**function, "status": "in_progress", "arguments": ""}
    pieces = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert len(pieces) > 1
    assert "".join(pieces) == function["arguments"]
    inputs = [event for event in events if event["type"].startswith("response.custom_tool_call_input")]
    assert (inputs[-1]["input"], {event["output_index"] for event in inputs}) == ("simulated input", {1})
    assert events[-1]["response"]["output"] == [function, custom]


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", ["get_weather"]),
        ({"type": "custom", "name": "sql_query"}, ["sql_query"]),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "sql_query"}]},
            ["sql_query"],
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "sql_query"}]}, []),
        ("none", []),
    ],
)
def test_tool_choice_is_followed(choice: Any, called: list[str]) -> None:
    output = whole(request(tools=[WEATHER, QUERY], tool_choice=choice))["output"]
    assert [item["name"] for item in output if "call_id" in item] == called


def test_a_schema_is_answered_with_a_value_of_it() -> None:
    text = whole(request(text=text_format(strict=True)))["output"][1]["content"][0]["text"]
    assert list(json.loads(text)) == ["a"]


def test_a_limit_that_is_met_ends_the_stream_as_incomplete() -> None:
    last = stream(request(max_output_tokens=16))[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][-1]["status"] == "incomplete"


def test_log_probabilities_come_with_the_text_and_with_each_delta() -> None:
    asked = request(
        reasoning={"effort": "none"}, include=["message.output_text.logprobs"], top_logprobs=2, text=text_format()
    )
    part = whole(asked)["output"][0]["content"][0]
    assert "".join(token["token"] for token in part["logprobs"]) == part["text"]
    assert {len(token["top_logprobs"]) for token in part["logprobs"]} == {2}
    deltas = [event for event in stream(asked) if event["type"] == "response.output_text.delta"]
    assert [token for event in deltas for token in event["logprobs"]] == part["logprobs"]


def test_a_stored_response_is_continued_with_its_calls() -> None:
    memory = Memory()
    first = whole(request(says("get_weather"), tools=[WEATHER]), memory, "a" * 32)
    output = {"type": "function_call_output", "call_id": first["output"][1]["call_id"], "output": "12 degrees"}
    second = whole(request(output, previous_response_id=first["id"], tools=[WEATHER]), memory, "b" * 32)
    assert "12 degrees" in second["output"][1]["content"][0]["text"]
    assert second["previous_response_id"] == first["id"]
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]
    unanswered = error(request(says("go on"), previous_response_id=first["id"]), memory)
    assert unanswered["message"].startswith("No tool output found for function call call_")


def test_a_response_that_was_not_stored_cannot_be_continued() -> None:
    memory = Memory()
    first = whole(request(store=False), memory)
    assert error(request(previous_response_id=first["id"]), memory)["code"] == "previous_response_not_found"


def test_stored_items_can_be_referred_to_and_others_cannot() -> None:
    memory = Memory()
    message = whole(request(), memory)["output"][1]
    for reference in ({"type": "item_reference", "id": message["id"]}, {"id": message["id"]}):
        assert send(request(USER, reference, USER), memory)[0] == 200
    status, data = send(request(USER, {"type": "item_reference", "id": "msg_other"}), memory)
    assert (status, json.loads(data)["error"]["param"]) == (404, "input")


def test_encrypted_reasoning_is_taken_back_unchanged_only() -> None:
    asked = request(store=False, include=["reasoning.encrypted_content"])
    reasoning, message = whole(asked)["output"]
    other = whole(asked, nonce="b" * 32)["output"][0]
    assert send(request(USER, reasoning, message, USER))[0] == 200
    anonymous = {key: value for key, value in reasoning.items() if key != "id"}
    assert send(request(USER, anonymous, message, USER))[0] == 200
    for spoiled in (
        {**reasoning, "encrypted_content": reasoning["encrypted_content"][:-9] + "AAAAAAAA="},
        {**reasoning, "encrypted_content": other["encrypted_content"]},
    ):
        assert error(request(USER, spoiled, message, USER))["code"] == "invalid_encrypted_content"
    assert "required following item" in error(request(USER, reasoning, USER))["message"]


def test_plain_reasoning_is_taken_while_its_response_is_stored() -> None:
    memory = Memory()
    reasoning, message = whole(request(), memory)["output"]
    assert send(request(USER, reasoning, message, USER), memory)[0] == 200
    status, data = send(request(USER, reasoning, message, USER))
    assert status == 404
    assert "Items are not persisted when `store` is set to false." in json.loads(data)["error"]["message"]


def test_a_stored_response_can_be_read_and_deleted() -> None:
    memory = Memory()
    response = whole(request(), memory)
    path = f"/{response['id']}"
    assert send(None, memory, method="GET", path=path) == (200, json.dumps(response, separators=(",", ":")).encode())
    deleted = json.loads(send(None, memory, method="DELETE", path=path)[1])
    assert deleted == {"id": response["id"], "object": "response", "deleted": True}
    assert send(None, memory, method="GET", path=path)[0] == 404


def test_the_oldest_response_is_forgotten_first() -> None:
    memory = Memory(most=2)
    ids = [whole(request(), memory, letter * 32)["id"] for letter in "abc"]
    assert [memory.find(id_) is not None for id_ in ids] == [False, True, True]


def test_too_long_an_input_is_refused_by_its_code() -> None:
    assert error(request(says("word " * 900_000)))["code"] == "context_length_exceeded"


def test_a_refusal_is_a_part_of_its_own() -> None:
    asked = request(says("[[refuse]]"), reasoning={"effort": "none"})
    (message,) = whole(asked)["output"]
    assert message["content"] == [{"type": "refusal", "refusal": "I'm sorry, but I can't help with that."}]
    events = stream(asked)
    assert events[3]["part"] == {"type": "refusal", "refusal": ""}
    deltas = [event["delta"] for event in events if event["type"] == "response.refusal.delta"]
    assert "".join(deltas) == message["content"][0]["refusal"]
    assert events[-4]["type"] == "response.refusal.done"
    assert events[-1]["type"] == "response.completed"


def test_half_an_answer_is_incomplete() -> None:
    body = whole(request(says("[[length]]")))
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


def test_reasoning_can_be_provoked_to_show() -> None:
    body = whole(request(says("[[think]]"), reasoning={"effort": "none"}))
    assert body["output"][0]["summary"][0]["type"] == "summary_text"
    assert body["usage"]["output_tokens_details"]["reasoning_tokens"] == 64
