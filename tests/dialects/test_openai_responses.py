"""The client face of OpenAI's Responses API, against transcripts and values written by hand."""

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

from router.catalog import Model, Provider
from router.dialects import Frame, StreamDecoder, chat, responses
from router.dialects.openai.responses import FACE
from router.errors import UpstreamError
from router.simulated import Call, Memory, answer
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

GOLDEN = Path(__file__).parents[1] / "golden" / "openai_responses"

PROVIDER = Provider("openai", "openai", "https://openai.test/v1", api_key="sk-test")
GPT = Model(
    "gpt-5.5",
    PROVIDER,
    "gpt-5.5",
    efforts=("none", "low", "medium", "high", "xhigh"),
    sampling=False,
    stop=False,
    endpoints=("chat", "responses"),
    tools_on_chat="unless_effort",
)
PLAIN = Model("local", replace(PROVIDER, name="local", api_key=None), "qwen3:8b", endpoints=("responses",))

HELLO = Message("user", (Text("Hello"),))
HELLO_ITEM = {"type": "message", "role": "user", "content": "Hello"}
ASKED = ChatRequest("auto", (HELLO,))
WEATHER = Tool("get_weather", "The weather", {"type": "object", "properties": {"city": {"type": "string"}}})
SQL = Tool("sql", "A query", kind="custom", grammar={"syntax": "lark", "definition": "start: /.+/"})
NOW = Tool("now")
PICTURE = "data:image/png;base64,iVBORw0KGgo="


def no_id() -> str:
    raise AssertionError("no id was missing")


def asked(**fields: Any) -> ChatRequest:
    """The request of a caller of Responses who sent these fields."""
    document = {"model": "auto", "input": "Hello", **fields}
    return responses.FACE.decode_request(json.dumps(document, ensure_ascii=False).encode())


def sent(request: ChatRequest, model: Model = GPT) -> dict[str, Any]:
    document = json.loads(FACE.encode_request(request, model).body)
    assert isinstance(document, dict)
    return document


def refused(request: ChatRequest, model: Model = GPT) -> list[str]:
    return [obstacle.partition(":")[0] for obstacle in FACE.obstacles(request, model)]


# --- what we send: built from the vocabulary -----------------------------------------------------------


def test_a_request_goes_to_responses_with_the_key() -> None:
    wire = FACE.encode_request(ASKED, GPT)

    assert wire.path == "/responses"
    assert dict(wire.headers) == {"content-type": "application/json", "authorization": "Bearer sk-test"}


def test_a_short_request_says_no_more_than_it_must() -> None:
    assert sent(ASKED) == {
        "model": "gpt-5.5",
        "input": [HELLO_ITEM],
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    assert sent(ASKED, PLAIN) == {"model": "qwen3:8b", "input": [HELLO_ITEM], "store": False}


def test_a_conversation_becomes_items() -> None:
    request = ChatRequest(
        "auto",
        (
            Message("system", (Text("Be brief", cache="5m"),)),
            Message("developer", (Text("a"), Text("b"))),
            Message(
                "user",
                (
                    Text("Look"),
                    Image("https://x.test/a.png", "low"),
                    Image(PICTURE),
                    File("data:application/pdf;base64,JVBE"),
                    File(url="https://x.test/b.pdf"),
                    File(file_id="file-1"),
                ),
            ),
            Message(
                "assistant",
                (Reasoning("Plan", Seal("gAAAAAB1", "responses", "gpt-5.5-2026-04-23")), Text("Let me look.")),
                (ToolCall("c1", "get_weather", '{"city":"Oslo"}'), ToolCall("c2", "sql", "SELECT 1", "custom")),
            ),
            Message("tool", (Text("sunny"),), tool_call_id="c1", failed=True),
            Message("tool", (Text("seen"), Image(PICTURE)), tool_call_id="c2"),
            Message("assistant", (Refusal("I can't"),)),
        ),
    )

    assert sent(request)["input"] == [
        {"type": "message", "role": "system", "content": "Be brief"},
        {
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
        },
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"},
                {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "file.pdf"},
                {"type": "input_file", "file_url": "https://x.test/b.pdf"},
                {"type": "input_file", "file_id": "file-1"},
            ],
        },
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Plan"}],
            "encrypted_content": "gAAAAAB1",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Let me look.", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city":"Oslo"}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "SELECT 1"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "seen"},
                {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
            ],
        },
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "I can't"}]},
    ]


