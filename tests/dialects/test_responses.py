"""The server face of Responses: what callers may send, what is refused and how, and what they get."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from router.dialects import Frame, responses
from router.errors import BadRequest, RouterError, UpstreamError
from router.sse import Event, EventParser
from router.types import (
    Audio,
    ChatRequest,
    ChatResponse,
    Delta,
    File,
    Finished,
    FinishReason,
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

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "responses"
HELLO = {"role": "user", "content": "Hello"}
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
SQL = {"type": "custom", "name": "sql"}
CALL = {"type": "function_call", "call_id": "call_a", "name": "get_weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_a", "output": "sunny"}
USER = Message("user", (Text("Hello"),))
SUNNY = Message("tool", (Text("sunny"),), tool_call_id="call_a")


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "auto", "input": "Hello", **fields}).encode()


def decoded(**fields: Any) -> ChatRequest:
    return responses.FACE.decode_request(body(**fields))


def messages(*items: Any) -> tuple[Message, ...]:
    return decoded(input=list(items)).messages


def refusal(**fields: Any) -> tuple[str | None, str | None]:
    """The `param` and `code` that this request is refused with."""
    with pytest.raises(BadRequest) as caught:
        decoded(**fields)
    assert caught.value.status == 400 and caught.value.type == "invalid_request_error"
    assert 0 < len(caught.value.message) < 300
    return caught.value.param, caught.value.code


# --- what is read --------------------------------------------------------------------------------------


def test_the_smallest_request() -> None:
    data = b'{"model":"auto","input":"Hello"}'

    assert responses.FACE.decode_request(data) == ChatRequest("auto", (USER,), wire="responses", raw=data)


def test_a_request_with_everything() -> None:
    schema = {"type": "object", "properties": {}}
    request = decoded(
        instructions="Be brief.",
        tools=[{**TOOL, "description": "The weather", "strict": True}],
        tool_choice={"type": "function", "name": "get_weather"},
        parallel_tool_calls=False,
        text={
            "format": {"type": "json_schema", "name": "a", "description": "An a", "schema": schema, "strict": True},
            "verbosity": "low",
        },
        max_output_tokens=50,
        temperature=1,
        top_p=0.5,
        reasoning={"effort": "high", "summary": "auto"},
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        top_logprobs=3,
        user="ada",
        stream=True,
        store=False,
        metadata={"k": "v"},
        service_tier="flex",
        prompt_cache_key="p",
        safety_identifier="s",
    )

    assert request.messages == (Message("system", (Text("Be brief."),)), USER)
    assert request.tools == (Tool("get_weather", "The weather", {"type": "object"}, True),)
    assert request.tool_choice == ToolChoice("named", "get_weather")
    assert request.parallel_tool_calls is False
    assert request.response_format == ResponseFormat("json_schema", "a", "An a", schema, True)
    assert (request.max_tokens, request.temperature, request.top_p, request.logprobs) == (50, 1.0, 0.5, 3)
    assert (request.effort, request.show_reasoning, request.user, request.stream) == ("high", True, "ada", True)
    assert request.others == {
        "store": False, "metadata": {"k": "v"}, "service_tier": "flex", "prompt_cache_key": "p",
        "safety_identifier": "s", "verbosity": "low",
    }  # fmt: skip
    assert request.only_native == ()


def test_nulls_are_as_good_as_nothing() -> None:
    names = ["tools", "tool_choice", "parallel_tool_calls", "text", "max_output_tokens", "temperature", "top_p", "user",
             "reasoning", "include", "top_logprobs", "stream", "stream_options", "store", "metadata", "instructions",
             "previous_response_id", "conversation", "background", "prompt", "truncation", "max_tool_calls",
             "service_tier", "safety_identifier", "prompt_cache_key", "context_management", "anything"]  # fmt: skip
    data = body(**dict.fromkeys(names))

    assert responses.FACE.decode_request(data) == ChatRequest("auto", (USER,), wire="responses", raw=data)


def test_parts_of_all_kinds_are_read() -> None:
    parts = [
        {"type": "input_text", "text": "Look", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": None, "file_id": None},
        {"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://x.test/a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
    ]

    assert messages({"type": "message", "role": "user", "content": parts}) == (
        Message(
            "user",
            (
                Text("Look", "1h"),
                Image("https://x.test/a.png", "low"),
                Image("data:image/png;base64,iVBO"),
                File("data:application/pdf;base64,JVBE", filename="a.pdf"),
                File(url="https://x.test/a.pdf"),
                File(file_id="file-1"),
                Audio("UklG", "wav"),
            ),
        ),
    )


def test_one_turn_of_the_assistant_is_one_message() -> None:
    said = {"type": "output_text", "text": "Let me look.", "annotations": [], "logprobs": []}
    items = [
        HELLO,
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "status": None},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [said]},
        {**CALL, "id": "fc_1", "status": "completed"},
        {"type": "custom_tool_call", "call_id": "call_b", "name": "sql", "input": "select 1"},
        OUTPUT,
        {"type": "custom_tool_call_output", "call_id": "call_b", "output": [{"type": "input_text", "text": "1"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "developer", "content": "Be kind."},
    ]

    assert messages(*items) == (
        USER,
        Message(
            "assistant",
            (Reasoning("Hm."), Text("Let me look.")),
            (ToolCall("call_a", "get_weather", "{}"), ToolCall("call_b", "sql", "select 1", "custom")),
        ),
        SUNNY,
        Message("tool", (Text("1"),), tool_call_id="call_b"),
        Message("assistant", (Refusal("No."),)),
        Message("developer", (Text("Be kind."),)),
    )


def test_outputs_follow_their_calls_wherever_they_stood() -> None:
    other = {**CALL, "call_id": "call_b"}
    late = {**OUTPUT, "call_id": "call_b", "output": "rain"}

    assert messages(CALL, other, HELLO, late, OUTPUT) == (
        Message("assistant", (), (ToolCall("call_a", "get_weather", "{}"), ToolCall("call_b", "get_weather", "{}"))),
        SUNNY,
        Message("tool", (Text("rain"),), tool_call_id="call_b"),
        USER,
    )


def test_a_call_id_may_come_again_in_a_later_turn() -> None:
    later = {**OUTPUT, "output": "rain"}

    assert [message.text for message in messages(CALL, OUTPUT, CALL, later)] == ["", "sunny", "", "rain"]


def test_a_thought_that_led_to_nothing_is_left_out() -> None:
    thought = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}

    assert messages(HELLO, thought, HELLO) == (USER, USER)


def test_openais_own_cipher_is_a_seal_of_its_own() -> None:
    thought = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}

    (turn,) = messages(thought, {"role": "assistant", "content": "Hi"})

    assert turn.parts == (Reasoning("", Seal("gAAAA", "responses")), Text("Hi"))


@pytest.mark.parametrize(
    ("choice", "tools", "expected"),
    [
        ("auto", (Tool("get_weather", parameters={"type": "object"}), Tool("sql", kind="custom")), ToolChoice("auto")),
        ("none", None, ToolChoice("none")),
        ("required", None, ToolChoice("required")),
        ({"type": "function", "name": "get_weather"}, None, ToolChoice("named", "get_weather")),
        ({"type": "custom", "name": "sql"}, None, ToolChoice("named", "sql")),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "sql"}]},
            (Tool("sql", kind="custom"),),
            ToolChoice("required"),
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get_weather"}]},
            (Tool("get_weather", parameters={"type": "object"}),),
            ToolChoice("auto"),
        ),
    ],
)
def test_tool_choices_of_every_kind_are_read(
    choice: object, tools: tuple[Tool, ...] | None, expected: ToolChoice
) -> None:
    request = decoded(tools=[TOOL, SQL], tool_choice=choice)

    assert request.tool_choice == expected and request.only_native == ()
    assert tools is None or request.tools == tools


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_choices_without_tools_ask_for_nothing(choice: str | None) -> None:
    request = decoded(tool_choice=choice, parallel_tool_calls=True, tools=[])

    assert (request.tools, request.tool_choice, request.parallel_tool_calls) == ((), None, None)


def test_a_custom_tool_has_its_grammar() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}

    assert decoded(tools=[{**SQL, "format": grammar}, {**SQL, "format": {"type": "text"}}]).tools == (
        Tool("sql", kind="custom", grammar={"syntax": "lark", "definition": 'start: "a"'}),
        Tool("sql", kind="custom"),
    )


NAMESPACE = {"type": "namespace", "name": "agents", "description": "Agents", "tools": [TOOL, SQL]}


def test_tools_in_a_namespace_are_tools_elsewhere_and_called_in_it() -> None:
    request = decoded(
        tools=[NAMESPACE, TOOL],
        tool_choice={"type": "function", "name": "get_weather", "namespace": "agents"},
        input=[HELLO, {**CALL, "namespace": "agents"}, OUTPUT],
    )

    assert [(tool.name, tool.kind) for tool in request.tools] == [
        ("agents__get_weather", "function"), ("agents__sql", "custom"), ("get_weather", "function")
    ]  # fmt: skip
    assert request.tool_choice == ToolChoice("named", "agents__get_weather")
    assert request.messages[1].tool_calls == (ToolCall("call_a", "agents__get_weather", "{}"),)
    assert request.only_native == ()
    called = [
        STARTED,
        ToolCallStarted(0, "call_b", "agents__sql", "custom"),
        ToolCallStarted(1, "call_c", "get_weather"),
        Finished("tool_calls"),
    ]
    for event in (
        (whole := parsed(encoded(request, called)))[-1]["response"]["output"],
        [e["item"] for e in done(whole)],
    ):
        assert [(item["name"], item.get("namespace")) for item in event] == [("sql", "agents"), ("get_weather", None)]
    document = json.loads(responses.FACE.encode_response(fold(called), frame(request), {}))
    assert document == whole[-1]["response"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [({}, ResponseFormat()), ({"format": {"type": "text"}}, ResponseFormat()),
     ({"format": {"type": "json_object"}}, ResponseFormat("json_object"))],
)  # fmt: skip
def test_a_plain_format_is_read(text: object, expected: ResponseFormat) -> None:
    assert decoded(text=text).response_format == expected


# --- what only OpenAI can do ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"input": [HELLO, {"type": "item_reference", "id": "msg_1"}]}, ("input[1].type",)),
        ({"input": [{"id": "msg_1"}, HELLO]}, ("input[0].type",)),
        ({"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}, HELLO]}, ("input[0].type",)),
        ({"input": [{"type": "local_shell_call_output", "id": "x", "output": ""}, HELLO]}, ("input[0].type",)),
        ({"input": [{**CALL, "caller": {"type": "program", "caller_id": "x"}}, OUTPUT]}, ("input[0].caller",)),
        ({"input": [{**CALL, "caller": {"type": "direct"}}, OUTPUT]}, ()),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]},
            ("input[0].content[0].file_id",),
        ),
        ({"tools": [TOOL, {"type": "web_search"}, {"type": "mcp"}]}, ("tools[1].type", "tools[2].type")),
        ({"tools": [{**TOOL, "defer_loading": True}]}, ("tools[0].defer_loading",)),
        ({"tools": [{**NAMESPACE, "tools": [{"type": "shell"}]}]}, ("tools[0].tools[0].type",)),
        ({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}, ("tools[0].type", "tool_choice")),
        ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, ("tools[0].type",)),
        (
            {
                "tools": [TOOL, {"type": "web_search"}],
                "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]},
            },
            ("tools[1].type", "tool_choice.tools[0].type"),
        ),
        ({"prompt": {"id": "pmpt_1"}}, ("prompt",)),
        ({"access_programs": {"cyber": "standard"}, "zeta": 1}, ("access_programs", "zeta")),
        ({"reasoning": {"mode": "pro"}}, ("reasoning.mode",)),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_elsewhere_is_named(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    assert decoded(**fields).only_native == names


def test_what_only_advises_is_dropped_elsewhere() -> None:
    request = decoded(
        truncation="auto",
        max_tool_calls=3,
        context_management=[{"type": "compaction", "compact_threshold": 1000}],
        client_metadata={"x": "y"},
        stream=True,
        stream_options={"include_obfuscation": False},
        reasoning={"context": "all_turns", "mode": "standard"},
        include=["file_search_call.results"],
    )

    assert (request.only_native, request.others, request.logprobs) == ((), {}, None)


def test_a_prompt_of_openais_needs_no_input() -> None:
    data = b'{"model":"auto","prompt":{"id":"pmpt_1"}}'

    assert responses.FACE.decode_request(data).only_native == ("prompt",)


# --- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": 5}, "model", "invalid_type"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", "empty_array"),
        ({"input": {}}, "input", "invalid_type"),
        ({"input": ["x"]}, "input[0]", "invalid_type"),
        ({"input": [{}]}, "input[0].type", "missing_required_parameter"),
        ({"input": [{"type": 5}]}, "input[0].type", "invalid_type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "invalid_value"),
        ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content", "invalid_type"),
        ({"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]}, "input[0].content[0].type",
         "invalid_value"),
        ({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
         "input[0].content[0].type", "invalid_value"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text",
         "missing_required_parameter"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]}]},
         "input[0].content[0].image_url", "invalid_value"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url",
         "missing_required_parameter"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "filename": "a"}]}]}, "input[0].content[0]",
         "missing_required_parameter"),
        ({"input": [{**CALL, "call_id": None}]}, "input[0].call_id", "missing_required_parameter"),
        ({"input": [{**CALL, "arguments": {}}]}, "input[0].arguments", "invalid_type"),
        ({"input": [CALL, {**OUTPUT, "output": None}]}, "input[1].output", "missing_required_parameter"),
        ({"input": [{"type": "reasoning", "summary": "x"}]}, "input[0].summary", "invalid_type"),
        ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": "router:zzz"}]},
         "input[0].encrypted_content", "invalid_encrypted_content"),
        ({"instructions": 5}, "instructions", "invalid_type"),
        ({"background": True}, "background", "unsupported_parameter"),
        ({"conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({"conversation": {"id": "conv_1"}}, "conversation", "unsupported_parameter"),
        ({"previous_response_id": 5}, "previous_response_id", "invalid_type"),
        ({"stream_options": {}}, "stream_options", "invalid_value"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": [{"name": "x"}]}, "tools[0].type", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "tools[0].name", "missing_required_parameter"),
        ({"tools": [{**TOOL, "name": "a b"}]}, "tools[0].name", "invalid_value"),
        ({"tools": [{**TOOL, "name": "a" * 129}]}, "tools[0].name", "invalid_value"),
        ({"tools": [{**TOOL, "parameters": []}]}, "tools[0].parameters", "invalid_type"),
        ({"tools": [{**SQL, "format": {"type": "ebnf"}}]}, "tools[0].format.type", "invalid_value"),
        ({"tools": [{**SQL, "format": {"type": "grammar", "syntax": "lark"}}]}, "tools[0].format.definition",
         "missing_required_parameter"),
        ({"tools": [{**NAMESPACE, "tools": []}]}, "tools[0].tools", "empty_array"),
        ({"tools": [{**NAMESPACE, "name": None}]}, "tools[0].name", "missing_required_parameter"),
        ({"tools": [{**NAMESPACE, "tools": [{**TOOL, "name": "a b"}]}]}, "tools[0].tools[0].name", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice", "invalid_value"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice", "invalid_value"),
        ({"tools": [TOOL], "tool_choice": {"type": "custom", "name": "get_weather"}}, "tool_choice", "invalid_value"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "mode": "none", "tools": []}}, "tool_choice.mode",
         "invalid_value"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice.tools",
         "empty_array"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity", "invalid_value"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name", "missing_required_parameter"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema",
         "missing_required_parameter"),
        ({"text": {"format": {"type": "json_schema", "name": "a!", "schema": {}}}}, "text.format.name",
         "invalid_value"),
        ({"reasoning": {"effort": "extreme"}}, "reasoning.effort", "invalid_value"),
        ({"reasoning": "high"}, "reasoning", "invalid_type"),
        ({"max_output_tokens": 0}, "max_output_tokens", "integer_below_min_value"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"store": "yes"}, "store", "invalid_type"),
        ({"metadata": []}, "metadata", "invalid_type"),
        ({"truncation": 5}, "truncation", "invalid_type"),
    ],
)  # fmt: skip
def test_what_openai_refuses_is_refused_by_name(fields: dict[str, Any], param: str, code: str) -> None:
    assert refusal(**fields) == (param, code)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([HELLO, CALL], "No tool output found for function call call_a."),
        ([CALL, HELLO, {"role": "assistant", "content": "x"}], "No tool output found for function call call_a."),
        ([HELLO, OUTPUT], "No tool call found for function call output with call_id call_a."),
        ([CALL, OUTPUT, OUTPUT], "No tool call found for function call output with call_id call_a."),
        (
            [{"type": "custom_tool_call", "call_id": "call_c", "name": "sql", "input": ""}],
            "No tool output found for custom tool call call_c.",
        ),
    ],
)
def test_calls_and_outputs_come_in_pairs(items: list[Any], message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decoded(input=items)
    assert (caught.value.message, caught.value.param) == (message, "input")


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        responses.FACE.decode_request(b'{"model":"auto","input":"x","input":"y"}')
    assert caught.value.code == "invalid_json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "role", "content", "call_id", "name", "output", "text", "summary", "tools", "mode"]),
        inner | st.sampled_from(["message", "function_call", "reasoning", "user", "function", "allowed_tools"]),
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(["input", "tools", "tool_choice", "text", "reasoning", "include", "metadata"]), JSON)
def test_whatever_comes_is_read_or_refused(name: str, value: object) -> None:
    try:
        request = decoded(**{name: value})
    except BadRequest as error:
        assert error.param or error.code == "invalid_json"
    else:
        encoder = responses.FACE.stream_encoder(frame(request))
        assert encoder.feed(Started("x", "m"))


# --- a conversation that goes on -----------------------------------------------------------------------

BEFORE = [
    {"id": "msg_0", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
    {"id": "fc_0", **CALL},
]


def test_a_conversation_goes_on_with_its_history_and_without_its_instructions() -> None:
    request = decoded(previous_response_id="resp_1", input=[OUTPUT], instructions="Be brief.")
    assert request.previous == "resp_1"

    whole = responses.continued(request, BEFORE, "openai")

    assert whole.messages == (
        Message("system", (Text("Be brief."),)),
        USER,
        Message("assistant", (), (ToolCall("call_a", "get_weather", "{}"),)),
        SUNNY,
    )
    assert (whole.history, whole.held_by, whole.only_native) == (tuple(BEFORE), "openai", ())
    assert replace(whole, messages=request.messages, history=(), held_by=None) == request


def test_pairs_are_looked_for_over_the_whole_conversation() -> None:
    request = decoded(previous_response_id="resp_1", input="And now?")

    with pytest.raises(BadRequest) as caught:
        responses.continued(request, BEFORE, None)
    assert caught.value.message == "No tool output found for function call call_a."


def test_a_conversation_may_go_on_without_new_input() -> None:
    request = responses.FACE.decode_request(b'{"model":"auto","previous_response_id":"resp_1"}')

    assert responses.continued(request, BEFORE[:1], None).messages == (USER,)
    assert responses.own_items(request) == []


@pytest.mark.parametrize(
    "item",
    [
        {"id": "ws_1", "type": "web_search_call", "status": "completed"},
        {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_hologram"}]},
    ],
)
def test_a_history_that_only_its_provider_can_read_binds_to_it(item: dict[str, Any]) -> None:
    request = decoded(previous_response_id="resp_1")

    kept = responses.continued(request, [item, item, *BEFORE[:1]], "openai")
    lost = responses.continued(request, [item, item, *BEFORE[:1]], None)

    assert (kept.bound_to, kept.only_native) == ("openai", ())
    assert (lost.bound_to, lost.only_native) == (None, ("previous_response_id",))
    assert responses.continued(request, BEFORE[:1], "openai").bound_to is None


def test_the_input_is_listed_in_full_form_with_ids() -> None:
    assert [item.pop("id")[:4] for item in responses.own_items(decoded(input="Hello"))] == ["msg_"]
    thought = {"id": "rs_9", "type": "reasoning", "summary": [], "encrypted_content": None}
    items = responses.own_items(decoded(input=[HELLO, {"role": "assistant", "content": "Hi"}, CALL, OUTPUT, thought]))

    ids = [item.pop("id") for item in items]

    assert len(set(ids)) == 5 and ids[4] == "rs_9"
    assert [id_.partition("_")[0] for id_ in ids] == ["msg", "msg", "fc", "fco", "rs"]
    assert items == [
        {
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hello"}],
        },
        {
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
        },
        {**CALL, "status": "completed"},
        {**OUTPUT, "status": "completed"},
        {"type": "reasoning", "summary": []},
    ]  # fmt: skip


# --- what a caller gets --------------------------------------------------------------------------------

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def frame(request: ChatRequest, model: str = "claude-opus-4.7") -> Frame:
    return Frame(request, model, 1764000000, "01a2b3")


def encoded(request: ChatRequest, deltas: Iterable[Delta], extra: dict[str, Any] | None = None) -> bytes:
    encoder = responses.FACE.stream_encoder(frame(request))
    return b"".join([*map(encoder.feed, deltas), encoder.finish(extra or {})])


def parsed(stream: bytes) -> list[Any]:
    """The events' JSON, each named by its type and numbered in order."""
    events = EventParser().feed(stream)
    documents = [json.loads(event.data) for event in events]
    assert [event.name for event in events] == [document["type"] for document in documents]
    assert [document["sequence_number"] for document in documents] == list(range(len(documents)))
    return documents


