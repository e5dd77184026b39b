"""Embeddings: what a caller may ask, what each provider is asked, and the vectors on their way back."""

import base64
import json
import struct
from typing import Any

import pytest

from router.catalog import Model, Provider
from router.embeddings import FACES, EmbeddingRequest, Embeddings, decode_request, encode_response
from router.errors import BadRequest, UpstreamError
from router.types import Usage

OPENAI = Model("small", Provider("openai", "openai", "https://openai.test/v1", "sk-1"), "text-embedding-3-small")
GEMINI = Model("gemini-e", Provider("gemini", "gemini", "https://gemini.test", "g-1"), "gemini-embedding-001")
PACKED = base64.b64encode(struct.pack("<2f", 0.5, -0.25)).decode()


def asked(**fields: Any) -> EmbeddingRequest:
    return decode_request(json.dumps({"model": "small", **fields}).encode())


@pytest.mark.parametrize(
    ("value", "inputs"),
    [
        ("one", ("one",)),
        (["one", "two"], ("one", "two")),
        ([5, 6], ((5, 6),)),
        ([[5, 6], [7]], ((5, 6), (7,))),
    ],
)
def test_every_form_of_input_is_read(value: Any, inputs: Any) -> None:
    assert asked(input=value).inputs == inputs


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input[0]"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", [1, "b"]]}, "input[1]"),
        ({"input": [True]}, "input[0]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "model": None}, "model"),
    ],
)
def test_what_openai_would_refuse_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        asked(**fields)
    assert caught.value.param == param


def test_openai_is_asked_for_base64_and_gets_the_callers_fields() -> None:
    request = asked(input=["a", [1, 2]], dimensions=2, user="u", new_field=1)

    wire = FACES["openai"].encode_request(request, OPENAI)

    assert wire.path == "/embeddings"
    assert ("authorization", "Bearer sk-1") in wire.headers
    assert json.loads(wire.body) == {
        "model": "text-embedding-3-small",
        "input": ["a", [1, 2]],
        "encoding_format": "base64",
        "dimensions": 2,
        "user": "u",
        "new_field": 1,
    }


def test_gemini_is_asked_for_a_batch() -> None:
    wire = FACES["gemini"].encode_request(asked(input=["a", "b"], dimensions=2, user="u"), GEMINI)

    assert wire.path == "/models/gemini-embedding-001:batchEmbedContents"
    assert ("x-goog-api-key", "g-1") in wire.headers
    assert json.loads(wire.body) == {
        "requests": [
            {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2}
            for text in "ab"
        ]
    }


@pytest.mark.parametrize(("fields", "param"), [({"input": [1, 2]}, "input"), ({"input": "a", "extra": 1}, "extra")])
def test_what_gemini_can_t_be_asked_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        FACES["gemini"].encode_request(asked(**fields), GEMINI)
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")


@pytest.mark.parametrize("embedding", [PACKED, [0.5, -0.25]])
def test_openais_vectors_are_read_in_both_forms_and_in_the_order_of_their_index(embedding: Any) -> None:
    other = base64.b64encode(struct.pack("<2f", 1.0, 0.0)).decode()
    body = {
        "data": [{"index": 1, "embedding": other}, {"index": 0, "embedding": embedding}],
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }

    answer = FACES["openai"].decode_response(json.dumps(body).encode(), 2)

    assert [list(vector) for vector in answer.vectors] == [[0.5, -0.25], [1.0, 0.0]]
    assert answer.usage == Usage(9)


def test_geminis_vectors_come_without_usage() -> None:
    answer = FACES["gemini"].decode_response(b'{"embeddings": [{"values": [0.5, -0.25]}]}', 1)

    assert answer == Embeddings([[0.5, -0.25]], None)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai", b"<html>"),
        ("openai", b'{"data": []}'),
        ("openai", b'{"data": [{"embedding": "!"}]}'),
        ("openai", b'{"data": [{"embedding": "AAA="}]}'),
        ("gemini", b"{}"),
        ("gemini", b'{"embeddings": [{"values": [1]}, {"values": [2]}]}'),
    ],
)
def test_an_answer_that_is_none_is_the_providers_fault(dialect: str, body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        FACES[dialect].decode_response(body, 1)
    assert caught.value.kind == "protocol"


def test_a_caller_gets_floats_or_base64_as_it_asked() -> None:
    answer = Embeddings([(0.5, -0.25)], Usage(9))

    plain = json.loads(encode_response(answer, asked(input="a"), "small"))
    packed = json.loads(encode_response(answer, asked(input="a", encoding_format="base64"), "small"))

    assert plain == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
        "model": "small",
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }
    assert packed["data"][0]["embedding"] == PACKED


def test_usage_is_estimated_where_the_provider_says_nothing() -> None:
    document = json.loads(encode_response(Embeddings([[1.0]]), asked(input="x" * 40), "gemini-e"))

    assert document["usage"] == {"prompt_tokens": 11, "total_tokens": 11}
