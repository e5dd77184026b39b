"""The client face of OpenAI's chat completions, against transcripts and values written by hand."""

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.catalog import Model, Provider
from router.dialects import Frame, chat, mended
from router.dialects.openai.chat import FACE
from router.errors import UpstreamError
from router.simulated import Call, answer
from router.sse import Event, EventParser
from router.types import (
    Audio,
    ChatRequest,
    ChatResponse,
    Delta,
    File,
    Finished,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningDelta,
    Refusal,
    ResponseFormat,
    Seal,
    Started,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    ToolChoice,
    Usage,
    UsageReported,
    fold,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "openai"

PROVIDER = Provider("openai", "openai", "https://openai.test/v1", api_key="sk-test")
LEVELS = ("none", "low", "medium", "high", "xhigh")
GPT = Model(
    "gpt-5.5", PROVIDER, "gpt-5.5-2026-04-23", efforts=LEVELS, sampling=False, stop=False, tools_on_chat="unless_effort"
)
PLAIN = Model("local", replace(PROVIDER, api_key=None), "qwen3:8b", max_tokens_field="max_tokens")

HELLO = Message("user", (Text("Hello"),))
HELLO_TURN = {"role": "user", "content": "Hello"}
ASKED = ChatRequest("auto", (HELLO,))
WEATHER = Tool("get_weather", "The weather", {"type": "object", "properties": {"city": {"type": "string"}}})
NOW = Tool("now")
CALL = ToolCall("call_1", "get_weather", '{"city":"Oslo"}')


def no_id() -> str:
    raise AssertionError("no id was missing")


def asked(**fields: Any) -> ChatRequest:
    """The request of a caller who sent these fields."""
    document = {"model": "auto", "messages": [HELLO_TURN], **fields}
    return chat.FACE.decode_request(json.dumps(document, ensure_ascii=False).encode())


def sent(request: ChatRequest, model: Model = PLAIN) -> dict[str, Any]:
    document = json.loads(FACE.encode_request(request, model).body)
    assert isinstance(document, dict)
    return document


def refused(request: ChatRequest, model: Model) -> list[str]:
    return [obstacle.partition(":")[0] for obstacle in FACE.obstacles(request, model)]


# --- what we send --------------------------------------------------------------------------------------


def test_a_request_goes_to_chat_completions_with_the_key() -> None:
    wire = FACE.encode_request(asked(), GPT)

    assert wire.path == "/chat/completions"
    assert dict(wire.headers) == {"content-type": "application/json", "authorization": "Bearer sk-test"}


def test_a_provider_without_a_key_gets_no_authorization() -> None:
    assert dict(FACE.encode_request(asked(), PLAIN).headers) == {"content-type": "application/json"}


def test_the_callers_bytes_are_kept_but_for_the_model() -> None:
    messages = b'[{"role":"user","content":"say \\"model\\":\\"auto\\" \\u00e9\\ud83c\\udf88 \\/ {\\"model\\": 1}"}]'
    body = b'{"messages": ' + messages + b', "zeta": 1.50e1, "model": "auto", "alpha": {"model": "auto"}}'

    wire = FACE.encode_request(chat.FACE.decode_request(body), PLAIN)

    assert wire.body == b'{"messages":' + messages + b',"zeta":1.50e1,"model":"qwen3:8b","alpha":{"model": "auto"}}'


@pytest.mark.parametrize("given_field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(("model", "field"), [(PLAIN, "max_tokens"), (GPT, "max_completion_tokens")])
def test_the_limit_of_an_answer_goes_by_the_name_that_the_model_knows(
    given_field: str, model: Model, field: str
) -> None:
    assert sent(asked(**{given_field: 50}), model) == {"model": model.id, "messages": [HELLO_TURN], field: 50}


def test_of_two_limits_the_newer_name_wins() -> None:
    assert sent(asked(max_tokens=5, max_completion_tokens=50))["max_tokens"] == 50


TOOLS = [{"type": "function", "function": {"name": "now"}}]
SAMPLING = {"temperature": 0.2, "top_p": 0.9, "presence_penalty": 1, "frequency_penalty": 1}


@pytest.mark.parametrize(
    ("effort", "model", "kept"),
    [
        (None, PLAIN, {"temperature", "top_p", "presence_penalty", "frequency_penalty"}),
        (None, GPT, set()),
        ("high", GPT, set()),
        ("none", GPT, {"temperature", "top_p"}),
    ],
)
def test_sampling_is_left_out_where_the_model_takes_none(effort: str | None, model: Model, kept: set[str]) -> None:
    assert set(SAMPLING) & set(sent(asked(**SAMPLING, reasoning_effort=effort), model)) == kept


@pytest.mark.parametrize(
    ("of_the_caller", "of_the_model", "expected"),
    [
        (None, None, None),
        (None, "high", "high"),
        ("low", None, "low"),
        ("low", "high", "low"),
        ("none", "high", "none"),
    ],
)
def test_an_effort_is_the_callers_before_the_models(
    of_the_caller: str | None, of_the_model: Any, expected: str | None
) -> None:
    document = sent(asked(reasoning_effort=of_the_caller), replace(GPT, effort=of_the_model))

    assert document.get("reasoning_effort") == expected


def test_no_effort_is_not_said_to_a_model_that_knows_no_such_word() -> None:
    assert "reasoning_effort" not in sent(asked(reasoning_effort="none"), PLAIN)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
    ],
)
def test_a_stream_is_always_asked_for_its_usage(options: object, expected: object) -> None:
    assert sent(asked(stream=True, stream_options=options))["stream_options"] == expected


def test_an_answer_in_one_piece_is_asked_for_without_stream_options() -> None:
    assert "stream_options" not in sent(asked(stream=False, stream_options=None))


def test_nulls_that_clients_write_for_unset_options_are_dropped() -> None:
    unset = {"tools": None, "tool_choice": None, "stop": None, "functions": None, "temperature": None, "user": None}

    assert sent(asked(**unset)) == {"model": "qwen3:8b", "messages": [HELLO_TURN]}


