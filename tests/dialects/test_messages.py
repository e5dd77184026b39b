"""The server face of Anthropic's Messages API: what callers may send, what is refused and how, and what they get."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.catalog import Model, Provider
from router.dialects import Frame, WireRequest, anthropic, messages
from router.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    Overloaded,
    RouterError,
    TooLarge,
    Unauthorized,
    UpstreamError,
)
from router.sse import Event, EventParser
from router.types import (
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
    RefusalDelta,
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

GOLDEN = Path(__file__).parents[1] / "golden"
HELLO = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "description": "The weather", "input_schema": SCHEMA}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Köln"}}
CALLING = {"role": "assistant", "content": [USE]}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
CALL = ToolCall("toolu_1", "get_weather", '{"city":"Köln"}')
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


def body(**members: Any) -> bytes:
    return json.dumps({"model": "auto", "max_tokens": 100, "messages": [HELLO], **members}).encode()


def decoded(**members: Any) -> ChatRequest:
    return messages.FACE.decode_request(body(**members))


def said(*listed: object) -> tuple[Message, ...]:
    """What these messages are in the vocabulary."""
    return decoded(messages=list(listed)).messages


def user_parts(*blocks: object) -> tuple[object, ...]:
    (message,) = said({"role": "user", "content": list(blocks)})
    assert message.role == "user"
    return message.parts


def refusal(**members: Any) -> tuple[str | None, str | None]:
    """The `param` and `code` that this body is refused with."""
    with pytest.raises(BadRequest) as caught:
        decoded(**members)
    assert caught.value.status == 400 and 0 < len(caught.value.message) < 300
    return caught.value.param, caught.value.code


def refused_at(*listed: object) -> str | None:
    return refusal(messages=list(listed))[0]


# --- what is read --------------------------------------------------------------------------------------


def test_the_smallest_request() -> None:
    data = b'{"model":"auto","max_tokens":5,"messages":[{"role":"user","content":"Hello"}]}'

    request = messages.FACE.decode_request(data)

    assert request == ChatRequest(
        "auto",
        (Message("user", (Text("Hello"),)),),
        max_tokens=5,
        include_usage=True,
        wire="messages",
        raw=data,
    )


def test_a_request_with_everything() -> None:
    request = decoded(
        tools=[{**TOOL, "type": "custom", "strict": True, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        tool_choice={"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        temperature=1,
        top_p=0.5,
        top_k=40,
        stop_sequences=["END", "\n\nHuman:"],
        metadata={"user_id": "ada"},
        output_config={"effort": "max", "format": {"type": "json_schema", "schema": SCHEMA}},
        service_tier="standard_only",
        stream=True,
    )

    assert request.tools == (Tool("get_weather", "The weather", SCHEMA, True, cache="1h"),)
    assert request.tool_choice == ToolChoice("named", "get_weather") and request.parallel_tool_calls is False
    assert (request.temperature, request.top_p, request.stop) == (1.0, 0.5, ("END", "\n\nHuman:"))
    assert request.response_format == ResponseFormat("json_schema", "output", None, SCHEMA, strict=True)
    assert (request.effort, request.user, request.stream, request.max_tokens) == ("max", "ada", True, 100)
    assert request.others == {"top_k": 40, "service_tier": "default"}
    assert request.only_native == ()


def test_nulls_and_empty_lists_are_as_good_as_nothing() -> None:
    names = ["system", "tools", "tool_choice", "temperature", "top_p", "top_k", "stop_sequences", "metadata",
             "thinking", "output_config", "service_tier", "stream", "container", "mcp_servers",
             "context_management"]  # fmt: skip
    plain = decoded()

    for request in (decoded(**dict.fromkeys(names)), decoded(tools=[], mcp_servers=[], stop_sequences=[], system="")):
        assert replace(request, raw=plain.raw) == plain


def test_the_system_prompt_leads_one_message_a_block() -> None:
    blocks = [
        {"type": "text", "text": "You are Claude Code."},
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "scope": "global"}},
    ]
    hello = Message("user", (Text("Hello"),))

    assert decoded(system="Be brief.").messages == (Message("system", (Text("Be brief."),)), hello)
    assert decoded(system=blocks).messages == (
        Message("system", (Text("You are Claude Code."),)),
        Message("system", (Text("Be brief.", cache="5m"),)),
        hello,
    )


def test_images_and_documents() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert user_parts(
        {"type": "image", "source": PNG, "cache_control": mark},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "document", "source": PDF, "title": "Lease", "context": "Signed in May"},
        {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}, "cache_control": mark},
    ) == (
        Image("data:image/png;base64,iVBORw0=", cache="1h"),
        Image("https://example.org/a.png"),
        Text("Signed in May"),
        File(data="data:application/pdf;base64,JVBERi0=", filename="Lease"),
        File(url="https://example.org/a.pdf", cache="1h"),
    )


def test_documents_of_text_are_text() -> None:
    plain = {"type": "text", "media_type": "text/plain", "data": "The tenant pays."}
    blocks = {"type": "content", "content": [{"type": "text", "text": "One"}, {"type": "image", "source": PNG}]}
    assert user_parts(
        {"type": "document", "source": plain, "title": "Lease", "cache_control": {"type": "ephemeral"}},
        {"type": "document", "source": blocks},
        {"type": "document", "source": {"type": "content", "content": "Two"}, "context": "Old"},
    ) == (
        Text("Lease\n\nThe tenant pays.", cache="5m"),
        Text("One"),
        Image("data:image/png;base64,iVBORw0="),
        Text("Old"),
        Text("Two"),
    )


def test_results_come_before_what_else_their_turn_says() -> None:
    assert said(HELLO, CALLING, {"role": "user", "content": [RESULT, {"type": "text", "text": "And Bonn?"}]}) == (
        Message("user", (Text("Hello"),)),
        Message("assistant", (), (CALL,)),
        Message("tool", (Text("sunny"),), tool_call_id="toolu_1"),
        Message("user", (Text("And Bonn?"),)),
    )


def test_results_of_one_turn_may_come_in_several_messages() -> None:
    second = {**USE, "id": "toolu_2"}
    turn = said(
        HELLO,
        CALLING,
        {"role": "assistant", "content": [second]},
        {"role": "user", "content": [{"type": "text", "text": "Here:"}, {**RESULT, "tool_use_id": "toolu_2"}]},
        {"role": "user", "content": [RESULT]},
    )

    assert [message.role for message in turn] == ["user", "assistant", "tool", "tool", "user"]
    assert [call.id for call in turn[1].tool_calls] == ["toolu_1", "toolu_2"]
    assert [message.tool_call_id for message in turn[2:4]] == ["toolu_2", "toolu_1"]
    assert turn[4].text == "Here:"


def test_a_result_may_hold_images_and_tell_of_an_error() -> None:
    content = [{"type": "text", "text": ""}, {"type": "image", "source": PNG}]
    failed = {**RESULT, "content": content, "is_error": True, "cache_control": {"type": "ephemeral"}}
    bare = {"type": "tool_result", "tool_use_id": "toolu_2"}
    calling = {"role": "assistant", "content": [USE, {**USE, "id": "toolu_2"}]}

    assert said(HELLO, calling, {"role": "user", "content": [failed, bare]})[2:] == (
        Message(
            "tool",
            (Text(""), Image("data:image/png;base64,iVBORw0=", cache="5m")),
            tool_call_id="toolu_1",
            failed=True,
        ),
        Message("tool", (), tool_call_id="toolu_2"),
    )


def test_reasoning_keeps_its_seals_and_comes_first() -> None:
    blocks = [
        {"type": "thinking", "thinking": "", "signature": "EqQB"},
        {"type": "text", "text": "Let me look."},
        {"type": "thinking", "thinking": "of another provider", "signature": ""},
        {"type": "redacted_thinking", "data": "Emwk"},
        USE,
    ]
    answer = said(HELLO, {"role": "assistant", "content": blocks}, {"role": "user", "content": [RESULT]})[1]

    assert answer == Message(
        "assistant",
        (
            Reasoning("", Seal("EqQB", "messages")),
            Reasoning("of another provider"),
            Reasoning(seal=Seal("Emwk", "messages"), hidden=True),
            Text("Let me look."),
        ),
        (CALL,),
    )


def test_system_messages_may_stand_in_the_middle() -> None:
    late = {"role": "system", "content": "The user has left."}
    assert [message.role for message in said(HELLO, {"role": "assistant", "content": "Hi"}, HELLO, late)] == [
        "user",
        "assistant",
        "user",
        "system",
    ]


def test_an_answer_without_content_is_left_out() -> None:
    assert len(said(HELLO, {"role": "assistant", "content": []}, HELLO)) == 2


@pytest.mark.parametrize(
    ("thinking", "output", "effort", "shown"),
    [
        (None, None, None, False),
        (None, {"effort": "high"}, "high", False),
        ({"type": "adaptive"}, None, None, False),
        ({"type": "adaptive", "display": "summarized"}, {"effort": "low"}, "low", True),
        ({"type": "disabled"}, {"effort": "high"}, "none", False),
        ({"type": "between_tools"}, None, "none", False),
        ({"type": "enabled", "budget_tokens": 1024}, None, "low", True),
        ({"type": "enabled", "budget_tokens": 2048}, None, "low", True),
        ({"type": "enabled", "budget_tokens": 2049}, None, "medium", True),
        ({"type": "enabled", "budget_tokens": 10_000}, None, "medium", True),
        ({"type": "enabled", "budget_tokens": 24_000}, None, "high", True),
        ({"type": "enabled", "budget_tokens": 31_999}, None, "xhigh", True),
        ({"type": "enabled", "budget_tokens": 31_999, "display": "omitted"}, {"effort": "low"}, "low", False),
    ],
)
def test_how_hard_to_think_and_whether_to_show_it(
    thinking: object, output: object, effort: str | None, shown: bool
) -> None:
    request = decoded(thinking=thinking, output_config=output)
    assert (request.effort, request.show_reasoning) == (effort, shown)


@pytest.mark.parametrize(
    ("choice", "mode", "parallel"),
    [
        ({"type": "auto"}, "auto", None),
        ({"type": "auto", "disable_parallel_tool_use": False}, "auto", None),
        ({"type": "auto", "disable_parallel_tool_use": True}, "auto", False),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
        ({"type": "none"}, "none", None),
    ],
)
def test_tool_choices(choice: object, mode: str, parallel: bool | None) -> None:
    request = decoded(tools=[TOOL], tool_choice=choice)
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.parallel_tool_calls) == (mode, parallel)


def test_a_schema_may_stand_in_the_field_of_the_beta() -> None:
    request = decoded(output_format={"type": "json_schema", "schema": SCHEMA})
    assert request.response_format.schema == SCHEMA and request.only_native == ()


def test_a_long_user_id_is_shortened_to_what_every_provider_takes() -> None:
    user = decoded(metadata={"user_id": "user_" + "0" * 150}).user
    # printf 'user_%0150d' 0 | sha256sum
    assert user == "dde88a0b9561f2765840312b17aae87a72fa5152398210c13cb2ff2c4119fb78"


def test_what_only_advises_keeps_nobody_from_answering() -> None:
    request = decoded(
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
        cache_control={"type": "ephemeral"},
        metadata={"user_id": "u", "later": 1},
        service_tier="auto",
        inference_geo="us",
        speed="fast",
        diagnostics={"previous_message_id": "msg_1"},
        fallbacks="default",
        output_config={"task_budget": {"type": "tokens", "total": 20_000}},
        tools=[{**TOOL, "input_examples": [{"city": "Bonn"}], "defer_loading": True, "allowed_callers": ["direct"]}],
    )

    assert request.only_native == () and request.others == {"service_tier": "auto"}


def test_what_only_anthropic_has_is_named() -> None:
    search_result = {"type": "search_result", "source": "s", "title": "t", "content": []}
    request = decoded(
        tools=[SEARCH, {**TOOL, "allowed_callers": ["code_execution_20260120"]}, {"type": "mcp_toolset"}],
        mcp_servers=[{"type": "url", "url": "https://example.org", "name": "m"}],
        container={"skills": []},
        hologram={"depth": 3},
        output_config={"tone": "dry"},
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                    {"type": "document", "source": PDF, "citations": {"enabled": True}},
                    {"type": "document", "source": PDF, "citations": {"enabled": False}},
                ],
            },
            {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "web_search"}, USE]},
            {"role": "user", "content": [{**RESULT, "content": [search_result]}]},
        ],
    )

    assert request.only_native == (
        "messages[0].content[0].source.file_id",
        "messages[0].content[1].citations",
        "messages[1].content[0].server_tool_use",
        "messages[2].content[0].content[0].search_result",
        "tools[0].web_search_20250305",
        "tools[1].allowed_callers",
        "tools[2].mcp_toolset",
        "output_config.tone",
        "mcp_servers",
        "container",
        "hologram",
    )
    assert [tool.name for tool in request.tools] == ["get_weather"]


def test_warming_the_cache_alone_is_anthropics() -> None:
    assert decoded(max_tokens=0).only_native == ("max_tokens: 0",)


def test_what_claude_code_sends_can_go_to_anyone() -> None:
    request = decoded(
        model="claude-opus-4-7",
        max_tokens=32_000,
        system=[
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1"},
            {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>Be careful.</system-reminder>"},
                    {"type": "text", "text": "Fix the test", "cache_control": {"type": "ephemeral"}},
                ],
            }
        ],
        tools=[{**TOOL, "input_schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMA}}],
        metadata={"user_id": json.dumps({"device_id": "d" * 64, "session_id": "s" * 36})},
        thinking={"type": "adaptive"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"effort": "high"},
        stream=True,
    )

    assert (request.only_native, request.others, request.effort) == ((), {}, "high")


# --- what is refused -----------------------------------------------------------------------------------


def test_a_body_that_is_no_request_is_refused() -> None:
    for data in (b"", b"{", b"[]", b'{"model":"auto","model":"auto","max_tokens":1,"messages":[]}'):
        with pytest.raises(BadRequest) as caught:
            messages.FACE.decode_request(data)
        assert caught.value.code == "invalid_json"


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": ""}, "model", "missing_required_parameter"),
        ({"model": 4}, "model", "invalid_type"),
        ({"max_tokens": None}, "max_tokens", "missing_required_parameter"),
        ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": "100"}, "max_tokens", "invalid_type"),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": {}}, "messages", "invalid_type"),
        ({"system": 7}, "system", "invalid_type"),
        ({"system": [{"type": "image", "source": PNG}]}, "system[0].type", "invalid_value"),
        ({"system": [{"type": "text", "text": " "}]}, "system[0].text", "invalid_value"),
        ({"temperature": 1.5}, "temperature", "decimal_above_max_value"),
        ({"top_p": "1"}, "top_p", "invalid_type"),
        ({"top_k": -1}, "top_k", "integer_below_min_value"),
        ({"stop_sequences": [" "]}, "stop_sequences", "invalid_value"),
        ({"stop_sequences": [7]}, "stop_sequences[0]", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"metadata": {"user_id": 7}}, "metadata.user_id", "invalid_type"),
        ({"service_tier": "flex"}, "service_tier", "invalid_value"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens", "missing_required_parameter"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1000}}, "thinking.budget_tokens",
         "integer_below_min_value"),
        ({"thinking": {"type": "deep"}}, "thinking.type", "invalid_value"),
        ({"thinking": {"type": "adaptive", "display": "all"}}, "thinking.display", "invalid_value"),
        ({"output_config": {"effort": "none"}}, "output_config.effort", "invalid_value"),
        ({"output_config": {"format": {"type": "json_object"}}}, "output_config.format.type", "invalid_value"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema",
         "missing_required_parameter"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": [{"input_schema": SCHEMA}]}, "tools[0].name", "missing_required_parameter"),
        ({"tools": [{"name": "a b", "input_schema": SCHEMA}]}, "tools[0].name", "invalid_value"),
        ({"tools": [{"name": "a"}]}, "tools[0].input_schema", "missing_required_parameter"),
        ({"tools": [{"name": "a", "input_schema": {}}]}, "tools[0].input_schema.type", "invalid_value"),
        ({"tools": [TOOL, TOOL]}, "tools[1].name", "invalid_value"),
        ({"tools": [{**TOOL, "cache_control": {"type": "forever"}}]}, "tools[0].cache_control.type", "invalid_value"),
        ({"tools": [{**TOOL, "cache_control": {"type": "ephemeral", "ttl": "2h"}}]}, "tools[0].cache_control.ttl",
         "invalid_value"),
        ({"tool_choice": {"type": "auto"}}, "tool_choice", "invalid_value"),
        ({"tools": [TOOL], "tool_choice": {"type": "all"}}, "tool_choice.type", "invalid_value"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name", "missing_required_parameter"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name", "invalid_value"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_by_its_name(members: dict[str, Any], param: str, code: str) -> None:
    assert refusal(**members) == (param, code)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Hello", "messages[0]"),
        ({"role": "tool", "content": "x"}, "messages[0].role"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "user", "content": ""}, "messages[0].content"),
        ({"role": "user", "content": []}, "messages[0].content"),
        ({"role": "user", "content": " \n"}, "messages[0].content"),
        ({"role": "user", "content": [7]}, "messages[0].content[0]"),
        ({"role": "user", "content": [{"text": "x"}]}, "messages[0].content[0].type"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [{"type": "text", "text": ""}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [USE]}, "messages[0].content[0].type"),
        ({"role": "assistant", "content": [RESULT]}, "messages[0].content[0].type"),
        ({"role": "user", "content": [{"type": "thinking", "thinking": "", "signature": ""}]},
         "messages[0].content[0].type"),
        ({"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}]},
         "messages[0].content[0].signature"),
        ({"role": "assistant", "content": [{**USE, "input": "{}"}]}, "messages[0].content[0].input"),
        ({"role": "assistant", "content": [USE, USE]}, "messages[0].content[1].id"),
        ({"role": "user", "content": [{"type": "image"}]}, "messages[0].content[0].source"),
        ({"role": "user", "content": [{"type": "image", "source": {**PNG, "media_type": "image/bmp"}}]},
         "messages[0].content[0].source.media_type"),
        ({"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "ftp://a"}}]},
         "messages[0].content[0].source.url"),
        ({"role": "user", "content": [{"type": "document", "source": {"type": "tape"}}]},
         "messages[0].content[0].source.type"),
        ({"role": "system", "content": [{"type": "image", "source": PNG}]}, "messages[0].content[0].type"),
    ],
)  # fmt: skip
def test_a_wrong_message_is_refused_by_its_place(message: object, param: str) -> None:
    assert refused_at(message) == param


def test_every_tool_use_is_answered_in_the_very_next_turn() -> None:
    answered = {"role": "user", "content": [RESULT]}
    assert refused_at(HELLO, CALLING) == "messages"
    assert refused_at(HELLO, CALLING, HELLO) == "messages[2]"
    assert refused_at(HELLO, CALLING, {"role": "system", "content": "Wait"}, answered) == "messages[2]"
    assert refused_at(HELLO, answered) == "messages[1].content[0].tool_use_id"
    assert refused_at(HELLO, CALLING, {"role": "user", "content": [RESULT, RESULT]}) == (
        "messages[2].content[1].tool_use_id"
    )
    assert refused_at(HELLO, CALLING, answered, {"role": "assistant", "content": "Sunny."}, answered) == (
        "messages[4].content[0].tool_use_id"
    )


# --- answers -------------------------------------------------------------------------------------------


def frame(*, show: bool = False, model: str = "gpt-5.5") -> Frame:
    return Frame(replace(decoded(), show_reasoning=show), model, 1_700_000_000, "01golden")


def encoded(response: ChatResponse, *, show: bool = False, **extra: Any) -> Any:
    return json.loads(messages.FACE.encode_response(response, frame(show=show), extra))


def test_a_whole_answer() -> None:
    response = ChatResponse(
        "chatcmpl-1",
        "gpt-5.5-2026-04-23",
        "Let me look.",
        "tool_calls",
        (ToolCall("call_1", "get_weather", '{"city": "Köln"}'), ToolCall("call_2", "get_time", "{}")),
        thoughts=(Reasoning("Two cities."),),
        usage=Usage(3125, 40, 2000, 1000, 12, 300, "default"),
    )

    assert encoded(response, show=True, router={"x": 1}) == {
        "id": "msg_01golden",
        "type": "message",
        "role": "assistant",
        "model": "gpt-5.5",
        "content": [
            {"type": "thinking", "thinking": "Two cities.", "signature": ""},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Köln"}},
            {"type": "tool_use", "id": "call_2", "name": "get_time", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 125,
            "cache_creation_input_tokens": 1000,
            "cache_read_input_tokens": 2000,
            "cache_creation": {"ephemeral_5m_input_tokens": 700, "ephemeral_1h_input_tokens": 300},
            "output_tokens": 40,
            "output_tokens_details": {"thinking_tokens": 12},
            "service_tier": "standard",
        },
        "router": {"x": 1},
    }


@pytest.mark.parametrize(
    ("reason", "refusal_text", "stop_reason", "explanation"),
    [
        ("stop", None, "end_turn", None),
        ("length", None, "max_tokens", None),
        ("tool_calls", None, "tool_use", None),
        ("content_filter", None, "refusal", None),
        ("content_filter", "I can't.", "refusal", "I can't."),
        ("stop", "I can't.", "refusal", "I can't."),
    ],
)
def test_why_an_answer_ended(reason: Any, refusal_text: str | None, stop_reason: str, explanation: str | None) -> None:
    answer = encoded(ChatResponse("1", "m", None, reason, refusal=refusal_text))

    details = {"type": "refusal", "category": None, "explanation": explanation}
    assert (answer["stop_reason"], answer["stop_details"]) == (
        stop_reason,
        details if stop_reason == "refusal" else None,
    )
    assert answer["content"] == ([{"type": "text", "text": refusal_text}] if refusal_text else [])


def test_reasoning_is_shown_to_who_asked_and_only_anthropics_seals_count() -> None:
    thoughts = (
        Reasoning("signed", Seal("EqQB", "messages")),
        Reasoning("sealed", Seal("gAAA", "responses")),
        Reasoning(seal=Seal("Emwk", "messages"), hidden=True),
        Reasoning(seal=Seal("gAAB", "responses"), hidden=True),
        Reasoning(""),
    )
    response = ChatResponse("1", "m", "Yes", "stop", thoughts=thoughts)
    yes = {"type": "text", "text": "Yes"}
    redacted = {"type": "redacted_thinking", "data": "Emwk"}

    assert encoded(response, show=True)["content"] == [
        {"type": "thinking", "thinking": "signed", "signature": "EqQB"},
        {"type": "thinking", "thinking": "sealed", "signature": ""},
        redacted,
        yes,
    ]
    assert encoded(response)["content"] == [{"type": "thinking", "thinking": "", "signature": "EqQB"}, redacted, yes]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ("{}", {}),
        (' {"n": 12345678901234567890123} ', {"n": 12345678901234567890123}),
        ("[1, 2]", {"input": [1, 2]}),
        ('"Köln"', {"input": "Köln"}),
        ("Köln", {"input": "Köln"}),
        ('{"city": "Kö', {"input": '{"city": "Kö'}),
    ],
)
def test_arguments_that_are_no_object_become_a_member_of_one(arguments: str, expected: object) -> None:
    response = ChatResponse("1", "m", None, "tool_calls", (ToolCall("call_1", "f", arguments),))
    assert encoded(response)["content"][0]["input"] == expected


def test_blank_text_is_no_block() -> None:
    assert encoded(ChatResponse("1", "m", "\n\n", "stop"))["content"] == []


def test_an_unknown_usage_is_said_as_zero_for_clients_need_a_number() -> None:
    usage = encoded(ChatResponse("1", "m", "Yes", "stop"))["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (0, 0)


def test_a_provider_of_this_format_is_passed_on_but_for_the_models_name() -> None:
    document = b'{"id":"msg_1","type":"message","model":"claude-opus-4-7","content":[{"type":"hologram","n":1.50}]}'

    passed = messages.FACE.whole_passthrough
    assert passed is not None
    assert passed(document, frame(model="claude-opus-4.7"), {"router": 1}) == (
        b'{"id":"msg_1","type":"message","model":"claude-opus-4.7","content":[{"type":"hologram","n":1.50}],"router":1}'
    )


# --- errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadRequest("no"), "invalid_request_error"),
        (Unauthorized("no"), "authentication_error"),
        (Forbidden("no"), "permission_error"),
        (NotFound("no"), "not_found_error"),
        (TooLarge("no"), "request_too_large"),
        (Overloaded("no"), "overloaded_error"),
        (RouterError("no"), "api_error"),
        (UpstreamError("rate_limited", "no"), "rate_limit_error"),
        (UpstreamError("quota", "no"), "rate_limit_error"),
        (UpstreamError("overloaded", "no"), "overloaded_error"),
        (UpstreamError("timeout", "no"), "timeout_error"),
        (UpstreamError("credentials", "no"), "api_error"),
        (UpstreamError("truncated", "no"), "api_error"),
    ],
)
def test_errors_have_anthropics_form(error: RouterError, kind: str) -> None:
    assert json.loads(messages.FACE.encode_error(error, "req_1")) == {
        "type": "error",
        "error": {"type": kind, "message": "no"},
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("maximum context length is 8 tokens", "prompt is too long: maximum context length is 8 tokens"),
        ("prompt is too long: 9 tokens > 8 maximum", "prompt is too long: 9 tokens > 8 maximum"),
    ],
)
def test_a_context_that_overflows_says_so_in_the_words_that_clients_look_for(text: str, told: str) -> None:
    document = json.loads(messages.FACE.encode_error(UpstreamError("context_length", text), "req_1"))
    assert document["error"] == {"type": "invalid_request_error", "message": told}


# --- streams -------------------------------------------------------------------------------------------


def parsed(data: bytes) -> list[tuple[str, Any]]:
    parser = EventParser()
    return [(event.name, json.loads(event.data)) for event in [*parser.feed(data), *parser.close()]]


def golden(path: str) -> list[tuple[str, Any]]:
    return parsed((GOLDEN / path).read_bytes())


def streamed(deltas: Sequence[Delta], around: Frame, **extra: Any) -> bytes:
    encoder = messages.FACE.stream_encoder(around)
    return b"".join([encoder.feed(delta) for delta in deltas]) + encoder.finish(extra)


FROM_OPENAI: list[Delta] = [
    Started("chatcmpl-9", "gpt-5.5-2026-04-23"),
    TextDelta(""),
    TextDelta("\n"),
    TextDelta("Let me "),
    TextDelta("look."),
    ToolCallStarted(0, "call_1", "get_weather"),
    ToolCallDelta(0, ""),
    ToolCallDelta(0, '{"city":'),
    ToolCallStarted(1, "call_2", "get_time"),
    ToolCallDelta(1, "{}"),
    ToolCallDelta(0, '"Köln"}'),
    Finished("tool_calls"),
    UsageReported(Usage(120, 40, 100, 0, 12)),
]
FROM_GEMINI: list[Delta] = [
    Started("Zx9", "gemini-3.1-pro-preview"),
    ReasoningDelta("Two cities, "),
    UsageReported(Usage(11, 100, reasoning_tokens=100)),
    ReasoningDelta("one answer."),
    ReasoningEnded(),
    TextDelta("Grüße \u2028aus dem \x85Süden 🎈"),
    ToolCallStarted(0, "call_g", "get_weather", seal=Seal("CsQB", "gemini")),
    ToolCallDelta(0, '{"city":"Köln"}'),
    Finished("tool_calls"),
    UsageReported(Usage(11, 318, reasoning_tokens=256)),
]
REFUSED: list[Delta] = [
    Started("chatcmpl-9", "gpt-5.5-2026-04-23"),
    RefusalDelta("I can't "),
    RefusalDelta("help with that."),
    Finished("stop"),
    UsageReported(Usage(9, 7)),
]


@pytest.mark.parametrize(
    ("name", "deltas", "model"),
    [
        ("from_openai", FROM_OPENAI, "gpt-5.5"),
        ("from_gemini", FROM_GEMINI, "gemini-3.1-pro"),
        ("refusal", REFUSED, "gpt-5.5"),
    ],
)
def test_a_translated_stream(name: str, deltas: list[Delta], model: str) -> None:
    assert parsed(streamed(deltas, frame(show=True, model=model))) == golden(f"messages/{name}.sse")


def test_a_stream_is_written_as_it_comes_and_never_with_an_event_that_has_no_name() -> None:
    encoder = messages.FACE.stream_encoder(frame())
    encoder.feed(Started("1", "m"))

    assert encoder.feed(TextDelta("Hi")) == (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n'
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"Hi"}}\n\n'
    )
    assert encoder.feed(ToolCallStarted(0, "call_1", "f")).count(b"event: ") == 2  # the text ends, the call begins
    assert b'"partial_json":"{\\"a\\":"' in encoder.feed(ToolCallDelta(0, '{"a":'))


def test_a_caller_that_asked_for_no_thinking_gets_text_first() -> None:
    events = parsed(streamed(FROM_GEMINI, frame()))
    starts = [data["content_block"]["type"] for name, data in events if name == "content_block_start"]
    assert starts == ["text", "tool_use"]


def test_arguments_that_are_no_object_come_whole_in_one() -> None:
    deltas: list[Delta] = [
        Started("1", "m"),
        ToolCallStarted(0, "a", "f"),
        ToolCallDelta(0, "[1,"),
        ToolCallDelta(0, "2]"),
        ToolCallStarted(1, "b", "g"),
        Finished("tool_calls"),
    ]
    pieces = [data["delta"] for name, data in parsed(streamed(deltas, frame())) if name == "content_block_delta"]
    assert pieces == [{"type": "input_json_delta", "partial_json": '{"input":[1,2]}'}]


def test_a_blank_text_between_calls_is_no_block() -> None:
    deltas: list[Delta] = [
        Started("1", "m"),
        TextDelta("\n\n"),
        ToolCallStarted(0, "a", "f"),
        ToolCallDelta(0, "{}\n"),
        TextDelta("\n"),
        Finished("tool_calls"),
    ]
    events = parsed(streamed(deltas, frame()))
    assert [data["index"] for name, data in events if name == "content_block_start"] == [0]
    assert events[1][1]["content_block"]["type"] == "tool_use"


def test_the_explanation_rides_on_the_last_object() -> None:
    events = parsed(streamed(REFUSED, frame(), router={"x": 1}))
    assert [name for name, data in events if "router" in data] == ["message_delta"]


def test_a_stream_that_fails_says_so_in_an_event_of_its_own() -> None:
    encoder = messages.FACE.stream_encoder(frame())
    encoder.feed(Started("1", "m"))

    assert encoder.fail(UpstreamError("truncated", "it broke off")) == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"it broke off"},'
        b'"request_id":"req_01golden"}\n\n'
    )
    assert encoder.whole() is None


# --- pass-through --------------------------------------------------------------------------------------

WHOLE_STREAMS = ("text", "tools", "thinking", "refusal", "max_tokens", "server_tools")


def passed_through(data: bytes, size: int, **extra: Any) -> bytes:
    """What a caller gets of a provider's stream that comes in blocks of this size."""
    assert messages.FACE.passthrough is not None
    relay, parser = messages.FACE.passthrough(frame(model="claude-opus-4.7")), EventParser()
    out = b""
    for at in range(0, len(data), size):
        out += b"".join(relay.feed(event, ()) for event in parser.feed(data[at : at + size]))
    return out + relay.finish(extra)


