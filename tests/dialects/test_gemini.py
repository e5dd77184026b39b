"""Gemini's client face: request mapping with bodies written by hand, and golden transcripts cut at every byte."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from router import simulated
from router.catalog import Model, Provider
from router.dialects.gemini import FACE
from router.errors import BadRequest, UpstreamError
from router.sse import Event, EventParser
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
    Wire,
    fold,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "gemini"
PROVIDER = Provider("gemini", "gemini", "https://example.test/v1beta", api_key="k-1")
MODEL = Model(
    "gemini-3.1-pro",
    PROVIDER,
    "gemini-3.1-pro-preview",
    max_output_tokens=65_536,
    images=True,
    audio=True,
    files=True,
    efforts=("low", "medium", "high"),
    thinking="level",
)
DUMMY = "skip_thought_signature_validator"


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def called(*calls: ToolCall, text: str = "") -> Message:
    return Message("assistant", (Text(text),) if text else (), calls)


def result(call_id: str, text: str) -> Message:
    return Message("tool", (Text(text),), tool_call_id=call_id)


def asked(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest("auto", messages or (user("Hi"),), **fields)


def body(request: ChatRequest, model: Model = MODEL) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FACE.encode_request(request, model).body)
    return document


def contents(*messages: Message) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = body(asked(*messages))["contents"]
    return turns


def ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"made-{next(numbers)}"


HI = [{"role": "user", "parts": [{"text": "Hi"}]}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "The weather of a city", CITY)
TIME = Tool("get_time")
CALL_A, CALL_B = ToolCall("a", "get_weather", '{"city": "Bern"}'), ToolCall("b", "get_time", "{}")

# --- request: envelope


def test_a_whole_answer_is_asked_of_generate_content_with_the_key_in_a_header() -> None:
    wire = FACE.encode_request(asked(), MODEL)
    assert wire.path == "/models/gemini-3.1-pro-preview:generateContent"
    assert dict(wire.headers) == {"content-type": "application/json", "x-goog-api-key": "k-1"}
    assert json.loads(wire.body) == {"contents": HI}


def test_a_stream_is_asked_for_as_server_sent_events() -> None:
    wire = FACE.encode_request(asked(stream=True, include_usage=True), MODEL)
    assert wire.path == "/models/gemini-3.1-pro-preview:streamGenerateContent?alt=sse"
    assert json.loads(wire.body) == {"contents": HI}


def test_no_key_header_is_sent_to_a_provider_without_a_key() -> None:
    wire = FACE.encode_request(asked(), replace(MODEL, provider=replace(PROVIDER, api_key=None)))
    assert [name for name, _ in wire.headers] == ["content-type"]


# --- request: turns


def test_leading_instructions_become_the_system_instruction_in_order() -> None:
    request = asked(Message("system", (Text("Be brief."),)), Message("developer", (Text("In German."),)), user("Hi"))
    assert body(request) == {
        "contents": HI,
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "In German."}]},
    }


def test_a_system_message_in_mid_conversation_rides_in_the_next_user_turn() -> None:
    note = Message("system", (Text("Now in French."),))
    assert contents(user("Hi"), note, called(text="Hello"), user("Again")) == [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "Hello"}]},
        {"role": "user", "parts": [{"text": "<system>\nNow in French.\n</system>"}, {"text": "Again"}]},
    ]


def test_a_system_message_after_the_last_user_turn_is_a_user_turn_of_its_own() -> None:
    assert contents(user("Hi"), Message("developer", (Text("In French."),)))[1:] == [
        {"role": "user", "parts": [{"text": "<system>\nIn French.\n</system>"}]}
    ]


def test_instructions_alone_are_sent_as_the_user_turn_that_the_api_wants() -> None:
    assert body(asked(Message("system", (Text("Tell a joke."),)))) == {
        "contents": [{"role": "user", "parts": [{"text": "Tell a joke."}]}]
    }


def test_empty_texts_give_no_parts_and_no_turns() -> None:
    empty = Message("user", (Text(""),))
    assert contents(empty, called(text=""), Message("user", (Text(""), Text("Hi")))) == HI
    with pytest.raises(BadRequest) as caught:
        contents(empty)
    assert caught.value.param == "messages"


def test_neighbouring_model_turns_become_one_because_a_call_follows_a_user_turn() -> None:
    turns = contents(user("Hi"), called(text="A moment."), called(CALL_B), result("b", "noon"), user("Thanks"))
    assert turns[1] == {
        "role": "model",
        "parts": [{"text": "A moment."}, {"functionCall": {"name": "get_time", "args": {}, "id": "b"}}],
    }


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Image("data:image/png;base64,AAAA", "high"), {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        (Image("data:image/jpg;base64,AAAA"), {"inlineData": {"mimeType": "image/jpeg", "data": "AAAA"}}),
        (
            Image("https://example.test/a/cat.JPG?size=1.5"),
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.test/a/cat.JPG?size=1.5"}},
        ),
        (Audio("UklG", "wav"), {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}}),
        (Audio("SUQz", "mp3"), {"inlineData": {"mimeType": "audio/mp3", "data": "SUQz"}}),
        (
            File("data:application/pdf;base64,JVBE", filename="a.pdf"),
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
        ),
        (
            File("data:text/csv;base64,YSxi", filename="a.csv"),
            {"inlineData": {"mimeType": "text/csv", "data": "YSxi"}},
        ),
        (
            File(url="https://example.test/a.pdf#page=2"),
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.test/a.pdf#page=2"}},
        ),
        (Refusal("I can't."), {"text": "I can't."}),
    ],
)
def test_each_kind_of_part_has_its_form(part: Any, expected: dict[str, Any]) -> None:
    request = asked(Message("user", (Text("Look:"), part)))
    assert list(FACE.obstacles(request, MODEL)) == []
    assert body(request)["contents"][0]["parts"] == [{"text": "Look:"}, expected]


def test_a_data_url_without_base64_is_the_callers_mistake() -> None:
    with pytest.raises(BadRequest) as caught:
        contents(Message("user", (Text("Look:"), Image("data:image/png,rawbytes"))))
    assert caught.value.param == "messages[0].content[1]"


# --- request: tool turns


def test_calls_and_results_become_one_model_turn_and_one_user_turn_in_the_order_of_the_calls() -> None:
    turns = contents(
        user("Weather?"), called(CALL_A, CALL_B, text="Looking."), result("b", "noon"), result("a", '{"c": 7}')
    )
    assert turns[1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "Looking."},
                {
                    "functionCall": {"name": "get_weather", "args": {"city": "Bern"}, "id": "a"},
                    "thoughtSignature": DUMMY,
                },
                {"functionCall": {"name": "get_time", "args": {}, "id": "b"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "get_weather", "id": "a", "response": {"c": 7}}},
                {"functionResponse": {"name": "get_time", "id": "b", "response": {"result": "noon"}}},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ('{"ok": true}', {"ok": True}),
        ("plain words", {"result": "plain words"}),
        ("", {"result": ""}),
        ("[1, 2]", {"result": "[1, 2]"}),
        ("12345678901234567890", {"result": "12345678901234567890"}),
        ("null", {"result": "null"}),
        ("{broken", {"result": "{broken"}),
        ("[" * 100_000, {"result": "[" * 100_000}),
    ],
)
def test_a_result_that_is_no_json_object_goes_as_text(text: str, response: dict[str, Any]) -> None:
    turns = contents(user("?"), called(CALL_B), result("b", text))
    assert turns[2]["parts"][0]["functionResponse"]["response"] == response


def test_bug_3_a_call_without_arguments_has_an_empty_object() -> None:
    turns = contents(user("?"), called(ToolCall("b", "get_time", "")), result("b", "noon"))
    assert turns[1]["parts"][0]["functionCall"]["args"] == {}


@pytest.mark.parametrize("arguments", ["{", "[1]", "3", '{"a":' * 100_000])
def test_arguments_that_are_no_json_object_are_the_callers_mistake(arguments: str) -> None:
    with pytest.raises(BadRequest) as caught:
        contents(user("?"), called(CALL_B, ToolCall("x", "f", arguments)), result("b", ""), result("x", ""))
    assert caught.value.param == "messages[1].tool_calls[1].function.arguments"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([user("?"), called(CALL_A, CALL_B), result("a", "1")], "messages[1].tool_calls[1]"),
        ([user("?"), called(CALL_A), user("later"), result("a", "1")], "messages[1].tool_calls[0]"),
        ([user("?"), called(CALL_A), result("a", "1"), result("z", "2")], "messages[3].tool_call_id"),
        ([user("?"), called(CALL_A), result("a", "1"), result("a", "2")], "messages[3].tool_call_id"),
        ([user("?"), result("a", "1")], "messages[1].tool_call_id"),
        ([result("a", "1")], "messages[0].tool_call_id"),
    ],
)
def test_bug_17_every_call_is_answered_exactly_once_right_after_it(messages: list[Message], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        contents(*messages)
    assert caught.value.param == param


def test_bug_4_each_step_of_the_current_turn_has_a_signature_on_its_first_call_whoever_made_it() -> None:
    old, first, second, third = (ToolCall(name, "get_time", "{}") for name in "opqr")
    turns = contents(
        user("1"), called(old), result("o", "x"), called(text="It is x."), user("2"),
        called(first, second), result("p", "y"), result("q", "y"), called(third), result("r", "z"),
    )  # fmt: skip
    signed = [
        part["functionCall"]["id"] for turn in turns for part in turn["parts"] if part.get("thoughtSignature") == DUMMY
    ]
    assert signed == ["p", "r"]


def sealed(call_id: str, value: str, wire: Wire = "gemini", model: str = "gemini-3.1-pro-preview") -> ToolCall:
    return ToolCall(call_id, "get_time", "{}", seal=Seal(value, wire, model))


def signatures(*messages: Message) -> dict[str, str | None]:
    parts = [part for turn in contents(*messages) for part in turn["parts"] if "functionCall" in part]
    return {part["functionCall"]["id"]: part.get("thoughtSignature") for part in parts}


def test_bug_4_a_signature_of_this_model_goes_back_on_its_call_in_this_turn_and_in_older_ones() -> None:
    assert signatures(
        user("1"), called(sealed("a", "c2VhbA==")), result("a", "x"), called(text="It is x."), user("2"),
        called(sealed("b", "dHdv", model=""), sealed("c", "dGhyZWU="), ToolCall("d", "get_time", "{}")),
        result("b", ""), result("c", ""), result("d", ""),
    ) == {"a": "c2VhbA==", "b": "dHdv", "c": "dGhyZWU=", "d": None}  # fmt: skip


def test_bug_4_a_seal_of_another_model_or_provider_stays_at_home() -> None:
    assert signatures(
        user("1"), called(sealed("a", "b2xk", "messages", "claude-opus-4-7")), result("a", "x"), called(text="x"),
        user("2"), called(sealed("b", "Zm9y", model="gemini-4-argon"), sealed("c", "ZWln", "responses", "gpt-5.5")),
        result("b", ""), result("c", ""),
    ) == {"a": None, "b": DUMMY, "c": None}  # fmt: skip


def test_bug_4_a_picture_beside_a_result_begins_no_new_turn() -> None:
    picture = Message("tool", (Image("https://example.test/a.png"),), tool_call_id="a")
    steps = (called(sealed("a", "b25l")), picture, called(ToolCall("b", "get_time", "{}")), result("b", ""))
    assert signatures(user("1"), called(ToolCall("z", "get_time", "{}")), result("z", ""), *steps) == {
        "z": DUMMY,
        "a": "b25l",
        "b": DUMMY,
    }


def test_reasoning_of_any_model_stays_out_of_the_turns() -> None:
    thought = Reasoning("Hm.", Seal("c2VhbA==", "messages", "claude-opus-4-7"))
    assert contents(user("Hi"), Message("assistant", (thought, Text("Hello"))), user("Again"))[1] == {
        "role": "model",
        "parts": [{"text": "Hello"}],
    }


def test_media_of_a_result_go_into_it_where_they_fit_and_beside_it_where_not() -> None:
    shot = Message(
        "tool",
        (
            Text("Two of them"),
            Image("data:image/png;base64,AAAA"),
            Image("https://example.test/b.png"),
            File("data:application/pdf;base64,JVBE"),
            Audio("UklG", "wav"),
        ),
        tool_call_id="a",
    )
    turns = contents(user("?"), called(CALL_A, CALL_B), shot, result("b", "noon"))
    assert turns[2]["parts"] == [
        {
            "functionResponse": {
                "name": "get_weather",
                "id": "a",
                "response": {"result": "Two of them"},
                "parts": [
                    {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                    {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
                ],
            }
        },
        {"functionResponse": {"name": "get_time", "id": "b", "response": {"result": "noon"}}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://example.test/b.png"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
    ]


def test_a_result_that_tells_of_an_error_says_so() -> None:
    failed = Message("tool", (Text('{"no": "such city"}'),), tool_call_id="a", failed=True)
    turns = contents(user("?"), called(CALL_A), failed)
    assert turns[2]["parts"][0]["functionResponse"]["response"] == {"error": '{"no": "such city"}'}


def test_a_custom_tool_is_a_function_with_one_text_and_so_are_its_calls() -> None:
    call = ToolCall("a", "run", 'print("hi")', "custom")
    request = asked(user("?"), called(call), result("a", "hi"), tools=(Tool("run", "Runs Python", kind="custom"),))
    assert list(FACE.obstacles(request, MODEL)) == []
    sent = body(request)
    assert sent["tools"][0]["functionDeclarations"] == [
        {
            "name": "run",
            "description": "Runs Python",
            "parametersJsonSchema": {
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
                "additionalProperties": False,
            },
        }
    ]
    assert sent["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": 'print("hi")'}


def test_bug_19_a_result_with_a_ref_goes_as_text() -> None:
    text = '{"schema": {"$ref": "#/$defs/City"}}'
    turns = contents(user("?"), called(CALL_B), result("b", text))
    assert turns[2]["parts"][0]["functionResponse"]["response"] == {"result": text}


def test_bug_12_half_a_surrogate_pair_in_a_text_is_the_callers_mistake() -> None:
    with pytest.raises(BadRequest, match="surrogate"):
        contents(user("\ud83d"))


def test_a_schema_nested_beyond_reason_is_the_callers_mistake() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"items": schema}
    with pytest.raises(BadRequest, match="nested too deeply"):
        body(asked(tools=(Tool("f", None, schema),)))


# --- request: tools, formats, settings


def test_tools_are_function_declarations_with_json_schema_and_none_where_there_are_no_parameters() -> None:
    assert body(asked(tools=(WEATHER, TIME, Tool("f", "", {})))) == {
        "contents": HI,
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "get_weather", "description": "The weather of a city", "parametersJsonSchema": CITY},
                    {"name": "get_time"},
                    {"name": "f"},
                ]
            }
        ],
    }


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("named", "get_time"), {"mode": "ANY", "allowedFunctionNames": ["get_time"]}),
    ],
)
def test_each_tool_choice_has_its_mode(choice: ToolChoice, config: dict[str, Any]) -> None:
    assert body(asked(tools=(TIME,), tool_choice=choice))["toolConfig"] == {"functionCallingConfig": config}


def test_bug_28_a_tool_choice_without_tools_sends_neither() -> None:
    request = asked(tool_choice=ToolChoice("auto"), parallel_tool_calls=False)
    assert list(FACE.obstacles(request, MODEL)) == []
    assert body(request) == {"contents": HI}


def test_bug_18_schemas_keep_what_the_api_reads_and_say_the_rest_in_words_that_it_reads() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {"Kind": {"type": "object", "properties": {"tag": {"const": "k"}}, "required": ["tag"]}},
        "type": ["object", "null"],
        "properties": {
            "kind": {"$ref": "#/$defs/Kind", "description": "Which kind"},
            "plain": {"$ref": "#/$defs/Kind"},
            "old": {"allOf": [{"$ref": "#/$defs/Kind"}], "default": {"const": "k"}},
            "maybe": {"anyOf": [{"type": "object", "properties": {"deep": {"const": 7}}}, {"type": "null"}]},
            "const": {"type": "array", "items": {"const": None}, "prefixItems": [{"const": True}]},
        },
    }
    expected = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {"Kind": {"type": "object", "properties": {"tag": {"enum": ["k"]}}, "required": ["tag"]}},
        "type": ["object", "null"],
        "properties": {
            "kind": {"anyOf": [{"$ref": "#/$defs/Kind"}], "description": "Which kind"},
            "plain": {"$ref": "#/$defs/Kind"},
            "old": {"anyOf": [{"$ref": "#/$defs/Kind"}], "default": {"const": "k"}},
            "maybe": {"anyOf": [{"type": "object", "properties": {"deep": {"enum": [7]}}}, {"type": "null"}]},
            "const": {"type": "array", "items": {"type": "null"}, "prefixItems": [{"type": "boolean"}]},
        },
    }
    request = asked(tools=(Tool("f", None, schema),), response_format=ResponseFormat("json_schema", "s", schema=schema))
    assert list(FACE.obstacles(request, MODEL)) == []
    sent = body(request)
    assert sent["generationConfig"]["responseJsonSchema"] == expected
    # the arguments of a call are an object, whatever the schema says or leaves out
    parameters = sent["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]
    assert parameters == {**expected, "type": "object"}


def test_bug_18_definitions_of_older_drafts_go_under_their_new_name() -> None:
    schema = {"$ref": "#/definitions/Box", "definitions": {"Box": {"type": "object", "properties": {}}}}
    assert body(asked(response_format=ResponseFormat("json_schema", "s", schema=schema)))["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"$ref": "#/$defs/Box", "$defs": {"Box": {"type": "object", "properties": {}}}},
    }


NODE: dict[str, Any] = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}}}


@pytest.mark.parametrize(
    ("schema", "refused"),
    [
        ({"$ref": "#/$defs/N", "$defs": {"N": NODE}}, False),
        ({"$ref": "#/$defs/N", "$defs": {"N": {**NODE, "required": ["next"]}}}, True),
        ({"type": "object", "properties": {"all": {"type": "array", "items": {"$ref": "#"}}}}, False),
        (
            {"type": "object", "properties": {"all": {"type": "array", "items": {"$ref": "#"}}}, "required": ["all"]},
            True,
        ),
        ({"type": "object", "additionalProperties": {"$ref": "#"}}, True),
        ({"$ref": "#/definitions/a~1b%25", "definitions": {"a/b%": {"$ref": "#/definitions/a~1b%25"}}}, True),
        ({"anyOf": [{"items": {"$ref": "#/anyOf/0"}}, {"$ref": "#/anyOf/9"}]}, True),
        ({"properties": {"a": {"$ref": "elsewhere.json"}}, "required": ["a", "b", 3]}, False),
        ({"allOf": [{"type": "object"}, {"required": ["a"]}]}, True),
        ({"properties": {"allOf": {"type": "string"}, "$ref": {"type": "string"}}, "required": "no list"}, False),
    ],
)
def test_a_schema_that_the_api_cant_read_is_an_obstacle(schema: dict[str, Any], refused: bool) -> None:
    tools = (Tool("f", None, schema, strict=True),)
    request = asked(tools=tools, response_format=ResponseFormat("json_schema", "s", schema=schema))
    named = [text.partition(":")[0] for text in FACE.obstacles(request, MODEL)]
    assert named == (["response_format", "tools[0].function.parameters"] if refused else [])


def test_what_a_tool_that_is_not_strict_says_beyond_the_api_becomes_words() -> None:
    schema = {"type": "object", "description": "d", "allOf": [{"required": ["a"]}, {"required": ["b"]}]}
    request = asked(tools=(Tool("f", None, schema),))

    assert list(FACE.obstacles(request, MODEL)) == []
    declared = body(request)["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]
    assert declared == {"type": "object", "description": 'd\n\n{allOf: [{"required":["a"]},{"required":["b"]}]}'}


def test_a_model_that_cant_be_held_to_a_schema_is_told_it_to_the_letter() -> None:
    schema = {"$defs": {"N": {**NODE, "required": ["next"]}}, "$ref": "#/$defs/N", "title": "A chain"}
    request = asked(
        Message("system", (Text("Be brief."),)),
        user("Hi"),
        response_format=ResponseFormat("json_schema", "chain", "a chain", schema, True),
    )
    model = replace(MODEL, json_schema=False)
    assert list(FACE.obstacles(request, model)) == []
    sent = body(request, model)
    assert sent["generationConfig"] == {"responseMimeType": "application/json"}
    first, told = sent["systemInstruction"]["parts"]
    assert first == {"text": "Be brief."}
    lead, _, exact = told["text"].partition("\n")
    assert "JSON Schema" in lead
    assert "(a chain)" in lead
    assert json.loads(exact) == schema


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "topP": 0.5}),
        ({"max_tokens": 100}, {"maxOutputTokens": 100}),
        ({"max_tokens": 1_000_000}, {"maxOutputTokens": 65_536}),
        ({"stop": ("a", "b")}, {"stopSequences": ["a", "b"]}),
        ({"seed": 0}, {"seed": 0}),
        ({"n": 8}, {"candidateCount": 8}),
        ({"logprobs": 0}, {"responseLogprobs": True}),
        ({"logprobs": 20}, {"responseLogprobs": True, "logprobs": 20}),
        ({"others": {"top_k": 40}}, {"topK": 40}),
        ({"show_reasoning": True}, {"thinkingConfig": {"includeThoughts": True}}),
        (
            {"others": {"presence_penalty": 0.5, "frequency_penalty": -1}},
            {"presencePenalty": 0.5, "frequencyPenalty": -1},
        ),
        ({"response_format": ResponseFormat("json_object")}, {"responseMimeType": "application/json"}),
        (
            {"response_format": ResponseFormat("json_schema", "c", "A city", CITY, True)},
            {"responseMimeType": "application/json", "responseJsonSchema": {"description": "A city", **CITY}},
        ),
        ({"effort": "none"}, {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}),
        ({"effort": "minimal"}, {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}),
        ({"effort": "medium"}, {"thinkingConfig": {"thinkingLevel": "MEDIUM", "includeThoughts": True}}),
        ({"effort": "max"}, {"thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": True}}),
    ],
)
def test_each_setting_has_its_place_in_generation_config(fields: dict[str, Any], config: dict[str, Any]) -> None:
    request = asked(**fields)
    assert list(FACE.obstacles(request, MODEL)) == []
    assert body(request) == {"contents": HI, "generationConfig": config}


def test_a_variants_own_effort_counts_where_the_caller_has_none() -> None:
    variant = replace(MODEL, effort="high", efforts=("minimal", "low", "high"))
    assert body(asked(), variant)["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "HIGH"
    assert body(asked(effort="none"), variant)["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "MINIMAL"
    assert body(asked(effort="medium"), variant)["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "LOW"


BUDGETED = replace(MODEL, id="gemini-2.5-pro", thinking="budget", efforts=("low", "medium", "high"))


@pytest.mark.parametrize(
    ("effort", "off", "config"),
    [
        ("none", "disabled", {"thinkingBudget": 0}),
        ("none", "never", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("low", "never", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("medium", "disabled", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("max", "disabled", {"thinkingBudget": 24_576, "includeThoughts": True}),
    ],
)
def test_an_older_model_thinks_by_a_budget(effort: Any, off: Any, config: dict[str, Any]) -> None:
    request, model = asked(effort=effort), replace(BUDGETED, thinking_off=off)
    assert list(FACE.obstacles(request, model)) == []
    assert body(request, model)["generationConfig"] == {"thinkingConfig": config}


def test_a_model_without_thoughts_is_not_asked_to_show_them() -> None:
    assert body(asked(show_reasoning=True), replace(MODEL, thinking="none", efforts=())) == {"contents": HI}


def test_a_model_without_sampling_gets_no_sampling_fields() -> None:
    request = asked(temperature=0.0, top_p=0.5, seed=3, others={"presence_penalty": 1})
    assert body(request, replace(MODEL, sampling=False))["generationConfig"] == {"seed": 3}


@pytest.mark.parametrize(
    ("tier", "sent"), [("auto", None), ("standard_only", None), ("flex", "flex"), ("priority", "priority")]
)
def test_service_tiers_that_both_know_are_passed_on(tier: str, sent: str | None) -> None:
    request = asked(others={"service_tier": tier})
    assert list(FACE.obstacles(request, MODEL)) == []
    assert body(request).get("serviceTier") == sent


def test_advisory_fields_and_fields_that_ask_for_nothing_are_no_obstacle_and_are_not_sent() -> None:
    others = {
        "store": True, "metadata": {"a": "b"}, "safety_identifier": "u", "prompt_cache_key": "k", "verbosity": "low",
        "logit_bias": {}, "cache_control": {"type": "ephemeral"}, "modalities": ["text"], "presence_penalty": 0,
    }  # fmt: skip
    request = asked(user="u-1", others=others)
    assert list(FACE.obstacles(request, MODEL)) == []
    assert body(request) == {"contents": HI}


def test_a_caller_that_takes_one_call_at_a_time_gets_the_first() -> None:
    parts = [{"functionCall": {"name": "get_time", "args": {}, "id": id_}} for id_ in ("a", "b")]
    answer = {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}
    request = asked(tools=(TIME,), parallel_tool_calls=False)

    response = FACE.decode_response(json.dumps(answer).encode(), request, ids())

    assert [call.id for call in response.tool_calls] == ["a"] and response.finish_reason == "tool_calls"
    assert list(FACE.obstacles(request, MODEL)) == []


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (asked(n=9), "n"),
        (asked(stop=tuple("abcdef")), "stop"),
        (asked(seed=1 << 31), "seed"),
        (asked(tools=(Tool("1st"),)), "tools[0].function.name"),
        (asked(user("?"), called(ToolCall("a", "-x", "{}")), result("a", "")), "messages[1].tool_calls"),
        (asked(Message("user", (Image("data:image/gif;base64,R0lG"),))), "messages[0]"),
        (asked(Message("user", (Image("https://example.test/a.gif"),))), "messages[0]"),
        (asked(Message("user", (Image("https://example.test/image"),))), "messages[0]"),
        (asked(Message("user", (Image("https://x.png/image"),))), "messages[0]"),
        (asked(Message("user", (Audio("AA", "flv"),))), "messages[0]"),
        (asked(Message("user", (File(file_id="file-1"),))), "messages[0]"),
        (asked(Message("user", (File(url="https://example.test/a.zip"),))), "messages[0]"),
        (asked(Message("user", (File("data:application/zip;base64,UEs"),))), "messages[0]"),
        (asked(Message("user", (File("JVBERi0x", filename="a.pdf"),))), "messages[0]"),
        (asked(others={"logit_bias": {"5": 1}}), "logit_bias"),
        (asked(others={"top_k": 0}), "top_k"),
        (
            asked(tools=(Tool("f", kind="custom", grammar={"syntax": "lark", "definition": "x"}),)),
            "tools[0].custom.format",
        ),
        (asked(Message("developer", (Text("Like this:"), Image("data:image/png;base64,AA")))), "messages[0]"),
        (asked(others={"presence_penalty": "1"}), "presence_penalty"),
        (asked(others={"modalities": ["text", "audio"]}), "modalities"),
        (asked(others={"service_tier": "scale"}), "service_tier"),
        (asked(others={"service_tier": ["flex"]}), "service_tier"),
        (asked(others={"functions": [{"name": "f"}]}), "functions"),
        (asked(others={"function_call": "auto"}), "function_call"),
        (asked(others={"web_search_options": {}}), "web_search_options"),
        (asked(others={"something_new": 1}), "something_new"),
    ],
)
def test_what_this_dialect_cant_say_is_an_obstacle_that_names_the_field(request_: ChatRequest, named: str) -> None:
    assert [text.partition(":")[0] for text in FACE.obstacles(request_, MODEL)] == [named]


@pytest.mark.parametrize(
    ("quirk", "request_", "named"),
    [
        ({"stop": False}, asked(stop=("a",)), "stop"),
        ({"forced_tool_choice": False}, asked(tools=(TIME,), tool_choice=ToolChoice("required")), "tool_choice"),
        ({"thinking": "none", "efforts": ()}, asked(effort="high"), "reasoning_effort"),
        ({"choices": False}, asked(n=2), "n"),
        ({"logprobs": False}, asked(logprobs=0), "logprobs"),
    ],
)
def test_a_quirk_of_the_model_is_an_obstacle(quirk: dict[str, Any], request_: ChatRequest, named: str) -> None:
    assert [text.partition(":")[0] for text in FACE.obstacles(request_, replace(MODEL, **quirk))] == [named]
    assert list(FACE.obstacles(request_, MODEL)) == []


# --- answers

ASKED = asked()
SEAL = Seal("EjQKMgEMOdbHO0Gd9uG1tYw3Tp7m8u2q0cPz5Kd1hLrXn4sVbYt6fJaWkZoQeRiUxI0=", "gemini")
REQUESTS = {"candidates": asked(n=2), "logprobs": asked(logprobs=2)}
TRANSCRIPTS = {
    "text": ChatResponse(
        "sVklaZ3tBoKG",
        "gemini-3.1-pro-preview",
        "First line\u2028second\u0085 line \U0001f600 and the end\x0b.",
        "stop",
        thoughts=(Reasoning("**Weighing it**\n\nThe reader wants two lines."),),
        usage=Usage(5000, 33, cached_tokens=4096, reasoning_tokens=21),
    ),
    "tools": ChatResponse(
        "sVklaZ3tBoKG",
        "gemini-3.1-pro-preview",
        "I look both up.",
        "tool_calls",
        (
            ToolCall("wq7c2b1k", "get_weather", '{"city":"Zürich","days":3,"exact":1.5}', seal=SEAL),
            ToolCall("p0x9d4em", "get_time", "{}"),
        ),
        usage=Usage(120, 97, reasoning_tokens=64),
    ),
    "no_ids": ChatResponse(
        "m1QkaYn2Lq",
        "gemini-2.5-flash",
        None,
        "tool_calls",
        (
            ToolCall("made-1", "roll_dice", '{"sides":6}'),
            ToolCall("made-2", "roll_dice", '{"sides":6}'),
            ToolCall("made-3", "get_time", "{}"),
        ),
        usage=Usage(40, 14),
    ),
    "length": ChatResponse(
        "sVklaZ3tBoKG",
        "gemini-3.1-pro-preview",
        "Once upon a time",
        "length",
        usage=Usage(9, 65, reasoning_tokens=61),
    ),
    "blocked": ChatResponse("bL0ckedpR0", "gemini-3.1-pro-preview", None, "content_filter", usage=Usage(11)),
    "thought_call": ChatResponse(
        "th0ughtCa11",
        "gemini-3.1-pro-preview-11-2026",
        None,
        "tool_calls",
        (ToolCall("k3", "get_time", '{"zone":"UTC"}', seal=SEAL),),
        thoughts=(Reasoning("The clock is needed."),),
        usage=Usage(30, 29, reasoning_tokens=20),
    ),
    "candidates": ChatResponse(
        "cAnd1dates0",
        "gemini-3.1-pro-preview",
        "Red it is.",
        "stop",
        usage=Usage(8, 12, reasoning_tokens=4, service_tier="priority"),
        alternatives=(
            ChatResponse(
                "cAnd1dates0",
                "gemini-3.1-pro-preview",
                "Blue, or is",
                "length",
                thoughts=(Reasoning("Tastes differ."),),
            ),
        ),
    ),
    "logprobs": ChatResponse(
        "l0gpr0bs",
        "gemini-2.5-flash",
        "Zürich",
        "stop",
        logprobs=(
            {
                "token": "Zür",
                "logprob": -0.25,
                "bytes": [90, 195, 188, 114],
                "top_logprobs": [
                    {"token": "Zür", "logprob": -0.25, "bytes": [90, 195, 188, 114]},
                    {"token": "Bern", "logprob": -1.5, "bytes": [66, 101, 114, 110]},
                ],
            },
            {
                "token": "ich",
                "logprob": -0.125,
                "bytes": [105, 99, 104],
                "top_logprobs": [
                    {"token": "ich", "logprob": -0.125, "bytes": [105, 99, 104]},
                    {"token": "cher", "logprob": -2.5, "bytes": [99, 104, 101, 114]},
                ],
            },
            {"token": ".", "logprob": 0.0, "bytes": [46], "top_logprobs": []},
        ),
        usage=Usage(8, 3),
    ),
    "filtered": ChatResponse("sAfetyX1", "gemini-3.1-pro-preview", "To do that,", "content_filter", usage=Usage(15, 4)),
}


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def decoded(blocks: list[bytes], request: ChatRequest = ASKED) -> list[Delta]:
    """The deltas of a stream that came in these blocks, and what the decoder had left to say once they ended."""
    parser, decoder = EventParser(), FACE.stream_decoder(request, ids())
    deltas: list[Delta] = []
    for block in blocks:
        for event in parser.feed(block):
            deltas += decoder.feed(event)
    return [*deltas, *(decoder.close() if decoder.complete else ())]


def chunks(*documents: dict[str, Any], request: ChatRequest = ASKED) -> list[Delta]:
    decoder = FACE.stream_decoder(request, ids())
    deltas = [delta for document in documents for delta in decoder.feed(Event(json.dumps(document).encode()))]
    return [*deltas, *(decoder.close() if decoder.complete else ())]


def answered(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    return {"responseId": "r", "candidates": [{"content": {"parts": list(parts)}, **candidate}]}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_law_fold_a_stream_cut_at_every_byte_adds_up_to_the_whole_answer(name: str) -> None:
    request = REQUESTS.get(name, ASKED)
    stream, whole = golden(f"{name}.sse"), FACE.decode_response(golden(f"{name}.json"), request, ids())
    assert whole == TRANSCRIPTS[name]
    for cut in range(len(stream) + 1):
        assert fold(decoded([stream[:cut], stream[cut:]], request)) == whole
    assert fold(decoded([bytes([byte]) for byte in stream], request)) == whole


def test_bug_11_characters_that_other_readers_take_for_line_ends_stay_in_the_text() -> None:
    texts = [delta.text for delta in decoded([golden("text.sse")]) if isinstance(delta, TextDelta)]
    assert texts == ["First line\u2028", "second\u0085 line \U0001f600", " and the end\x0b."]


def test_usage_comes_before_the_end() -> None:
    deltas = decoded([golden("tools.sse")])
    assert deltas[-2:] == [UsageReported(Usage(120, 97, reasoning_tokens=64)), Finished("tool_calls")]


def test_bug_8_a_finish_on_every_chunk_and_usage_behind_the_last_cut_nothing_off() -> None:
    finished = answered({"text": "Hi"}, finishReason="STOP")
    assert chunks(finished, {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}}) == [
        Started("r", ""),
        TextDelta("Hi"),
        UsageReported(Usage(3, 1)),
        Finished("stop"),
    ]
    assert [delta for delta in chunks(finished, finished) if isinstance(delta, Finished)] == [Finished("stop")]


def test_tokens_of_tool_use_prompts_are_input_and_unknown_usage_is_not_zero() -> None:
    counted = {"usageMetadata": {"promptTokenCount": 3, "toolUsePromptTokenCount": 4}}
    assert chunks(counted)[1:] == [UsageReported(Usage(7, 0))]
    assert chunks({"usageMetadata": {}})[1:] == []


def test_thoughts_end_where_the_answer_begins() -> None:
    deltas = decoded([golden("thought_call.sse")])
    assert deltas == [
        Started("th0ughtCa11", "gemini-3.1-pro-preview-11-2026"),
        ReasoningDelta("The clock "),
        UsageReported(Usage(30, 12, reasoning_tokens=12)),
        ReasoningDelta("is needed."),
        UsageReported(Usage(30, 20, reasoning_tokens=20)),
        ReasoningEnded(),
        ToolCallStarted(0, "k3", "get_time", seal=SEAL),
        ToolCallDelta(0, '{"zone":"UTC"}'),
        UsageReported(Usage(30, 29, reasoning_tokens=20)),
        UsageReported(Usage(30, 29, reasoning_tokens=20)),
        Finished("tool_calls"),
    ]


def test_bug_5_the_id_of_a_call_is_the_providers_own_and_no_carrier_of_its_signature() -> None:
    started = [delta for delta in decoded([golden("tools.sse")]) if isinstance(delta, ToolCallStarted)]
    assert [(delta.id, delta.seal) for delta in started] == [("wq7c2b1k", SEAL), ("p0x9d4em", None)]


def test_candidates_are_told_apart_and_the_answer_is_complete_when_each_has_ended() -> None:
    parser, decoder = EventParser(), FACE.stream_decoder(asked(n=2), ids())
    events = parser.feed(golden("candidates.sse"))
    said = [(decoder.feed(event), decoder.complete) for event in events]
    assert [complete for _, complete in said] == [False, False, False, False, True]
    assert said[2][0][:-1] == [ChoiceSwitched(0), TextDelta(" it is.")]
    assert said[3][0][:-1] == [ChoiceSwitched(1), TextDelta("or is")]
    assert decoder.close() == [ChoiceSwitched(0), Finished("stop"), ChoiceSwitched(1), Finished("length")]


def test_log_probabilities_ride_on_the_text_and_unasked_ones_are_left_out() -> None:
    deltas = decoded([golden("logprobs.sse")], asked(logprobs=0))
    texts = [delta for delta in deltas if isinstance(delta, TextDelta)]
    assert [(delta.text, [token["token"] for token in delta.logprobs]) for delta in texts] == [
        ("Zür", ["Zür"]),
        ("ich", ["ich"]),
        ("", ["."]),
    ]
    assert all(token["top_logprobs"] == [] for delta in texts for token in delta.logprobs)
    assert fold(decoded([golden("logprobs.sse")])).logprobs == ()


def test_the_call_of_a_function_that_stands_for_a_custom_tool_is_one_of_it() -> None:
    request = asked(tools=(Tool("run", kind="custom"), TIME))
    call = answered({"functionCall": {"name": "run", "args": {"input": "1 + 1"}, "id": "x"}}, finishReason="STOP")
    made = ToolCall("x", "run", "1 + 1", "custom")
    assert FACE.decode_response(json.dumps(call).encode(), request, ids()).tool_calls == (made,)
    assert chunks(call, request=request)[1:3] == [ToolCallStarted(0, "x", "run", "custom"), ToolCallDelta(0, "1 + 1")]


def test_a_finish_reason_that_says_nothing_is_no_end() -> None:
    unsaid = answered({"text": "Hi"}, finishReason="FINISH_REASON_UNSPECIFIED")
    assert chunks(unsaid)[-1] == TextDelta("Hi")


def test_bug_8_stop_means_tool_calls_when_a_call_was_seen_in_an_earlier_chunk() -> None:
    call = answered({"functionCall": {"name": "f", "args": {"a": 1}, "id": "x"}})
    assert chunks(call)[-1] == ToolCallDelta(0, '{"a":1}')
    assert chunks(call, {"candidates": [{"finishReason": "STOP"}]})[-1] == Finished("tool_calls")


def test_a_call_told_twice_is_one_call_and_an_id_used_for_another_call_is_replaced() -> None:
    first = {"functionCall": {"name": "f", "args": {"a": 1}, "id": "x"}}
    other = {"functionCall": {"name": "f", "args": {"a": 2}, "id": "x"}}
    assert chunks(answered(first), answered(first, other))[1:] == [
        ToolCallStarted(0, "x", "f"),
        ToolCallDelta(0, '{"a":1}'),
        ToolCallStarted(1, "made-1", "f"),
        ToolCallDelta(1, '{"a":2}'),
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("PUP_LIMITED_DISABLED", "content_filter"),
        ("IMAGE_OTHER", "content_filter"),
        ("IMAGE_WATERMARK", "content_filter"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_each_finish_reason_has_its_word(said: str, reason: str) -> None:
    assert fold(chunks(answered({"text": "Hi"}, finishReason=said))).finish_reason == reason


def test_bug_7_a_malformed_call_is_an_error_and_never_a_stop() -> None:
    for read in (
        lambda: decoded([golden("malformed_call.sse")]),
        lambda: FACE.decode_response(golden("malformed_call.json"), ASKED, ids()),
    ):
        with pytest.raises(UpstreamError, match="MALFORMED_FUNCTION_CALL") as caught:
            read()
        assert (caught.value.kind, caught.value.retryable) == ("protocol", True)


@pytest.mark.parametrize(
    "said", ["MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "OTHER"]
)
def test_no_other_failed_end_passes_for_an_answer(said: str) -> None:
    with pytest.raises(UpstreamError, match=said):
        chunks(answered({"text": "Hi"}, finishReason=said))


def test_bug_9_an_error_in_mid_stream_is_raised_after_what_was_said() -> None:
    parser, decoder = EventParser(), FACE.stream_decoder(ASKED, ids())
    first, second = parser.feed(golden("error_mid_stream.sse"))
    assert TextDelta("Half of an") in decoder.feed(first)
    with pytest.raises(UpstreamError, match="overloaded") as caught:
        decoder.feed(second)
    assert (caught.value.kind, caught.value.upstream_status, decoder.complete) == ("overloaded", 503, False)


def test_bug_10_a_stream_without_a_finish_reason_is_not_complete() -> None:
    decoder = FACE.stream_decoder(ASKED, ids())
    deltas = [delta for event in EventParser().feed(golden("truncated.sse")) for delta in decoder.feed(event)]
    assert TextDelta(" answer") in deltas
    assert not decoder.complete
    with pytest.raises(ValueError, match="truncated"):
        fold(deltas)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"[]",
        b"3",
        b"\xff",
        b'{"candidates": "x"}',
        b'{"candidates": [{"content": {"parts": [{"functionCall": {}}]}}]}',
        b'{"candidates": [{"content": {"parts": [{"text": "\\ud83d"}]}}]}',
        b'{"candidates":' * 100_000,
    ],
)
def test_bug_12_what_is_not_this_dialect_is_a_protocol_error_and_no_crash(data: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        FACE.stream_decoder(ASKED, ids()).feed(Event(data))
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize("data", [b"{}", b'{"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}'])
def test_a_whole_answer_without_an_end_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(UpstreamError, match="no finishReason") as caught:
        FACE.decode_response(data, ASKED, ids())
    assert caught.value.kind == "protocol"


# --- errors


@pytest.mark.parametrize(
    ("status", "name", "kind", "retry_after_s"),
    [
        (429, "error_429.json", "rate_limited", 7.25),
        (429, "error_429_per_day.json", "quota", None),
        (400, "error_400_key.json", "credentials", None),
        (400, "error_400_too_long.json", "context_length", None),
    ],
)
def test_each_golden_error_has_its_kind(status: int, name: str, kind: str, retry_after_s: float | None) -> None:
    error = FACE.decode_error(status, {}, golden(name))
    assert (error.kind, error.upstream_status, error.retry_after_s) == (kind, status, retry_after_s)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "refused"),
        (401, "credentials"),
        (403, "credentials"),
        (404, "not_found"),
        (408, "server"),
        (409, "server"),
        (413, "too_large"),
        (429, "rate_limited"),
        (499, "server"),
        (500, "server"),
        (503, "overloaded"),
        (504, "server"),
    ],
)
def test_each_status_has_its_kind_even_with_a_body_of_html(status: int, kind: str) -> None:
    assert FACE.decode_error(status, {}, b"<html>Sorry</html>").kind == kind


@pytest.mark.parametrize(
    ("message", "field", "param"),
    [
        ("* GenerateContentRequest.contents[0].parts: contents.parts must not be empty.", None, "messages"),
        ("Invalid value at 'generation_config.temperature' (TYPE_FLOAT)", "generation_config", "temperature"),
        ("Unknown name \"x\" at 'tools[0].function_declarations[0].parameters': Cannot find field.", None, "tools"),
        ("Bad", "generation_config.thinking_config.thinking_level", "reasoning_effort"),
        ("temperature must be in the range [0.0, 2.0].", None, "temperature"),
        ("Please ensure that function call turn comes immediately after a user turn.", 5, None),
    ],
)
def test_a_refusal_names_the_field_as_the_caller_knows_it(message: str, field: object, param: str | None) -> None:
    details = [{"fieldViolations": [{"field": field}]}, {"fieldViolations": 7}]
    document = {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details}}

    assert FACE.decode_error(400, {}, json.dumps(document).encode()).param == param


def test_the_providers_own_message_is_kept_but_not_about_our_key() -> None:
    refused = FACE.decode_error(400, {}, b'{"error": {"code": 400, "message": "Invalid value at contents"}}')
    assert refused.message == "Invalid value at contents"
    key = FACE.decode_error(400, {}, golden("error_400_key.json"))
    assert key.message == "the provider refused our credentials"


# --- against the simulated provider, which refuses what Google refuses


def asked_of_simulated(request: ChatRequest, model: Model = MODEL) -> tuple[int, bytes]:
    assert list(FACE.obstacles(request, model)) == []
    wire = FACE.encode_request(request, model)
    path, _, query = f"/v1beta{wire.path}".partition("?")
    reply = simulated.answer(simulated.Call(path, query, dict(wire.headers), wire.body, "0123456789abcdef" * 2, 0))
    return reply.status, b"".join(reply.chunks)


def answer_of_simulated(request: ChatRequest) -> ChatResponse:
    """Asked for whole and streamed, which comes to the same."""
    status, said = asked_of_simulated(request)
    assert status == 200, said
    whole = FACE.decode_response(said, request, ids())
    status, said = asked_of_simulated(replace(request, stream=True))
    assert status == 200, said
    assert fold(decoded([said], request)) == whole
    return whole


@pytest.mark.parametrize(
    "request_",
    [
        asked(Message("system", (Text("Be brief."),)), user("Hi"), temperature=0.0, top_p=0.5, seed=3, stop=("x",)),
        asked(user("Hi"), Message("system", (Text("Now in French."),)), max_tokens=1_000_000, effort="none"),
        asked(effort="max", others={"service_tier": "flex", "top_k": 3, "presence_penalty": 0.5}),
        asked(show_reasoning=True, logprobs=0),
        asked(logprobs=5),
        asked(response_format=ResponseFormat("json_object")),
        asked(
            response_format=ResponseFormat("json_schema", "s", "A city", {"$ref": "#/$defs/C", "$defs": {"C": CITY}})
        ),
        asked(tools=(WEATHER, TIME, Tool("f", None, {"properties": {}})), tool_choice=ToolChoice("none")),
        asked(tools=(WEATHER, Tool("run", kind="custom")), tool_choice=ToolChoice("named", "run")),
        asked(Message("user", (Text("Look:"), Image("data:image/png;base64,AAAA"), Audio("AAAA", "mp3")))),
        asked(Message("user", (File("data:text/plain;base64,AAAA"), File(url="https://example.test/a.pdf")))),
        asked(
            user("?"),
            called(CALL_A, CALL_B),
            Message("tool", (Image("data:image/png;base64,AAAA"),), tool_call_id="a"),
            result("b", '{"$ref": "#"}'),
            tools=(WEATHER, TIME),
        ),
    ],
)
def test_a_strict_server_takes_what_we_send(request_: ChatRequest) -> None:
    answer_of_simulated(request_)


def test_bug_4_a_tool_loop_of_several_steps_and_turns_gives_each_signature_back() -> None:
    messages: list[Message] = []
    for question in ("What is the weather in Oslo?", "And in Rome?"):
        messages.append(user(question))
        for _ in range(2):
            choice = ToolChoice("required")
            made = answer_of_simulated(asked(*messages, tools=(WEATHER,), tool_choice=choice)).tool_calls
            assert made[0].seal is not None
            known = [replace(call, seal=call.seal and replace(call.seal, model=MODEL.id)) for call in made]
            messages += [called(*known), *(result(call.id, "12 degrees") for call in made)]
        messages.append(called(text=answer_of_simulated(asked(*messages, tools=(WEATHER,))).text or ""))
    assert DUMMY.encode() not in FACE.encode_request(asked(*messages, user("Thanks")), MODEL).body


def test_bug_4_history_of_another_provider_is_made_valid() -> None:
    foreign = ToolCall("toolu_01", "get_weather", "{}", seal=Seal("RXVy", "messages", "claude-opus-4-7"))
    request = asked(user("?"), called(foreign), result("toolu_01", "12 degrees"), tools=(WEATHER,))
    answer_of_simulated(request)
    kept = replace(foreign, seal=Seal("RXVy", "gemini", MODEL.id))
    broken = asked(user("?"), called(kept), result("toolu_01", "12 degrees"), tools=(WEATHER,))
    assert asked_of_simulated(broken)[0] == 400


@pytest.mark.parametrize(
    "before",
    [(), (Message("user", (Text(""),)),), (Message("system", (Text("Be brief."),)), called(text="Hi"))],
    ids=["nothing", "an empty text", "an answer"],
)
def test_a_call_that_follows_no_words_of_the_user_is_ruled_out(before: tuple[Message, ...]) -> None:
    request = asked(*before, called(CALL_B), result("b", "noon"), user("And now?"))

    assert [text.partition(":")[0] for text in FACE.obstacles(request, MODEL)] == ["messages"]
    assert list(FACE.obstacles(asked(user("Hi"), *request.messages), MODEL)) == []


def test_half_a_surrogate_pair_in_what_was_called_and_returned_is_mended() -> None:
    call = ToolCall("a", "get_weather", '{"city": "\\ud83d"}')

    _, step, answer = contents(user("Hi"), called(call), result("a", '{"sky": "\\ude00"}'))

    assert step["parts"][0]["functionCall"]["args"] == {"city": "\ufffd"}
    assert answer["parts"][0]["functionResponse"]["response"] == {"sky": "\ufffd"}