def test_nulls_within_an_option_are_dropped_but_not_those_of_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": [None, 1]}}, "default": None}
    named = {"name": "n", "schema": schema}
    format_ = {"type": "json_schema", "json_schema": {**named, "description": None, "strict": None}}
    options = {"include_usage": True, "include_obfuscation": None}

    fields = sent(asked(response_format=format_, stream=True, stream_options=options))

    assert fields["response_format"] == {"type": "json_schema", "json_schema": named}
    assert fields["stream_options"] == {"include_usage": True}


def test_nulls_of_an_echoed_message_are_dropped_but_not_its_content() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": "null"}}
    echo = {"role": "assistant", "content": None, "refusal": None, "audio": None, "function_call": None,
            "annotations": None, "tool_calls": [call]}  # fmt: skip
    answer = {"role": "tool", "tool_call_id": "c", "content": "null", "name": None}

    assert sent(asked(messages=[HELLO_TURN, echo, answer]))["messages"] == [
        HELLO_TURN,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "null"},
    ]


def test_a_request_of_another_dialect_is_built_from_the_vocabulary() -> None:
    request = ChatRequest(
        model="auto",
        messages=(
            Message("system", (Text("Be brief"),)),
            Message("user", (Text("Look"), Image("https://x.test/a.png", "low"), Audio("UklG", "wav")), name="ada"),
            Message("user", (File(data="data:application/pdf;base64,JVBE", filename="a.pdf"),)),
            Message("assistant", (), (CALL,)),
            Message("tool", (Text("sunny"),), tool_call_id="call_1"),
            Message("assistant", (Text("No"), Refusal("I can't"))),
        ),
        tools=(WEATHER, NOW),
        tool_choice=ToolChoice("named", "now"),
        parallel_tool_calls=False,
        response_format=ResponseFormat("json_schema", "answer", schema={"type": "object"}, strict=False),
        max_tokens=9,
        temperature=0.5,
        stop=("END",),
        seed=7,
        n=2,
        user="ada",
        stream=True,
        others={"verbosity": "low"},
    )

    assert sent(request) == {
        "model": "qwen3:8b",
        "verbosity": "low",
        "messages": [
            {"role": "system", "content": "Be brief"},
            {
                "role": "user",
                "name": "ada",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
                    {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "file",
                        "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
                    }
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
                    }
                ],
            },
            {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
            {"role": "assistant", "content": "No", "refusal": "I can't"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "The weather",
                    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                },
            },
            {"type": "function", "function": {"name": "now"}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "now"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": False},
        },
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "stop": ["END"],
        "seed": 7,
        "user": "ada",
        "n": 2,
        "stream": True,
        "max_tokens": 9,
        "stream_options": {"include_usage": True},
    }


def test_a_strict_schema_is_closed_where_the_caller_left_it_open() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    spec = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}

    document = sent(asked(tools=[tool], response_format=spec))

    assert document["tools"][0]["function"]["parameters"] == {**schema, "additionalProperties": False}
    assert document["response_format"]["json_schema"]["schema"] == {**schema, "additionalProperties": False}


# --- what callers send that the provider wouldn't take -------------------------------------------------


def test_what_other_servers_add_to_answers_never_comes_back_to_the_provider() -> None:
    echo = {
        "role": "assistant",
        "content": "Hi",
        "images": [],
        "reasoning_content": "thoughts",
        "reasoning_details": [{"type": "reasoning.text", "text": "thoughts"}],
        "thinking_blocks": [{"type": "thinking", "thinking": "thoughts", "signature": "c2ln"}],
        "provider_specific_fields": {"refusal": None},
        "tool_calls": [
            {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": "now", "arguments": "{}", "parsed_arguments": {}},
                "extra_content": {"google": {"thought_signature": "c2ln"}},
                "provider_specific_fields": {"thought_signature": "c2ln"},
            }
        ],
    }
    result = {"role": "tool", "tool_call_id": "call_1", "content": "noon"}

    assert sent(asked(messages=[HELLO_TURN, echo, result], tools=TOOLS))["messages"] == [
        HELLO_TURN,
        {
            "role": "assistant",
            "content": "Hi",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}},
            ],
        },
        result,
    ]


def test_a_field_that_the_caller_wrote_elsewhere_passes() -> None:
    turn = {"role": "assistant", "content": "He", "prefix": True}

    document = sent(asked(messages=[HELLO_TURN, turn], guided_regex="Hel+o"))

    assert (document["messages"][1], document["guided_regex"]) == (turn, "Hel+o")


def test_marks_for_another_providers_cache_are_dropped() -> None:
    mark = {"type": "ephemeral"}
    part = {"type": "text", "text": "Hello", "cache_control": mark}
    function = {"name": "now", "description": None, "cache_control": mark}

    document = sent(
        asked(
            messages=[{"role": "user", "content": [part], "cache_control": mark}],
            tools=[{"type": "function", "function": function, "cache_control": mark}],
            cache_control=mark,
        )
    )

    assert document == {
        "model": "qwen3:8b",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "tools": TOOLS,
    }


LONG_ID = "call_" + "s" * 1_579  # as LiteLLM makes them of Gemini's signatures
SHORT_ID = "call_aac28223b8993c8849801bb49eaba859"


def turns_with(call_id: str, arguments: str = "{}") -> list[dict[str, Any]]:
    call = {"id": call_id, "type": "function", "function": {"name": "now", "arguments": arguments}}
    return [
        HELLO_TURN,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": "noon"},
    ]


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(("given_id", "expected"), [(LONG_ID, SHORT_ID), ("c" * 41, None), ("c" * 40, "c" * 40)])
def test_an_id_that_is_too_long_is_shortened_in_call_and_result_alike(
    raw: bool, given_id: str, expected: str | None
) -> None:
    request = asked(messages=turns_with(given_id), tools=TOOLS)

    messages = sent(request if raw else replace(request, raw=b""))["messages"]

    made = messages[1]["tool_calls"][0]["id"]
    assert made == messages[2]["tool_call_id"] and len(made) <= 40
    assert expected in (None, made)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("arguments", ["", "  "])
def test_a_call_without_arguments_has_an_empty_object_of_them(raw: bool, arguments: str) -> None:
    request = asked(messages=turns_with("call_1", arguments), tools=TOOLS)

    messages = sent(request if raw else replace(request, raw=b""))["messages"]

    assert messages[1]["tool_calls"][0]["function"]["arguments"] == "{}"