@pytest.mark.parametrize("name", WHOLE_STREAMS)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_anthropics_own_stream_passes_as_it_came(name: str, size: int) -> None:
    came = golden(f"anthropic/{name}.sse")
    came[0][1]["message"]["model"] = "claude-opus-4.7"

    assert parsed(passed_through((GOLDEN / "anthropic" / f"{name}.sse").read_bytes(), size)) == came


def test_events_keep_their_bytes_but_for_the_start() -> None:
    data = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"claude-x","u":1.50}}\n\n'
        b'event: hologram\ndata: {"type":"hologram", "depth":3.0}\n\n'
        b'data: {"type":"content_block_stop","index":0}\n\n'
        b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":1}}\n\n'
        b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":2}}\n\n'
        b"event: ping\ndata: {}\n\n"
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )

    assert passed_through(data, 1 << 20, router=1) == (
        data.replace(b"claude-x", b"claude-opus-4.7")
        .replace(
            b'data: {"type":"content_block_stop"', b'event: content_block_stop\ndata: {"type":"content_block_stop"'
        )
        .replace(b'"output_tokens":2}}', b'"output_tokens":2},"router":1}')
    )


def test_only_the_end_is_held_back() -> None:
    assert messages.FACE.passthrough is not None
    relay = messages.FACE.passthrough(frame())
    stop = Event(b'{"type":"message_stop"}', "message_stop")

    assert relay.feed(Event(b'{"type":"ping"}', "ping"), ()) == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert relay.feed(Event(b'{"type":"message_delta"}', "message_delta"), ()) == relay.feed(stop, ()) == b""
    assert relay.feed(Event(b""), ()) == b""
    assert relay.finish({}).endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
    assert relay.fail(Overloaded("full")).startswith(b"event: error\n")
    assert relay.whole() is None