def test_the_fields_of_chat_go_by_the_names_that_this_api_has() -> None:
    request = ChatRequest(
        "auto",
        (HELLO,),
        (WEATHER, NOW, SQL),
        ToolChoice("named", "sql"),
        parallel_tool_calls=False,
        response_format=ResponseFormat("json_schema", "a", "An n", {"type": "object"}, strict=False),
        max_tokens=50,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        effort="high",
        user="ada",
        stream=True,
        show_reasoning=True,
        others={
            "verbosity": "low",
            "metadata": {"a": "b"},
            "safety_identifier": "s",
            "service_tier": "flex",
            "prompt_cache_key": "k",
            "store": True,
            "prediction": {"type": "content", "content": "x"},
        },
    )

    assert sent(request) == {
        "model": "gpt-5.5",
        "input": [HELLO_ITEM],
        "tools": [
            {
                "type": "function",
                "name": "get_weather",
                "description": "The weather",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                "strict": False,
            },
            {
                "type": "function",
                "name": "now",
                "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
                "strict": False,
            },
            {
                "type": "custom",
                "name": "sql",
                "description": "A query",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
            },
        ],
        "tool_choice": {"type": "custom", "name": "sql"},
        "parallel_tool_calls": False,
        "text": {
            "format": {
                "type": "json_schema",
                "name": "a",
                "description": "An n",
                "schema": {"type": "object"},
                "strict": False,
            },
            "verbosity": "low",
        },
        "max_output_tokens": 50,
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "stream": True,
        "user": "ada",
        "metadata": {"a": "b"},
        "safety_identifier": "s",
        "service_tier": "flex",
        "prompt_cache_key": "k",
    }


@pytest.mark.parametrize(("given_limit", "expected"), [(1, 16), (16, 16), (17, 17)])
def test_a_limit_of_tokens_is_what_this_api_takes(given_limit: int, expected: int) -> None:
    assert sent(replace(ASKED, max_tokens=given_limit))["max_output_tokens"] == expected


def test_log_probabilities_are_included_by_name() -> None:
    document = sent(replace(ASKED, logprobs=0, effort="none"))

    assert document["top_logprobs"] == 0
    assert document["include"] == ["reasoning.encrypted_content", "message.output_text.logprobs"]


