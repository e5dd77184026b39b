"""The client face of the Anthropic Messages API, against values written by hand from its documentation."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import simulated
from router.catalog import Model, Provider
from router.dialects import mended
from router.dialects.anthropic import FACE
from router.errors import BadRequest, UpstreamError
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
    Reasoning,
    ReasoningDelta,
    ReasoningEnded,
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

GOLDEN = Path(__file__).parents[1] / "golden" / "anthropic"

PROVIDER = Provider("anthropic", "anthropic", "https://anthropic.test", api_key="sk-ant-test")
OPUS = Model(
    "claude-opus-4.7",
    PROVIDER,
    "claude-opus-4-7",
    max_output_tokens=128_000,
    sampling=False,
    efforts=("low", "medium", "high", "xhigh", "max"),
    thinking="adaptive",
)
HAIKU = Model("claude-haiku-4.5", PROVIDER, "claude-haiku-4-5", max_output_tokens=64_000, thinking="budget")

OPUS_5 = replace(OPUS, name="claude-opus-5", id="claude-opus-5", mid_system=True, thinking_off="disabled")
OPUS_55 = replace(OPUS_5, name="claude-opus-5.5", id="claude-opus-5-5", thinking_off="never", forced_tool_choice=False)
SONNET_55 = replace(OPUS_55, name="claude-sonnet-5.5", id="claude-sonnet-5-5", thinking_off="between_tools")
OPUS_46 = replace(
    OPUS, name="claude-opus-4.6", id="claude-opus-4-6", sampling=True, efforts=("low", "medium", "high", "max")
)

ADA_SHA256 = "cfe00dde46ef942601ffafb9e2825e802858b460e586b8305b344c1eb826357d"  # printf ada@example.org | sha256sum
HELLO = Message("user", (Text("Hello"),))
JSON_ONLY = "Answer with one JSON object and nothing else: no words around it, no code fence."
HELLO_TURN = {"role": "user", "content": [{"type": "text", "text": "Hello"}]}
ADVICE = {
    "presence_penalty": 1,
    "frequency_penalty": 1,
    "store": True,
    "metadata": {"a": "b"},
    "verbosity": "low",
    "prompt_cache_key": "k",
    "logit_bias": {},
}
WEATHER = Tool("get_weather", "The weather", {"type": "object", "properties": {"city": {"type": "string"}}})
WEATHER_TOOL = {
    "name": "get_weather",
    "description": "The weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
STRICT_FORMAT = ResponseFormat(
    "json_schema",
    "answer",
    schema={
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}},
        "required": ["n"],
        "additionalProperties": False,
    },
    strict=True,
)


def request(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest("auto", messages or (HELLO,), **fields)


def body(asked: ChatRequest, model: Model = OPUS) -> dict[str, Any]:
    decoded = json.loads(FACE.encode_request(asked, model).body)
    assert isinstance(decoded, dict)
    return decoded


def turns(*messages: Message) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = body(request(*messages))["messages"]
    return sent


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def assistant(text: str = "", *calls: ToolCall) -> Message:
    return Message("assistant", (Text(text),) if text else (), calls)


def result(call_id: str, text: str) -> Message:
    return Message("tool", (Text(text),), tool_call_id=call_id)


def thought(text: str = "", seal: Seal | None = None, *calls: ToolCall) -> Message:
    return Message("assistant", (Reasoning(text, seal), Text("Let me see.")), calls)


def refused(asked: ChatRequest, model: Model = OPUS) -> list[str]:
    return list(FACE.obstacles(asked, model))


# --- the request ---------------------------------------------------------------------------------------


def test_a_request_goes_to_messages_with_the_key_and_the_version() -> None:
    wire = FACE.encode_request(request(), OPUS)

    assert wire.path == "/v1/messages"
    assert dict(wire.headers) == {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": "sk-ant-test",
    }


def test_a_provider_without_a_key_gets_no_key_header() -> None:
    wire = FACE.encode_request(request(), replace(OPUS, provider=replace(PROVIDER, api_key=None)))

    assert "x-api-key" not in dict(wire.headers)


def test_the_smallest_request_has_the_required_fields_alone() -> None:
    assert body(request()) == {
        "model": "claude-opus-4-7",
        "max_tokens": 32000,
        "messages": [HELLO_TURN],
        "stream": False,
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stream": True}, {"max_tokens": 64000, "stream": True}),
        ({"max_tokens": 100}, {"max_tokens": 100}),
        ({"max_tokens": 1_000_000}, {"max_tokens": 64000}),
        ({"stop": ("END", "\n#")}, {"stop_sequences": ["END", "\n#"]}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"temperature": 1.7, "top_p": 0.5}, {"temperature": 1.0}),
        ({"top_p": 0.5, "others": {"top_k": 40}}, {"top_p": 0.5, "top_k": 40}),
        ({"user": "ada@example.org"}, {"metadata": {"user_id": ADA_SHA256}}),
        ({"others": {"service_tier": "default"}}, {"service_tier": "standard_only"}),
        ({"others": {"cache_control": {"type": "ephemeral"}}}, {"cache_control": {"type": "ephemeral"}}),
        ({"response_format": ResponseFormat("json_object")}, {"system": JSON_ONLY}),
        ({"seed": 7, "others": ADVICE}, {}),
        ({"effort": "none"}, {}),
        (
            {"effort": "high", "max_tokens": 100_000},
            {"max_tokens": 64000, "thinking": {"type": "enabled", "budget_tokens": 16384}},
        ),
        (
            {"effort": "high", "max_tokens": 4096, "temperature": 0.2},
            {"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 2048}},
        ),
        ({"effort": "low", "max_tokens": 2047}, {"max_tokens": 2047}),
        ({"tools": (WEATHER,)}, {"tools": [WEATHER_TOOL]}),
        ({"tools": (Tool("now"),)}, {"tools": [{"name": "now", "input_schema": {"type": "object", "properties": {}}}]}),
        (
            {"tools": (WEATHER,), "tool_choice": ToolChoice("auto")},
            {"tools": [WEATHER_TOOL], "tool_choice": {"type": "auto"}},
        ),
        (
            {"tools": (WEATHER,), "tool_choice": ToolChoice("none"), "parallel_tool_calls": False},
            {"tools": [WEATHER_TOOL], "tool_choice": {"type": "none"}},
        ),
        (
            {"tools": (WEATHER,), "tool_choice": ToolChoice("required")},
            {"tools": [WEATHER_TOOL], "tool_choice": {"type": "any"}},
        ),
        (
            {"tools": (WEATHER,), "tool_choice": ToolChoice("named", "get_weather"), "parallel_tool_calls": False},
            {
                "tools": [WEATHER_TOOL],
                "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
            },
        ),
        (
            {"tools": (WEATHER,), "parallel_tool_calls": False},
            {"tools": [WEATHER_TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        ({"tools": (WEATHER,), "parallel_tool_calls": True}, {"tools": [WEATHER_TOOL]}),
        (
            {"response_format": STRICT_FORMAT},
            {
                "output_config": {
                    "format": {
                        "type": "json_schema",
                        "schema": {
                            "type": "object",
                            "properties": {"n": {"type": "integer", "description": "{minimum: 1}"}},
                            "required": ["n"],
                            "additionalProperties": False,
                        },
                    }
                }
            },
        ),
    ],
)
def test_a_field_is_said_in_the_words_of_this_api(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    asked = request(**fields)
    smallest = {"model": "claude-haiku-4-5", "max_tokens": 32000, "messages": [HELLO_TURN], "stream": False}

    assert body(asked, HAIKU) == smallest | expected
    assert refused(asked, HAIKU) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("xhigh", "xhigh"), ("max", "max")],
)
def test_an_effort_switches_adaptive_thinking_on(asked: Any, said: str) -> None:
    sent = body(request(effort=asked))

    assert sent["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert sent["output_config"] == {"effort": said}


def test_a_variant_of_a_model_brings_its_own_effort() -> None:
    variant = replace(OPUS, effort="xhigh")

    assert body(request(), variant)["output_config"] == {"effort": "xhigh"}
    assert body(request(effort="low"), variant)["output_config"] == {"effort": "low"}
    assert "thinking" not in body(request(effort="none"), variant)


SUMMARIZED = {"type": "adaptive", "display": "summarized"}
FORCED = {"tools": (WEATHER,), "tool_choice": ToolChoice("required")}


@pytest.mark.parametrize(
    ("model", "fields", "thinking", "effort"),
    [
        (OPUS, {}, None, None),
        (OPUS, {"show_reasoning": True}, SUMMARIZED, None),
        (OPUS, {"effort": "none", "show_reasoning": True}, None, None),
        (OPUS, {"effort": "max", **FORCED}, None, "max"),
        (OPUS_5, {}, None, None),
        (OPUS_5, {"effort": "max"}, SUMMARIZED, "max"),
        (OPUS_5, {"effort": "none"}, {"type": "disabled"}, None),
        (OPUS_5, FORCED, {"type": "disabled"}, None),
        (OPUS_5, {"effort": "low", **FORCED}, {"type": "disabled"}, "low"),
        (OPUS_5, {"effort": "max", **FORCED}, {"type": "disabled"}, "high"),
        (replace(OPUS_5, effort="xhigh"), FORCED, {"type": "disabled"}, "high"),
        (OPUS_55, {"effort": "none"}, None, "low"),
        (OPUS_55, {"effort": "xhigh"}, SUMMARIZED, "xhigh"),
        (SONNET_55, {"effort": "none"}, {"type": "between_tools"}, None),
        (SONNET_55, {"effort": "minimal"}, SUMMARIZED, "low"),
        (HAIKU, {"show_reasoning": True}, {"type": "enabled", "budget_tokens": 16000}, None),
        (replace(OPUS, thinking="none"), {"effort": "none", "show_reasoning": True}, None, None),
    ],
)
def test_a_model_is_told_to_think_in_the_way_that_it_takes(
    model: Model, fields: dict[str, Any], thinking: dict[str, Any] | None, effort: str | None
) -> None:
    sent = body(request(**fields), model)

    assert sent.get("thinking") == thinking
    assert sent.get("output_config") == (None if effort is None else {"effort": effort})
    assert refused(request(**fields), replace(model, forced_tool_choice=True)) == []


def test_parts_marked_for_the_cache_mark_their_blocks() -> None:
    sent = body(
        request(
            Message("system", (Text("Be brief.", "1h"),)),
            Message("developer", (Text("Be kind."),)),
            Message("user", (Text("Look", "5m"), Image("https://example.org/cat.png", cache="5m"))),
            response_format=ResponseFormat("json_object"),
            tools=(replace(WEATHER, cache="1h"),),
        )
    )

    assert sent["tools"] == [WEATHER_TOOL | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert sent["system"] == [
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "Be kind."},
        {"type": "text", "text": JSON_ONLY},
    ]
    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": "Look", "cache_control": {"type": "ephemeral"}},
        {
            "type": "image",
            "source": {"type": "url", "url": "https://example.org/cat.png"},
            "cache_control": {"type": "ephemeral"},
        },
    ]


def test_a_mark_inside_a_tool_s_result_stands_on_the_result() -> None:
    answer = Message("tool", (Text("sunny", "5m"), File(url="https://example.org/a.pdf")), tool_call_id="call_1")

    assert turns(HELLO, assistant("", CALL), answer)[2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "call_1",
            "content": [
                {"type": "text", "text": "sunny"},
                {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            ],
            "cache_control": {"type": "ephemeral"},
        }
    ]


def test_of_more_than_four_marks_the_last_are_kept() -> None:
    messages = (Message("user", tuple(Text(word, "5m") for word in "abcd")),)
    fields: dict[str, Any] = {"tools": (replace(WEATHER, cache="5m"),)}
    whole: dict[str, Any] = {"others": {"cache_control": {"type": "ephemeral"}}}

    four, three = (body(request(*messages, **fields, **more)) for more in ({}, whole))

    assert "cache_control" not in four["tools"][0]
    assert ["cache_control" in block for block in four["messages"][0]["content"]] == [True] * 4
    assert ["cache_control" in block for block in three["messages"][0]["content"]] == [False, True, True, True]


def test_a_mark_before_one_for_an_hour_is_for_an_hour_too() -> None:
    message = Message("user", (Text("a", "5m"), Text("b", "1h"), Text("c", "5m")))

    marks = [block["cache_control"] for block in turns(message)[0]["content"]]

    hour = {"type": "ephemeral", "ttl": "1h"}
    assert marks == [hour, hour, {"type": "ephemeral"}]


def test_a_custom_tool_is_asked_for_as_a_function_of_one_text() -> None:
    patch = Tool("apply_patch", "Patch", kind="custom")
    call = ToolCall("call_1", "apply_patch", '*** "Begin"\n', "custom")
    asked = request(HELLO, assistant("", call), result("call_1", "ok"), tools=(patch,))
    sent = body(asked)

    assert refused(asked) == []
    assert sent["tools"] == [
        {
            "name": "apply_patch",
            "description": "Patch",
            "input_schema": {
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
                "additionalProperties": False,
            },
        }
    ]
    assert sent["messages"][1]["content"] == [
        {"type": "tool_use", "id": "call_1", "name": "apply_patch", "input": {"input": '*** "Begin"\n'}}
    ]


# --- the conversation ----------------------------------------------------------------------------------


def test_leading_system_messages_become_the_system_text_in_order() -> None:
    sent = body(request(Message("system", (Text("Be brief."),)), Message("developer", (Text("Be kind."),)), HELLO))

    assert sent["system"] == "Be brief.\n\nBe kind."
    assert sent["messages"] == [HELLO_TURN]


@pytest.mark.parametrize("mid_system", [False, True])
def test_system_messages_alone_are_the_user_turn_that_the_api_wants(mid_system: bool) -> None:
    asked = request(Message("system", (Text("Tell a joke."),)))
    model = replace(OPUS, mid_system=mid_system)

    sent = body(asked, model)

    assert refused(asked, model) == [] and "system" not in sent
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "<system>\nTell a joke.\n</system>"}]}
    ]


def test_a_system_message_in_the_middle_is_folded_into_the_user_turn_after_it() -> None:
    sent = turns(HELLO, assistant("Hi"), Message("system", (Text("Answer in French."),)), user("How are you?"))

    assert sent == [
        HELLO_TURN,
        {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<system>\nAnswer in French.\n</system>"},
                {"type": "text", "text": "How are you?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (
            (HELLO, Message("system", (Text("In French."),)), assistant("Oui"), user("Et?")),
            [("user", "Hello"), ("system", "In French."), ("assistant", "Oui"), ("user", "Et?")],
        ),
        (
            (HELLO, assistant("Hi"), Message("developer", (Text("In French."),)), user("Well?")),
            [("user", "Hello"), ("assistant", "Hi"), ("user", "Well?"), ("system", "In French.")],
        ),
        (
            (HELLO, assistant("Hi"), Message("system", (Text("In French."),))),
            [("user", "Hello"), ("assistant", "Hi"), ("user", "<system>\nIn French.\n</system>")],
        ),
    ],
)
def test_a_model_that_takes_system_messages_in_the_middle_gets_them_behind_the_user_s_turn(
    messages: tuple[Message, ...], expected: list[tuple[str, str]]
) -> None:
    sent = body(request(*messages), OPUS_5)["messages"]

    assert [(turn["role"], turn["content"][0]["text"]) for turn in sent] == expected


def test_files_come_inline_by_url_and_as_plain_text() -> None:
    message = Message(
        "user",
        (
            File(url="https://example.org/a.pdf", cache="5m"),
            File("data:text/plain;charset=utf-8;base64,R3LDvMOfZQ==", filename="hi.txt"),
        ),
    )

    assert turns(message)[0]["content"] == [
        {
            "type": "document",
            "source": {"type": "url", "url": "https://example.org/a.pdf"},
            "cache_control": {"type": "ephemeral"},
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"},
            "title": "hi.txt",
        },
    ]


def test_a_tool_that_failed_says_so() -> None:
    failed = replace(result("call_1", "no such city"), failed=True)

    assert turns(HELLO, assistant("", CALL), failed)[2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "call_1",
            "content": [{"type": "text", "text": "no such city"}],
            "is_error": True,
        }
    ]


def test_the_name_of_a_past_call_is_made_one_that_the_api_takes() -> None:
    call = ToolCall("call_1", "multi_tool.use", "{}")

    assert turns(HELLO, assistant("", call), result("call_1", ""))[1]["content"][0]["name"] == "multi_tool_use"


OWN = Seal("EuYB", "messages", "claude-opus-4-7")


@pytest.mark.parametrize(
    ("reasoning", "block"),
    [
        (Reasoning("Hm.", OWN), {"type": "thinking", "thinking": "Hm.", "signature": "EuYB"}),
        (Reasoning("", OWN), {"type": "thinking", "thinking": "", "signature": "EuYB"}),
        (Reasoning("", OWN, hidden=True), {"type": "redacted_thinking", "data": "EuYB"}),
        (Reasoning("Hm.", replace(OWN, model="")), {"type": "thinking", "thinking": "Hm.", "signature": "EuYB"}),
        (
            Reasoning("Hm.", replace(OWN, model="claude-opus-4-7-20260416")),
            {"type": "thinking", "thinking": "Hm.", "signature": "EuYB"},
        ),
        (Reasoning("Hm."), None),
        (Reasoning("Hm.", Seal("CiQB", "gemini", "gemini-3.1-pro-preview")), None),
        (Reasoning("", Seal("gAAA", "responses"), hidden=True), None),
        (Reasoning("Hm.", replace(OWN, model="claude-sonnet-5-5")), None),
    ],
)
def test_only_what_the_model_itself_has_sealed_goes_back_and_goes_first(
    reasoning: Reasoning, block: dict[str, Any] | None
) -> None:
    sent = turns(HELLO, Message("assistant", (Text("Well."), reasoning), (CALL,)), result("call_1", "sunny"))

    said = [
        {"type": "text", "text": "Well."},
        {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Rome"}},
    ]
    assert sent[1]["content"] == ([block, *said] if block else said)


def test_a_turn_of_nothing_but_thinking_is_left_out() -> None:
    assert turns(HELLO, Message("assistant", (Reasoning("Hm.", OWN),)), user("Still there?")) == [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "Still there?"}]}
    ]


def test_images_and_documents_keep_their_place_among_the_text() -> None:
    message = Message(
        "user",
        (
            Text("Compare"),
            Image("data:image/jpg;base64,/9j/4AAQ"),
            Image("https://example.org/cat.png", "low"),
            File("data:application/pdf;base64,JVBERi0x", filename="a.pdf"),
        ),
    )

    assert turns(message)[0]["content"] == [
        {"type": "text", "text": "Compare"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"},
            "title": "a.pdf",
        },
    ]


def test_a_refusal_in_the_history_stays_what_the_assistant_said() -> None:
    sent = turns(HELLO, Message("assistant", (Refusal("I can't."),)), user("Why?"))

    assert sent[1] == {"role": "assistant", "content": [{"type": "text", "text": "I can't."}]}


def test_neighbours_of_one_role_make_one_turn() -> None:
    sent = turns(user("a"), user("b"), assistant("c"), assistant("d"), user("e"))

    assert [(turn["role"], [block["text"] for block in turn["content"]]) for turn in sent] == [
        ("user", ["a", "b"]),
        ("assistant", ["c", "d"]),
        ("user", ["e"]),
    ]


def test_arguments_keep_their_numbers_to_the_digit() -> None:
    call = ToolCall("c1", "pay", '{"amount": 0.10, "id": 12345678901234567890123}')
    wire = FACE.encode_request(request(HELLO, assistant("", call), result("c1", "ok")), OPUS)

    assert b'"input":{"amount":0.10,"id":12345678901234567890123}' in wire.body


def test_tool_ids_are_rewritten_alike_in_call_and_result() -> None:
    sent = turns(
        HELLO,
        assistant("", ToolCall("a.b:1", "f", "{}"), ToolCall("a:b.1", "f", "")),
        result("a:b.1", "second"),
        result("a.b:1", "first"),
        assistant("", ToolCall("a.b:1", "f", "{}")),
        result("a.b:1", " "),
    )

    assert [block["id"] for block in sent[1]["content"]] == ["a_b_1", "a_b_1_"]
    assert sent[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a_b_1_", "content": [{"type": "text", "text": "second"}]},
        {"type": "tool_result", "tool_use_id": "a_b_1", "content": [{"type": "text", "text": "first"}]},
    ]
    assert sent[3]["content"][0]["id"] == "a_b_1__"
    assert sent[4]["content"] == [{"type": "tool_result", "tool_use_id": "a_b_1__"}]


CALL = ToolCall("call_1", "get_weather", '{"city":"Rome"}')
ARGUMENTS = "messages[1].tool_calls[0].function.arguments"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ((HELLO, assistant("", replace(CALL, arguments="{")), result("call_1", "")), ARGUMENTS),
        ((HELLO, assistant("", replace(CALL, arguments="[]")), result("call_1", "")), ARGUMENTS),
        ((HELLO, assistant("", replace(CALL, arguments='{"a":' + "[" * 9999)), result("call_1", "")), ARGUMENTS),
        ((HELLO, assistant("", CALL, CALL), result("call_1", "")), "messages[1].tool_calls[1].id"),
        ((HELLO, assistant("", CALL), user("And?")), "messages[1].tool_calls"),
        ((HELLO, assistant("", CALL)), "messages[1].tool_calls"),
        ((HELLO, assistant("", CALL), user("Wait"), result("call_1", "sunny")), "messages[1].tool_calls"),
        ((HELLO, assistant("", CALL), result("call_1", "a"), result("call_1", "b")), "messages[3].tool_call_id"),
        ((HELLO, assistant("", CALL), result("call_2", "sunny")), "messages[2].tool_call_id"),
        ((HELLO, result("call_1", "sunny")), "messages[1].tool_call_id"),
        ((user(" \n"),), "messages[0].content"),
        ((user("a"), assistant("b"), user("")), "messages[2].content"),
        ((Message("system", (Text(" "),)),), "messages"),
        ((Message("user", (Image("data:image/png,xyz"),)),), "messages[0].content[0].image_url.url"),
        ((Message("user", (File("data:text/plain;base64,/w=="),)),), "messages[0].content[0].file.file_data"),
    ],
)
def test_content_that_this_api_would_refuse_is_refused_by_name(messages: tuple[Message, ...], param: str) -> None:
    with pytest.raises(BadRequest) as error:
        FACE.encode_request(request(*messages), OPUS)

    assert error.value.param == param


USER_FIRST = "messages: the first turn after the system messages must be the user's for this model"
HERE = "messages[0].content[0]"

# --- a caller of this API itself -----------------------------------------------------------------------


def native(fields: dict[str, Any], *messages: Message, **decoded: Any) -> ChatRequest:
    """The request of such a caller: `fields` as it wrote them beside a greeting, `decoded` what was read of them."""
    raw = {"model": "auto", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello"}]} | fields
    return request(*messages, wire="messages", raw=json.dumps(raw).encode(), max_tokens=raw["max_tokens"], **decoded)


def passed(fields: dict[str, Any], model: Model, *messages: Message, **decoded: Any) -> dict[str, Any]:
    return body(native(fields, *messages, **decoded), model)


def test_a_caller_s_own_fields_arrive_as_they_were_written() -> None:
    fields = {
        "stream": True,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "hologram", "depth": {"data": [1.50, 12345678901234567890123]}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "EuYB"}]},
            {"role": "user", "content": " "},
        ],
        "tools": [
            {"type": "web_search_20260701", "name": "web_search", "max_uses": 3},
            {"name": "now", "input_schema": {"type": "object"}, "defer_loading": True},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "high", "task_budget": {"type": "tokens", "total": 5000}},
        "stop_sequences": [],
        "metadata": {"user_id": "u-1"},
        "service_tier": "auto",
        "cache_control": {"type": "ephemeral"},
        "mcp_servers": [{"type": "url", "url": "https://example.org/mcp", "name": "m"}],
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "container": {"skills": [{"type": "anthropic", "skill_id": "pdf"}]},
        "citations": {"enabled": False},
        "inference_geo": None,
        "temperature": None,
    }

    sent = passed(fields, OPUS)

    given = {name: value for name, value in fields.items() if value is not None}
    assert sent == given | {"model": "claude-opus-4-7", "max_tokens": 1000}
    assert b"12345678901234567890123" in FACE.encode_request(native(fields), OPUS).body
    assert refused(native(fields, effort="high", others={"top_k": 1})) == []


def test_a_caller_s_version_and_betas_go_with_its_request_alone() -> None:
    headers = (
        ("Anthropic-Version", "2026-10-21"),
        ("anthropic-beta", "a"),
        ("anthropic-beta", "b,c"),
        ("x-other", "d"),
    )

    own = dict(FACE.encode_request(replace(native({}), headers=headers), OPUS).headers)
    unsaid = dict(FACE.encode_request(native({}), OPUS).headers)
    translated = dict(FACE.encode_request(request(headers=headers), OPUS).headers)

    assert own == {
        "content-type": "application/json",
        "anthropic-version": "2026-10-21",
        "anthropic-beta": "a,b,c",
        "x-api-key": "sk-ant-test",
    }
    assert (unsaid["anthropic-version"], "anthropic-beta" in unsaid) == ("2023-06-01", False)
    assert (translated["anthropic-version"], "anthropic-beta" in translated) == ("2023-06-01", False)


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        (OPUS, {"temperature": 0.2, "top_p": 0.9, "top_k": 5}, {}),
        (OPUS_46, {"temperature": 0.2, "top_p": 0.9, "top_k": 5}, {"temperature": 0.2, "top_k": 5}),
        (OPUS_46, {"top_p": 0.9}, {"top_p": 0.9}),
        (
            OPUS_46,
            {"temperature": 1, "top_p": 0.97, "top_k": 5, "thinking": {"type": "adaptive"}},
            {"top_p": 0.97, "thinking": {"type": "adaptive"}},
        ),
        (OPUS_46, {"top_p": 0.9, "thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}),
        (HAIKU, {"max_tokens": 100_000}, {"max_tokens": 64_000}),
        (HAIKU, {"max_tokens": 0}, {"max_tokens": 0}),
    ],
)
def test_a_caller_s_limits_and_sampling_are_cut_to_what_the_model_takes(
    model: Model, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    kept = {"model": model.id, "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello"}]}

    assert passed(fields, model) == kept | expected


ENABLED = {"type": "enabled", "budget_tokens": 4096, "display": "omitted"}
ADAPTIVE = {"type": "adaptive", "display": "summarized"}
OFF = {"type": "disabled"}
BETWEEN = {"type": "between_tools"}
ANY_TOOL = {"tools": [{"name": "now", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}}


@pytest.mark.parametrize(
    ("model", "said", "thinking", "config"),
    [
        # as it is
        (OPUS, {}, None, None),
        (OPUS, {"thinking": ADAPTIVE}, ADAPTIVE, None),
        (OPUS, {"thinking": OFF, "output_config": {"effort": "max"}}, OFF, {"effort": "max"}),
        (OPUS, {"output_config": {"effort": "low"}}, None, {"effort": "low"}),
        (OPUS, {"thinking": {"type": "daydreaming"}, "output_config": {}}, {"type": "daydreaming"}, {}),
        (HAIKU, {"thinking": ENABLED}, ENABLED, None),
        (HAIKU, {"thinking": OFF}, OFF, None),
        (SONNET_55, {"thinking": BETWEEN}, BETWEEN, None),
        # a budget becomes an effort
        (OPUS, {"thinking": ENABLED}, {"type": "adaptive", "display": "omitted"}, {"effort": "medium"}),
        (OPUS, {"thinking": {"type": "enabled", "budget_tokens": 31_999}}, {"type": "adaptive"}, {"effort": "xhigh"}),
        (OPUS_46, {"thinking": {"type": "enabled", "budget_tokens": 31_999}}, {"type": "adaptive"}, {"effort": "max"}),
        (OPUS, {"thinking": ENABLED, "output_config": {"effort": "low"}}, {"type": "adaptive", "display": "omitted"},
         {"effort": "low"}),
        # an effort becomes a budget
        (HAIKU, {"thinking": ADAPTIVE}, {"type": "enabled", "budget_tokens": 5000}, None),
        (HAIKU, {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}},
         {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}, None),
        (HAIKU, {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}}},
         {"type": "enabled", "budget_tokens": 1024}, {"format": {"type": "json_schema", "schema": {}}}),
        (HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 70_000}, "max_tokens": 80_000},
         {"type": "enabled", "budget_tokens": 32_000}, None),
        # off
        (OPUS, {"thinking": BETWEEN}, None, None),
        (OPUS_5, {"thinking": OFF, "output_config": {"effort": "max"}}, OFF, {"effort": "high"}),
        (OPUS_5, {"thinking": BETWEEN}, OFF, None),
        (SONNET_55, {"thinking": OFF, "output_config": {"effort": "xhigh"}}, BETWEEN, {"effort": "high"}),
        (OPUS_55, {"thinking": OFF}, None, {"effort": "low"}),
        (OPUS_55, {"thinking": OFF, "output_config": {"effort": "medium"}}, None, {"effort": "medium"}),
        (HAIKU, {"thinking": BETWEEN}, None, None),
        # a forced tool
        (OPUS, {"thinking": ADAPTIVE, **ANY_TOOL}, None, None),
        (OPUS_5, ANY_TOOL, OFF, None),
        (HAIKU, {"thinking": ENABLED, **ANY_TOOL}, None, None),
        # the effort of a variant, where the caller says nothing of it
        (replace(OPUS, effort="xhigh"), {}, {"type": "adaptive"}, {"effort": "xhigh"}),
        (replace(OPUS, effort="xhigh"), {"thinking": OFF}, OFF, None),
        (replace(OPUS, effort="xhigh"), {"output_config": {"effort": "low"}}, None, {"effort": "low"}),
        (replace(OPUS_5, effort="none"), {}, OFF, None),
    ],
)  # fmt: skip
def test_a_caller_s_thinking_is_told_to_each_model_in_the_way_that_it_takes(
    model: Model, said: dict[str, Any], thinking: dict[str, Any] | None, config: dict[str, Any] | None
) -> None:
    sent = passed({"max_tokens": 10_000, **said}, model)

    assert sent.get("thinking") == thinking
    assert sent.get("output_config") == config


def test_a_caller_s_budget_goes_with_the_thinking_of_every_turn_that_called_tools() -> None:
    call = {"type": "tool_use", "id": "t", "name": "now", "input": {}}
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}
    seal = {"type": "thinking", "thinking": "", "signature": "EuYB"}
    fields = {"thinking": ENABLED, "max_tokens": 10_000}

    kept, lost = (
        passed(
            fields | {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": turn}, answer]},
            HAIKU,
            user("a"),
            Message("assistant", (Reasoning("", Seal("EuYB", "messages")),)),
        )
        for turn in ([seal, call], [{"type": "text", "text": "Well."}, call])
    )

    assert kept["thinking"] == ENABLED
    assert "thinking" not in lost


def test_what_other_providers_thought_is_taken_out_of_a_caller_s_messages() -> None:
    own = {"type": "thinking", "thinking": "", "signature": "EuYB"}
    hidden = {"type": "redacted_thinking", "data": "EmwK"}
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    text = {"type": "text", "text": "Well.", "citations": None}
    turns_ = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [own, hidden, text]},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": [foreign, text]},
        {"role": "assistant", "content": [foreign]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]
    read = (
        Message("assistant", (Reasoning("", Seal("EuYB", "messages")), Reasoning("", Seal("EmwK", "messages"), True))),
        Message("assistant", (Reasoning("Hm."),)),
    )

    sent = passed({"messages": turns_}, OPUS, user("a"), *read, user("d"))["messages"]

    assert sent == [*turns_[:3], {"role": "assistant", "content": [text]}, *turns_[5:]]


def test_a_caller_s_system_message_in_the_middle_is_folded_for_a_model_that_takes_none() -> None:
    words = {"type": "text", "text": "In French.", "cache_control": {"type": "ephemeral"}}
    turns_ = [
        {"role": "user", "content": "a"},
        {"role": "system", "content": [words]},
        {"role": "system", "content": "Be brief."},
    ]
    read = (user("a"), Message("system", (Text("In French."),)), Message("system", (Text("Be brief."),)))

    assert passed({"messages": turns_}, OPUS_5, *read)["messages"] == turns_
    assert passed({"messages": turns_}, OPUS, *read)["messages"] == [
        turns_[0],
        {"role": "user", "content": [words | {"text": "<system>\nIn French.\n</system>"}]},
        {"role": "user", "content": [{"type": "text", "text": "<system>\nBe brief.\n</system>"}]},
    ]


PREFILL = "messages: this model doesn't continue a last message of the assistant"


@pytest.mark.parametrize(
    ("model", "fields", "decoded", "expected"),
    [
        (OPUS_46, {"output_config": {"effort": "xhigh"}}, {"effort": "xhigh"},
         ["output_config.effort: this model knows low, medium, high, max"]),
        (OPUS_46, {"thinking": OFF, "output_config": {"effort": "xhigh"}}, {"effort": "none"},
         ["output_config.effort: this model knows low, medium, high, max"]),
        (OPUS_46, {"thinking": ENABLED}, {"effort": "xhigh"}, []),
        (HAIKU, {"thinking": ADAPTIVE, "output_config": {"effort": "xhigh"}}, {"effort": "xhigh"}, []),
        (replace(OPUS, thinking="none"), {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}, {"effort": "low"},
         ["output_config.effort: this model knows no effort", "thinking: this model doesn't think"]),
        (replace(OPUS, thinking="none"), {"thinking": OFF}, {"effort": "none"}, []),
        (OPUS_55, ANY_TOOL, {"tools": (Tool("now"),), "tool_choice": ToolChoice("required")},
         ["tool_choice: this model can't be forced to call a tool"]),
        (replace(OPUS, stop=False), {"stop_sequences": ["x"]}, {"stop": ("x",)},
         ["stop: this model takes no stop sequences"]),
        (OPUS, {"messages": [{"role": "assistant", "content": "{"}]}, {"messages": (assistant("{"),)}, [PREFILL]),
        (OPUS, {"messages": [{"role": "assistant", "content": [{"type": "text", "text": "{"}]}]},
         {"messages": (assistant("{"),)}, [PREFILL]),
        (OPUS, {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "data": {}}]}]},
         {"messages": (assistant("On it."),)}, []),
    ],
)  # fmt: skip
def test_a_caller_of_this_api_meets_the_limits_of_the_model_alone(
    model: Model, fields: dict[str, Any], decoded: dict[str, Any], expected: list[str]
) -> None:
    assert refused(replace(native(fields), **decoded), model) == expected


def test_a_field_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(BadRequest) as error:
        passed({"thinking": "hard"}, OPUS)

    assert error.value.param == "thinking"


# --- obstacles -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"n": 2}, "n: this model gives one choice"),
        ({"stop": ("\n",)}, "stop: this model takes no stop sequence of white space alone"),
        ({"effort": "high"}, "reasoning_effort: this model knows low, medium"),
        ({"logprobs": 0}, "logprobs: this model gives no log probabilities"),
        ({"others": {"logit_bias": {"50256": -100}}}, "logit_bias: this model's API has no such field"),
        ({"others": {"functions": [{"name": "f"}]}}, "functions: this model's API has no such field"),
        ({"others": {"function_call": "auto"}}, "function_call: this model's API has no such field"),
        ({"others": {"web_search_options": {}}}, "web_search_options: this model's API has no such field"),
        ({"others": {"flux_capacitor": False}}, "flux_capacitor: this model's API has no such field"),
        ({"others": {"cache_control": "on"}}, "cache_control: it is an object of type ephemeral for this model"),
        (
            {"tools": (Tool("p", kind="custom", grammar={"syntax": "regex", "definition": "a+"}),)},
            "tools[0].custom.format: this model can't be held to a grammar",
        ),
        (
            {"tools": (Tool("f"), Tool("g"), Tool("f", kind="custom"))},
            "tools[2].custom.name: this model takes no two tools of the name 'f'",
        ),
        (
            {"tools": (Tool("a.b"),)},
            "tools[0].function.name: it has 1 to 128 letters, digits, _ or - for this model",
        ),
        ({"others": {"modalities": ["text", "audio"]}}, "modalities: this model answers in text alone"),
        ({"others": {"modalities": 7}}, "modalities: this model answers in text alone"),
        (
            {"others": {"service_tier": "flex"}},
            "service_tier: this model has no tier 'flex'; it can be auto or default",
        ),
        (
            {"others": {"service_tier": ["x"]}},
            "service_tier: this model has no tier \"['x']\"; it can be auto or default",
        ),
        ({"messages": (assistant("Hi"), HELLO)}, USER_FIRST),
        (
            {"messages": (HELLO, assistant("{"))},
            "messages: this model doesn't continue a last message of the assistant",
        ),
        (
            {"messages": (Message("user", (Text("a"), Audio("UklG", "wav"))),)},
            "messages[0].content[1].input_audio: this model takes no audio",
        ),
        (
            {"messages": (Message("user", (File(file_id="file-1"),)),)},
            HERE + ".file.file_id: this model knows no files of another provider",
        ),
        (
            {"messages": (Message("user", (File("data:text/csv;base64,YQ=="),)),)},
            HERE + ".file.file_data: it is text/csv; this model takes application/pdf, text/plain",
        ),
        (
            {"messages": (Message("user", (Image("data:image/heic;base64,AAAA"),)),)},
            HERE + ".image_url.url: it is image/heic; this model takes image/gif, image/jpeg, image/png, image/webp",
        ),
    ],
)
def test_what_this_api_has_no_word_for_rules_the_model_out(fields: dict[str, Any], expected: str) -> None:
    asked = replace(request(), **fields)

    assert refused(asked, replace(OPUS, efforts=("low", "medium"))) == [expected]


def test_limits_of_a_model_rule_it_out() -> None:
    asked = request(stop=("x",), tools=(WEATHER,), tool_choice=ToolChoice("required"), effort="low")
    limited = replace(OPUS, stop=False, forced_tool_choice=False, thinking="none")

    assert refused(asked, OPUS) == []
    assert refused(asked, limited) == [
        "stop: this model takes no stop sequences",
        "tool_choice: this model can't be forced to call a tool",
        "reasoning_effort: this model knows no effort",
    ]


# --- schemas -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "string", "description": "A code", "minLength": 2, "pattern": "^[A-Z]+$", "format": "uuid"},
            {"type": "string", "description": 'A code\n\n{minLength: 2, pattern: "^[A-Z]+$"}', "format": "uuid"},
        ),
        ({"type": "string", "format": "color"}, {"type": "string", "description": '{format: "color"}'}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"enum": ["a", "b"], "type": "string"}, {"enum": ["a", "b"]}),
        ({"const": 1, "$comment": "one"}, {"const": 1}),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (
            {"type": "array", "items": {"type": "number", "maximum": 9}, "minItems": 1, "maxItems": 3},
            {
                "type": "array",
                "items": {"type": "number", "description": "{maximum: 9}"},
                "minItems": 1,
                "description": "{maxItems: 3}",
            },
        ),
        ({"allOf": [{"$ref": "#/definitions/a"}]}, {"anyOf": [{"$ref": "#/$defs/a"}]}),
    ],
)
def test_a_schema_is_kept_where_the_api_enforces_it_and_put_in_words_where_not(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    whole = {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"x": schema, "$ref": schema}}
    asked = request(
        response_format=ResponseFormat("json_schema", "x", "What", {**whole, "definitions": {"a": {"type": "null"}}})
    )

    assert body(asked)["output_config"]["format"]["schema"] == {
        "$defs": {"a": {"type": "null"}},
        "type": "object",
        "description": "What",
        "properties": {"x": expected, "$ref": expected},
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (
            {"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
            "a recursive schema",
        ),
        ({"type": "array", "items": {"$ref": "#"}}, "a schema with $ref '#', which is not among its $defs"),
        ({"type": "object"}, "an object whose property names are free"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "an object whose property names are free"),
        ({"type": "array", "items": {}}, "a schema with a part of no type"),
        ({"type": "array", "items": True}, "a schema with a part of no type"),
        ({"allOf": [{"type": "string"}, {"maxLength": 3}]}, "a schema with allOf of several"),
        ({"type": "object", "properties": []}, "an object whose property names are free"),
        ({"type": "object", "properties": [1]}, "a schema whose properties is no object"),
    ],
)
def test_a_schema_that_the_api_cannot_enforce_rules_the_model_out(schema: dict[str, Any], why: str) -> None:
    asked = request(response_format=ResponseFormat("json_schema", "x", None, schema, True))

    assert refused(asked) == [f"response_format.json_schema.schema: this model can't enforce {why}"]


def test_a_schema_nested_beyond_reason_rules_the_model_out() -> None:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}

    assert refused(request(response_format=ResponseFormat("json_schema", "x", None, schema))) == [
        "response_format.json_schema.schema: this model can't enforce a recursive schema"
    ]


def test_a_plain_tool_keeps_its_whole_schema_and_a_strict_one_is_converted() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}, "depth": {"type": "integer", "minimum": 0}}}
    depth = {"type": "object", "properties": {"depth": {"type": "integer", "minimum": 0}}}

    assert body(request(tools=(Tool("f", None, tree),)))["tools"][0]["input_schema"] == tree
    assert body(request(tools=(Tool("f", None, depth, True), Tool("g", strict=True))))["tools"] == [
        {
            "name": "f",
            "strict": True,
            "input_schema": {
                "type": "object",
                "properties": {"depth": {"type": "integer", "description": "{minimum: 0}"}},
                "additionalProperties": False,
            },
        },
        {
            "name": "g",
            "strict": True,
            "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
        },
    ]
    assert refused(request(tools=(Tool("f", None, tree, True),))) == [
        "tools[0].function.parameters: this model can't enforce a schema with $ref '#', which is not among its $defs"
    ]


# --- answers and streams -------------------------------------------------------------------------------


class Transcript(msgspec.Struct):
    source: str
    about: str
    body: msgspec.Raw


def sealed(signature: str, text: str = "", *, hidden: bool = False) -> Reasoning:
    return Reasoning(text, Seal(signature, "messages", "claude-opus-4-7"), hidden)


EXPECTED = {
    "text": ChatResponse(
        "msg_01Text",
        "claude-opus-4-7",
        "Grüße\u2028aus dem\u0085Süden\u2029🎈!",
        "stop",
        usage=Usage(2125, 15, cached_tokens=2000, cache_write_tokens=100, service_tier="standard"),
    ),
    "tools": ChatResponse(
        "msg_01Tools",
        "claude-opus-4-7",
        "Let me look.",
        "tool_calls",
        (
            ToolCall("toolu_01A", "get_weather", '{"location":"San Francisco, CA"}'),
            ToolCall("toolu_01B", "get_weather", '{"location":"Köln"}'),
            ToolCall("toolu_01C", "get_time", "{}"),
        ),
        thoughts=(sealed("EqQBCgIYAhIM1gbcDa9GJwZA2b3h", "Two cities, then the time."),),
        usage=Usage(input_tokens=472, output_tokens=89, reasoning_tokens=31),
    ),
    "refusal": ChatResponse(
        "msg_01Refusal",
        "claude-opus-4-7",
        None,
        "content_filter",
        refusal="This request could enable cyber harm.",
        usage=Usage(input_tokens=12, output_tokens=1),
    ),
    "server_tools": ChatResponse(
        "msg_01Server", "claude-opus-4-7", "Found it.", "stop", usage=Usage(input_tokens=1660, output_tokens=40)
    ),
    "thinking": ChatResponse(
        "msg_01Think",
        "claude-opus-4-7",
        "Let me check. Yes.",
        "tool_calls",
        (ToolCall("toolu_01P", "patch", "*** Begin Patch\n+yes\n", "custom"),),
        thoughts=(
            sealed("EuYBCkQIBxgCKkAxEmpty"),
            sealed("EmwKAhgBEgyva3pzRedacted", hidden=True),
            sealed("EuYBCkQIBxgCKkAxShown", "17 is prime."),
        ),
        usage=Usage(3510, 120, 500, 3000, 77, cache_write_1h_tokens=2000, service_tier="priority"),
    ),
    "max_tokens": ChatResponse(
        "msg_01Max",
        "claude-opus-4-7",
        None,
        "length",
        thoughts=(Reasoning("First of"),),
        usage=Usage(input_tokens=9, output_tokens=16),
    ),
}


ASKED = request(tools=(WEATHER, Tool("patch", kind="custom")))


def no_id() -> str:
    raise AssertionError("every call of these transcripts has an id")


def stream(name: str) -> bytes:
    return (GOLDEN / f"{name}.sse").read_bytes()


def decode(blocks: Iterable[bytes]) -> tuple[list[Delta], bool]:
    parser, decoder = EventParser(), FACE.stream_decoder(ASKED, no_id)
    deltas = [delta for block in blocks for event in parser.feed(block) for delta in decoder.feed(event)]
    return deltas, decoder.complete


def compact(response: ChatResponse) -> ChatResponse:
    """The provider puts other white space into the arguments of a stream than into those of a whole answer."""
    calls = (
        call if call.kind == "custom" else replace(call, arguments=json.dumps(json.loads(call.arguments)))
        for call in response.tool_calls
    )
    return replace(response, tool_calls=tuple(calls))


def events(*pairs: tuple[str, dict[str, Any]]) -> list[Delta]:
    decoder = FACE.stream_decoder(request(), lambda: "call_made")
    return [delta for name, data in pairs for delta in decoder.feed(Event(msgspec.json.encode(data), name))]


START = (
    "message_start",
    {"message": {"id": "msg_1", "type": "message", "model": "m", "content": [], "usage": {"input_tokens": 5}}},
)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_whole_answer_is_read(name: str) -> None:
    whole = msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes(), type=Transcript)

    assert compact(FACE.decode_response(bytes(whole.body), ASKED, no_id)) == compact(EXPECTED[name])


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stream_folds_to_the_whole_answer_wherever_it_is_cut(name: str) -> None:
    data = stream(name)
    cuts = [(data[:at], data[at:]) for at in range(len(data) + 1)]

    for blocks in itertools.chain(cuts, [tuple(bytes([byte]) for byte in data)]):
        deltas, complete = decode(blocks)
        assert complete
        assert compact(fold(deltas)) == compact(EXPECTED[name])


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stream_finishes_once_and_last(name: str) -> None:
    deltas, _ = decode([stream(name), b'event: message_stop\ndata: {"type":"message_stop"}\n\n'])

    assert [index for index, delta in enumerate(deltas) if isinstance(delta, Finished)] == [len(deltas) - 1]


BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text()),
    st.builds(
        lambda text, seal: {"type": "thinking", "thinking": text, "signature": seal}, st.text(), st.text(max_size=9)
    ),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, st.text(max_size=9)),
    st.builds(
        lambda number, name, values: {"type": "tool_use", "id": f"t{number}", "name": name, "input": values},
        st.integers(),
        st.sampled_from(["get_weather", "patch"]),
        st.dictionaries(st.sampled_from(["input", "b"]), st.text(max_size=9) | st.integers(-9, 9)),
    ),
    st.just({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}),
)
STREAMED = {"text": "text_delta", "thinking": "thinking_delta", "signature": "signature_delta"}


@given(st.lists(BLOCKS, max_size=6), st.integers(1, 5))
def test_any_stream_folds_to_the_whole_answer(blocks: list[dict[str, Any]], size: int) -> None:
    whole = {"id": "m", "type": "message", "model": "claude", "content": blocks, "stop_reason": "end_turn"}
    said: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": whole | {"content": [], "stop_reason": None}})
    ]
    for index, block in enumerate(blocks):
        start = block | {name: "" for name in STREAMED if name in block}
        pieces = [{"type": STREAMED[name], name: block[name]} for name in STREAMED if block.get(name)]
        if "input" in block:
            start["input"] = {}
            written = msgspec.json.encode(block["input"]).decode() if block["input"] else ""
            cut = [written[at : at + size] for at in range(0, len(written), size)]
            pieces += [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *cut]]
        said.append(("content_block_start", {"index": index, "content_block": start}))
        said += [("content_block_delta", {"index": index, "delta": piece}) for piece in pieces]
        said.append(("content_block_stop", {"index": index}))
    said += [("message_delta", {"delta": {"stop_reason": "end_turn"}}), ("message_stop", {})]

    decoder = FACE.stream_decoder(ASKED, no_id)
    deltas = [delta for name, data in said for delta in decoder.feed(Event(msgspec.json.encode(data), name))]

    assert fold(deltas) == FACE.decode_response(msgspec.json.encode(whole), ASKED, no_id)


def test_a_stream_without_event_names_is_read_by_its_types() -> None:
    data = b"\n".join(line for line in stream("tools").split(b"\n") if not line.startswith(b"event:"))

    deltas, complete = decode([data])

    assert complete
    assert compact(fold(deltas)) == compact(EXPECTED["tools"])


def test_a_call_without_an_id_gets_a_made_one() -> None:
    whole = (
        b'{"id":"m","type":"message","model":"m","content":[{"type":"tool_use","name":"f"}],"stop_reason":"tool_use"}'
    )

    assert FACE.decode_response(whole, request(), lambda: "call_made").tool_calls == (ToolCall("call_made", "f", "{}"),)
    assert events(START, ("content_block_start", {"content_block": {"type": "tool_use", "name": "f"}}))[-1] == (
        ToolCallStarted(0, "call_made", "f")
    )


def test_input_that_comes_whole_with_the_start_of_its_block_is_kept() -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}

    assert events(
        START, ("content_block_start", {"index": 0, "content_block": block}), ("content_block_stop", {"index": 0})
    )[-1] == (ToolCallDelta(0, '{"a":1}'))


def test_reasoning_ends_with_its_seal() -> None:
    deltas, _ = decode([stream("thinking")])

    assert [delta for delta in deltas if isinstance(delta, ReasoningDelta | ReasoningEnded | TextDelta)] == [
        ReasoningEnded(Seal("EuYBCkQIBxgCKkAxEmpty", "messages", "claude-opus-4-7")),
        ReasoningEnded(Seal("EmwKAhgBEgyva3pzRedacted", "messages", "claude-opus-4-7"), hidden=True),
        TextDelta("Let me check."),
        ReasoningDelta("17 is "),
        ReasoningDelta("prime."),
        ReasoningEnded(Seal("EuYBCkQIBxgCKkAxShown", "messages", "claude-opus-4-7")),
        TextDelta(" Yes."),
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 9}},
            Usage(5, 0, 0, 5, 0, 5),
        ),
        ({"cache_creation": {"ephemeral_1h_input_tokens": None}, "output_tokens": 1}, Usage(0, 1)),
        ({"service_tier": "standard", "speed": "fast"}, Usage(service_tier="fast")),
        ({"input_tokens": None, "service_tier": None, "output_tokens_details": None}, Usage()),
    ],
)
def test_usage_is_read_alike_whole_and_streamed(said: dict[str, Any], expected: Usage) -> None:
    whole = {"id": "m", "type": "message", "model": "m", "content": [], "stop_reason": "end_turn", "usage": said}

    assert FACE.decode_response(json.dumps(whole).encode(), request(), no_id).usage == expected
    assert events(("message_start", {"message": whole | {"usage": {}}}), ("message_delta", {"usage": said})) == [
        Started("m", "m"),
        UsageReported(expected),
    ]


def test_an_error_in_the_body_of_a_200_is_that_error() -> None:
    whole = msgspec.json.decode((GOLDEN / "error_in_a_200.json").read_bytes(), type=Transcript)

    with pytest.raises(UpstreamError) as error:
        FACE.decode_response(bytes(whole.body), request(), no_id)

    assert (error.value.kind, error.value.message) == ("overloaded", "Overloaded")


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("stop_sequence", "stop"),
        ("model_context_window_exceeded", "length"),
        ("a_reason_of_the_future", "stop"),
    ],
)
def test_a_stop_reason_has_its_finish_reason(stop_reason: str, expected: str) -> None:
    whole = {"id": "m", "type": "message", "model": "m", "content": [], "stop_reason": stop_reason}

    assert FACE.decode_response(json.dumps(whole).encode(), request(), no_id).finish_reason == expected


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"[]",
        b'{"id":"m","type":"message","model":"m","content":[],"stop_reason":null}',
        b'{"id":"m","type":"message","model":"m","content":[{"type":"text","text":5}],"stop_reason":"end_turn"}',
        b'{"id":"' + b"\xff" + b'","type":"message","model":"m","content":[],"stop_reason":"end_turn"}',
    ],
)
def test_an_answer_that_is_not_a_message_is_a_protocol_error(answer: bytes) -> None:
    with pytest.raises(UpstreamError) as error:
        FACE.decode_response(answer, request(), no_id)

    assert error.value.kind == "protocol"


@pytest.mark.parametrize(
    "event",
    [
        Event(b"{", "message_start"),
        Event(b"{}", "message_start"),
        Event(b"[DONE]"),
        Event(b"{}", "content_block_start"),
        Event(b'{"delta":{"type":"text_delta","text":7}}', "content_block_delta"),
        Event(b'{"type":"message_stop"}', "message_stop"),
    ],
)
def test_an_event_that_is_not_this_api_s_is_a_protocol_error(event: Event) -> None:
    with pytest.raises(UpstreamError) as error:
        FACE.stream_decoder(request(), no_id).feed(event)

    assert error.value.kind == "protocol"


# --- errors --------------------------------------------------------------------------------------------


def error_body(type_: str, message: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_1"}).encode()


@pytest.mark.parametrize(
    ("status", "type_", "message", "kind", "answered"),
    [
        (400, "invalid_request_error", "tools.0: bad", "refused", 400),
        (400, "invalid_request_error", "prompt is too long: 1000001 tokens > 1000000 maximum", "context_length", 400),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 9 + 9 > 10",
            "context_length",
            400,
        ),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API", "quota", 429),
        (401, "authentication_error", "invalid x-api-key", "credentials", 502),
        (402, "billing_error", "Pay", "quota", 429),
        (403, "permission_error", "No", "credentials", 502),
        (404, "not_found_error", "model: claude-9", "not_found", 502),
        (404, "not_found_error", "File not found: file_011", "refused", 400),
        (409, "conflict_error", "Again", "server", 502),
        (413, "request_too_large", "Too large", "too_large", 413),
        (429, "rate_limit_error", "Slow down", "rate_limited", 429),
        (500, "api_error", "Internal server error", "server", 502),
        (503, "api_error", "Unavailable", "overloaded", 503),
        (504, "timeout_error", "Timeout", "server", 502),
        (529, "overloaded_error", "Overloaded", "overloaded", 503),
        (302, "", "", "protocol", 502),
    ],
)
def test_an_error_has_its_kind(status: int, type_: str, message: str, kind: str, answered: int) -> None:
    error = FACE.decode_error(status, {}, error_body(type_, message))

    assert (error.kind, error.status, error.upstream_status) == (kind, answered, status)


def test_an_error_without_a_readable_body_is_known_by_its_status() -> None:
    error = FACE.decode_error(529, {}, b"<html>overloaded</html>")

    assert (error.kind, error.message) == ("overloaded", "the provider answered with status 529")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30.0), ("1.5", 1.5), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("nan", None), ("", None)],
)
def test_retry_after_is_kept_when_it_is_a_number(header: str, seconds: float | None) -> None:
    error = FACE.decode_error(429, {"retry-after": header}, error_body("rate_limit_error", "Slow down"))

    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("header", "kind", "pointless"),
    [("false", "rate_limit_error", True), ("true", "rate_limit_error", False), (None, "rate_limit_error", False),
     (None, "billing_error", True)],
)  # fmt: skip
def test_the_provider_s_word_on_sending_again_is_kept(header: str | None, kind: str, pointless: bool) -> None:
    headers = {} if header is None else {"x-should-retry": header}

    error = FACE.decode_error(402 if kind == "billing_error" else 429, headers, error_body(kind, "No"))

    assert error.pointless is pointless


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("max_tokens: 200000 > 128000, which is the maximum", "max_tokens"),
        ("messages.3.content.0.text.text: Field required", "messages"),
        ("stop_sequences: each stop sequence must contain non-whitespace", "stop"),
        ("output_config.effort: 'max' is not supported for this model", "reasoning_effort"),
        ("output_config.format.schema: recursive", "response_format"),
        ("warp_drive: Extra inputs are not permitted", None),
        ("`temperature` is deprecated for this model.", None),
    ],
)
def test_a_refusal_names_the_field_as_the_caller_knows_it(message: str, param: str | None) -> None:
    assert FACE.decode_error(400, {}, error_body("invalid_request_error", message)).param == param


def test_no_key_is_ever_in_the_message_of_an_error() -> None:
    refused_request = FACE.decode_error(
        400, {}, error_body("invalid_request_error", "bad header sk-ant-api03-abc_DEF-9")
    )
    refused_key = FACE.decode_error(401, {}, error_body("authentication_error", "invalid key abcdef123456"))

    assert refused_request.message == "bad header [key]"
    assert refused_key.message == "the provider refused the router's credentials"


# --- against the simulated provider, which refuses what Anthropic refuses -------------------------------


def simulated_answer(asked: ChatRequest, model: Model) -> ChatResponse:
    """What it answers, which is the same whole and streamed."""
    status, whole = simulated_reply(asked, model)
    assert status == 200, whole
    status, streamed = simulated_reply(replace(asked, stream=True), model)
    assert status == 200, streamed
    decoder = FACE.stream_decoder(asked, no_id)
    answer = FACE.decode_response(whole, asked, no_id)
    assert fold(delta for event in EventParser().feed(streamed) for delta in decoder.feed(event)) == answer
    assert decoder.complete
    return answer


def simulated_reply(asked: ChatRequest, model: Model) -> tuple[int, bytes]:
    wire = FACE.encode_request(asked, model)
    assert refused(asked, model) == []
    nonce = "0123456789abcdef" * 2
    reply = simulated.answer(simulated.Call(wire.path, "", dict(wire.headers), wire.body, nonce, 0))
    return reply.status, b"".join(reply.chunks)


MODELS = (OPUS, OPUS_46, OPUS_5, OPUS_55, SONNET_55, HAIKU)
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {
        "messages": (
            Message("system", (Text("Be brief.", "5m"),)),
            Message(
                "user",
                (
                    Text("Look", "1h"),
                    Image("data:image/png;base64,iVBORw0KGgo=", cache="5m"),
                    Image("https://example.org/cat.png", cache="5m"),
                    File("data:application/pdf;base64,JVBERi0x", filename="a.pdf", cache="1h"),
                    File("data:text/plain;base64,aGk=", cache="5m"),
                    File(url="https://example.org/a.pdf"),
                ),
            ),
            Message("developer", (Text("In French."),)),
            assistant("Oui.", ToolCall("call.1", "get_weather", ""), ToolCall("call.2", "patch", "x", "custom")),
            replace(result("call.2", "no"), failed=True),
            Message("tool", (Image("data:image/png;base64,iVBORw0KGgo="), Text("y", "1h")), tool_call_id="call.1"),
            Message("system", (Text("In German."),)),
            assistant("Ja."),
            Message("system", (Text("In Greek."),)),
            user("And now?"),
        ),
        "tools": (replace(WEATHER, strict=True, cache="5m"), Tool("patch", kind="custom")),
        "parallel_tool_calls": False,
        "temperature": 0.3,
        "top_p": 0.9,
        "stop": ("END",),
        "user": "ada@example.org",
        "others": {"service_tier": "default", "cache_control": {"type": "ephemeral"}, "top_k": 3},
    },
    "schema": {"response_format": STRICT_FORMAT, "show_reasoning": True},
    "object": {"response_format": ResponseFormat("json_object")},
    "no effort": {"effort": "none"},
    "most effort": {"effort": "max", "temperature": 0.3},
    "forced": {**FORCED, "effort": "max"},
    "forced without effort": {**FORCED, "effort": "none"},
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.name))
@pytest.mark.parametrize("name", REQUESTS)
def test_the_simulated_provider_takes_what_is_sent(name: str, model: Model) -> None:
    asked = request(**REQUESTS[name]) if "messages" not in REQUESTS[name] else ChatRequest("auto", **REQUESTS[name])
    if name.startswith("forced") and not model.forced_tool_choice:
        assert refused(asked, model) == ["tool_choice: this model can't be forced to call a tool"]
        return

    simulated_answer(asked, model)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.name))
def test_a_tool_loop_gives_its_sealed_thinking_back_to_the_simulated_provider(model: Model) -> None:
    tools = (WEATHER, Tool("patch", kind="custom"))
    asked = request(user("What is the weather in Rome?"), tools=tools, effort="high", parallel_tool_calls=False)

    first = simulated_answer(asked, model)
    turn = Message("assistant", (*first.thoughts, Text(first.text or "")), first.tool_calls)
    later = replace(asked, messages=(*asked.messages, turn, result(first.tool_calls[0].id, "sunny")))
    second = simulated_answer(later, model)

    assert [thought.seal is not None for thought in first.thoughts] == [True]
    assert body(later, model)["messages"][1]["content"][0]["type"] == "thinking"
    assert second.finish_reason == "stop"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.name))
@pytest.mark.parametrize(
    "thinking", [{"type": "enabled", "budget_tokens": 2000}, ADAPTIVE, OFF, BETWEEN, None], ids=str
)
def test_the_simulated_provider_takes_every_way_of_thinking_from_a_caller_of_its_own(
    thinking: dict[str, Any] | None, model: Model
) -> None:
    fields = {"thinking": thinking, "output_config": {"effort": "max"}, "temperature": 0.3, "max_tokens": 200_000}
    whole, streamed = (native(fields | {"stream": stream}, stream=stream) for stream in (False, True))

    assert simulated_reply(whole, model)[0] == 200
    assert simulated_reply(streamed, model)[0] == 200


# --- the bugs of gateways in use (providers.md, section 5) ---------------------------------------------


def test_bug_1_tool_calls_are_counted_from_0_whatever_blocks_come_before() -> None:
    deltas, _ = decode([stream("tools")])

    assert [delta for delta in deltas if isinstance(delta, ToolCallStarted)] == [
        ToolCallStarted(0, "toolu_01A", "get_weather"),
        ToolCallStarted(1, "toolu_01B", "get_weather"),
        ToolCallStarted(2, "toolu_01C", "get_time"),
    ]


def test_bug_2_a_call_whose_arguments_come_in_one_piece_keeps_its_id_and_name() -> None:
    deltas, _ = decode([stream("tools")])

    assert fold(deltas).tool_calls[1] == ToolCall("toolu_01B", "get_weather", '{"location": "Köln"}')


def test_bug_3_a_call_without_arguments_streams_an_empty_object() -> None:
    deltas, _ = decode([stream("tools")])

    assert [delta.arguments for delta in deltas if isinstance(delta, ToolCallDelta) and delta.index == 2] == ["{}"]


def test_bug_6_cached_tokens_are_counted_once_though_the_stream_reports_them_twice() -> None:
    deltas, _ = decode([stream("text")])

    assert [delta.usage for delta in deltas if isinstance(delta, UsageReported)] == [
        Usage(2125, 15, cached_tokens=2000, cache_write_tokens=100, service_tier="standard"),
    ]


def test_bug_9_an_error_in_the_middle_of_a_stream_is_raised_after_what_came_before() -> None:
    parser, decoder = EventParser(), FACE.stream_decoder(request(), no_id)
    *before, last = parser.feed(stream("overloaded"))

    deltas = [delta for event in before for delta in decoder.feed(event)]
    with pytest.raises(UpstreamError) as error:
        decoder.feed(last)

    assert deltas == [
        Started("msg_01Over", "claude-opus-4-7"),
        TextDelta("Once upon"),
    ]
    assert (error.value.kind, error.value.message, decoder.complete) == ("overloaded", "Overloaded", False)


@pytest.mark.parametrize("name", EXPECTED)
def test_bug_10_a_stream_cut_before_its_end_is_never_complete(name: str) -> None:
    data = stream(name)

    for at in range(len(data) - 1):
        deltas, complete = decode([data[:at]])
        assert not complete
        assert not any(isinstance(delta, Finished) for delta in deltas)


def test_bug_11_line_separators_of_unicode_do_not_cut_the_answer_short() -> None:
    deltas, _ = decode([stream("text")])

    assert fold(deltas).text == "Grüße\u2028aus dem\u0085Süden\u2029🎈!"


def test_bug_12_halves_of_surrogate_pairs_break_nothing() -> None:
    parser, decoder = EventParser(), FACE.stream_decoder(request(), no_id)

    deltas = [
        delta
        for event in parser.feed(stream("surrogates"))
        for delta in decoder.feed(Event(mended(event.data), event.name))
    ]

    assert fold(deltas).text == "whole \U0001f388, half \ufffd\ufffd!"
    with pytest.raises(UpstreamError):
        decode([stream("surrogates")])


@pytest.mark.parametrize("later", [(), (assistant("Sunny"), HELLO)])
def test_bug_15_a_budget_goes_with_the_sealed_thinking_of_every_turn_that_called_tools(
    later: tuple[Message, ...],
) -> None:
    seal = Seal("EuYB", "messages", "claude-haiku-4-5")
    kept = request(HELLO, thought("Hm.", seal, CALL), result("call_1", "sunny"), *later, effort="high")
    lost = request(HELLO, thought("Hm.", None, CALL), result("call_1", "sunny"), *later, effort="high")

    assert body(kept, HAIKU)["thinking"] == {"type": "enabled", "budget_tokens": 16000}
    assert body(kept, HAIKU)["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "Hm.",
        "signature": "EuYB",
    }
    assert "thinking" not in body(lost, HAIKU)


def test_bug_15_without_a_budget_no_thinking_goes_back_to_a_model_of_budgets() -> None:
    seal = Seal("EuYB", "messages", "claude-haiku-4-5")
    sent = body(request(HELLO, thought("Hm.", seal, CALL), result("call_1", "sunny")), HAIKU)

    assert [block["type"] for block in sent["messages"][1]["content"]] == ["text", "tool_use"]


def test_bug_16_blank_text_is_dropped_and_nothing_is_invented_for_it() -> None:
    message = Message("user", (Text(""), Text(" \n"), Text("Hello"), Text("\u3000")))
    sent = body(request(Message("system", (Text(" "),)), message, assistant(" "), user("Again")))

    assert "system" not in sent
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "Again"}]}
    ]


def test_bug_17_parallel_results_stand_in_one_turn_before_the_text_that_follows() -> None:
    second = ToolCall("call_2", "get_weather", '{"city":"Oslo"}')
    sent = turns(
        HELLO,
        assistant("Looking.", CALL, second),
        result("call_2", "snow"),
        result("call_1", "sun"),
        Message("system", (Text("Be brief."),)),
        user("So?"),
    )

    assert sent[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Rome"}},
                {"type": "tool_use", "id": "call_2", "name": "get_weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "snow"}]},
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "sun"}]},
                {"type": "text", "text": "<system>\nBe brief.\n</system>"},
                {"type": "text", "text": "So?"},
            ],
        },
    ]


def test_bug_20_a_model_that_takes_no_sampling_parameters_gets_none() -> None:
    asked = request(temperature=0.2, top_p=0.9, others={"top_k": 5})

    assert not {"temperature", "top_p", "top_k"} & set(body(asked, OPUS))
    assert refused(asked, OPUS) == []


@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("named", "get_weather")])
@pytest.mark.parametrize("model", [OPUS, HAIKU])
def test_bug_21_a_forced_tool_goes_without_thinking(choice: ToolChoice, model: Model) -> None:
    asked = request(tools=(WEATHER,), tool_choice=choice, effort="high")

    assert "thinking" not in body(asked, model)


def test_bug_21_adaptive_models_never_get_a_budget() -> None:
    assert body(request(effort="high"))["thinking"] == {"type": "adaptive", "display": "summarized"}


def test_bug_26_more_than_one_choice_is_an_obstacle_and_a_refusal_is_said_as_one() -> None:
    deltas, _ = decode([stream("refusal")])

    assert refused(request(n=2)) == ["n: this model gives one choice"]
    assert fold(deltas).refusal == "This request could enable cyber harm."


def test_bug_28_parallel_tool_calls_without_tools_sends_no_tool_choice() -> None:
    assert "tool_choice" not in body(request(parallel_tool_calls=False, tool_choice=ToolChoice("auto")))


def test_half_a_surrogate_pair_in_arguments_is_mended_and_numbers_keep_their_digits() -> None:
    call = ToolCall("call_1", "get_weather", '{"city": "\\ud83d", "rain_mm": 1.50}')
    asked = request(HELLO, Message("assistant", (), (call,)), Message("tool", (Text("7"),), tool_call_id="call_1"))

    assert rb'"input":{"city":"\ufffd","rain_mm":1.50}' in FACE.encode_request(asked, OPUS).body


def test_arguments_with_a_number_that_no_json_reader_takes_are_refused() -> None:
    call = ToolCall("call_1", "get_weather", '{"rain_mm": 1e999}')
    asked = request(HELLO, Message("assistant", (), (call,)), Message("tool", (Text("7"),), tool_call_id="call_1"))

    with pytest.raises(BadRequest) as caught:
        FACE.encode_request(asked, OPUS)
    assert caught.value.param == "messages[1].tool_calls[0].function.arguments"


def test_a_budget_is_left_out_where_all_that_came_before_a_call_is_what_another_provider_thought() -> None:
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    own = {"type": "thinking", "thinking": "Hm.", "signature": "EuYB"}
    call = {"type": "tool_use", "id": "t", "name": "now", "input": {}}
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}
    thoughts = (Reasoning("Hm."), Reasoning("Hm.", Seal("EuYB", "messages")))

    def asked(*turns_: Any) -> dict[str, Any]:
        fields = {"messages": [{"role": "user", "content": "a"}, *turns_, answer], "max_tokens": 4000}
        return passed(fields | {"thinking": ENABLED}, HAIKU, user("a"), Message("assistant", thoughts))

    assert "thinking" not in asked({"role": "assistant", "content": [foreign, call]})
    # Messages of one role are one turn.
    assert "thinking" not in asked({"role": "assistant", "content": "b"}, {"role": "assistant", "content": [own, call]})
    assert asked({"role": "assistant", "content": [foreign, own, call]})["thinking"] == ENABLED
    assert (
        asked({"role": "assistant", "content": [own]}, {"role": "assistant", "content": [call]})["thinking"] == ENABLED
    )