# --- laws ----------------------------------------------------------------------------------------------

OPUS = Model("claude-opus-4.7", Provider("anthropic", "anthropic", "https://anthropic.test"), "claude-opus-4-7")

words = st.text(min_size=1).filter(str.strip)
sealed = st.none() | st.builds(Seal, words, st.just("messages"), st.just("claude"))
usages = st.builds(
    lambda rest, cached, written, hour, out, thought: Usage(
        rest + cached + written, out + thought, cached, written, thought, min(hour, written)
    ),
    *[st.integers(0, 1000)] * 6,
)
objects = st.dictionaries(st.text(), st.integers() | st.text(), max_size=3).map(json.dumps)


@st.composite
def answers(draw: st.DrawFn) -> list[Delta]:
    """Reasoning, text, then calls whose arguments come by turns."""
    deltas: list[Delta] = [Started("msg_1", "claude-opus-4.7")]
    for text in draw(st.lists(words, max_size=2)):
        deltas += [ReasoningDelta(text), ReasoningDelta("…"), ReasoningEnded(draw(sealed))]
    if draw(st.booleans()):
        deltas.append(ReasoningEnded(Seal("cipher", "messages", "claude"), hidden=True))
    if draw(st.booleans()):
        deltas += [TextDelta(draw(words)), *map(TextDelta, draw(st.lists(st.text(), max_size=3)))]
    calls = draw(st.lists(objects, max_size=3))
    deltas += [ToolCallStarted(index, f"toolu_{index}", "f") for index in range(len(calls))]
    cuts = [draw(st.integers(0, len(arguments))) for arguments in calls]
    pieces = [iter((text[:cut], text[cut:])) for text, cut in zip(calls, cuts, strict=True)]
    order = draw(st.permutations([*range(len(calls))] * 2))
    deltas += [ToolCallDelta(index, next(pieces[index])) for index in order]
    reason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    return [*deltas, Finished(reason), UsageReported(draw(usages))]  # type: ignore[arg-type]  # reason is one of them