@pytest.mark.parametrize(
    ("effort", "model", "expected"),
    [
        (None, GPT, None),
        (None, replace(GPT, effort="high"), {"effort": "high"}),
        ("low", replace(GPT, effort="high"), {"effort": "low"}),
        ("none", PLAIN, None),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_an_effort_is_the_callers_before_the_models(effort: Any, model: Model, expected: object, raw: bool) -> None:
    request = asked(reasoning={"effort": effort}) if raw and effort else replace(ASKED, effort=effort)

    assert sent(request, model).get("reasoning") == expected


@pytest.mark.parametrize(("effort", "kept"), [(None, set()), ("high", set()), ("none", {"temperature", "top_p"})])
@pytest.mark.parametrize("raw", [True, False])
def test_sampling_is_left_out_where_the_model_takes_none(effort: Any, kept: set[str], raw: bool) -> None:
    request = asked(temperature=0.2, top_p=0.9, reasoning={"effort": effort})

    assert {"temperature", "top_p"} & sent(request if raw else replace(request, raw=b"")).keys() == kept


@pytest.mark.parametrize(
    ("seal", "goes_back"),
    [
        (Seal("gAAAAAB1", "responses", "gpt-5.5"), True),
        (Seal("gAAAAAB1", "responses", "gpt-5.5-2026-04-23"), True),
        (Seal("gAAAAAB1", "responses"), True),
        (Seal("gAAAAAB1", "responses", "gpt-5.4"), False),
        (Seal("c2ln", "messages", "claude-opus-4-7"), False),
        (None, False),
    ],
)
def test_only_reasoning_that_the_model_sealed_goes_back(seal: Seal | None, goes_back: bool) -> None:
    called = Message("assistant", (Reasoning("Plan", seal),), (ToolCall("c", "now", ""),))
    items = sent(replace(ASKED, messages=(HELLO, called, Message("tool", (Text("1"),), tool_call_id="c"))))["input"]

    assert [item["type"] for item in items] == [
        "message",
        *(["reasoning"] if goes_back else []),
        "function_call",
        "function_call_output",
    ]
    assert items[-2]["arguments"] == "{}"


def test_reasoning_that_led_to_nothing_does_not_go_back() -> None:
    thought = Message("assistant", (Reasoning("Plan", Seal("gAAAAAB1", "responses")), Text("")))

    assert sent(replace(ASKED, messages=(HELLO, thought)))["input"][1:] == [
        {"type": "message", "role": "assistant", "content": ""}
    ]


# --- what this API can't say ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "model", "expected"),
    [
        ({}, GPT, []),
        ({"n": 2}, GPT, ["n"]),
        ({"stop": ("END",)}, GPT, ["stop"]),
        ({"stop": ("END",)}, PLAIN, ["stop"]),
        ({"seed": 7, "user": "u", "temperature": 0.5}, GPT, []),
        ({"effort": "max"}, GPT, ["reasoning_effort"]),
        ({"logprobs": 2}, GPT, ["logprobs"]),
        ({"logprobs": 2, "effort": "none"}, GPT, []),
        ({"tools": (Tool("n" * 65),)}, GPT, ["tools[0].function.name"]),
        ({"tools": (NOW,), "tool_choice": ToolChoice("required")}, replace(GPT, forced_tool_choice=False),
         ["tool_choice"]),
        ({"tools": (replace(WEATHER, strict=True),)}, GPT, ["tools[0].function.parameters"]),
        ({"messages": (Message("user", (Text("a"), Audio("UklG", "wav"))),)}, GPT, ["messages[0].content[1]"]),
        ({"others": {"logit_bias": {}, "modalities": ["text"], "store": True}}, GPT, []),
        ({"others": {"logit_bias": {"1": 2}}}, GPT, ["logit_bias"]),
        ({"others": {"modalities": ["text", "audio"], "audio": {"voice": "x"}}}, GPT, ["modalities", "audio"]),
        ({"others": {"web_search_options": {"search_context_size": "low"}}}, GPT, ["web_search_options"]),
        ({"others": {"guided_regex": "a+"}}, GPT, ["guided_regex"]),
        ({"others": {"frequency_penalty": 1, "presence_penalty": 1}}, GPT, []),
        ({"others": {"frequency_penalty": 1, "presence_penalty": 0}}, PLAIN, ["frequency_penalty"]),
    ],
)  # fmt: skip
def test_a_model_is_ruled_out_by_what_its_api_has_no_word_for(
    fields: dict[str, Any], model: Model, expected: list[str]
) -> None:
    assert refused(replace(ASKED, **fields), model) == expected


def test_what_a_caller_of_this_api_wrote_is_for_the_provider_to_judge() -> None:
    assert refused(asked(tools=[{"type": "function", "name": "n" * 65, "parameters": {}}], metadata={"a": "b"})) == []


# --- what we send: the caller's own fields -------------------------------------------------------------


def test_the_callers_bytes_are_kept_but_for_the_model() -> None:
    given_input = b'[{"role":"user","content":[{"type":"input_text","text":"\\u00e9 \\/"}]}]'
    body = b'{"input": ' + given_input + b', "zeta": 1.50e1, "model": "auto", "user": null}'

    wire = FACE.encode_request(responses.FACE.decode_request(body), GPT)

    assert wire.body == b'{"input":' + given_input + b',"zeta":1.50e1,"model":"gpt-5.5"}'


def test_a_text_is_sent_as_it_is() -> None:
    assert sent(asked(input='is "id" null?'))["input"] == 'is "id" null?'


TURN = [
    {"type": "message", "role": "user", "content": "What time is it?", "id": None},
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": None,
        "encrypted_content": "gAAAAAB1",
        "status": None,
    },
    {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "router:eyJ9"},
    {"type": "reasoning", "id": "rs_3", "summary": []},
    {"type": "function_call", "id": "fc_1", "call_id": "c" * 65, "name": "now", "arguments": "", "namespace": None},
    {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "sql", "input": "SELECT 1"},
    {"type": "function_call_output", "call_id": "c" * 65, "output": "noon"},
    {"type": "custom_tool_call_output", "call_id": "call_2", "output": "1"},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "phase": "final_answer",
        "content": [{"type": "output_text", "text": "Noon", "annotations": [], "logprobs": None}],
    },
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": None}},
    {"type": "item_reference", "id": "msg_0"},
]
TURN_AS_SENT = [
    {"type": "message", "role": "user", "content": "What time is it?"},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAAB1"},
    {"type": "function_call", "call_id": "call_b30855e510446ac34706c5acafeedefd", "name": "now", "arguments": "{}"},
    {"type": "custom_tool_call", "call_id": "call_2", "name": "sql", "input": "SELECT 1"},
    {"type": "function_call_output", "call_id": "call_b30855e510446ac34706c5acafeedefd", "output": "noon"},
    {"type": "custom_tool_call_output", "call_id": "call_2", "output": "1"},
    {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "phase": "final_answer",
        "content": [{"type": "output_text", "text": "Noon", "annotations": []}],
    },
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": None}},
    {"type": "item_reference", "id": "msg_0"},
]


def raw(**fields: Any) -> ChatRequest:
    """A request in this wire format, whatever our server face thinks of it."""
    return replace(ASKED, wire="responses", raw=json.dumps({"model": "auto", **fields}).encode())


def test_items_that_others_answered_with_go_without_what_openai_never_gave() -> None:
    assert sent(raw(input=TURN))["input"] == TURN_AS_SENT


@pytest.mark.parametrize("holder", [{"held_by": "openai"}, {"bound_to": "openai"}])
def test_an_answer_that_the_provider_keeps_is_continued_there(holder: dict[str, str]) -> None:
    request = replace(
        raw(input="And now?", previous_response_id="resp_1"), previous="resp_1", history=tuple(TURN), **holder
    )

    document = sent(request)

    assert (document["previous_response_id"], document["input"]) == ("resp_1", "And now?")


