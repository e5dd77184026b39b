"""The server face of chat completions: what callers may send, what is refused and how, and what they get."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.dialects import Frame, chat
from router.dialects.openai import chat as openai
from router.errors import BadRequest, NotFound, Overloaded, RouterError, UpstreamError
from router.sse import EventParser
from router.types import (
    Audio,
    ChatRequest,
    ChatResponse,
    ChoiceSwitched,
    Delta,
    File,
    Finished,
    Image,
    Message,
    Reasoning,
    ReasoningDelta,
    ReasoningEnded,
    Refusal,
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

HELLO = {"role": "user", "content": "Hello"}
FUNCTION = {"name": "get_weather", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": FUNCTION}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWER = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "auto", "messages": [HELLO], **fields}).encode()


def decoded(**fields: Any) -> ChatRequest:
    return chat.FACE.decode_request(body(**fields))


def refusal(data: bytes) -> tuple[str | None, str | None]:
    """The `param` and `code` that this body is refused with."""
    with pytest.raises(BadRequest) as caught:
        chat.FACE.decode_request(data)
    assert caught.value.status == 400 and caught.value.type == "invalid_request_error"
    assert 0 < len(caught.value.message) < 300
    return caught.value.param, caught.value.code


def refused_message(message: object) -> tuple[str | None, str | None]:
    return refusal(body(messages=[message]))


# --- what is read --------------------------------------------------------------------------------------


def test_the_smallest_request() -> None:
    data = b'{"model":"auto","messages":[{"role":"user","content":"Hello"}]}'

    assert chat.FACE.decode_request(data) == ChatRequest("auto", (Message("user", (Text("Hello"),)),), raw=data)


def test_a_request_with_everything() -> None:
    schema = {"type": "object", "properties": {}}
    request = decoded(
        tools=[{"type": "function", "function": {**FUNCTION, "description": "The weather", "strict": True}}],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        parallel_tool_calls=False,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "answer", "description": "An answer", "schema": schema, "strict": True},
        },
        max_completion_tokens=50,
        temperature=1,
        top_p=0.5,
        stop=["a", "b"],
        seed=-7,
        reasoning_effort="high",
        n=2,
        user="ada",
        stream=True,
        stream_options={"include_usage": True},
        verbosity="low",
        zeta={"x": None},
    )

    assert request.tools == (Tool("get_weather", "The weather", {"type": "object"}, True),)
    assert request.tool_choice == ToolChoice("named", "get_weather")
    assert request.parallel_tool_calls is False
    assert request.response_format == ResponseFormat("json_schema", "answer", "An answer", schema, True)
    assert (request.max_tokens, request.temperature, request.top_p, request.seed) == (50, 1.0, 0.5, -7)
    assert (request.stop, request.effort, request.n, request.user) == (("a", "b"), "high", 2, "ada")
    assert request.stream and request.include_usage
    assert request.others == {"verbosity": "low", "zeta": {"x": None}}


def test_nulls_are_as_good_as_nothing() -> None:
    names = ["tools", "tool_choice", "parallel_tool_calls", "response_format", "max_tokens", "max_completion_tokens",
             "temperature", "top_p", "stop", "seed", "reasoning_effort", "n", "user", "stream", "stream_options",
             "functions", "function_call", "logprobs", "top_logprobs", "logit_bias", "metadata", "store", "modalities",
             "frequency_penalty", "presence_penalty", "service_tier", "verbosity", "audio", "prediction"]  # fmt: skip
    data = body(**dict.fromkeys(names))

    assert chat.FACE.decode_request(data) == ChatRequest("auto", (Message("user", (Text("Hello"),)),), raw=data)


def test_nulls_inside_are_as_good_as_nothing() -> None:
    unset = {"description": None, "parameters": None, "strict": None}
    spec = {"name": "a", "schema": {}, "description": None, "strict": None}
    request = decoded(
        tools=[{"type": "function", "function": {"name": "now", **unset}}],
        response_format={"type": "json_schema", "json_schema": spec},
        stream=True,
        stream_options={"include_usage": None},
    )

    assert request.tools == (Tool("now"),)
    assert request.response_format == ResponseFormat("json_schema", "a", schema={})
    assert not request.include_usage


def test_the_echo_of_an_answer_is_taken_with_its_nulls() -> None:
    nulls = {"refusal": None, "annotations": None, "audio": None, "function_call": None, "tool_calls": None}
    echo = {"role": "assistant", "content": "Hi", **nulls}

    assert decoded(messages=[HELLO, echo]).messages[1] == Message("assistant", (Text("Hi"),))


def test_a_tool_turn_is_read() -> None:
    now = {"id": "call_2", "function": {"name": "now", "arguments": ""}}
    asking = {"role": "assistant", "tool_calls": [CALL, now]}
    late = {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "noon"}]}

    assert decoded(messages=[HELLO, asking, late, ANSWER, HELLO]).messages[1:4] == (
        Message("assistant", (), (ToolCall("call_1", "get_weather", "{}"), ToolCall("call_2", "now", ""))),
        Message("tool", (Text("noon"),), tool_call_id="call_2"),
        Message("tool", (Text("sunny"),), tool_call_id="call_1"),
    )


def test_parts_of_all_kinds_are_read() -> None:
    parts = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": None}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1", "filename": None}},
    ]

    assert decoded(messages=[{"role": "user", "content": parts, "name": "ada"}]).messages == (
        Message(
            "user",
            (
                Text("Look"),
                Image("https://x.test/a.png", "low"),
                Image("data:image/png;base64,iVBO"),
                Audio("UklG", "wav"),
                File(file_id="file-1"),
            ),
            name="ada",
        ),
    )


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None, "refusal": "No"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]},
    ],
)
def test_a_refusal_is_read(message: dict[str, Any]) -> None:
    assert decoded(messages=[HELLO, message]).messages[1] == Message("assistant", (Refusal("No"),))


@pytest.mark.parametrize(("given_stop", "expected"), [(None, ()), ("END", ("END",)), ([], ()), (["a"], ("a",))])
def test_stop_is_a_text_or_several(given_stop: object, expected: tuple[str, ...]) -> None:
    assert decoded(stop=given_stop).stop == expected


@pytest.mark.parametrize(
    ("format_", "expected"),
    [({"type": "text"}, ResponseFormat()), ({"type": "json_object"}, ResponseFormat("json_object"))],
)
def test_a_plain_response_format_is_read(format_: object, expected: ResponseFormat) -> None:
    assert decoded(response_format=format_).response_format == expected


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_allowed_tools_are_the_tools_and_the_callers_bytes_stay(mode: str) -> None:
    other = {"type": "function", "function": {"name": "now"}}
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [other]}}

    request = decoded(tools=[TOOL, other], tool_choice=choice)

    assert request.tools == (Tool("now"),)
    assert request.tool_choice is not None and (request.tool_choice.mode, request.tool_choice.name) == (mode, None)
    assert request.raw == body(tools=[TOOL, other], tool_choice=choice)


GRAMMAR = {"syntax": "lark", "definition": "start: /a+/"}
PATCH = {"type": "custom", "custom": {"name": "patch", "description": "Changes a file"}}
CALLS = {"type": "custom", "custom": {"name": "calc", "format": {"type": "grammar", "grammar": GRAMMAR}}}


def test_custom_tools_are_read() -> None:
    plain = {"type": "custom", "custom": {"name": "note", "format": {"type": "text"}, "description": None}}

    request = decoded(tools=[TOOL, PATCH, CALLS, plain], tool_choice={"type": "custom", "custom": {"name": "calc"}})

    assert request.tools[1:] == (
        Tool("patch", "Changes a file", kind="custom"),
        Tool("calc", kind="custom", grammar=GRAMMAR),
        Tool("note", kind="custom"),
    )
    assert request.tool_choice == ToolChoice("named", "calc")


def test_custom_tools_can_be_among_the_allowed_ones() -> None:
    listed = [
        {"type": "custom", "custom": {"name": "patch"}},
        {"type": "function", "function": {"name": "get_weather"}},
    ]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": listed}}

    request = decoded(tools=[TOOL, PATCH, CALLS], tool_choice=choice)

    assert [tool.name for tool in request.tools] == ["get_weather", "patch"]


def test_a_call_of_a_custom_tool_is_read() -> None:
    call = {"id": "call_1", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}
    asking = {"role": "assistant", "content": None, "tool_calls": [call]}

    assert decoded(messages=[HELLO, asking, ANSWER]).messages[1].tool_calls == (
        ToolCall("call_1", "patch", "*** Begin", "custom"),
    )


def test_the_old_form_of_tools_is_read() -> None:
    asking = {"role": "assistant", "content": None, "function_call": {"name": "get_weather", "arguments": "{}"}}
    told = {"role": "function", "name": "get_weather", "content": "sunny"}
    silent = {"role": "function", "name": "get_weather", "content": None}

    request = decoded(
        messages=[HELLO, asking, told, asking, silent], functions=[FUNCTION], function_call={"name": "get_weather"}
    )

    assert request.tools == (Tool("get_weather", parameters={"type": "object"}),)
    assert request.tool_choice == ToolChoice("named", "get_weather")
    assert request.parallel_tool_calls is False and request.legacy_functions
    assert "functions" not in request.others and "function_call" not in request.others
    assert request.messages[1:] == (
        Message("assistant", (), (ToolCall("call_fn_1", "get_weather", "{}"),)),
        Message("tool", (Text("sunny"),), tool_call_id="call_fn_1"),
        Message("assistant", (), (ToolCall("call_fn_3", "get_weather", "{}"),)),
        Message("tool", (), tool_call_id="call_fn_3"),
    )


@pytest.mark.parametrize(
    ("choice", "expected"), [(None, None), ("auto", ToolChoice("auto")), ("none", ToolChoice("none"))]
)
def test_a_function_call_of_the_old_form_is_a_tool_choice(choice: str | None, expected: ToolChoice | None) -> None:
    assert decoded(functions=[FUNCTION], function_call=choice).tool_choice == expected


EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
AN_HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
HALF_AN_HOUR = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}
HALF_A_DAY = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}


def test_cache_marks_of_both_kinds_are_read() -> None:
    parts = [
        {"type": "text", "text": "a", **EPHEMERAL},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}, **AN_HOUR},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE"}, **HALF_AN_HOUR},
        {"type": "text", "text": "b", **HALF_A_DAY},
        {"type": "text", "text": "c", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "text", "text": "d", "cache_control": None, "prompt_cache_breakpoint": None},
    ]

    assert decoded(messages=[{"role": "user", "content": parts}]).messages[0].parts == (
        Text("a", "5m"),
        Image("https://x.test/a.png", cache="1h"),
        File("data:application/pdf;base64,JVBE", cache="1h"),
        Text("b", "1h"),
        Text("c", "1h"),
        Text("d"),
    )


def test_a_cache_mark_on_a_message_or_a_tool_is_read() -> None:
    system = {"role": "system", "content": "Be brief", **AN_HOUR}

    request = decoded(messages=[system, HELLO], tools=[{**TOOL, **EPHEMERAL}, {**PATCH, **AN_HOUR}])

    assert request.messages[0].parts == (Text("Be brief", "1h"),)
    assert [tool.cache for tool in request.tools] == ["5m", "1h"]


@pytest.mark.parametrize(
    "extension",
    [
        {"extra_content": {"google": {"thought_signature": "sig"}}},
        {"provider_specific_fields": {"thought_signature": "sig"}},
        {"extra_content": {"google": None}, "provider_specific_fields": {"thought_signature": "sig"}},
    ],
)
def test_the_seal_of_a_tool_call_is_read(extension: dict[str, Any]) -> None:
    asking = {"role": "assistant", "content": None, "tool_calls": [{**CALL, **extension}]}

    (call,) = decoded(messages=[HELLO, asking, ANSWER]).messages[1].tool_calls

    assert call.seal == Seal("sig", "gemini")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reasoning_content": "Hm"}, (Reasoning("Hm"),)),
        ({"reasoning_content": ""}, ()),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s"}]},
         (Reasoning("", Seal("s", "messages")),)),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "Hm"}, {"type": "redacted_thinking", "data": "x"}],
          "reasoning_content": "Hm"},
         (Reasoning("Hm"), Reasoning(seal=Seal("x", "messages"), hidden=True))),
        ({"reasoning_details": [
            {"type": "reasoning.text", "text": "Hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0},
            {"type": "reasoning.encrypted", "data": "x", "format": "anthropic-claude-v1", "index": 1},
            {"type": "reasoning.encrypted", "data": "y", "format": "google-gemini-v1", "index": 2},
            {"type": "reasoning.encrypted", "data": "z", "format": "openai-responses-v1", "index": 3},
            {"type": "reasoning.encrypted", "data": "?", "format": "unknown", "index": 4},
            {"type": "reasoning.summary", "summary": "Hm", "index": 5},
          ], "reasoning_content": "Hm"},
         (Reasoning("Hm", Seal("s", "messages")),
          Reasoning(seal=Seal("x", "messages"), hidden=True),
          Reasoning(seal=Seal("y", "gemini"), hidden=True),
          Reasoning(seal=Seal("z", "responses"), hidden=True))),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "Hm", "signature": "s", "format": "unknown"}]},
         (Reasoning("Hm"),)),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "x"}], "reasoning_content": "Hm"},
         (Reasoning("Hm"),)),
        ({"reasoning_details": None, "thinking_blocks": None, "reasoning_content": None}, ()),
        ({"reasoning_details": [], "thinking_blocks": []}, ()),
    ],
)  # fmt: skip
def test_reasoning_that_comes_back_goes_before_what_was_said(
    fields: dict[str, Any], expected: tuple[Reasoning, ...]
) -> None:
    message = decoded(messages=[HELLO, {"role": "assistant", "content": "90", **fields}, HELLO]).messages[1]

    assert message.parts == (*expected, Text("90"))
    assert message.text == "90"


def test_a_tools_result_can_be_an_image() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    shown = {**ANSWER, "content": [{"type": "text", "text": "the sky"}, picture]}

    assert decoded(messages=[HELLO, CALLING, shown]).messages[2].parts == (
        Text("the sky"),
        Image("data:image/png;base64,iVBO"),
    )


def test_audio_that_a_model_said_binds_a_conversation_to_this_wire_format() -> None:
    said = {"role": "assistant", "content": None, "audio": {"id": "audio_1"}}

    assert decoded(messages=[HELLO, said, HELLO]).only_native == ("messages[1].audio",)
    assert decoded(messages=[HELLO]).only_native == ()


def test_text_of_every_script_is_read() -> None:
    data = '{"model":"auto","messages":[{"role":"user","content":"Grüße\\ud83c\\udf88\u2028\\u0000🎈"}]}'.encode()

    assert chat.FACE.decode_request(data).messages[0].text == "Grüße🎈\u2028\0🎈"


# --- what is refused -----------------------------------------------------------------------------------

MINIMAL = b'"model":"auto","messages":[{"role":"user","content":"Hello"}]'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"x"',
        b"5",
        b"{",
        b"{" + MINIMAL,
        b"{" + MINIMAL + b",}",
        b"{" + MINIMAL + b"} {}",
        b"\xef\xbb\xbf{" + MINIMAL + b"}",
        b"{" + MINIMAL + b',"user":"\xff"}',
        b"{" + MINIMAL + b',"user":"\\ud800"}',
        b"{" + MINIMAL + b',"user":"\\ud800 and more of it"}',
        b"{" + MINIMAL + b',"user":"\\udf88\\ud83c"}',
        b"{" + MINIMAL + b',"user":"a\nb"}',
        b"{" + MINIMAL + b',"temperature":NaN}',
        b"{" + MINIMAL + b',"temperature":Infinity}',
        b"{" + MINIMAL + b',"temperature":1e999}',
        b"{" + MINIMAL + b',"seed":' + b"9" * 5000 + b"}",
        b"{" + MINIMAL + b',"x":' + b"[" * 100_000,
        b"{" + MINIMAL + b',"x":' + b'{"x":' * 100_000,
        "{}".encode("utf-16"),
    ],
)
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    assert refusal(data) == (None, "invalid_json")


def nested(depth: int) -> bytes:
    """A body that is `depth` deep."""
    return b"{" + MINIMAL + b',"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_json_may_be_64_deep_and_no_deeper() -> None:
    assert chat.FACE.decode_request(nested(64)).model == "auto"
    assert refusal(nested(65)) == (None, "invalid_json")
    assert refusal(nested(900)) == (None, "invalid_json")


@pytest.mark.parametrize(
    "member",
    [
        b'"model":"other"',
        b'"mod\\u0065l":"other"',
        b'"model" :"other"',
        b'"model"\n:"other"',
        b'"x":{"y":1,"y":2}',
        b'"x":[[{"y":1,"y" : 1}]],"z":"\\":"',
        b'"x":{"":1,"":2}',
    ],
)
def test_a_key_that_is_there_twice_is_refused(member: bytes) -> None:
    assert refusal(b"{" + MINIMAL + b"," + member + b"}") == (None, "invalid_json")


@pytest.mark.parametrize(
    "member",
    [
        b'"x":{"y":1},"z":{"y":1}',
        b'"x":"{\\"y\\":1,\\"y\\":2}"',
        b'"x":"\\"model\\" : "',
        b'"x" : "y"',
        b'"x":{"a\\"":1,"a\\":":2}',
        b'"x\\u0022:":{}',
    ],
)
def test_text_that_looks_like_a_key_twice_is_fine(member: bytes) -> None:
    assert chat.FACE.decode_request(b"{" + MINIMAL + b"," + member + b"}").model == "auto"


NAME_TWICE = st.dictionaries(st.text(max_size=3), st.text(max_size=5), min_size=1, max_size=3)


@given(
    NAME_TWICE, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :"), (",", "\n:")]), st.booleans()
)
def test_keys_are_told_apart_in_any_writing(
    members: dict[str, str], twice: bool, separators: tuple[str, str], ascii_only: bool
) -> None:
    comma, colon = separators
    texts = [
        (json.dumps(k, ensure_ascii=ascii_only), json.dumps(v, ensure_ascii=ascii_only)) for k, v in members.items()
    ]
    written = comma.join(f"{key}{colon}{value}" for key, value in texts + texts[:1] * twice)
    data = b"{" + MINIMAL + b',"nested":{' + written.encode() + b"}}"
    if twice:
        assert refusal(data) == (None, "invalid_json")
    else:
        assert chat.FACE.decode_request(data).others == {"nested": members}


TOO_LONG = [10**30, -(10**30), 2**63]


@pytest.mark.parametrize(
    ("field", "values", "code"),
    [
        ("model", [None, ""], "missing_required_parameter"),
        ("model", [5, [], {}], "invalid_type"),
        ("messages", [None], "missing_required_parameter"),
        ("messages", ["x", {}, 5], "invalid_type"),
        ("messages", [[]], "empty_array"),
        ("stream", [1, "true", {}], "invalid_type"),
        ("stream_options", [[], "x", True], "invalid_type"),
        ("stream_options", [{}, {"include_usage": True}], "invalid_value"),
        ("tools", [[]], "empty_array"),
        ("tools", [{}, "x", 5], "invalid_type"),
        ("tool_choice", ["auto", "none", [], 5, {}], "invalid_value"),
        ("parallel_tool_calls", [True, False], "invalid_value"),
        ("parallel_tool_calls", [1, "no"], "invalid_type"),
        ("max_tokens", [0, -1], "integer_below_min_value"),
        ("max_tokens", TOO_LONG, "invalid_value"),
        ("max_tokens", ["5", 5.0, True, []], "invalid_type"),
        ("max_completion_tokens", [0], "integer_below_min_value"),
        ("max_completion_tokens", [1.5], "invalid_type"),
        ("temperature", [-0.1, -(10**30)], "decimal_below_min_value"),
        ("temperature", [2.1, 2**63, 10**400], "decimal_above_max_value"),
        ("temperature", ["1", True, [], {}], "invalid_type"),
        ("top_p", [-1], "decimal_below_min_value"),
        ("top_p", [1.01], "decimal_above_max_value"),
        ("top_p", ["x"], "invalid_type"),
        ("stop", [5, [5], {}, True], "invalid_type"),
        ("stop", [["a", "b", "c", "d", "e"]], "array_above_max_length"),
        ("seed", [1.0, "1", True], "invalid_type"),
        ("seed", TOO_LONG, "invalid_value"),
        ("reasoning_effort", ["extreme", ""], "invalid_value"),
        ("reasoning_effort", [5, [], {}, True], "invalid_type"),
        ("n", [0, -1], "integer_below_min_value"),
        ("n", [129], "integer_above_max_value"),
        ("n", [1.5, "2", True], "invalid_type"),
        ("user", [5, []], "invalid_type"),
        ("response_format", ["json", [], 5], "invalid_type"),
        ("frequency_penalty", [-2.1], "decimal_below_min_value"),
        ("frequency_penalty", [3], "decimal_above_max_value"),
        ("presence_penalty", ["x", True], "invalid_type"),
        ("logprobs", [1, "yes"], "invalid_type"),
        ("top_logprobs", [21], "integer_above_max_value"),
        ("top_logprobs", [-1], "integer_below_min_value"),
        ("top_logprobs", ["5", 2.0], "invalid_type"),
        ("logit_bias", [[], 5], "invalid_type"),
        ("metadata", ["x"], "invalid_type"),
        ("modalities", ["text"], "invalid_type"),
        ("functions", [{}], "invalid_type"),
        ("functions", [[]], "empty_array"),
        ("function_call", ["auto"], "invalid_value"),
        ("store", ["yes"], "invalid_type"),
        ("service_tier", [5], "invalid_type"),
        ("service_tier", ["cheap"], "invalid_value"),
        ("verbosity", [5], "invalid_type"),
        ("verbosity", ["chatty"], "invalid_value"),
        ("safety_identifier", ["x" * 129], "string_above_max_length"),
        ("prompt_cache_key", [5], "invalid_type"),
        ("prompt_cache_retention", ["1h"], "invalid_value"),
        ("metadata", [{str(key): "x" for key in range(17)}], "object_above_max_properties"),
        ("metadata", [{"x" * 65: "x"}], "string_above_max_length"),
    ],
)
def test_a_field_of_the_wrong_type_or_range_is_named(field: str, values: list[Any], code: str) -> None:
    for value in values:
        assert refusal(body(**{field: value})) == (field, code)


def test_a_missing_field_is_named() -> None:
    assert refusal(b'{"messages":[{"role":"user","content":"x"}]}') == ("model", "missing_required_parameter")
    assert refusal(b'{"model":"auto"}') == ("messages", "missing_required_parameter")


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ("Hello", "", "invalid_type"),
        (None, "", "missing_required_parameter"),
        ({"content": "x"}, ".role", "missing_required_parameter"),
        ({"role": "robot", "content": "x"}, ".role", "invalid_value"),
        ({"role": [], "content": "x"}, ".role", "invalid_type"),
        ({"role": {}, "content": "x"}, ".role", "invalid_type"),
        ({"role": "function", "name": "f", "content": "x"}, "", "invalid_value"),
        ({"role": "function", "content": "x"}, ".name", "missing_required_parameter"),
        ({"role": "user", "content": []}, ".content", "empty_array"),
        ({"role": "assistant", "content": []}, ".content", "missing_required_parameter"),
        ({"role": "user"}, ".content", "missing_required_parameter"),
        ({"role": "user", "content": None}, ".content", "missing_required_parameter"),
        ({"role": "system"}, ".content", "missing_required_parameter"),
        ({"role": "tool", "tool_call_id": "c"}, ".content", "missing_required_parameter"),
        ({"role": "assistant"}, ".content", "missing_required_parameter"),
        ({"role": "assistant", "content": None, "refusal": ""}, ".content", "missing_required_parameter"),
        ({"role": "user", "content": 5}, ".content", "invalid_type"),
        ({"role": "user", "content": {}}, ".content", "invalid_type"),
        ({"role": "user", "content": ["x"]}, ".content[0]", "invalid_type"),
        ({"role": "user", "content": [{}]}, ".content[0].type", "missing_required_parameter"),
        ({"role": "user", "content": [{"type": []}]}, ".content[0].type", "invalid_type"),
        ({"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}, ".content[0].type", "invalid_value"),
        ({"role": "assistant", "content": [{"type": "image_url"}]}, ".content[0].type", "invalid_value"),
        ({"role": "system", "content": [{"type": "file"}]}, ".content[0].type", "invalid_value"),
        ({"role": "user", "content": [{"type": "text"}]}, ".content[0].text", "missing_required_parameter"),
        ({"role": "user", "content": [{"type": "text", "text": 5}]}, ".content[0].text", "invalid_type"),
        ({"role": "assistant", "content": [{"type": "refusal"}]}, ".content[0].refusal", "missing_required_parameter"),
        ({"role": "user", "content": [{"type": "image_url"}]}, ".content[0].image_url", "missing_required_parameter"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "https://x"}]},
         ".content[0].image_url", "invalid_type"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": 5}}]},
         ".content[0].image_url.url", "invalid_type"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]},
         ".content[0].image_url.url", "invalid_value"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x", "detail": 5}}]},
         ".content[0].image_url.detail", "invalid_type"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": []}]},
         ".content[0].input_audio", "invalid_type"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]},
         ".content[0].input_audio.format", "missing_required_parameter"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"format": "wav"}}]},
         ".content[0].input_audio.data", "missing_required_parameter"),
        ({"role": "user", "content": [{"type": "file", "file": None}]},
         ".content[0].file", "missing_required_parameter"),
        ({"role": "user", "content": [{"type": "file", "file": {"filename": "x"}}]},
         ".content[0].file", "missing_required_parameter"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_id": 5}}]},
         ".content[0].file.file_id", "invalid_type"),
        ({"role": "user", "content": "x", "name": 5}, ".name", "invalid_type"),
        ({"role": "tool", "content": "x"}, ".tool_call_id", "missing_required_parameter"),
        ({"role": "tool", "content": "x", "tool_call_id": ""}, ".tool_call_id", "missing_required_parameter"),
        ({"role": "tool", "content": "x", "tool_call_id": []}, ".tool_call_id", "invalid_type"),
        ({"role": "tool", "tool_call_id": "c", "content": [{"type": "file", "file": {"file_id": "f"}}]},
         ".content[0].type", "invalid_value"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x", "detail": "huge"}}]},
         ".content[0].image_url.detail", "invalid_value"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x", "format": "ogg"}}]},
         ".content[0].input_audio.format", "invalid_value"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBE"}}]},
         ".content[0].file.file_data", "invalid_value"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "forever"}}]},
         ".content[0].cache_control.type", "invalid_value"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "cache_control": "ephemeral"}]},
         ".content[0].cache_control", "invalid_type"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit",
                                                                                              "ttl": "5m"}}]},
         ".content[0].prompt_cache_breakpoint.ttl", "invalid_value"),
        ({"role": "assistant", "content": "x", "reasoning_content": 5}, ".reasoning_content", "invalid_type"),
        ({"role": "assistant", "content": "x", "reasoning_details": ["x"]}, ".reasoning_details[0]", "invalid_type"),
        ({"role": "assistant", "content": "x", "thinking_blocks": [{"type": "redacted_thinking"}]},
         ".thinking_blocks[0].data", "missing_required_parameter"),
        ({"role": "assistant", "content": "x", "refusal": 5}, ".refusal", "invalid_type"),
        ({"role": "assistant", "content": "x", "tool_calls": []}, ".tool_calls", "empty_array"),
        ({"role": "assistant", "content": "x", "tool_calls": {}}, ".tool_calls", "invalid_type"),
        ({"role": "assistant", "tool_calls": [{**CALL, "extra_content": "x"}]},
         ".tool_calls[0].extra_content", "invalid_type"),
        ({"role": "assistant", "tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": 5}}}]},
         ".tool_calls[0].extra_content.google.thought_signature", "invalid_type"),
        ({"role": "assistant", "tool_calls": ["x"]}, ".tool_calls[0]", "invalid_type"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f"}}]},
         ".tool_calls[0].custom.input", "missing_required_parameter"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "search"}]}, ".tool_calls[0].type", "invalid_value"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, ".tool_calls[0].function", "missing_required_parameter"),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
         ".tool_calls[0].id", "missing_required_parameter"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": {"arguments": "{}"}}]},
         ".tool_calls[0].function.name", "missing_required_parameter"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]},
         ".tool_calls[0].function.arguments", "invalid_type"),
        ({"role": "assistant", "function_call": {"name": "f"}},
         ".function_call.arguments", "missing_required_parameter"),
        ({"role": "assistant", "function_call": "f"}, ".function_call", "invalid_type"),
    ],
)  # fmt: skip
def test_a_broken_message_is_refused_at_its_place(message: object, param: str, code: str) -> None:
    assert refused_message(message) == (f"messages[0]{param}", code)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([HELLO, ANSWER], "messages[1].tool_call_id"),
        ([HELLO, CALLING], "messages"),
        ([HELLO, CALLING, HELLO], "messages[2]"),
        ([HELLO, CALLING, ANSWER, ANSWER], "messages[3].tool_call_id"),
        ([HELLO, CALLING, {**ANSWER, "tool_call_id": "call_9"}], "messages[2].tool_call_id"),
        ([HELLO, CALLING, ANSWER, HELLO, ANSWER], "messages[4].tool_call_id"),
        ([HELLO, CALLING, CALLING, ANSWER], "messages[2]"),
        ([HELLO, {**CALLING, "tool_calls": [CALL, {**CALL, "id": "x" * 9000}]}, ANSWER], "messages"),
    ],
)
def test_every_tool_call_is_answered_once_and_at_once(messages: list[Any], param: str) -> None:
    assert refusal(body(messages=messages)) == (param, "invalid_value")


@pytest.mark.parametrize(
    ("tool", "param", "code"),
    [
        ("f", "", "invalid_type"),
        ({"function": FUNCTION}, ".type", "missing_required_parameter"),
        ({"type": "web_search"}, ".type", "invalid_value"),
        ({"type": "function"}, ".function", "missing_required_parameter"),
        ({"type": "function", "name": "f"}, ".function", "missing_required_parameter"),
        ({"type": "function", "function": {}}, ".function.name", "missing_required_parameter"),
        ({"type": "custom", "custom": {"name": "a b"}}, ".custom.name", "invalid_value"),
        ({"type": "custom", "custom": {"name": "f", "format": {}}}, ".custom.format.type",
         "missing_required_parameter"),
        ({"type": "custom", "custom": {"name": "f", "format": {"type": "grammar"}}}, ".custom.format.grammar",
         "missing_required_parameter"),
        ({"type": "custom",
          "custom": {"name": "f", "format": {"type": "grammar", "grammar": {"syntax": "bnf", "definition": "x"}}}},
         ".custom.format.grammar.syntax", "invalid_value"),
        ({**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1d"}}, ".function.cache_control.ttl", "invalid_value"),
        ({"type": "function", "function": {"name": ""}}, ".function.name", "invalid_value"),
        ({"type": "function", "function": {"name": "f" * 65}}, ".function.name", "invalid_value"),
        ({"type": "function", "function": {"name": "a.b"}}, ".function.name", "invalid_value"),
        ({"type": "function", "function": {"name": "f\n"}}, ".function.name", "invalid_value"),
        ({"type": "function", "function": {"name": "f", "description": 5}}, ".function.description", "invalid_type"),
        ({"type": "function", "function": {"name": "f", "parameters": []}}, ".function.parameters", "invalid_type"),
        ({"type": "function", "function": {"name": "f", "strict": "yes"}}, ".function.strict", "invalid_type"),
    ],
)  # fmt: skip
def test_a_broken_tool_is_refused_at_its_place(tool: object, param: str, code: str) -> None:
    assert refusal(body(tools=[TOOL, tool])) == (f"tools[1]{param}", code)


ALLOWED = "tool_choice.allowed_tools"


@pytest.mark.parametrize(
    ("choice", "param", "code"),
    [
        ("any", "tool_choice", "invalid_value"),
        (5, "tool_choice", "invalid_value"),
        ({}, "tool_choice", "invalid_value"),
        ({"type": "custom", "custom": {"name": "get_weather"}}, "tool_choice", "invalid_value"),
        ({"type": "function"}, "tool_choice.function", "missing_required_parameter"),
        ({"type": "function", "function": {"name": []}}, "tool_choice.function.name", "invalid_type"),
        ({"type": "function", "function": {"name": "now"}}, "tool_choice", "invalid_value"),
        ({"type": "allowed_tools"}, ALLOWED, "missing_required_parameter"),
        ({"type": "allowed_tools", "allowed_tools": []}, ALLOWED, "invalid_type"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto"}},
         f"{ALLOWED}.tools", "missing_required_parameter"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, f"{ALLOWED}.tools", "empty_array"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": [TOOL]}},
         f"{ALLOWED}.mode", "invalid_value"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": [], "tools": [TOOL]}}, f"{ALLOWED}.mode", "invalid_type"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": ["get_weather"]}},
         f"{ALLOWED}.tools[0]", "invalid_type"),
        ({"type": "allowed_tools",
          "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "now"}}]}},
         f"{ALLOWED}.tools[0]", "invalid_value"),
    ],
)  # fmt: skip
def test_a_broken_tool_choice_is_refused(choice: object, param: str, code: str) -> None:
    assert refusal(body(tools=[TOOL], tool_choice=choice)) == (param, code)


@pytest.mark.parametrize(
    ("format_", "param", "code"),
    [
        ({}, ".type", "missing_required_parameter"),
        ({"type": "xml"}, ".type", "invalid_value"),
        ({"type": []}, ".type", "invalid_type"),
        ({"type": "json_schema"}, ".json_schema", "missing_required_parameter"),
        ({"type": "json_schema", "json_schema": {}}, ".json_schema.name", "missing_required_parameter"),
        ({"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}, ".json_schema.name", "invalid_value"),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, ".json_schema.schema", "missing_required_parameter"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": []}}, ".json_schema.schema", "invalid_type"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": 1}},
         ".json_schema.strict", "invalid_type"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "description": 1}},
         ".json_schema.description", "invalid_type"),
    ],
)  # fmt: skip
def test_a_broken_response_format_is_refused_at_its_place(format_: object, param: str, code: str) -> None:
    assert refusal(body(response_format=format_)) == (f"response_format{param}", code)


@pytest.mark.parametrize("name", ["include_usage", "include_obfuscation"])
def test_a_stream_option_is_true_or_false(name: str) -> None:
    data = body(stream=True, stream_options={name: "yes"})

    assert refusal(data) == (f"stream_options.{name}", "invalid_type")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"tools": [TOOL], "functions": [FUNCTION]}, "functions", "invalid_value"),
        ({"functions": [FUNCTION], "function_call": {"name": "now"}}, "function_call", "invalid_value"),
        ({"functions": [FUNCTION], "function_call": "required"}, "function_call", "invalid_value"),
        ({"functions": [FUNCTION], "parallel_tool_calls": True}, "parallel_tool_calls", "invalid_value"),
        ({"functions": [{"parameters": {}}]}, "functions[0].name", "missing_required_parameter"),
        ({"modalities": ["text", "audio"]}, "audio", "missing_required_parameter"),
        ({"modalities": ["smell"]}, "modalities[0]", "invalid_value"),
        ({"audio": {"format": "ogg", "voice": "alloy"}}, "audio.format", "invalid_value"),
        ({"audio": {"format": "wav"}}, "audio.voice", "missing_required_parameter"),
        ({"prediction": {"type": "guess", "content": "x"}}, "prediction.type", "invalid_value"),
        ({"prediction": {"type": "content"}}, "prediction.content", "missing_required_parameter"),
        ({"prediction": {"type": "content", "content": [{"type": "text"}]}},
         "prediction.content[0].text", "missing_required_parameter"),
        ({"moderation": {}}, "moderation.model", "missing_required_parameter"),
        ({"moderation": {"model": "m", "policy": {"input": {"mode": "shout"}}}},
         "moderation.policy.input.mode", "invalid_value"),
        ({"web_search_options": {"search_context_size": "huge"}},
         "web_search_options.search_context_size", "invalid_value"),
        ({"web_search_options": {"user_location": {"type": "exact"}}},
         "web_search_options.user_location.type", "invalid_value"),
        ({"prompt_cache_options": {"mode": "always"}}, "prompt_cache_options.mode", "invalid_value"),
        ({"logit_bias": {"50256": 101}}, "logit_bias.50256", "decimal_above_max_value"),
        ({"metadata": {"x": 5}}, "metadata.x", "invalid_type"),
        ({"metadata": {"x": "y" * 513}}, "metadata.x", "string_above_max_length"),
    ],
)  # fmt: skip
def test_a_broken_field_is_refused_at_its_place(fields: dict[str, Any], param: str, code: str) -> None:
    assert refusal(body(**fields)) == (param, code)


def test_fields_that_the_vocabulary_has_no_word_for_are_kept_by_name() -> None:
    fields = {
        "audio": {"format": "wav", "voice": {"id": "voice_1"}},
        "modalities": ["text", "audio"],
        "prediction": {"type": "content", "content": [{"type": "text", "text": "x"}]},
        "moderation": {"model": "omni-moderation-latest", "policy": {"input": {"mode": "block"}, "output": None}},
        "web_search_options": {
            "search_context_size": "low",
            "user_location": {"type": "approximate", "approximate": {"city": "Oslo"}},
        },
        "logit_bias": {"50256": -100},
        "metadata": {"run": "7"},
        "store": False,
        "verbosity": "high",
        "service_tier": "flex",
        "safety_identifier": "u" * 128,
        "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "explicit", "ttl": "30m"},
        "prompt_cache_retention": "24h",
        "frequency_penalty": -2,
        "presence_penalty": 2,
    }

    assert decoded(**fields).others == fields


def test_a_refusal_does_not_repeat_the_prompt() -> None:
    with pytest.raises(BadRequest) as caught:
        chat.FACE.decode_request(body(messages=[{"role": "user", "content": [{"type": "text", "text": ["secret"]}]}]))
    assert "secret" not in caught.value.message


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(
    ["auto", "user", "assistant", "tool", "text", "function", "json_schema", "call_1", "required", 10**25]
)  # fmt: skip
KEYS = st.sampled_from(
    ["model", "messages", "role", "content", "type", "text", "tools", "function", "name", "parameters", "tool_choice",
     "tool_calls", "id", "arguments", "tool_call_id", "response_format", "json_schema", "schema", "stream", "stop",
     "stream_options", "max_tokens", "temperature", "n", "seed", "refusal", "audio", "image_url", "url", "file",
     "reasoning_effort", "user", "allowed_tools", "mode", "logit_bias", "strict", "description", "custom", "input",
     "functions", "function_call", "cache_control", "ttl", "reasoning_details", "thinking_blocks", "extra_content",
     "modalities", "prediction", "metadata", "service_tier", "moderation", "policy", "format", "grammar"]
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
STARTS: list[dict[str, Any]] = [
    {"model": "auto", "messages": [HELLO]},
    {"model": "auto", "messages": [HELLO, CALLING, ANSWER], "tools": [TOOL], "tool_choice": "auto"},
    {"model": "auto", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
    {"model": "auto", "messages": [HELLO], "response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
    {"model": "auto", "messages": [HELLO], "stream": True, "stream_options": {"include_usage": True}, "n": 2},
    {"model": "auto", "messages": [HELLO, CALLING, ANSWER], "tools": [TOOL, CALLS, {**PATCH, **AN_HOUR}],
     "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [PATCH]}}},
    {"model": "auto", "functions": [FUNCTION], "function_call": {"name": "get_weather"}, "messages": [
        HELLO, {"role": "assistant", "function_call": {"name": "get_weather", "arguments": "{}"}},
        {"role": "function", "name": "get_weather", "content": "x"}]},
    {"model": "auto", "messages": [HELLO, {"role": "assistant", "content": "x", "reasoning_details": [
        {"type": "reasoning.text", "text": "x", "signature": "s", "format": "anthropic-claude-v1"}]}]},
    {"model": "auto", "messages": [HELLO], "prediction": {"type": "content", "content": "x"}, "metadata": {"x": "y"},
     "moderation": {"model": "m", "policy": {"input": {"mode": "block"}}}, "logit_bias": {"1": 1},
     "web_search_options": {"user_location": {"type": "approximate", "approximate": {}}}},
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in `value` with every key of it."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@settings(max_examples=400)
@given(st.sampled_from(STARTS), st.integers(0, 10**6), JSON)
def test_any_value_at_any_place_gives_a_request_or_a_refusal(start: dict[str, Any], at: int, value: Any) -> None:
    document = json.loads(json.dumps(start))
    all_places = places(document)
    container, key = all_places[at % len(all_places)]
    container[key] = value
    answers(json.dumps(document).encode())


@given(JSON)
def test_any_json_gives_a_request_or_a_refusal(document: Any) -> None:
    answers(json.dumps(document).encode())


@given(st.binary(max_size=100))
def test_any_bytes_give_a_request_or_a_refusal(data: bytes) -> None:
    answers(data)


def answers(data: bytes) -> None:
    try:
        request = chat.FACE.decode_request(data)
    except BadRequest as error:
        assert error.message
    else:
        assert request.raw == data


# --- what a caller gets --------------------------------------------------------------------------------

USAGE = Usage(100, 20, cached_tokens=60, cache_write_tokens=10, reasoning_tokens=5)
USAGE_DOCUMENT = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


def framed(**fields: Any) -> Frame:
    """An answer of model `m`, made at second 7, to a request with these fields."""
    return Frame(replace(decoded(), **fields), "m", 7, "0192abcd")


def whole(response: ChatResponse, extra: dict[str, Any] | None = None, **fields: Any) -> Any:
    return json.loads(chat.FACE.encode_response(response, framed(**fields), extra or {}))


def message_of(response: ChatResponse, **fields: Any) -> Any:
    return whole(response, **fields)["choices"][0]["message"]


def test_an_answer_is_a_chat_completion() -> None:
    response = ChatResponse("msg_1", "claude-opus-4-7", "Hi\u2028🎈", "stop", usage=USAGE)

    assert whole(response) == {
        "id": "chatcmpl-msg_1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi\u2028🎈", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE_DOCUMENT,
    }


def test_an_answer_without_an_id_of_its_own_gets_the_requests() -> None:
    assert whole(ChatResponse("", "m", "Hi", "stop"))["id"] == "chatcmpl-0192abcd"


def test_an_answer_of_tool_calls_has_a_null_content_and_no_usage_of_its_own() -> None:
    calls = (ToolCall("a", "f", "{}"), ToolCall("b", "g", '{"x":1}'))
    response = ChatResponse("chatcmpl-1", "m", None, "tool_calls", calls, thoughts=(Reasoning("Hm"),))

    document = whole(response)

    assert document["id"] == "chatcmpl-1" and "usage" not in document
    assert document["choices"][0]["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "reasoning_content": "Hm",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
        ],
    }


def test_a_refusal_is_in_its_own_field() -> None:
    assert message_of(ChatResponse("1", "m", None, "stop", refusal="No")) == {
        "role": "assistant",
        "content": None,
        "refusal": "No",
    }


def test_every_choice_is_told() -> None:
    second = ChatResponse("", "", None, "tool_calls", (ToolCall("a", "f", "{}"),))

    choices = whole(ChatResponse("1", "m", "Hi", "length", alternatives=(second,)))["choices"]

    assert [(choice["index"], choice["finish_reason"]) for choice in choices] == [(0, "length"), (1, "tool_calls")]
    assert choices[1]["message"]["tool_calls"][0]["id"] == "a"


TOKEN = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}


def test_log_probabilities_stand_beside_the_message() -> None:
    choice = whole(ChatResponse("1", "m", "Hi", "stop", logprobs=(TOKEN,)))["choices"][0]

    assert choice["logprobs"] == {"content": [TOKEN], "refusal": None}


def test_a_custom_call_and_the_seal_of_a_call_are_told() -> None:
    calls = (ToolCall("a", "patch", "*** Begin", "custom"), ToolCall("b", "f", "{}", seal=Seal("sig", "gemini", "up")))

    assert message_of(ChatResponse("1", "m", None, "tool_calls", calls))["tool_calls"] == [
        {"id": "a", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}},
        {
            "id": "b",
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "sig"}},
        },
    ]


THOUGHTS = (
    Reasoning("Hm, ", Seal("s1", "messages", "claude-opus-4-7")),
    Reasoning("so"),
    Reasoning(seal=Seal("s2", "messages"), hidden=True),
    Reasoning("", Seal("s3", "gemini")),
    Reasoning("!", Seal("s4", "responses")),
)
DETAILS = [
    {"type": "reasoning.text", "text": "Hm, ", "signature": "s1", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "s2", "format": "anthropic-claude-v1", "index": 1},
    {"type": "reasoning.encrypted", "data": "s3", "format": "google-gemini-v1", "index": 2},
    {"type": "reasoning.encrypted", "data": "s4", "format": "openai-responses-v1", "index": 3},
]


def test_sealed_thoughts_are_told_in_full() -> None:
    message = message_of(ChatResponse("1", "m", "90", "stop", thoughts=THOUGHTS))

    assert message["reasoning_content"] == "Hm, so!"
    assert message["reasoning_details"] == DETAILS


def test_what_an_answer_seals_comes_back_as_it_was() -> None:
    calls = (ToolCall("call_1", "f", "{}", seal=Seal("sig", "gemini")),)
    thoughts = (Reasoning("Hm", Seal("s", "messages")), Reasoning(seal=Seal("x", "messages"), hidden=True))
    message = message_of(ChatResponse("1", "m", "90", "tool_calls", calls, thoughts=thoughts))

    assert decoded(messages=[HELLO, message, ANSWER]).messages[1] == Message(
        "assistant", (*thoughts, Text("90")), calls
    )


@pytest.mark.parametrize(
    ("billed", "told"), [("priority", "priority"), ("standard", "default"), ("default", "default"), (None, None)]
)
def test_the_service_tier_is_told_where_it_is_known(billed: str | None, told: str | None) -> None:
    response = ChatResponse("1", "m", "Hi", "stop", usage=Usage(1, 1, service_tier=billed))
    deltas: list[Delta] = [Started("1", "m"), UsageReported(Usage(1, 1, service_tier=billed)), Finished("stop")]

    assert whole(response).get("service_tier") == told
    assert streamed(deltas, include_usage=False)[-2].get("service_tier") == told


def test_an_answer_to_functions_is_of_the_old_form() -> None:
    calls = (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))

    choice = whole(ChatResponse("1", "m", None, "tool_calls", calls), legacy_functions=True)["choices"][0]

    assert choice["finish_reason"] == "function_call"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "function_call": {"name": "f", "arguments": '{"x":1}'},
    }


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            BadRequest("n is 0", param="n"),
            {"message": "n is 0", "type": "invalid_request_error", "param": "n", "code": "invalid_value"},
        ),
        (
            NotFound("no such model", code="model_not_found"),
            {"message": "no such model", "type": "invalid_request_error", "param": None, "code": "model_not_found"},
        ),
        (Overloaded("busy"), {"message": "busy", "type": "server_error", "param": None, "code": "overloaded"}),
        (
            UpstreamError("rate_limited", "slow"),
            {"message": "slow", "type": "requests", "param": None, "code": "rate_limit_exceeded"},
        ),
    ],
)
def test_an_error_is_openais_envelope(error: RouterError, expected: dict[str, Any]) -> None:
    assert json.loads(chat.FACE.encode_error(error, "req_1")) == {"error": expected}


HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
DELTAS: list[Delta] = [
    Started("1", "upstream"),
    ReasoningDelta("Hm"),
    ReasoningEnded(),
    TextDelta("Hi"),
    RefusalDelta("No"),
    ToolCallStarted(0, "a", "f"),
    ToolCallDelta(0, "{}"),
    ToolCallStarted(1, "b", "g"),
    ToolCallDelta(1, '{"x"'),
    UsageReported(Usage(1, 1)),
    Finished("tool_calls"),
    UsageReported(USAGE),
]
FIRST = {"role": "assistant", "content": ""}
SAID = [
    FIRST,
    {"reasoning_content": "Hm"},
    {"content": "Hi"},
    {"refusal": "No"},
    {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
    {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}]},
    {"tool_calls": [{"index": 1, "function": {"arguments": '{"x"'}}]},
]


def encoded(deltas: Sequence[Delta], extra: dict[str, Any] | None = None, **fields: Any) -> bytes:
    encoder = chat.FACE.stream_encoder(framed(**fields))
    return b"".join([*(encoder.feed(delta) for delta in deltas), encoder.finish(extra or {})])


def streamed(deltas: Sequence[Delta], *, extra: dict[str, Any] | None = None, **fields: Any) -> list[Any]:
    """What a caller reads: the decoded events, [DONE] as a text."""
    events = EventParser().feed(encoded(deltas, extra, **fields))
    return [json.loads(event.data) if event.data != b"[DONE]" else "[DONE]" for event in events]


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**HEAD, "choices": [choice], **more}


def test_a_stream_is_chunks_and_done() -> None:
    assert streamed(DELTAS, include_usage=False) == [
        *(chunk(delta) for delta in SAID),
        chunk({}, "tool_calls"),
        "[DONE]",
    ]


def test_usage_comes_in_a_chunk_of_its_own_without_choices_and_as_null_before() -> None:
    assert streamed(DELTAS, include_usage=True) == [
        *(chunk(delta, usage=None) for delta in SAID),
        chunk({}, "tool_calls", usage=None),
        {**HEAD, "choices": [], "usage": USAGE_DOCUMENT},
        "[DONE]",
    ]


def test_an_unknown_usage_is_not_made_up() -> None:
    deltas = [Started("1", "m"), Finished("stop")]

    assert streamed(deltas, include_usage=True)[1:] == [chunk({}, "stop", usage=None), "[DONE]"]


def test_a_stream_without_an_id_of_its_own_has_one_all_the_same() -> None:
    deltas = [Started("", "m"), TextDelta("Hi"), Finished("stop")]

    assert {event["id"] for event in streamed(deltas)[:-1]} == {"chatcmpl-0192abcd"}


def test_the_explanation_rides_on_the_last_chunk_alone() -> None:
    extra = {"router": {"model": "m"}}

    plain = streamed(DELTAS, include_usage=False, extra=extra)
    with_usage = streamed(DELTAS, include_usage=True, extra=extra)

    assert [i for i, event in enumerate(plain) if "router" in event] == [len(plain) - 2]
    assert plain[-2] == chunk({}, "tool_calls", router={"model": "m"})
    assert [i for i, event in enumerate(with_usage) if "router" in event] == [len(with_usage) - 2]
    assert with_usage[-2] == {**HEAD, "choices": [], "usage": USAGE_DOCUMENT, "router": {"model": "m"}}


def test_line_separators_of_unicode_survive_a_stream() -> None:
    deltas = [Started("1", "m"), TextDelta("a\u2028b\u2029c\u0085d\r\n"), Finished("stop")]

    assert streamed(deltas, include_usage=False)[1] == chunk({"content": "a\u2028b\u2029c\u0085d\r\n"})


def test_choices_are_told_apart_and_each_finishes_once() -> None:
    deltas: list[Delta] = [
        Started("1", "m"),
        TextDelta("a"),
        ChoiceSwitched(2),
        ToolCallStarted(0, "x", "f"),
        ChoiceSwitched(1),
        TextDelta("b"),
        Finished("length"),
        ChoiceSwitched(0),
        TextDelta("c"),
        Finished("stop"),
        ChoiceSwitched(2),
        ToolCallDelta(0, "{}"),
        Finished("tool_calls"),
    ]
    call = {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": ""}}

    assert streamed(deltas) == [
        chunk(FIRST),
        chunk({"content": "a"}),
        chunk(FIRST, index=1),
        chunk(FIRST, index=2),
        chunk({"tool_calls": [call]}, index=2),
        chunk({"content": "b"}, index=1),
        chunk({"content": "c"}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, index=2),
        chunk({}, "stop"),
        chunk({}, "length", index=1),
        chunk({}, "tool_calls", index=2),
        "[DONE]",
    ]


def test_log_probabilities_ride_with_their_text() -> None:
    event = streamed([Started("1", "m"), TextDelta("Hi", (TOKEN,)), Finished("stop")])[1]

    assert event["choices"][0]["logprobs"] == {"content": [TOKEN], "refusal": None}


def test_a_streamed_custom_call_and_the_seal_of_a_call_are_told() -> None:
    deltas: list[Delta] = [
        Started("1", "m"),
        ToolCallStarted(0, "a", "patch", "custom"),
        ToolCallDelta(0, "*** "),
        ToolCallStarted(1, "b", "f", seal=Seal("sig", "gemini")),
        Finished("tool_calls"),
    ]
    sealed = {
        "index": 1,
        "id": "b",
        "type": "function",
        "function": {"name": "f", "arguments": ""},
        "extra_content": {"google": {"thought_signature": "sig"}},
    }

    assert [event["choices"][0]["delta"] for event in streamed(deltas)[1:-2]] == [
        {"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "patch", "input": ""}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "*** "}}]},
        {"tool_calls": [sealed]},
    ]


def test_each_sealed_thought_is_one_entry_when_it_ends() -> None:
    deltas: list[Delta] = [Started("1", "m")]
    for thought in THOUGHTS:
        deltas += [ReasoningDelta(piece) for piece in thought.text]
        deltas.append(ReasoningEnded(thought.seal, thought.hidden))

    said = [event["choices"][0]["delta"] for event in streamed([*deltas, TextDelta("90"), Finished("stop")])[1:-2]]

    assert "".join(delta.get("reasoning_content", "") for delta in said) == "Hm, so!"
    assert [delta["reasoning_details"] for delta in said if "reasoning_details" in delta] == [[one] for one in DETAILS]
    assert said[4] == {"reasoning_details": [DETAILS[0]]}


def test_a_stream_to_functions_is_of_the_old_form() -> None:
    deltas = [*DELTAS[:1], *DELTAS[5:9], Finished("tool_calls")]

    assert streamed(deltas, legacy_functions=True) == [
        chunk(FIRST),
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk({}, "function_call"),
        "[DONE]",
    ]


def test_a_stream_that_fails_ends_with_the_error_alone() -> None:
    encoder = chat.FACE.stream_encoder(framed())
    encoder.feed(Started("1", "m"))

    data = encoder.fail(UpstreamError("truncated", "cut"))

    assert data == (
        b'data: {"error":{"message":"cut","type":"server_error","param":null,"code":"upstream_truncated"}}\n\n'
    )


# --- the faces meet: what the server face writes, the client face of the same format reads ----------------------

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
PIECES = st.lists(TEXTS.filter(bool), min_size=1, max_size=4)


@st.composite
def answers_in_deltas(draw: st.DrawFn) -> list[Delta]:
    deltas: list[Delta] = [Started("chatcmpl-1", "m")]
    deltas += [TextDelta(piece) for piece in draw(PIECES)] if draw(st.booleans()) else []
    deltas += [RefusalDelta(piece) for piece in draw(PIECES)] if draw(st.booleans()) else []
    calls = draw(st.integers(0, 3))
    for index in range(calls):
        deltas.append(ToolCallStarted(index, f"call_{index}", draw(st.sampled_from(["f", "g"]))))
        deltas += [ToolCallDelta(index, piece) for piece in draw(PIECES)]
    if draw(st.booleans()):
        deltas.append(UsageReported(Usage(*draw(st.tuples(*[st.integers(0, 9)] * 5)))))
    reason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    return [*deltas, Finished(reason)]


def no_id() -> str:
    raise AssertionError("no id was missing")


@given(answers_in_deltas())
def test_a_stream_that_is_written_is_read_as_it_was(deltas: list[Delta]) -> None:
    decoder = openai.FACE.stream_decoder(decoded(), no_id)

    read = [delta for event in EventParser().feed(encoded(deltas, include_usage=True)) for delta in decoder.feed(event)]

    assert decoder.complete
    assert fold([*read, *decoder.close()]) == fold(deltas)


@given(answers_in_deltas())
def test_a_whole_answer_that_is_written_is_read_as_it_was(deltas: list[Delta]) -> None:
    response = fold(deltas)
    document = chat.FACE.encode_response(response, framed(), {})

    assert openai.FACE.decode_response(document, decoded(), no_id) == replace(response, model="m")


@given(answers_in_deltas())
def test_a_stream_adds_up_to_the_whole_answer(deltas: list[Delta]) -> None:
    """As openai-python adds up: strings of one place are joined, the rest is taken as it is."""
    message = message_of(fold(deltas))
    added: dict[str, Any] = {"content": "", "refusal": ""}
    calls: dict[int, dict[str, Any]] = {}
    for event in streamed(deltas)[:-1]:
        delta = event["choices"][0]["delta"]
        for name in ("content", "refusal"):
            added[name] += delta.get(name) or ""
        for piece in delta.get("tool_calls", ()):
            call = calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
            call["id"] += piece.get("id", "")
            call["name"] += piece["function"].get("name", "")
            call["arguments"] += piece["function"].get("arguments", "")

    assert added == {"content": message["content"] or "", "refusal": message["refusal"] or ""}
    assert list(calls.values()) == [{"id": call["id"], **call["function"]} for call in message.get("tool_calls", ())]


def test_half_a_surrogate_pair_is_called_by_its_name() -> None:
    with pytest.raises(BadRequest, match="half of a surrogate pair"):
        chat.FACE.decode_request(rb'{"model": "auto", "messages": [{"role": "user", "content": "\ud83d x"}]}')