PICTURE = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize("raw", [True, False])
def test_a_picture_that_a_tool_returned_follows_as_the_users(raw: bool) -> None:
    first, answer, result = turns_with("call_1")
    picture = {"type": "image_url", "image_url": {"url": PICTURE}}
    result["content"] = [{"type": "text", "text": "Here"}, picture]
    request = asked(messages=[first, answer, result, HELLO_TURN], tools=TOOLS)

    messages = sent(request if raw else replace(request, raw=b""))["messages"]

    assert messages[2:] == [
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Here"}]},
        {"role": "user", "content": [{"type": "text", "text": "(Returned by tool call call_1:)"}, picture]},
        HELLO_TURN,
    ]


def test_pictures_of_parallel_calls_wait_for_the_last_result() -> None:
    request = ChatRequest(
        "auto",
        (
            HELLO,
            Message("assistant", (), (replace(CALL, id="a"), replace(CALL, id="b"))),
            Message("tool", (Image(PICTURE),), tool_call_id="a"),
            Message("tool", (Text("none"),), tool_call_id="b"),
        ),
        wire="messages",
    )

    assert sent(request)["messages"][2:] == [
        {"role": "tool", "tool_call_id": "a", "content": "(What the tool returned is in the next user message.)"},
        {"role": "tool", "tool_call_id": "b", "content": "none"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "(Returned by tool call a:)"},
                {"type": "image_url", "image_url": {"url": PICTURE}},
            ],
        },
    ]


# --- callers of other APIs -----------------------------------------------------------------------------


def test_what_this_api_has_no_word_for_is_left_out_of_a_history() -> None:
    request = ChatRequest(
        "auto",
        (
            Message("system", (Text("Be brief", cache="1h"),)),
            HELLO,
            Message("assistant", (Reasoning("thoughts", Seal("c2ln", "messages")),), (CALL,)),
            Message("tool", (Text("no such city"),), tool_call_id="call_1", failed=True),
            Message("assistant", (Reasoning("more"), Text("Sorry"))),
        ),
        (replace(WEATHER, cache="5m"),),
        wire="messages",
        raw=b'{"max_tokens": 1}',
        others={"top_k": 5, "cache_control": {"type": "ephemeral"}, "store": True, "metadata": {"a": "b"}},
    )

    document = sent(request)

    assert document == {
        "model": "qwen3:8b",
        "messages": [
            {"role": "system", "content": "Be brief"},
            HELLO_TURN,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
                    }
                ],
            },
            {"role": "tool", "content": "no such city", "tool_call_id": "call_1"},
            {"role": "assistant", "content": "Sorry"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "The weather",
                    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                },
            }
        ],
    }


SQL = Tool("sql", "A query", kind="custom", grammar={"syntax": "lark", "definition": "start: /.+/"})


def test_custom_tools_and_their_calls_keep_their_kind() -> None:
    request = ChatRequest(
        "auto",
        (
            HELLO,
            Message("assistant", (), (ToolCall("c", "sql", "SELECT 1", "custom"),)),
            Message("tool", (Text("1"),), tool_call_id="c"),
        ),
        (SQL, Tool("free", kind="custom")),
        ToolChoice("named", "sql"),
        wire="responses",
    )

    document = sent(request)

    assert document["tools"] == [
        {
            "type": "custom",
            "custom": {
                "name": "sql",
                "description": "A query",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /.+/"}},
            },
        },
        {"type": "custom", "custom": {"name": "free"}},
    ]
    assert document["tool_choice"] == {"type": "custom", "custom": {"name": "sql"}}
    assert document["messages"][1]["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    ]


def test_log_probabilities_are_asked_for_by_two_fields() -> None:
    document = sent(replace(ASKED, wire="responses", logprobs=3))

    assert (document["logprobs"], document["top_logprobs"]) == (True, 3)
    assert "top_logprobs" not in sent(replace(ASKED, wire="responses", logprobs=0))


def test_nothing_is_said_of_tools_where_there_are_none() -> None:
    request = replace(ASKED, wire="messages", parallel_tool_calls=False, tool_choice=ToolChoice("none"))

    assert sent(request) == {"model": "qwen3:8b", "messages": [HELLO_TURN]}


def test_an_inline_file_has_a_name() -> None:
    request = ChatRequest("auto", (Message("user", (File("data:application/pdf;base64,JVBE"),)),), wire="messages")

    assert sent(request)["messages"][0]["content"][0]["file"] == {
        "file_data": "data:application/pdf;base64,JVBE",
        "filename": "file.pdf",
    }


# --- schemas that a model can't be held to -------------------------------------------------------------

LOOSE = replace(PLAIN, json_schema=False)
OPEN_SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
TOLD = (
    "Answer with JSON that fits this JSON Schema and nothing else: no words around it, no code fence.\n"
    '{"type":"object","properties":{"n":{"type":"integer"}}}'
)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([HELLO_TURN], [{"role": "system", "content": TOLD}, HELLO_TURN]),
        (
            [{"role": "developer", "content": "Be brief"}, HELLO_TURN],
            [{"role": "developer", "content": f"Be brief\n\n{TOLD}"}, HELLO_TURN],
        ),
        (
            [{"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, HELLO_TURN],
            [
                {"role": "system", "content": [{"type": "text", "text": text} for text in ("a", "b", TOLD)]},
                HELLO_TURN,
            ],
        ),
    ],
)
def test_a_schema_is_told_where_the_model_cant_be_held_to_it(
    raw: bool, before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    spec = {"type": "json_schema", "json_schema": {"name": "a", "schema": OPEN_SCHEMA, "strict": True}}
    request = asked(messages=before, response_format=spec)

    assert refused(request, LOOSE) == []
    assert sent(request if raw else replace(request, raw=b""), LOOSE) == {"model": "qwen3:8b", "messages": after}


# --- what the strict local server says -----------------------------------------------------------------


def taken(request: ChatRequest, model: Model) -> None:
    """Fails unless the simulated provider, which refuses what OpenAI refuses, takes the request."""
    assert refused(request, model) == []
    wire = FACE.encode_request(request, model)
    reply = answer(Call(f"/v1{wire.path}", "", dict(wire.headers), wire.body, nonce="0" * 32, at=1_795_500_000))
    assert reply.status == 200, reply.chunks[0]


HISTORY = (
    Message("system", (Text("Be brief", cache="5m"), Text("Really"))),
    Message("user", (Text("Look"), Image(PICTURE), File("data:application/pdf;base64,JVBE"))),
    Message(
        "assistant",
        (Reasoning("thoughts", Seal("c2ln", "messages")), Text("")),
        (replace(CALL, id=LONG_ID), ToolCall("c2", "sql", "SELECT 1", "custom"), ToolCall("c3", "now", "")),
    ),
    Message("tool", (Image(PICTURE),), tool_call_id=LONG_ID),
    Message("tool", (Text("1"),), tool_call_id="c2"),
    Message("tool", (), tool_call_id="c3", failed=True),
    Message("assistant", (Refusal("I can't"),)),
    Message("assistant", (Reasoning("alone"),)),
    Message("developer", (Text("Go on"),)),
    HELLO,
)
BRIDGED = ChatRequest("auto", HISTORY, (WEATHER, SQL, NOW), wire="messages", raw=b"{}")


@pytest.mark.parametrize(
    "request_",
    [
        BRIDGED,
        replace(BRIDGED, tool_choice=ToolChoice("named", "sql"), parallel_tool_calls=False),
        replace(BRIDGED, tool_choice=ToolChoice("required"), temperature=0.5, top_p=0.5, user="u", seed=7),
        replace(BRIDGED, effort="none", logprobs=2, temperature=0.5),
        replace(BRIDGED, n=2, stream=True, others={"service_tier": "flex", "store": True, "top_k": 3}),
        replace(
            BRIDGED,
            response_format=ResponseFormat("json_schema", "a", "An n", {**OPEN_SCHEMA, "required": ["n"]}, strict=True),
            tools=(replace(WEATHER, parameters={**OPEN_SCHEMA, "required": ["n"]}, strict=True), NOW),
        ),
        replace(ASKED, wire="completions", stop=(), max_tokens=16),
    ],
)
def test_openai_takes_what_is_built(request_: ChatRequest) -> None:
    taken(request_, GPT)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": turns_with(LONG_ID, ""), "tools": TOOLS},
        {"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": TOOLS}}},
        {"tools": [{"type": "custom", "custom": {"name": "sql"}}], "reasoning_effort": "high"},
        {"functions": [{"name": "now"}], "function_call": "auto"},
        {"n": 3, "max_tokens": 50, "stream": True},
        {"logprobs": True, "top_logprobs": 2, "reasoning_effort": "none", **SAMPLING},
    ],
)
def test_openai_takes_what_its_own_callers_send(fields: dict[str, Any]) -> None:
    taken(asked(**fields), GPT)