@pytest.mark.parametrize(
    ("given_input", "own"),
    [
        ("And now?", [{"type": "message", "role": "user", "content": "And now?"}]),
        ([{"role": "user", "content": "And now?", "id": "msg_9"}], [{"role": "user", "content": "And now?"}]),
        ([], []),
    ],
)
def test_an_answer_that_the_provider_does_not_keep_goes_with_the_request(given_input: Any, own: list[Any]) -> None:
    request = replace(raw(input=given_input, previous_response_id="resp_1"), previous="resp_1", history=tuple(TURN))

    document = sent(request)

    assert "previous_response_id" not in document
    assert document["input"] == [*TURN_AS_SENT, *own]


def test_reasoning_that_another_provider_of_this_api_sealed_is_dropped() -> None:
    request = replace(raw(previous_response_id="resp_1"), previous="resp_1", history=tuple(TURN), held_by="elsewhere")

    assert sent(request)["input"] == [item for item in TURN_AS_SENT if item["type"] != "reasoning"]


def test_what_goes_with_thinking_is_not_asked_of_a_model_that_does_not() -> None:
    include = ["reasoning.encrypted_content", "message.input_image.image_url"]
    request = raw(input="Hi", reasoning={"summary": "auto"}, include=include)

    document = sent(request, PLAIN)

    assert "reasoning" not in document and document["include"] == include[1:]
    assert "include" not in sent(raw(input="Hi", include=include[:1]), PLAIN)
    assert sent(request)["include"] == include


def test_the_models_effort_joins_what_the_caller_says_of_reasoning() -> None:
    document = sent(raw(input="Hi", reasoning={"summary": "auto"}), replace(GPT, effort="high"))

    assert document["reasoning"] == {"summary": "auto", "effort": "high"}


# --- schemas -------------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CLOSED = {**SCHEMA, "additionalProperties": False}
TOLD = (
    "Answer with JSON that fits this JSON Schema and nothing else: no words around it, no code fence.\n"
    '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'
)