def golden(name: str) -> Any:
    data = (GOLDEN / name).read_bytes()
    return parsed(data) if name.endswith(".sse") else json.loads(data)


STARTED = Started("msg_01X", "claude-opus-4-7")
TEXT_REQUEST = {
    "instructions": "Be brief.", "reasoning": {"effort": "high", "summary": "auto"}, "store": False,
    "metadata": {"k": "v"}, "max_output_tokens": 500, "text": {"verbosity": "low", "format": None},
}  # fmt: skip
WEATHER = {
    "type": "function", "name": "get_weather", "description": "The weather", "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}  # fmt: skip
GOLDENS: dict[str, tuple[dict[str, Any], list[Delta]]] = {
    "text": (
        TEXT_REQUEST,
        [
            STARTED,
            ReasoningDelta("Let me "),
            ReasoningDelta("think."),
            ReasoningEnded(Seal("c2ln", "messages")),
            TextDelta("Hello\u2028"),
            TextDelta(""),
            TextDelta("world"),
            UsageReported(Usage(40, 1)),
            UsageReported(Usage(40, 30, 10, 20, 12, service_tier="standard")),
            Finished("stop"),
        ],
    ),
    "calls": (
        {"tools": [WEATHER, {"type": "function", "name": "now"}, SQL], "tool_choice": "required"},
        [
            STARTED,
            TextDelta("Let me look."),
            ToolCallStarted(0, "call_a", "get_weather"),
            ToolCallDelta(0, '{"city":'),
            ToolCallDelta(0, '"Oslo"}'),
            ToolCallStarted(1, "call_b", "now"),
            ToolCallDelta(1, ""),
            ToolCallStarted(2, "call_c", "sql", "custom"),
            ToolCallDelta(2, "select 1"),
            Finished("tool_calls"),
            UsageReported(Usage(5, 6)),
        ],
    ),
    "refusal": (
        {"top_logprobs": 1},
        [
            STARTED,
            TextDelta(
                "No",
                (
                    {
                        "token": "No",
                        "bytes": [78, 111],
                        "logprob": -0.1,
                        "top_logprobs": [{"token": "Yes", "bytes": None, "logprob": -2.5}],
                    },
                ),
            ),
            RefusalDelta("I can't."),
            Finished("content_filter"),
        ],
    ),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_a_stream_is_told_in_openais_events(name: str) -> None:
    fields, deltas = GOLDENS[name]

    assert parsed(encoded(decoded(**fields), deltas)) == golden(f"encoded_{name}.sse")


@pytest.mark.parametrize("name", GOLDENS)
def test_a_whole_answer_is_a_response_object(name: str) -> None:
    fields, deltas = GOLDENS[name]

    document = responses.FACE.encode_response(fold(deltas), frame(decoded(**fields)), {})

    assert json.loads(document) == golden(f"encoded_{name}.json")
    Response.model_validate_json(document)


@pytest.mark.parametrize("name", GOLDENS)
def test_events_have_all_that_the_sdk_types_ask_for(name: str) -> None:
    fields, deltas = GOLDENS[name]

    for document in parsed(encoded(decoded(**fields), deltas)):
        EVENTS.validate_python(document)


def test_an_answer_cut_short_is_incomplete_and_so_is_its_last_item() -> None:
    called = ChatResponse("x", "m", "Hi", "length", (ToolCall("a", "f", '{"x"'),))

    document = json.loads(responses.FACE.encode_response(called, frame(decoded()), {}))

    assert (document["status"], document["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert [item["status"] for item in document["output"]] == ["completed", "incomplete"]


def test_an_answer_of_nothing_has_no_items() -> None:
    events = parsed(encoded(decoded(), [STARTED, Finished("stop")]))

    assert [event["type"] for event in events] == ["response.created", "response.in_progress", "response.completed"]
    assert events[-1]["response"]["output"] == []


def test_the_explanation_rides_on_the_last_response_and_is_not_kept() -> None:
    encoder = responses.FACE.stream_encoder(frame(decoded()))
    begun = encoder.feed(STARTED) + encoder.feed(TextDelta("Hi")) + encoder.feed(Finished("stop"))
    assert encoder.whole() is None

    end = encoder.finish({"router": {"x": 1}})

    assert b'"router"' not in begun
    last = json.loads(EventParser().feed(end)[-1].data)["response"]
    assert last.pop("router") == {"x": 1}
    assert json.loads(encoder.whole() or b"") == last


def test_a_stream_that_breaks_ends_in_response_failed() -> None:
    encoder = responses.FACE.stream_encoder(frame(decoded()))
    stream = encoder.feed(STARTED) + encoder.feed(TextDelta("Hi"))
    stream += encoder.fail(UpstreamError("truncated", "the provider's stream ended early"))

    *_, last = parsed(stream)

    assert last["type"] == "response.failed"
    assert last["response"]["id"] == "resp_01a2b3" and last["response"]["status"] == "failed"
    assert last["response"]["error"] == {
        "code": "upstream_truncated",
        "message": "the provider's stream ended early",
        "param": None,
        "type": "server_error",
    }
    assert encoder.whole() is None


def test_errors_have_openais_envelope() -> None:
    error = BadRequest("no", param="input")

    assert json.loads(responses.FACE.encode_error(error, "req_1")) == {
        "error": {"message": "no", "type": "invalid_request_error", "param": "input", "code": "invalid_value"}
    }


# --- sealed reasoning ----------------------------------------------------------------------------------

SEALED = {"include": ["reasoning.encrypted_content"]}
THOUGHT = Reasoning("Let me think.\u2028", Seal("c2ln", "messages"))
REDACTED = Reasoning("", Seal("Y2lwaGVy", "messages"), hidden=True)


def answered(*thoughts: Reasoning) -> ChatResponse:
    return ChatResponse("x", "claude-opus-4-7", "Hi", "stop", thoughts=thoughts)


def test_another_providers_reasoning_comes_back_as_it_was() -> None:
    document = json.loads(responses.FACE.encode_response(answered(THOUGHT, REDACTED), frame(decoded(**SEALED)), {}))

    (turn,) = messages(*document["output"])

    assert turn.parts == (
        Reasoning("Let me think.\u2028", Seal("c2ln", "messages", "claude-opus-4-7")),
        Reasoning("", Seal("Y2lwaGVy", "messages", "claude-opus-4-7"), hidden=True),
        Text("Hi"),
    )
    assert [item.get("summary") for item in document["output"]] == [
        [{"type": "summary_text", "text": "Let me think.\u2028"}], [], None
    ]  # fmt: skip


def test_seals_are_given_to_those_who_ask() -> None:
    document = json.loads(responses.FACE.encode_response(answered(THOUGHT, REDACTED), frame(decoded()), {}))

    assert [item["type"] for item in document["output"]] == ["reasoning", "message"]
    assert "encrypted_content" not in document["output"][0]


def test_a_changed_seal_is_refused() -> None:
    document = json.loads(responses.FACE.encode_response(answered(THOUGHT), frame(decoded(**SEALED)), {}))
    item = document["output"][0]
    for changed in (item["encrypted_content"][:-8], "router:" + "e30=", item["encrypted_content"] + "é"):
        assert refusal(input=[{**item, "encrypted_content": changed}])[1] == "invalid_encrypted_content"


def test_openais_own_cipher_is_given_as_it_is() -> None:
    own = Reasoning("", Seal("gAAAA", "responses"))

    document = json.loads(responses.FACE.encode_response(answered(own), frame(decoded(**SEALED)), {}))

    assert document["output"][0]["encrypted_content"] == "gAAAA"


# --- laws ----------------------------------------------------------------------------------------------

PIECES = st.lists(st.text(max_size=6), max_size=3)
SEALS = st.none() | st.builds(Seal, st.text(max_size=5), st.sampled_from(["messages", "gemini", "responses"]))
REASONS: st.SearchStrategy[FinishReason] = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
USAGES = st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))


def thought_deltas(thought: tuple[list[str], Seal | None, bool]) -> list[Delta]:
    pieces, seal, hidden = thought
    return [*map(ReasoningDelta, [] if hidden else pieces), ReasoningEnded(seal, hidden)]


@st.composite
def calls(draw: st.DrawFn) -> list[Delta]:
    """Calls that begin in order, their pieces in any."""
    kinds = draw(st.lists(st.sampled_from(["function", "custom"]), max_size=3))
    deltas: list[Delta] = []
    for index, kind in enumerate(kinds):
        deltas.append(ToolCallStarted(index, f"call_{index}", f"tool_{index}", kind))
        pieces = draw(st.lists(st.tuples(st.integers(0, index), st.text(max_size=4)), max_size=3))
        deltas += [ToolCallDelta(which, piece) for which, piece in pieces]
    return deltas


@st.composite
def answers(draw: st.DrawFn) -> list[Delta]:
    """Answers in the order of a response object: reasoning, text, refusal, calls."""
    thoughts = draw(st.lists(st.tuples(PIECES, SEALS, st.booleans()), max_size=3))
    said: list[Delta] = [STARTED]
    for thought in thoughts:
        said += thought_deltas(thought)
    said += map(TextDelta, draw(PIECES))
    said += map(RefusalDelta, draw(PIECES))
    said += draw(calls())
    usage = draw(USAGES)
    return [*said, *([UsageReported(usage)] if usage else []), Finished(draw(REASONS))]


@settings(deadline=None)
@given(answers(), st.booleans())
def test_a_stream_ends_in_the_response_that_the_whole_answer_is(deltas: list[Delta], sealed: bool) -> None:
    request = decoded(**(SEALED if sealed else {}))

    events = parsed(encoded(request, deltas))

    whole = json.loads(responses.FACE.encode_response(fold(deltas), frame(request), {}))
    assert events[-1]["response"] == whole
    assert [event["item"] for event in done(events)] == whole["output"]


@settings(deadline=None)
@given(st.lists(st.one_of(
    st.builds(TextDelta, st.text(min_size=1, max_size=3)),
    st.builds(RefusalDelta, st.text(min_size=1, max_size=3)),
    st.builds(ReasoningDelta, st.text(min_size=1, max_size=3)),
    st.builds(ReasoningEnded, SEALS),
    st.builds(ToolCallStarted, st.integers(0, 2), st.just("call"), st.just("f")),
), max_size=12))  # fmt: skip
def test_whatever_the_order_nothing_is_lost_and_items_end_as_the_response_has_them(deltas: list[Delta]) -> None:
    seen: set[int] = set()
    once = [d for d in deltas if not isinstance(d, ToolCallStarted) or not (d.index in seen or seen.add(d.index))]
    request = decoded(**SEALED)

    events = parsed(encoded(request, [STARTED, *once, Finished("stop")]))

    output = events[-1]["response"]["output"]
    whole = fold([STARTED, *once, Finished("stop")])
    assert sorted(event["output_index"] for event in done(events)) == list(range(len(output)))
    assert all(event["item"] == output[event["output_index"]] for event in done(events))
    assert len({item["id"] for item in output}) == len(output)
    parts = [part for item in output if item["type"] == "message" for part in item["content"]]
    assert "".join(part.get("text", "") for part in parts) == (whole.text or "")
    assert "".join(part.get("refusal", "") for part in parts) == (whole.refusal or "")
    summaries = [part["text"] for item in output if item["type"] == "reasoning" for part in item["summary"]]
    assert "".join(summaries) == (whole.reasoning or "")
    assert sum(item["type"] == "function_call" for item in output) == len(whole.tool_calls)


def done(events: Sequence[Any]) -> list[Any]:
    found = [event for event in events if event["type"] == "response.output_item.done"]
    return sorted(found, key=lambda event: int(event["output_index"]))


# --- a provider that speaks Responses itself -----------------------------------------------------------

NATIVE = EventParser().feed((GOLDEN / "native.sse").read_bytes())


def framed(event: Event) -> bytes:
    return b"event: " + event.name.encode() + b"\ndata: " + event.data + b"\n\n"


def test_openais_events_pass_as_they_came_but_for_the_models_name() -> None:
    passthrough = responses.FACE.passthrough
    assert passthrough is not None
    relay = passthrough(frame(decoded(), "gpt-5.5"))

    pieces = [relay.feed(event, ()) for event in NATIVE]

    assert pieces[2:5] == [framed(event) for event in NATIVE[2:5]]
    for piece, event in zip(pieces[:2], NATIVE[:2], strict=True):
        assert piece == framed(replace(event, data=event.data.replace(b'"gpt-5.5-2026-04-23"', b'"gpt-5.5"')))
    assert pieces[5] == b"" and relay.whole() is not None
    (last,) = EventParser().feed(relay.finish({"router": {"x": 1}}))
    expected = json.loads(NATIVE[5].data)
    expected["response"]["model"] = "gpt-5.5"
    assert json.loads(relay.whole() or b"") == expected["response"]
    expected["response"]["router"] = {"x": 1}
    assert (last.name, json.loads(last.data)) == ("response.completed", expected)


def test_a_native_stream_that_breaks_fails_under_its_own_id_and_number() -> None:
    relay = responses.FACE.passthrough(frame(decoded(), "gpt-5.5"))  # type: ignore[misc]  # it has one
    for event in NATIVE[:5]:
        relay.feed(event, ())

    (failed,) = EventParser().feed(relay.fail(RouterError("it broke", code="upstream_error")))

    document = json.loads(failed.data)
    assert (failed.name, document["type"], document["sequence_number"]) == ("response.failed",) * 2 + (5,)
    response = document["response"]
    assert (response["id"], response["model"], response["status"]) == ("resp_up1", "gpt-5.5", "failed")
    assert response["error"]["code"] == "upstream_error"
    assert relay.whole() is None


def test_events_of_careless_servers_pass_too() -> None:
    relay = responses.FACE.passthrough(frame(decoded(), "mine"))  # type: ignore[misc]  # it has one
    unnamed = Event(b'{"type":"response.output_text.delta","delta":"x"}')
    split = Event(b'{"type":"response.completed",\n"response":{"id":"resp_2","model":"m",\n"output":[]}}')

    assert relay.feed(unnamed, ()) == b"data: " + unnamed.data + b"\n\n"
    assert relay.feed(split, ()) == relay.feed(Event(b"[DONE]"), ()) == relay.feed(Event(b""), ()) == b""
    (last,) = EventParser().feed(relay.finish({}))
    assert json.loads(last.data) == {
        "type": "response.completed",
        "response": {"id": "resp_2", "model": "mine", "output": []},
    }


def test_a_native_answer_passes_whole_but_for_the_models_name() -> None:
    body_ = b'{"id":"resp_1","model":"gpt-5.5-2026-04-23","output":[],"x":[1.50]}'
    passed = responses.FACE.whole_passthrough(body_, frame(decoded(), "gpt-5.5"), {"router": 1})  # type: ignore[misc]

    assert passed == b'{"id":"resp_1","model":"gpt-5.5","output":[],"x":[1.50],"router":1}'
    answer = responses.answer_of(passed)
    assert (answer.id, answer.output) == ("resp_1", [])