def understood(data: bytes) -> ChatResponse:
    """What an Anthropic client takes from this stream."""
    decoder = anthropic.FACE.stream_decoder(replace(decoded(), model="claude"), lambda: "made")
    deltas = [delta for event in EventParser().feed(data) for delta in decoder.feed(event)]
    assert decoder.complete
    return fold([*deltas, *decoder.close()])


def without_models_of_seals(response: ChatResponse) -> ChatResponse:
    thoughts = tuple(
        replace(thought, seal=thought.seal and replace(thought.seal, model="")) for thought in response.thoughts
    )
    return replace(response, thoughts=thoughts)


@settings(max_examples=150, deadline=None)
@given(answers())
def test_a_stream_folds_to_the_same_answer_on_the_other_side(deltas: list[Delta]) -> None:
    around = frame(show=True, model="claude-opus-4.7")

    other_side = understood(streamed(deltas, around))

    assert without_models_of_seals(other_side) == without_models_of_seals(fold(deltas))


@settings(max_examples=100, deadline=None)
@given(answers())
def test_a_whole_answer_is_the_same_on_the_other_side(deltas: list[Delta]) -> None:
    whole = fold(deltas)
    document = messages.FACE.encode_response(whole, frame(show=True, model="claude-opus-4.7"), {})

    other_side = anthropic.FACE.decode_response(document, decoded(), lambda: "made")

    assert without_models_of_seals(other_side) == without_models_of_seals(whole)