@pytest.mark.parametrize("as_raw", [True, False])
def test_a_strict_schema_is_closed_where_the_caller_left_it_open(as_raw: bool) -> None:
    request = asked(
        tools=[
            {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
            {"type": "custom", "name": "c"},
        ],
        text={"format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}, "verbosity": "low"},
    )

    document = sent(request if as_raw else replace(request, raw=b""))

    assert document["tools"][0]["parameters"] == CLOSED
    assert document["text"] == {
        "format": {"type": "json_schema", "name": "a", "schema": CLOSED, "strict": True},
        "verbosity": "low",
    }


@pytest.mark.parametrize("as_raw", [True, False])
def test_a_schema_is_told_where_the_model_cant_be_held_to_it(as_raw: bool) -> None:
    text = {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}, "verbosity": "low"}
    request = asked(text=text)

    document = sent(request if as_raw else replace(request, raw=b""), replace(GPT, json_schema=False))

    assert document["text"] == {"verbosity": "low"}
    assert document["instructions"] == TOLD


def test_a_schema_is_told_behind_the_callers_instructions() -> None:
    text = {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}
    request = asked(text=text, instructions="Be brief")

    assert sent(request, replace(GPT, json_schema=False))["instructions"] == f"Be brief\n\n{TOLD}"


# --- what the strict local server says -----------------------------------------------------------------

LONG_ID = "call_" + "s" * 1_579  # as LiteLLM makes them of Gemini's signatures
HISTORY = (
    Message("system", (Text("Be brief", cache="5m"), Text("Really"))),
    Message("user", (Text("Look"), Image(PICTURE), File(url="https://x.test/a.pdf"))),
    Message(
        "assistant",
        (Reasoning("thoughts", Seal("c2ln", "messages")), Text("")),
        (
            ToolCall(LONG_ID, "get_weather", "{}"),
            ToolCall("c2", "sql", "SELECT 1", "custom"),
            ToolCall("c3", "now", ""),
        ),
    ),
    Message("tool", (Image(PICTURE),), tool_call_id=LONG_ID),
    Message("tool", (Text("1"),), tool_call_id="c2"),
    Message("tool", (), tool_call_id="c3", failed=True),
    Message("assistant", (Text("Well"), Refusal("I can't"))),
    Message("assistant", (Reasoning("alone"),)),
    Message("developer", (Text("Go on"),)),
    HELLO,
)
BRIDGED = ChatRequest("auto", HISTORY, (WEATHER, SQL, NOW), effort="high", wire="messages", raw=b"{}")


def posted(request: ChatRequest, model: Model = GPT, memory: Memory | None = None) -> bytes:
    """The answer of the simulated provider, which refuses what OpenAI refuses."""
    assert refused(request, model) == []
    wire = FACE.encode_request(request, model)
    call = Call(f"/v1{wire.path}", "", dict(wire.headers), wire.body, nonce="0" * 32, at=1_795_500_000)
    reply = answer(call, memory)
    assert reply.status == 200, reply.chunks[0]
    return b"".join(reply.chunks)


@pytest.mark.parametrize(
    "request_",
    [
        BRIDGED,
        replace(BRIDGED, tool_choice=ToolChoice("named", "sql"), parallel_tool_calls=False, show_reasoning=True),
        replace(
            BRIDGED, tool_choice=ToolChoice("required"), temperature=0.5, top_p=0.5, user="u", seed=7, max_tokens=1
        ),
        replace(BRIDGED, effort="none", logprobs=2, temperature=0.5),
        replace(BRIDGED, stream=True, others={"service_tier": "flex", "store": True, "top_k": 3, "verbosity": "low"}),
        replace(
            BRIDGED,
            response_format=ResponseFormat("json_schema", "a", "An n", SCHEMA, strict=True),
            tools=(replace(WEATHER, parameters=SCHEMA, strict=True), replace(NOW, strict=True)),
        ),
        replace(BRIDGED, response_format=ResponseFormat("json_object"), messages=(Message("user", (Text("json"),)),)),
    ],
)
def test_openai_takes_what_is_built(request_: ChatRequest) -> None:
    posted(request_)


def test_openai_takes_a_chat_with_tools_and_effort_and_its_own_reasoning_back() -> None:
    tools = [{"type": "function", "function": {"name": "now"}}]
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Call now"}]

    def chatted() -> ChatRequest:
        body = {"model": "auto", "messages": turns, "tools": tools, "reasoning_effort": "low"}
        return chat.FACE.decode_request(json.dumps(body).encode())

    first = FACE.decode_response(posted(chatted()), chatted(), no_id)
    (call,), (thought,) = first.tool_calls, first.thoughts
    turns += [
        {"role": "assistant", "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}]},
        {"role": "tool", "tool_call_id": call.id, "content": "noon"},
    ]  # fmt: skip
    again = chatted()
    sealed = replace(again.messages[1], parts=(thought,))  # as the sessions remember it
    again = replace(again, messages=(again.messages[0], sealed, again.messages[2]))
    second = FACE.decode_response(posted(again), again, no_id)

    assert (first.finish_reason, call.name, call.arguments) == ("tool_calls", "now", "{}")
    assert thought.seal is not None and (thought.seal.wire, thought.seal.model) == ("responses", "gpt-5.5-2026-04-23")
    assert second.finish_reason == "stop" and "noon" in (second.text or "")


def test_openai_takes_its_own_items_back_and_those_of_others() -> None:
    include = ["reasoning.encrypted_content"]
    first = json.loads(posted(asked(input="Hi", include=include, reasoning={"effort": "low"}, store=False)))
    foreign = [
        {"type": "reasoning", "id": "rs_ours", "summary": [], "encrypted_content": "router:eyJ9"},
        {"type": "message", "id": "msg_ours", "role": "assistant", "content": "Hello", "status": "completed"},
    ]
    items = [{"role": "user", "content": "Hi"}, *first["output"], *foreign, {"role": "user", "content": "More"}]

    posted(raw(input=items, include=include, store=False))


def test_openai_continues_what_it_keeps() -> None:
    memory = Memory()
    first = json.loads(posted(asked(input="Hi"), memory=memory))
    request = raw(input="More", previous_response_id=first["id"])

    posted(replace(request, previous=first["id"], held_by="openai"), memory=memory)


# --- the faces meet ------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
FOLDED_TURNS = st.one_of(
    st.builds(lambda text: [Message("user", (Text(text),))], TEXTS),
    st.builds(lambda url: [Message("user", (Image("https://x.test/a.png", url),))], st.sampled_from(["low", "auto"])),
    st.builds(lambda text: [Message("developer", (Text(text),))], TEXTS),
    st.builds(
        lambda texts, custom: [
            Message("user", (Text("Go"),)),
            Message(
                "assistant",
                (Reasoning(texts[0], Seal("gAAAAAB1", "responses")), Text(texts[0])),
                tuple(ToolCall(f"c{n}", "f", f"[{n}]{text}", custom) for n, text in enumerate(texts)),
            ),
            *(Message("tool", (Text(text),), tool_call_id=f"c{n}") for n, text in enumerate(texts)),
        ],
        st.lists(TEXTS, min_size=1, max_size=3),
        st.sampled_from(["function", "custom"]),
    ),
)


@given(st.lists(FOLDED_TURNS, min_size=1, max_size=4), st.booleans(), st.sampled_from([None, "low", "high"]))
def test_the_faces_meet(turns: list[list[Message]], parallel: bool, effort: Any) -> None:
    request = ChatRequest(
        "auto",
        tuple(itertools.chain.from_iterable(turns)),
        (replace(WEATHER, strict=False), replace(SQL)),
        ToolChoice("named", "sql"),
        parallel_tool_calls=parallel,
        response_format=ResponseFormat("json_schema", "a", None, {"type": "object"}, strict=False),
        max_tokens=50,
        effort=effort,
        user="u",
        stream=parallel,
        show_reasoning=True,
        others={"verbosity": "low", "service_tier": "flex"},
    )

    met = responses.FACE.decode_request(FACE.encode_request(request, GPT).body)

    others = {**request.others, "store": False}
    assert replace(met, raw=b"") == replace(request, model="gpt-5.5", wire="responses", others=others)


# --- what a provider answers: transcripts --------------------------------------------------------------


def seal(cipher: str) -> Seal:
    return Seal(cipher, "responses", "gpt-5.5-2026-04-23")


EXPECTED = {
    "text": ChatResponse(
        "resp_Text1",
        "gpt-5.5-2026-04-23",
        "Grüße\u2028aus dem\u0085Süden\u2029🎈!",
        "stop",
        thoughts=(Reasoning("**Plan** first\n\nThen answer.", seal("gAAAAABcipher1")),),
        usage=Usage(2048, 90, cached_tokens=1920, reasoning_tokens=64, service_tier="default"),
    ),
    "tools": ChatResponse(
        "resp_Tools1",
        "gpt-5.5-2026-04-23",
        "Let me look.",
        "tool_calls",
        (
            ToolCall("call_Oslo", "get_weather", '{"city":"Oslo"}'),
            ToolCall("call_Sql", "sql", 'SELECT "a"\nFROM t', "custom"),
            ToolCall("call_Now", "now", "{}"),
        ),
        thoughts=(Reasoning("", seal("gAAAAABcipher2")),),
        usage=Usage(310, 120, cache_write_tokens=256, reasoning_tokens=80, service_tier="priority"),
    ),
    "refusal": ChatResponse(
        "resp_Ref1",
        "gpt-5.5-2026-04-23",
        None,
        "stop",
        refusal="I can't help with that.",
        usage=Usage(81, 11, service_tier="default"),
    ),
    "length": ChatResponse(
        "resp_Len1",
        "gpt-5.5-2026-04-23",
        "Once upon",
        "length",
        usage=Usage(12, 64, reasoning_tokens=60, service_tier="default"),
    ),
    "filtered": ChatResponse(
        "resp_Fil1",
        "gpt-5.5-2026-04-23",
        "Take two",
        "content_filter",
        usage=Usage(20, 3, service_tier="default"),
    ),
    "hosted": ChatResponse(
        "resp_Hos1", "gpt-5.5-2026-04-23", "Sunny, they say.", "stop", usage=Usage(900, 40, service_tier="default")
    ),
    "logprobs": ChatResponse(
        "resp_Log1",
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
            {"token": ".", "logprob": -0.01, "bytes": [46], "top_logprobs": []},
        ),
        usage=Usage(9, 2, service_tier="default"),
    ),
    "careless": ChatResponse(
        "resp-9",
        "local",
        "Looking.",
        "tool_calls",
        (ToolCall("a", "get_weather", '{"city":"Oslo"}'),),
        thoughts=(Reasoning("Oslo is cold."),),
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


def parsed(blocks: Iterable[bytes]) -> list[Event]:
    parser = EventParser()
    return [event for block in blocks for event in parser.feed(block)]


def new_decoder() -> StreamDecoder:
    return FACE.stream_decoder(ASKED, no_id)


def decode(data: bytes) -> tuple[list[Delta], bool]:
    """What a stream says, and whether it is complete."""
    decoder = new_decoder()
    deltas = [delta for event in parsed([data]) for delta in decoder.feed(event)]
    return deltas, decoder.complete


@pytest.mark.parametrize("name", EXPECTED)
def test_a_whole_answer_is_read(name: str) -> None:
    assert FACE.decode_response(bytes(whole(name).body), ASKED, no_id) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stream_folds_to_the_whole_answer_wherever_it_is_cut(name: str) -> None:
    data = stream(name)
    deltas, complete = decode(data)

    assert complete and fold(deltas) == EXPECTED[name]
    events = parsed([data])
    assert parsed(bytes([byte]) for byte in data) == events
    for at in range(len(data) + 1):
        assert parsed((data[:at], data[at:])) == events


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stream_cut_before_its_end_is_never_complete(name: str) -> None:
    events = parsed([stream(name)])
    last = next(number for number, event in enumerate(events) if b'"response.completed"' in event.data
                or b'"response.incomplete"' in event.data)  # fmt: skip
    decoder = new_decoder()
    for event in events[:last]:
        decoder.feed(event)
        assert not decoder.complete


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stream_starts_once_and_finishes_once(name: str) -> None:
    kinds = [type(delta) for delta in decode(stream(name))[0]]

    assert (kinds[0], kinds[-1]) == (Started, Finished)
    assert (kinds.count(Started), kinds.count(Finished)) == (1, 1)


def test_the_deltas_of_a_stream_come_in_its_order() -> None:
    deltas, _ = decode(stream("tools"))

    assert deltas == [
        Started("resp_Tools1", "gpt-5.5-2026-04-23"),
        ReasoningEnded(seal("gAAAAABcipher2")),
        TextDelta("Let me "),
        TextDelta("look."),
        ToolCallStarted(0, "call_Oslo", "get_weather"),
        ToolCallDelta(0, '{"ci'),
        ToolCallDelta(0, 'ty":"Oslo"}'),
        ToolCallStarted(1, "call_Sql", "sql", "custom"),
        ToolCallDelta(1, 'SELECT "a"'),
        ToolCallDelta(1, "\nFROM t"),
        ToolCallStarted(2, "call_Now", "now"),
        ToolCallDelta(2, "{}"),
        UsageReported(Usage(310, 120, cache_write_tokens=256, reasoning_tokens=80, service_tier="priority")),
        Finished("tool_calls"),
    ]


def test_the_parts_of_a_summary_are_told_apart() -> None:
    deltas, _ = decode(stream("text"))

    assert [delta for delta in deltas if isinstance(delta, ReasoningDelta | ReasoningEnded)] == [
        ReasoningDelta("**Plan**"),
        ReasoningDelta(" first"),
        ReasoningDelta("\n\nThen answer."),
        ReasoningEnded(seal("gAAAAABcipher1")),
    ]


@pytest.mark.parametrize("name", ["text", "tools", "length", "filtered"])
def test_what_our_own_server_face_says_is_read_as_the_same_answer(name: str) -> None:
    expected = replace(EXPECTED[name], id="resp_r1", model="gpt-5.5")
    request = asked(include=["reasoning.encrypted_content"], stream=True)
    frame = Frame(request, "gpt-5.5", 1, "r1")
    encoder = responses.FACE.stream_encoder(frame)
    written = b"".join([*(encoder.feed(delta) for delta in decode(stream(name))[0]), encoder.finish({})])

    for again in (
        fold(decode(written)[0]),
        FACE.decode_response(responses.FACE.encode_response(EXPECTED[name], frame, {}), ASKED, no_id),
    ):
        assert replace(again, thoughts=()) == replace(expected, thoughts=())
        assert [(thought.text, thought.seal and thought.seal.value) for thought in again.thoughts] == [
            (thought.text, thought.seal and thought.seal.value) for thought in expected.thoughts
        ]


# --- careless servers ----------------------------------------------------------------------------------


def folded(*events: dict[str, Any]) -> ChatResponse:
    decoder = FACE.stream_decoder(ASKED, lambda: "made_1")
    end = {"type": "response.completed", "response": {"status": "completed"}}
    return fold(delta for event in (*events, end) for delta in decoder.feed(Event(json.dumps(event).encode())))


def test_an_item_that_came_whole_at_its_end_is_read() -> None:
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Plan"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Hi"}, {"type": "refusal", "refusal": "No"}]},
        {"type": "function_call", "name": "now"},
    ]
    events = [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(items)]

    answer_ = folded(*events)

    assert (answer_.reasoning, answer_.text, answer_.refusal) == ("Plan", "Hi", "No")
    assert answer_.tool_calls == (ToolCall("made_1", "now", "{}"),)
    assert answer_.id == ""