# --- what a model can't be asked -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "model", "expected"),
    [
        ({}, GPT, []),
        (SAMPLING, GPT, []),
        ({"stop": "END"}, GPT, ["stop"]),
        ({"tools": TOOLS}, GPT, []),
        ({"tools": TOOLS, "reasoning_effort": "none"}, GPT, []),
        ({"tools": TOOLS, "reasoning_effort": "low"}, GPT, ["reasoning_effort"]),
        ({"tools": TOOLS}, replace(GPT, effort="high"), ["reasoning_effort"]),
        ({"reasoning_effort": "max"}, GPT, ["reasoning_effort"]),
        ({"reasoning_effort": "low"}, PLAIN, ["reasoning_effort"]),
        ({"reasoning_effort": "none"}, PLAIN, []),
        ({"reasoning_effort": "none"}, replace(GPT, efforts=("low", "high")), ["reasoning_effort"]),
        (
            {"logprobs": True, "top_logprobs": 2, "logit_bias": {"1": 2}},
            GPT,
            ["logprobs", "logit_bias"],
        ),
        ({"logprobs": True, "logit_bias": {"1": 2}, "reasoning_effort": "none"}, GPT, ["logit_bias"]),
        ({"logprobs": False, "logit_bias": {}}, GPT, []),
        ({"logprobs": True, "logit_bias": {"1": 2}, "n": 3, "stop": ["a", "b"]}, PLAIN, []),
        ({"tools": TOOLS, "tool_choice": "required"}, replace(PLAIN, forced_tool_choice=False), ["tool_choice"]),
        ({"tools": TOOLS, "tool_choice": "auto"}, replace(PLAIN, forced_tool_choice=False), []),
        ({"n": 2, "logprobs": True}, replace(PLAIN, choices=False, logprobs=False), ["n", "logprobs"]),
        ({"n": 1}, replace(PLAIN, choices=False), []),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}}, LOOSE, []),
    ],
)
def test_a_model_is_ruled_out_by_what_it_refuses(fields: dict[str, Any], model: Model, expected: list[str]) -> None:
    assert refused(asked(**fields), model) == expected


def test_what_only_other_apis_can_say_is_an_obstacle() -> None:
    request = ChatRequest(
        "auto",
        (Message("user", (Text("Read"), File(url="https://x.test/a.pdf"))),),
        (Tool("n" * 64), Tool("n" * 65)),
        wire="messages",
    )

    assert refused(request, PLAIN) == ["tools[1].function.name", "messages[0].content[1]"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object", "properties": {"n": {}}, "required": ["n"]}, []),
        ({"type": "object", "properties": {"n": {}}}, ["response_format"]),
        ({"type": "object", "properties": {"n": {}}, "required": 5}, ["response_format"]),
        ({"type": "object", "properties": [{}], "required": [{}]}, []),
        ({"type": "object", "additionalProperties": True}, ["response_format"]),
        ({"type": "array", "items": {"type": "object", "properties": {"n": {}}}}, ["response_format"]),
        ({"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "null"}]}}, ["response_format"]),
        ({"type": "object", "properties": {"allOf": {"anyOf": [{"not": {}}]}}, "required": ["allOf"]},
         ["response_format"]),
        ({"type": "object", "properties": {"oneOf": {"type": "null"}}, "required": ["oneOf"]}, []),
        ({"type": "object", "properties": {"n": {"enum": [{"type": "object", "properties": {"x": 1}}]}},
          "required": ["n"]}, []),
    ],
)  # fmt: skip
def test_a_schema_that_strict_mode_refuses_is_an_obstacle(schema: dict[str, Any], expected: list[str]) -> None:
    spec = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}

    assert refused(asked(response_format=spec), PLAIN) == expected