@settings(max_examples=100, deadline=None)
@given(answers())
def test_blocks_never_overlap_and_count_from_zero(deltas: list[Delta]) -> None:
    events = parsed(streamed(deltas, frame(show=True)))

    places = [(name, data["index"]) for name, data in events if name.startswith("content_block")]
    opened = [index for name, index in places if name == "content_block_start"]
    assert opened == list(range(len(opened)))
    for index in opened:
        block = [name for name, at in places if at == index]
        first, *between, last = block
        assert (first, last) == ("content_block_start", "content_block_stop")
        assert set(between) <= {"content_block_delta"}
    assert [index for _, index in places] == sorted(index for _, index in places)


@pytest.mark.parametrize(
    "request_",
    [
        ChatRequest("claude-opus-4-7", (Message("user", (Text("Hi"),)),), max_tokens=50),
        ChatRequest(
            "claude-opus-4-7",
            (
                Message("system", (Text("Be brief."),)),
                Message("user", (Image("data:image/png;base64,iVBORw0="), Text("What is it?"))),
                Message("assistant", (Reasoning("Hm.", Seal("EqQB", "messages")), Text("A cat?")), (CALL,)),
                Message("tool", (Text("no"),), tool_call_id="toolu_1", failed=True),
                Message("user", (Text("Again"), File(data="data:application/pdf;base64,JVBERi0="))),
            ),
            tools=(Tool("get_weather", "The weather", SCHEMA),),
            tool_choice=ToolChoice("auto"),
            parallel_tool_calls=False,
            max_tokens=50,
            stop=("END",),
            stream=True,
        ),
    ],
)
def test_what_anthropic_would_be_asked_is_read_as_it_was_meant(request_: ChatRequest) -> None:
    wire = anthropic.FACE.encode_request(request_, OPUS)

    read = messages.FACE.decode_request(wire.body)

    assert replace(read, raw=b"", wire="chat", include_usage=False) == request_