def test_items_are_told_apart_by_id_where_they_are_not_counted() -> None:
    events = [
        {
            "type": "response.output_item.added",
            "item": {"id": name, "type": "function_call", "call_id": name, "name": "f"},
        }
        for name in ("a", "b")
    ]
    said = [
        {"type": "response.function_call_arguments.delta", "item_id": name, "delta": f'["{name}"]'}
        for name in ("b", "a")
    ]

    assert [(c.id, c.arguments) for c in folded(*events, *said).tool_calls] == [("a", '["a"]'), ("b", '["b"]')]


def test_events_that_we_do_not_know_say_nothing() -> None:
    decoder = new_decoder()

    assert decoder.feed(Event(b'{"type":"keepalive","sequence_number":1}')) == []
    assert decoder.feed(Event(b"[DONE]")) == ()
    assert decoder.feed(Event(b'{"response":{"id":"r","model":"m"}}', "response.queued")) == [Started("r", "m")]
    assert decoder.feed(Event(b'{"type":"response.shell_call_command.delta","delta":"x"}')) == []
    assert not decoder.complete


def test_nothing_is_read_behind_the_end() -> None:
    decoder = new_decoder()
    for event in parsed([stream("refusal")]):
        decoder.feed(event)

    assert decoder.feed(Event(b'{"type":"response.output_text.delta","delta":"more"}')) == ()


