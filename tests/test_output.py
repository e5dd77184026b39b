"""Whether an answer has the form that was asked for."""

import json
from dataclasses import replace
from typing import Any

import pytest

from router.output import problem
from router.types import ChatResponse, FinishReason, ResponseFormat, ToolCall

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


def answer(text: str | None, reason: FinishReason = "stop", **fields: Any) -> ChatResponse:
    return ChatResponse("id", "model", text, reason, **fields)


def schema(schema: Any) -> ResponseFormat:
    return ResponseFormat("json_schema", "person", schema=schema)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": "Ann", "age": 3}', None),
        (' {"name": "Ann"}\n', None),
        ('{"age": 3}', "its root breaks required"),
        ('{"name": "Ann", "age": -1}', "age breaks minimum"),
        ('{"name": 5}', "name breaks type"),
        ("Here you are: {}", "not the JSON"),
        ("", "not the JSON"),
        (None, "not the JSON"),
        ("[" * 100_000, "not the JSON"),
    ],
)
def test_a_complete_answer_fits_its_schema_or_says_where_not(text: str | None, said: str | None) -> None:
    found = problem(schema(PERSON), answer(text))

    assert found is None if said is None else found is not None and said in found


def test_the_text_of_an_answer_is_not_in_the_message() -> None:
    found = problem(schema(PERSON), answer('{"name": ["secret"]}'))

    assert found is not None and "secret" not in found


def test_a_json_object_is_one() -> None:
    format_ = ResponseFormat("json_object")

    assert problem(format_, answer("{}")) is None
    assert "JSON object" in (problem(format_, answer("[1]")) or "")
    assert "not the JSON" in (problem(format_, answer("Sure!")) or "")


@pytest.mark.parametrize(
    "response",
    [
        answer('{"na', "length"),
        answer(None, "content_filter"),
        answer("no", refusal="I can't"),
        answer(None, "tool_calls", tool_calls=(ToolCall("a", "f", "{}"),)),
    ],
)
def test_an_answer_that_says_itself_that_it_is_none_passes(response: ChatResponse) -> None:
    assert problem(schema(PERSON), response) is None


def test_each_of_several_answers_fits() -> None:
    good, bad = answer('{"name": "Ann"}'), answer('{"name": 5}')

    assert problem(schema(PERSON), replace(good, alternatives=(good,))) is None
    assert "name breaks type" in (problem(schema(PERSON), replace(good, alternatives=(good, bad))) or "")


def test_plain_text_is_not_looked_at() -> None:
    assert problem(ResponseFormat(), answer("hello")) is None


@pytest.mark.parametrize("bad", [{"type": "objekt"}, {"$ref": "#/$defs/none"}, {"$ref": "http://127.0.0.1:1/person"}])
def test_a_schema_that_is_none_checks_nothing_but_json_and_fetches_nothing(bad: Any) -> None:
    assert problem(schema(bad), answer("{}")) is None
    assert problem(schema(bad), answer("x")) is not None


def test_definitions_and_numbers_beyond_64_bits_are_read() -> None:
    recursive = {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}, "type": "object"}}, "$ref": "#/$defs/n"}

    assert problem(schema(recursive), answer('{"next": {"next": {}}}')) is None
    assert problem(schema({"type": "integer"}), answer(json.dumps(10**30))) is None


def test_one_of_is_read_as_any_of_as_providers_do() -> None:
    schema_ = {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"oneOf": {}}}

    assert problem(schema(schema_), answer('{"a": 1, "b": 2, "oneOf": 3}')) is None
    assert "breaks anyOf" in (problem(schema(schema_), answer("{}")) or "")


def test_a_format_is_a_note_and_no_rule() -> None:
    assert problem(schema({"type": "string", "format": "date"}), answer('"tomorrow"')) is None
