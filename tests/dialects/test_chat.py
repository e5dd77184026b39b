"""The server face of chat completions: what callers may send, what is refused and how, and what they get."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.dialects import chat
from router.errors import BadRequest, NotFound, Overloaded, RouterError, UpstreamError
from router.sse import EventParser
from router.types import (
    Audio,
    ChatRequest,
    ChatResponse,
    Delta,
    File,
    Finished,
    Image,
    Message,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    ResponseFormat,
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
    return chat.decode_request(body(**fields))


def refusal(data: bytes) -> tuple[str | None, str | None]:
    """The `param` and `code` that this body is refused with."""
    with pytest.raises(BadRequest) as caught:
        chat.decode_request(data)
    assert caught.value.status == 400 and caught.value.type == "invalid_request_error"
    assert 0 < len(caught.value.message) < 300
    return caught.value.param, caught.value.code


def refused_message(message: object) -> tuple[str | None, str | None]:
    return refusal(body(messages=[message]))


# --- what is read --------------------------------------------------------------------------------------


def test_the_smallest_request() -> None:
    data = b'{"model":"auto","messages":[{"role":"user","content":"Hello"}]}'

    assert chat.decode_request(data) == ChatRequest("auto", (Message("user", (Text("Hello"),)),), raw=data)


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
        functions=[FUNCTION],
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
    assert request.others == {"functions": [FUNCTION], "verbosity": "low", "zeta": {"x": None}}


def test_nulls_are_as_good_as_nothing() -> None:
    names = ["tools", "tool_choice", "parallel_tool_calls", "response_format", "max_tokens", "max_completion_tokens",
             "temperature", "top_p", "stop", "seed", "reasoning_effort", "n", "user", "stream", "stream_options",
             "functions", "function_call", "logprobs", "top_logprobs", "logit_bias", "metadata", "store", "modalities",
             "frequency_penalty", "presence_penalty", "service_tier", "verbosity", "audio", "prediction"]  # fmt: skip
    data = body(**dict.fromkeys(names))

    assert chat.decode_request(data) == ChatRequest("auto", (Message("user", (Text("Hello"),)),), raw=data)


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


def test_text_of_every_script_is_read() -> None:
    data = '{"model":"auto","messages":[{"role":"user","content":"Grüße\\ud83c\\udf88\u2028\\u0000🎈"}]}'.encode()

    assert chat.decode_request(data).messages[0].text == "Grüße🎈\u2028\0🎈"


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
    assert chat.decode_request(nested(64)).model == "auto"
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
    assert chat.decode_request(b"{" + MINIMAL + b"," + member + b"}").model == "auto"


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
        assert chat.decode_request(data).others == {"nested": members}


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
        ("tools", [[], {}, "x"], "empty_array"),
        ("tool_choice", ["auto", "none", [], 5, {}], "invalid_value"),
        ("parallel_tool_calls", [True, False], "invalid_value"),
        ("parallel_tool_calls", [1, "no"], "invalid_type"),
        ("max_tokens", [0, -1, *TOO_LONG], "invalid_value"),
        ("max_tokens", ["5", 5.0, True, []], "invalid_type"),
        ("max_completion_tokens", [0, *TOO_LONG], "invalid_value"),
        ("max_completion_tokens", [1.5], "invalid_type"),
        ("temperature", [-0.1, 2.1, *TOO_LONG, 10**400], "invalid_value"),
        ("temperature", ["1", True, [], {}], "invalid_type"),
        ("top_p", [-1, 1.01], "invalid_value"),
        ("top_p", ["x"], "invalid_type"),
        ("stop", [5, [5], {}, True], "invalid_type"),
        ("stop", [["a", "b", "c", "d", "e"]], "invalid_value"),
        ("seed", [1.0, "1", True], "invalid_type"),
        ("seed", TOO_LONG, "invalid_value"),
        ("reasoning_effort", ["extreme", "", 5, [], {}, True], "invalid_value"),
        ("n", [0, 129, -1], "invalid_value"),
        ("n", [1.5, "2", True], "invalid_type"),
        ("user", [5, []], "invalid_type"),
        ("response_format", ["json", [], 5], "invalid_type"),
        ("frequency_penalty", [-2.1, 3], "invalid_value"),
        ("presence_penalty", ["x", True], "invalid_type"),
        ("logprobs", [1, "yes"], "invalid_type"),
        ("top_logprobs", [21, -1], "invalid_value"),
        ("top_logprobs", ["5", 2.0], "invalid_type"),
        ("logit_bias", [[], 5], "invalid_type"),
        ("metadata", ["x"], "invalid_type"),
        ("modalities", ["text"], "invalid_type"),
        ("functions", [{}], "invalid_type"),
        ("store", ["yes"], "invalid_type"),
        ("service_tier", [5], "invalid_type"),
        ("verbosity", [5], "invalid_type"),
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
        (None, "", "invalid_type"),
        ({"content": "x"}, ".role", "invalid_value"),
        ({"role": "robot", "content": "x"}, ".role", "invalid_value"),
        ({"role": [], "content": "x"}, ".role", "invalid_value"),
        ({"role": {}, "content": "x"}, ".role", "invalid_value"),
        ({"role": "function", "name": "f", "content": "x"}, ".role", "invalid_value"),
        ({"role": "user"}, ".content", "missing_required_parameter"),
        ({"role": "user", "content": None}, ".content", "missing_required_parameter"),
        ({"role": "system"}, ".content", "missing_required_parameter"),
        ({"role": "tool", "tool_call_id": "c"}, ".content", "missing_required_parameter"),
        ({"role": "assistant"}, ".content", "missing_required_parameter"),
        ({"role": "assistant", "content": None, "refusal": ""}, ".content", "missing_required_parameter"),
        ({"role": "user", "content": 5}, ".content", "invalid_type"),
        ({"role": "user", "content": {}}, ".content", "invalid_type"),
        ({"role": "user", "content": ["x"]}, ".content[0]", "invalid_type"),
        ({"role": "user", "content": [{}]}, ".content[0].type", "invalid_value"),
        ({"role": "user", "content": [{"type": []}]}, ".content[0].type", "invalid_value"),
        ({"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}, ".content[0].type", "invalid_value"),
        ({"role": "assistant", "content": [{"type": "image_url"}]}, ".content[0].type", "invalid_value"),
        ({"role": "system", "content": [{"type": "file"}]}, ".content[0].type", "invalid_value"),
        ({"role": "user", "content": [{"type": "text"}]}, ".content[0].text", "invalid_type"),
        ({"role": "user", "content": [{"type": "text", "text": 5}]}, ".content[0].text", "invalid_type"),
        ({"role": "assistant", "content": [{"type": "refusal"}]}, ".content[0].refusal", "invalid_type"),
        ({"role": "user", "content": [{"type": "image_url"}]}, ".content[0].image_url", "invalid_type"),
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
         ".content[0].input_audio.format", "invalid_type"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"format": "wav"}}]},
         ".content[0].input_audio.data", "invalid_type"),
        ({"role": "user", "content": [{"type": "file", "file": None}]}, ".content[0].file", "invalid_type"),
        ({"role": "user", "content": [{"type": "file", "file": {"filename": "x"}}]},
         ".content[0].file", "missing_required_parameter"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_id": 5}}]},
         ".content[0].file.file_id", "invalid_type"),
        ({"role": "user", "content": "x", "name": 5}, ".name", "invalid_type"),
        ({"role": "tool", "content": "x"}, ".tool_call_id", "missing_required_parameter"),
        ({"role": "tool", "content": "x", "tool_call_id": ""}, ".tool_call_id", "missing_required_parameter"),
        ({"role": "tool", "content": "x", "tool_call_id": []}, ".tool_call_id", "missing_required_parameter"),
        ({"role": "assistant", "content": "x", "tool_calls": []}, ".tool_calls", "invalid_value"),
        ({"role": "assistant", "content": "x", "tool_calls": {}}, ".tool_calls", "invalid_value"),
        ({"role": "assistant", "tool_calls": ["x"]}, ".tool_calls[0]", "invalid_type"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {}}]},
         ".tool_calls[0].type", "invalid_value"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, ".tool_calls[0].function", "invalid_type"),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
         ".tool_calls[0].id", "invalid_type"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": {"arguments": "{}"}}]},
         ".tool_calls[0].function.name", "invalid_type"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]},
         ".tool_calls[0].function.arguments", "invalid_type"),
        ({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
         ".function_call", "unsupported_value"),
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
        ({"function": FUNCTION}, ".type", "unsupported_value"),
        ({"type": "custom", "custom": {"name": "f"}}, ".type", "unsupported_value"),
        ({"type": "web_search"}, ".type", "unsupported_value"),
        ({"type": "function"}, ".function", "invalid_type"),
        ({"type": "function", "name": "f"}, ".function", "invalid_type"),
        ({"type": "function", "function": {}}, ".function.name", "invalid_type"),
        ({"type": "function", "function": {"name": ""}}, ".function.name", "invalid_value"),
        ({"type": "function", "function": {"name": "f" * 65}}, ".function.name", "invalid_value"),
        ({"type": "function", "function": {"name": "a.b"}}, ".function.name", "invalid_value"),
        ({"type": "function", "function": {"name": "f\n"}}, ".function.name", "invalid_value"),
        ({"type": "function", "function": {"name": "f", "description": 5}}, ".function.description", "invalid_type"),
        ({"type": "function", "function": {"name": "f", "parameters": []}}, ".function.parameters", "invalid_type"),
        ({"type": "function", "function": {"name": "f", "strict": "yes"}}, ".function.strict", "invalid_type"),
    ],
)
def test_a_broken_tool_is_refused_at_its_place(tool: object, param: str, code: str) -> None:
    assert refusal(body(tools=[TOOL, tool])) == (f"tools[1]{param}", code)


ALLOWED = "tool_choice.allowed_tools"


@pytest.mark.parametrize(
    ("choice", "param", "code"),
    [
        ("any", "tool_choice", "invalid_value"),
        (5, "tool_choice", "invalid_value"),
        ({}, "tool_choice", "invalid_value"),
        ({"type": "custom", "custom": {"name": "f"}}, "tool_choice", "invalid_value"),
        ({"type": "function"}, "tool_choice.function", "invalid_type"),
        ({"type": "function", "function": {"name": []}}, "tool_choice.function.name", "invalid_type"),
        ({"type": "function", "function": {"name": "now"}}, "tool_choice", "invalid_value"),
        ({"type": "allowed_tools"}, "tool_choice", "invalid_value"),
        ({"type": "allowed_tools", "allowed_tools": []}, ALLOWED, "invalid_type"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}, f"{ALLOWED}.tools", "invalid_type"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, f"{ALLOWED}.tools", "invalid_type"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": [TOOL]}},
         f"{ALLOWED}.mode", "invalid_value"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": [], "tools": [TOOL]}}, f"{ALLOWED}.mode", "invalid_value"),
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
        ({}, ".type", "invalid_value"),
        ({"type": "xml"}, ".type", "invalid_value"),
        ({"type": []}, ".type", "invalid_value"),
        ({"type": "json_schema"}, ".json_schema", "invalid_type"),
        ({"type": "json_schema", "json_schema": {}}, ".json_schema.name", "invalid_type"),
        ({"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}, ".json_schema.name", "invalid_value"),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, ".json_schema.schema", "invalid_type"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": []}}, ".json_schema.schema", "invalid_type"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": 1}},
         ".json_schema.strict", "invalid_type"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "description": 1}},
         ".json_schema.description", "invalid_type"),
    ],
)  # fmt: skip
def test_a_broken_response_format_is_refused_at_its_place(format_: object, param: str, code: str) -> None:
    assert refusal(body(response_format=format_)) == (f"response_format{param}", code)


def test_include_usage_is_true_or_false() -> None:
    data = body(stream=True, stream_options={"include_usage": "yes"})

    assert refusal(data) == ("stream_options.include_usage", "invalid_type")


def test_a_refusal_does_not_repeat_the_prompt() -> None:
    with pytest.raises(BadRequest) as caught:
        chat.decode_request(body(messages=[{"role": "user", "content": [{"type": "text", "text": ["secret"]}]}]))
    assert "secret" not in caught.value.message


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(
    ["auto", "user", "assistant", "tool", "text", "function", "json_schema", "call_1", "required", 10**25]
)  # fmt: skip
KEYS = st.sampled_from(
    ["model", "messages", "role", "content", "type", "text", "tools", "function", "name", "parameters", "tool_choice",
     "tool_calls", "id", "arguments", "tool_call_id", "response_format", "json_schema", "schema", "stream", "stop",
     "stream_options", "max_tokens", "temperature", "n", "seed", "refusal", "audio", "image_url", "url", "file",
     "reasoning_effort", "user", "allowed_tools", "mode", "logit_bias", "strict", "description"]
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
]


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
        request = chat.decode_request(data)
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


def test_an_answer_is_a_chat_completion() -> None:
    response = ChatResponse("msg_1", "claude-opus-4-7", "Hi\u2028🎈", "stop", usage=USAGE)

    assert json.loads(chat.encode_response(response, model="claude-opus-4.7", created=7)) == {
        "id": "chatcmpl-msg_1",
        "object": "chat.completion",
        "created": 7,
        "model": "claude-opus-4.7",
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


def test_an_answer_of_tool_calls_has_a_null_content_and_no_usage_of_its_own() -> None:
    calls = (ToolCall("a", "f", "{}"), ToolCall("b", "g", '{"x":1}'))
    response = ChatResponse("chatcmpl-1", "m", None, "tool_calls", calls, reasoning="Hm")

    document = json.loads(chat.encode_response(response, model="m", created=7))

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
    response = ChatResponse("1", "m", None, "stop", refusal="No")

    message = json.loads(chat.encode_response(response, model="m", created=7))["choices"][0]["message"]

    assert message == {"role": "assistant", "content": None, "refusal": "No"}


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
    assert json.loads(chat.encode_error(error)) == {"error": expected}


HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
DELTAS: list[Delta] = [
    Started("1", "upstream"),
    ReasoningDelta("Hm"),
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
SAID = [
    {"role": "assistant", "content": ""},
    {"reasoning_content": "Hm"},
    {"content": "Hi"},
    {"refusal": "No"},
    {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
    {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}]},
    {"tool_calls": [{"index": 1, "function": {"arguments": '{"x"'}}]},
]


def streamed(deltas: list[Delta], *, include_usage: bool, extra: dict[str, Any] | None = None) -> list[Any]:
    """What a caller reads: the decoded events, [DONE] as a text."""
    encoder = chat.StreamEncoder(model="m", created=7, include_usage=include_usage)
    data = b"".join([*(encoder.feed(delta) for delta in deltas), encoder.finish(extra)])
    events = EventParser().feed(data)
    return [json.loads(event.data) if event.data != b"[DONE]" else "[DONE]" for event in events]


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
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