def test_log_probabilities_without_bytes_have_none() -> None:
    token = {"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "b", "logprob": -2.0}]}
    event = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}

    assert folded({**event, "logprobs": [token]}).logprobs == (
        {
            "token": "a",
            "logprob": -1.0,
            "bytes": None,
            "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": None}],
        },
    )


# --- what is no answer ---------------------------------------------------------------------------------


def test_a_stream_that_stops_after_some_text_is_not_complete() -> None:
    deltas, complete = decode(stream("truncated"))

    assert not complete and TextDelta("Half an") in deltas and not any(isinstance(d, Finished) for d in deltas)


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("failed", "server", "upstream_error"),
        ("error_flat", "rate_limited", "rate_limit_exceeded"),
        ("error_nested", "context_length", "context_length_exceeded"),
    ],
)
def test_an_error_in_mid_stream_is_raised(name: str, kind: str, code: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        decode(stream(name))
    assert (caught.value.kind, caught.value.code) == (kind, code)


def test_a_response_that_failed_is_an_error() -> None:
    with pytest.raises(UpstreamError) as caught:
        FACE.decode_response(bytes(whole("failed").body), ASKED, no_id)
    assert (caught.value.kind, caught.value.message) == (
        "server",
        "An error occurred while processing your request.",
    )


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ({"status": "failed", "error": {"code": "invalid_prompt", "message": "no"}}, "refused"),
        ({"status": "failed"}, "server"),
        ({"status": "cancelled"}, "server"),
        ({"status": "in_progress"}, "protocol"),
        ({"status": "queued"}, "protocol"),
    ],
)
def test_what_has_no_answer_is_never_complete(response: dict[str, Any], kind: str) -> None:
    body = json.dumps({"id": "resp_1", "model": "m", "output": [], **response}).encode()

    with pytest.raises(UpstreamError) as caught:
        FACE.decode_response(body, ASKED, no_id)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("why", "expected"),
    [("max_output_tokens", "length"), ("max_messages", "length"), ("steered", "stop"), (None, "length")],
)
def test_the_reason_of_an_incomplete_answer_is_read_in_our_words(why: str | None, expected: str) -> None:
    response = {"id": "r", "model": "m", "output": [], "status": "incomplete", "incomplete_details": {"reason": why}}

    assert FACE.decode_response(json.dumps(response).encode(), ASKED, no_id).finish_reason == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"output":{}}', b'{"choices":[{"message":{}}]}'])