# --- the faces meet ------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCHEMAS = st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(TEXTS, st.just({}))})
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, TEXTS),
    st.builds(Image, st.just("https://x.test/a.png"), st.sampled_from([None, "low"])),
    st.builds(Audio, st.just("UklG"), st.sampled_from(["wav", "mp3"])),
    st.builds(File, st.just("data:application/pdf;base64,JVBE"), st.none() | TEXTS, TEXTS),
    st.builds(File, file_id=TEXTS, filename=st.none() | TEXTS),
)
CONTENTS = st.lists(PARTS, min_size=1, max_size=3).map(tuple)
NAMED = st.none() | TEXTS
TURNS = st.one_of(
    st.builds(lambda parts, name: [Message("user", parts, name=name)], CONTENTS, NAMED),
    st.builds(lambda text, role: [Message(role, (Text(text),))], TEXTS, st.sampled_from(["system", "developer"])),
    st.builds(lambda text: [Message("assistant", (Text(text), Refusal("No")))], TEXTS),
    st.builds(
        lambda text, answers: [
            Message(
                "assistant",
                (Text(text),) if text else (),
                tuple(
                    ToolCall(f"call_{n}", "f", f"[{n}]" + answer, "custom" if n % 2 else "function")
                    for n, answer in enumerate(answers)
                ),
            ),
            *(Message("tool", (Text(answer),), tool_call_id=f"call_{n}") for n, answer in enumerate(answers)),
        ],
        TEXTS,
        st.lists(TEXTS, min_size=1, max_size=3),
    ),
)
TOOL_NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
GRAMMARS = st.fixed_dictionaries({"syntax": st.sampled_from(["lark", "regex"]), "definition": TEXTS})
SETS_OF_TOOLS = st.lists(
    st.one_of(
        st.builds(Tool, TOOL_NAMES, NAMED, st.none() | SCHEMAS, st.sampled_from([None, False])),
        st.builds(Tool, TOOL_NAMES, NAMED, kind=st.just("custom"), grammar=st.none() | GRAMMARS),
    ),
    max_size=3,
    unique_by=lambda tool: tool.name,
).map(tuple)
FORMATS = st.one_of(
    st.sampled_from([ResponseFormat(), ResponseFormat("json_object")]),
    st.builds(
        ResponseFormat, st.just("json_schema"), st.just("answer"), NAMED, SCHEMAS, st.sampled_from([None, False])
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    tools = draw(SETS_OF_TOOLS)
    choices = [ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]
    choices += [ToolChoice("named", tool.name) for tool in tools]
    return ChatRequest(
        model="auto",
        messages=tuple(itertools.chain.from_iterable(draw(st.lists(TURNS, min_size=1, max_size=4)))),
        tools=tools,
        tool_choice=draw(st.none() | st.sampled_from(choices)) if tools else None,
        parallel_tool_calls=draw(st.none() | st.booleans()) if tools else None,
        response_format=draw(FORMATS),
        max_tokens=draw(st.none() | st.integers(1, 10**9)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        stop=tuple(draw(st.lists(TEXTS, max_size=4))),
        seed=draw(st.none() | st.integers(-(2**63) + 1, 2**63 - 1)),
        effort=draw(st.sampled_from([None, "low", "high"])),
        n=draw(st.integers(1, 128)),
        logprobs=draw(st.none() | st.integers(0, 20)),
        user=draw(NAMED),
        stream=draw(st.booleans()),
        others=draw(st.dictionaries(st.sampled_from(["safety_identifier", "store_x", "min_p"]), TEXTS)),
    )


@given(requests())
def test_the_faces_meet(request: ChatRequest) -> None:
    model = replace(PLAIN, efforts=("low", "high"))

    once = chat.FACE.decode_request(FACE.encode_request(request, model).body)
    twice = chat.FACE.decode_request(FACE.encode_request(once, model).body)

    expected = replace(request, model="qwen3:8b", include_usage=request.stream)
    assert replace(once, raw=b"") == expected
    assert replace(twice, raw=b"") == expected


# --- what a provider answers: transcripts --------------------------------------------------------------

EXPECTED = {
    "text": ChatResponse(
        "chatcmpl-Text1",
        "gpt-5.5-2026-04-23",
        "Grüße\u2028aus dem\u0085Süden\u2029🎈!",
        "stop",
        usage=Usage(2048, 25, cached_tokens=1920, reasoning_tokens=12, service_tier="default"),
    ),
    "tools": ChatResponse(
        "chatcmpl-Tools1",
        "gpt-5.5-2026-04-23",
        "Let me look.",
        "tool_calls",
        (ToolCall("call_Oslo", "get_weather", '{"city":"Oslo"}'), ToolCall("call_Now", "now", "{}")),
        usage=Usage(310, 44),
    ),
    "length": ChatResponse(
        "chatcmpl-Len1", "gpt-5.5-2026-04-23", None, "length", usage=Usage(12, 64, reasoning_tokens=64)
    ),
    "refusal": ChatResponse(
        "chatcmpl-Ref1",
        "gpt-5.5-2026-04-23",
        None,
        "stop",
        refusal="I'm sorry, I can't help with that.",
        usage=Usage(81, 11),
    ),
    "filtered": ChatResponse("chatcmpl-Fil1", "gpt-5.5-2026-04-23", "Take two", "content_filter", usage=Usage(20, 3)),
    "reasoning": ChatResponse(
        "8f1c",
        "deepseek-v4",
        "90",
        "stop",
        thoughts=(Reasoning("Nine tens are ninety."),),
        usage=Usage(9, 30, reasoning_tokens=21),
    ),
    "choices": ChatResponse(
        "chatcmpl-Cho1",
        "gpt-5.4-2026-03-05",
        "Yes.",
        "stop",
        logprobs=(
            {
                "token": "Yes",
                "logprob": -0.1,
                "bytes": [89, 101, 115],
                "top_logprobs": [
                    {"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115]},
                    {"token": "No", "logprob": -2.4, "bytes": [78, 111]},
                ],
            },
            {
                "token": ".",
                "logprob": -0.01,
                "bytes": [46],
                "top_logprobs": [{"token": ".", "logprob": -0.01, "bytes": [46]}],
            },
        ),
        usage=Usage(9, 8, service_tier="flex"),
        alternatives=(
            ChatResponse(
                "chatcmpl-Cho1",
                "gpt-5.4-2026-03-05",
                "No\U0001f388",
                "length",
                logprobs=(
                    {
                        "token": "No",
                        "logprob": -2.4,
                        "bytes": [78, 111],
                        "top_logprobs": [
                            {"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115]},
                            {"token": "No", "logprob": -2.4, "bytes": [78, 111]},
                        ],
                    },
                    {"token": "\\xf0\\x9f", "logprob": -0.5, "bytes": [240, 159], "top_logprobs": []},
                    {"token": "\\x8e\\x88", "logprob": -0.25, "bytes": [142, 136], "top_logprobs": []},
                ),
            ),
        ),
    ),
    "custom_tools": ChatResponse(
        "chatcmpl-Cus1",
        "gpt-5.5-2026-04-23",
        None,
        "tool_calls",
        (ToolCall("call_Sql", "sql", 'SELECT "a"\nFROM t', "custom"), ToolCall("call_Now", "now", "{}")),
        usage=Usage(70, 21),
    ),
    "usage_with_choices": ChatResponse("gen-1", "local", "Hi you", "stop", usage=Usage(5, 2)),
    "careless": ChatResponse(
        "chat-1",
        "local",
        None,
        "tool_calls",
        (ToolCall("a", "get_weather", '{"city":"Oslo"}'), ToolCall("b", "now", "{}")),
    ),
}


class Transcript(msgspec.Struct):
    source: str
    about: str
    body: msgspec.Raw
    status: int = 200


def whole(name: str) -> Transcript:
    return msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes(), type=Transcript)


def stream(name: str) -> bytes:
    return (GOLDEN / f"{name}.sse").read_bytes()


def decode(blocks: Iterable[bytes]) -> tuple[list[Delta], bool]:
    """What a stream says, and whether it is complete."""
    parser, decoder = EventParser(), FACE.stream_decoder(ASKED, no_id)
    deltas = [delta for block in blocks for event in parser.feed(block) for delta in decoder.feed(event)]
    return deltas, decoder.complete


def chunks(*deltas: dict[str, Any], finish: str | None = "stop", done: bool = True) -> Iterator[Event]:
    """The events of a stream with these deltas."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    for delta in deltas:
        yield Event(json.dumps({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}).encode())
    if finish is not None:
        yield Event(json.dumps({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}).encode())
    if done:
        yield Event(b"[DONE]")


def folded(events: Iterable[Event]) -> ChatResponse:
    counter = itertools.count(1)
    decoder = FACE.stream_decoder(ASKED, lambda: f"made_{next(counter)}")
    return fold(delta for event in events for delta in decoder.feed(event))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_whole_answer_is_read(name: str) -> None:
    assert FACE.decode_response(bytes(whole(name).body), ASKED, no_id) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stream_folds_to_the_whole_answer_wherever_it_is_cut(name: str) -> None:
    data = stream(name)
    for at in range(len(data) + 1):
        deltas, complete = decode((data[:at], data[at:]))
        assert complete
        assert fold(deltas) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stream_folds_to_the_whole_answer_byte_by_byte(name: str) -> None:
    deltas, _ = decode(bytes([byte]) for byte in stream(name))

    assert fold(deltas) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stream_starts_once_and_finishes_once(name: str) -> None:
    deltas, _ = decode([stream(name)])

    assert [type(delta) for delta in deltas].count(Started) == 1 and isinstance(deltas[0], Started)
    assert [type(delta) for delta in deltas].count(Finished) == 1 + len(EXPECTED[name].alternatives)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stream_cut_before_its_end_is_never_complete(name: str) -> None:
    data = stream(name)
    for at in range(len(data) - 1):
        assert not decode([data[:at]])[1]


@pytest.mark.parametrize("name", ["text", "tools", "length", "refusal", "filtered", "reasoning"])
def test_what_our_own_server_face_streams_folds_to_the_same_answer(name: str) -> None:
    deltas, _ = decode([stream(name)])
    frame = Frame(replace(ASKED, stream=True, include_usage=True), EXPECTED[name].model, 1, "r1")
    encoder = chat.FACE.stream_encoder(frame)
    written = b"".join([*(encoder.feed(delta) for delta in deltas), encoder.finish({})])

    again, complete = decode([written])

    id_ = EXPECTED[name].id if EXPECTED[name].id.startswith("chatcmpl-") else f"chatcmpl-{EXPECTED[name].id}"
    assert complete
    assert fold(again) == replace(EXPECTED[name], id=id_)


@pytest.mark.parametrize("name", ["text", "tools", "length", "refusal", "filtered", "reasoning"])
def test_what_our_own_server_face_writes_is_read_as_the_same_answer(name: str) -> None:
    response = replace(EXPECTED[name], id=f"chatcmpl-{name}")

    written = chat.FACE.encode_response(response, Frame(ASKED, response.model, 1, "r1"), {})

    assert FACE.decode_response(written, ASKED, no_id) == response


# --- careless servers ----------------------------------------------------------------------------------


def call(index: int | None = None, id_: str | None = None, name: str | None = None, arguments: Any = None) -> Any:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    named = {key: value for key, value in (("index", index), ("id", id_)) if value is not None}
    return {"tool_calls": [{**named, "function": function}]}


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([call(0, None, "f", "{}")], [("made_1", "f", "{}")]),
        ([call(0, "a", "f"), call(0, None, None, '{"x"'), call(0, None, None, ":1}")], [("a", "f", '{"x":1}')]),
        ([call(0, "a", "f", '{"x"'), call(0, "a", "f", ":1}")], [("a", "f", '{"x":1}')]),
        ([call(0, "a", "f", '{"x"'), call(0, "random", None, ":1}")], [("a", "f", '{"x":1}')]),
        ([call(0, "a", "f", "{}"), call(0, "b", "g", "{}")], [("a", "f", "{}"), ("b", "g", "{}")]),
        ([call(None, "a", "f", "{"), call(None, None, None, "}")], [("a", "f", "{}")]),
        ([call(None, None, "f"), call(None, None, "g")], [("made_1", "f", "{}"), ("made_2", "g", "{}")]),
        ([call(1, "a", "f"), call(2, "b", "g")], [("a", "f", "{}"), ("b", "g", "{}")]),
        ([call(1, "b", "g"), call(0, "a", "f"), call(1, None, None, "[]")], [("b", "g", "[]"), ("a", "f", "{}")]),
        ([{"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"arguments": "}"}}],
         [("made_1", "f", "{}")]),
    ],
)  # fmt: skip
def test_tool_calls_are_told_apart_however_they_are_counted(
    deltas: list[dict[str, Any]], expected: list[tuple[str, str, str]]
) -> None:
    answer = folded(chunks(*deltas))

    assert [(c.id, c.name, c.arguments) for c in answer.tool_calls] == expected
    assert answer.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("said", "expected"),
    [("stop", "stop"), ("eos", "stop"), ("model_length", "length"), ("function_call", "tool_calls")],
)
def test_a_finish_reason_is_read_in_our_words(said: str, expected: str) -> None:
    assert folded(chunks({"content": "x"}, finish=said)).finish_reason == expected


@pytest.mark.parametrize("said", ["error", "abort"])
def test_an_answer_that_was_broken_off_is_an_error(said: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        folded(chunks({"content": "x"}, finish=said))
    assert (caught.value.kind, caught.value.retryable) == ("server", True)


def test_a_choice_may_come_without_an_index() -> None:
    head = {"id": "c", "model": "m"}
    events = [
        {**head, "choices": [{"index": None, "delta": {"content": "mine"}}]},
        {**head, "choices": [{"delta": {}, "finish_reason": "stop"}]},
    ]

    answer = folded([*(Event(json.dumps(event).encode()) for event in events), Event(b"[DONE] ")])

    assert (answer.text, answer.finish_reason, answer.alternatives) == ("mine", "stop", ())


def test_tool_calls_are_counted_in_each_choice() -> None:
    events = [
        Event(json.dumps({"choices": [{"index": index, "delta": call(0, f"c{index}", "f", "[]")}]}).encode())
        for index in (0, 1)
    ]
    ends = [{"index": index, "delta": {}, "finish_reason": "tool_calls"} for index in (0, 1)]

    answer = folded([*events, Event(json.dumps({"choices": ends}).encode()), Event(b"[DONE]")])

    assert [c.id for c in answer.tool_calls] == ["c0"]
    assert [c.id for c in answer.alternatives[0].tool_calls] == ["c1"]


def test_a_choice_that_has_not_finished_is_a_truncated_answer() -> None:
    events = [
        Event(b'{"choices":[{"index":1,"delta":{"content":"b"}}]}'),
        Event(b'{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}'),
    ]

    with pytest.raises(UpstreamError) as caught:
        folded([*events, Event(b"[DONE]")])
    assert caught.value.kind == "truncated"


def test_whole_choices_are_put_in_their_order() -> None:
    choices = [
        {"index": index, "message": {"content": text}, "finish_reason": "stop"} for index, text in ((1, "b"), (0, "a"))
    ]

    answer = FACE.decode_response(json.dumps({"id": "x", "choices": choices}).encode(), ASKED, no_id)

    assert (answer.text, [other.text for other in answer.alternatives]) == ("a", ["b"])


def test_half_a_surrogate_pair_does_no_harm() -> None:
    cut = b'{"id":"c","choices":[{"delta":{"content":"a\\ud83c"},"finish_reason":"stop"}]}'

    assert folded([Event(mended(cut)), Event(b"[DONE]")]).text == "a\ufffd"


def test_an_answer_without_id_or_model_is_read() -> None:
    answer = folded([Event(b'{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}')])

    assert (answer.id, answer.model, answer.text) == ("", "", "x")


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 5, "completion_tokens": 2},
        {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None, "completion_tokens_details": []},
        {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": None}},
        {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": -1}},
    ],
)
def test_a_usage_is_read_as_far_as_it_goes(usage: dict[str, Any]) -> None:
    document = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage}

    assert FACE.decode_response(json.dumps(document).encode(), ASKED, lambda: "id").usage == Usage(5, 2)


@pytest.mark.parametrize("usage", [None, "none", []])
def test_a_usage_that_is_none_is_unknown(usage: object) -> None:
    document = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage}

    assert FACE.decode_response(json.dumps(document).encode(), ASKED, lambda: "id").usage is None


def test_running_totals_replace_each_other() -> None:
    events = [
        Event(b'{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}'),
        Event(b'{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}'),
    ]

    assert folded(events).usage == Usage(5, 2)


def test_a_text_in_parts_is_joined() -> None:
    content = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    document = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}

    assert FACE.decode_response(json.dumps(document).encode(), ASKED, lambda: "id").text == "ab"


# --- what is no answer ---------------------------------------------------------------------------------


def test_the_deltas_of_a_stream_come_in_its_order() -> None:
    deltas, _ = decode([stream("reasoning")])

    assert deltas == [
        Started("8f1c", "deepseek-v4"),
        ReasoningDelta("Nine tens "),
        ReasoningDelta("are ninety."),
        TextDelta("90"),
        Finished("stop"),
        UsageReported(Usage(9, 30, reasoning_tokens=21)),
    ]


def test_a_call_is_started_once_and_its_arguments_follow() -> None:
    deltas, _ = decode([stream("tools")])

    assert [delta for delta in deltas if isinstance(delta, ToolCallStarted | ToolCallDelta)] == [
        ToolCallStarted(0, "call_Oslo", "get_weather"),
        ToolCallDelta(0, '{"ci'),
        ToolCallDelta(0, 'ty":"Oslo"}'),
        ToolCallStarted(1, "call_Now", "now"),
        ToolCallDelta(1, "{}"),
    ]


def test_a_stream_that_stops_after_some_text_is_not_complete() -> None:
    deltas, complete = decode([stream("truncated")])

    assert not complete and not any(isinstance(delta, Finished) for delta in deltas)


def test_done_without_a_finish_reason_is_a_truncated_answer() -> None:
    with pytest.raises(UpstreamError) as caught:
        folded(chunks({"content": "x"}, finish=None))
    assert caught.value.kind == "truncated"


def test_a_finish_reason_without_done_is_not_complete() -> None:
    decoder = FACE.stream_decoder(ASKED, no_id)
    for event in chunks({"content": "x"}, done=False):
        decoder.feed(event)

    assert not decoder.complete


def test_an_error_in_mid_stream_is_raised() -> None:
    with pytest.raises(UpstreamError) as caught:
        decode([stream("error_mid_stream")])
    assert (caught.value.kind, caught.value.status) == ("server", 502)
    assert caught.value.message == "The server had an error while processing your request."


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("overworked", "server"),
        ({"message": "slow down", "code": 429}, "rate_limited"),
        ({"message": "slow down", "code": "rate_limit_exceeded"}, "rate_limited"),
        ({"code": "insufficient_quota"}, "quota"),
        ({"code": 503, "message": None}, "overloaded"),
        ({"code": "503", "message": None}, "overloaded"),
        ({"code": "invalid_prompt", "message": "no"}, "refused"),
        ({"type": "invalid_request_error", "message": "no"}, "refused"),
        ({"message": "The prompt is too long: 9 tokens"}, "context_length"),
        ({"code": 10**30}, "server"),
        ([1], "server"),
    ],
)
def test_an_error_in_a_200_is_what_it_says(error: object, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        FACE.decode_response(json.dumps({"error": error}).encode(), ASKED, no_id)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"\xff",
        b'{"choices":[]}',
        b'{"choices":{}}',
        b'{"choices":[1]}',
        b'{"choices":[{"message":null}]}',
        b'{"choices":[{"message":{"content":5}}]}',
        b'{"choices":[{"message":{"tool_calls":[{}]}}]}',
        b'{"choices":[{"message":{"tool_calls":["f"]}}]}',
        b'{"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":null}}]}}]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_completion_is_a_broken_protocol(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        FACE.decode_response(body, ASKED, lambda: "id")
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b"5", b'{"choices":[{"delta":{"content":5}}]}'])
def test_what_is_no_chunk_is_a_broken_protocol(data: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        FACE.stream_decoder(ASKED, lambda: "id").feed(Event(data))
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize(
    ("name", "kind", "status", "code", "param"),
    [
        ("400_unsupported", "refused", 400, "unsupported_parameter", "stop"),
        ("400_too_long", "context_length", 400, "context_length_exceeded", "messages"),
        ("400_vllm", "context_length", 400, "context_length_exceeded", None),
        ("400_llama_cpp", "context_length", 400, "context_length_exceeded", None),
        ("400_ollama", "context_length", 400, "context_length_exceeded", None),
        ("400_litellm", "refused", 400, "upstream_refused", None),
        ("404_item", "refused", 400, "upstream_refused", "file_id"),
        ("401", "credentials", 502, "upstream_credentials", None),
        ("404", "not_found", 502, "upstream_model_not_found", None),
        ("429", "rate_limited", 429, "rate_limit_exceeded", None),
        ("429_quota", "quota", 429, "insufficient_quota", None),
        ("500", "server", 502, "upstream_error", None),
    ],
)
def test_an_error_is_told_by_its_status_and_code(
    name: str, kind: str, status: int, code: str, param: str | None
) -> None:
    transcript = whole(f"error_{name}")

    error = FACE.decode_error(transcript.status, {}, bytes(transcript.body))

    assert (error.kind, error.status, error.code, error.param) == (kind, status, code, param)
    assert error.upstream_status == transcript.status


def test_a_message_about_our_key_is_not_passed_on() -> None:
    error = FACE.decode_error(401, {}, bytes(whole("error_401").body))

    assert "sk-" not in error.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [(402, "quota"), (403, "credentials"), (408, "server"), (409, "server"), (413, "too_large"), (418, "refused"),
     (422, "refused"),
     (502, "server"), (503, "overloaded"), (504, "server"), (529, "overloaded")],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b'{"detail":"x"}', b'{"error":"x"}', b"[1]"])
def test_any_body_of_an_error_will_do(status: int, kind: str, body: bytes) -> None:
    assert FACE.decode_error(status, {}, body).kind == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "120", "retry-after": "1"}, 0.12),
        ({"retry-after-ms": "x", "retry-after": "1"}, 1.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_was_asked_for_is_kept(headers: dict[str, str], seconds: float | None) -> None:
    assert FACE.decode_error(429, headers, b"").retry_after_s == seconds


def test_an_empty_bias_is_left_out_for_a_model_that_takes_none() -> None:
    assert "logit_bias" not in sent(asked(logit_bias={}), GPT)
    assert sent(asked(logit_bias={"1": 2}), PLAIN)["logit_bias"] == {"1": 2}


OPEN = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ALLOWED = {"mode": "required", "tools": [{"type": "custom", "custom": {"name": "sql"}}]}
NARROWED = {
    "tools": [
        {"type": "custom", "custom": {"name": "sql"}},
        {"type": "function", "function": {"name": "get_weather", "parameters": OPEN, "strict": True}},
    ],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": ALLOWED},
}


def test_a_function_that_is_not_allowed_stays_out_of_the_way_of_an_effort() -> None:
    model = replace(GPT, tools_on_chat="unless_effort")

    body = sent(asked(**NARROWED, reasoning_effort="high"), model)

    assert (body["tools"], body["tool_choice"]) == (NARROWED["tools"][:1], "required")


def test_a_strict_function_that_is_not_allowed_is_closed_like_the_others() -> None:
    body = sent(asked(**NARROWED), GPT)

    assert body["tools"][1]["function"]["parameters"] == {**OPEN, "additionalProperties": False}
    assert body["tool_choice"] == NARROWED["tool_choice"]