# --- counting ------------------------------------------------------------------------------------------


def test_a_request_to_count_needs_no_limit() -> None:
    data = json.dumps({"model": "auto", "messages": [HELLO], "tools": [TOOL]}).encode()

    request = messages.COUNT_FACE.decode_request(data)

    assert (request.max_tokens, request.wire, request.raw) == (None, "messages", data)
    assert request.tools[0].name == "get_weather"


def test_only_what_can_be_counted_is_sent_to_be_counted() -> None:
    sent = {"model": "claude-opus-4-7", "messages": [HELLO], "system": "Be brief.", "thinking": {"type": "adaptive"}}
    more = {
        "max_tokens": 5,
        "stream": True,
        "temperature": 1,
        "metadata": {},
        "stop_sequences": ["a"],
        "service_tier": 1,
    }
    wire = WireRequest("/v1/messages", (("x-api-key", "k"),), json.dumps({**sent, **more}).encode())

    count = messages.count_request(wire)

    assert (count.path, count.headers) == ("/v1/messages/count_tokens", (("x-api-key", "k"),))
    assert msgspec.json.decode(count.body) == sent


def test_a_count_is_a_number() -> None:
    assert messages.decode_count(b'{"input_tokens":14,"context_management":{"original_input_tokens":20}}') == 14
    for data in (b"", b"{}", b'{"input_tokens":"14"}', b"\xff"):
        with pytest.raises(UpstreamError) as caught:
            messages.decode_count(data)
        assert caught.value.kind == "protocol"