def test_what_is_no_response_is_a_broken_protocol(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        FACE.decode_response(body, ASKED, lambda: "id")
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"type":"response.function_call_arguments.delta","output_index":7,"delta":"{}"}',
    ],
)
def test_what_is_no_event_is_a_broken_protocol(data: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        FACE.stream_decoder(ASKED, lambda: "id").feed(Event(data))
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize(
    ("name", "kind", "code", "param"),
    [
        ("400_too_long", "context_length", "context_length_exceeded", "input"),
        ("400_previous", "refused", "previous_response_not_found", "previous_response_id"),
        ("404_item", "refused", "upstream_refused", "input"),
    ],
)
def test_an_error_is_told_by_its_status_and_code(name: str, kind: str, code: str, param: str) -> None:
    transcript = whole(f"error_{name}")

    error = FACE.decode_error(transcript.status, {"retry-after": "2"}, bytes(transcript.body))

    assert (error.kind, error.status, error.code, error.param) == (kind, 400, code, param)
    assert error.retry_after_s == 2.0


def test_an_id_that_a_later_turn_uses_again_is_of_the_kind_of_its_own_turn() -> None:
    request = ChatRequest(
        "auto",
        (
            HELLO,
            Message("assistant", (), (ToolCall("call_1", "sql", "select 1", "custom"),)),
            Message("tool", (Text("1"),), tool_call_id="call_1"),
            Message("assistant", (), (ToolCall("call_1", "now", "{}"),)),
            Message("tool", (Text("noon"),), tool_call_id="call_1"),
        ),
    )

    assert [item["type"] for item in sent(request)["input"]] == [
        "message",
        "custom_tool_call",
        "custom_tool_call_output",
        "function_call",
        "function_call_output",
    ]


@pytest.mark.parametrize(("role", "told"), [("system", False), ("user", False), ("assistant", True)])
def test_any_json_is_asked_for_with_the_word_that_openai_wants_in_what_is_put_in(role: Any, told: bool) -> None:
    request = ChatRequest(
        "auto", (Message(role, (Text("As JSON?"),)), HELLO), response_format=ResponseFormat("json_object")
    )

    hint = {"type": "message", "role": "developer", "content": "Answer with a JSON object."}
    assert (sent(request)["input"][0] == hint) is told


def test_a_strict_function_that_is_not_allowed_is_closed_like_the_others() -> None:
    parameters = {"type": "object", "properties": {}}
    now = {"type": "function", "name": "now", "parameters": parameters, "strict": True}
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "sql"}]}

    body = sent(asked(tools=[{"type": "custom", "name": "sql"}, now], tool_choice=allowed))

    assert body["tools"][1]["parameters"] == {**parameters, "additionalProperties": False}
    assert body["tool_choice"] == allowed
