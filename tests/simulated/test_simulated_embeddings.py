"""The simulated embeddings of OpenAI and Gemini: unit vectors, and what is refused."""

import base64
import json
import math
import struct
from typing import Any

import pytest

from router.simulated import Call, answer

GEMINI = "gemini-embedding-001"


def post(path: str, body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"content-type": "application/json"}
    reply = answer(Call(path, "", headers, json.dumps(body).encode(), "0" * 32, 1764000000))
    return reply.status, json.loads(b"".join(reply.chunks))


def embed(model: str = "text-embedding-3-small", **fields: Any) -> dict[str, Any]:
    status, body = post("/v1/embeddings", {"model": model, **fields})
    assert status == 200, body
    return body


def content(text: str, **fields: Any) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}, **fields}


def gemini(body: Any, verb: str = "embedContent", model: str = GEMINI) -> tuple[int, dict[str, Any]]:
    return post(f"/v1beta/models/{model}:{verb}", body)


def length(vector: list[float]) -> float:
    return math.sqrt(sum(number * number for number in vector))


@pytest.mark.parametrize(("model", "size"), [("text-embedding-3-small", 1536), ("text-embedding-3-large", 3072)])
def test_a_vector_has_the_models_size_and_length_one(model: str, size: int) -> None:
    body = embed(model, input="Hello")
    (data,) = body["data"]
    assert (data["object"], data["index"], len(data["embedding"])) == ("embedding", 0, size)
    assert length(data["embedding"]) == pytest.approx(1)
    assert (body["object"], body["model"]) == ("list", model)
    assert body["usage"] == {"prompt_tokens": 1, "total_tokens": 1}


def test_the_same_text_has_the_same_vector_and_another_text_another() -> None:
    vectors = [data["embedding"] for data in embed(input=["a", "a", "b"])["data"]]
    assert vectors[0] == vectors[1] != vectors[2]


@pytest.mark.parametrize(("given", "count", "tokens"), [([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3), ("word " * 8, 1, 10)])
def test_tokens_may_come_as_numbers(given: Any, count: int, tokens: int) -> None:
    body = embed(input=given)
    assert [data["index"] for data in body["data"]] == list(range(count))
    assert body["usage"]["prompt_tokens"] == tokens


def test_base64_is_the_same_vector_in_little_endian_floats() -> None:
    plain, packed = (embed(input="a", encoding_format=form)["data"][0]["embedding"] for form in ("float", "base64"))
    assert struct.unpack("<1536f", base64.b64decode(packed)) == pytest.approx(plain, rel=1e-6)


def test_fewer_dimensions_are_the_first_ones_at_length_one() -> None:
    full, short = embed(input="a")["data"][0]["embedding"], embed(input="a", dimensions=8)["data"][0]["embedding"]
    assert len(short) == 8
    assert length(short) == pytest.approx(1)
    assert [number / short[0] for number in short] == pytest.approx([number / full[0] for number in full[:8]])


REFUSED = {
    "no input": ({}, "input", "missing_required_parameter"),
    "empty text": ({"input": ""}, "input", "invalid_value"),
    "empty text among others": ({"input": ["a", ""]}, "input", "invalid_value"),
    "empty list": ({"input": []}, "input", "empty_array"),
    "empty list of tokens": ({"input": [[]]}, "input", "invalid_value"),
    "too many": ({"input": ["a"] * 2049}, "input", "array_above_max_length"),
    "texts and tokens": ({"input": ["a", 1]}, "input", "invalid_type"),
    "an object": ({"input": {"text": "a"}}, "input", "invalid_type"),
    "too long": ({"input": [[1] * 8193]}, "input", "context_length_exceeded"),
    "more dimensions than there are": (
        {"input": "a", "dimensions": 1537},
        "dimensions",
        "integer_above_max_value",
    ),
    "no dimensions": ({"input": "a", "dimensions": 0}, "dimensions", "integer_below_min_value"),
    "unknown encoding": ({"input": "a", "encoding_format": "hex"}, "encoding_format", "invalid_value"),
    "unknown field": ({"input": "a", "task_type": "x"}, "task_type", "unknown_parameter"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_openai_refuses(case: str) -> None:
    fields, param, code = REFUSED[case]
    status, body = post("/v1/embeddings", {"model": "text-embedding-3-small", **fields})
    assert (status, body["error"]["param"], body["error"]["code"]) == (400, param, code)


@pytest.mark.parametrize("model", ["gpt-5.5", "gemini-embedding-001", "text-embedding-4"])
def test_openai_does_not_know_other_models(model: str) -> None:
    status, body = post("/v1/embeddings", {"model": model, "input": "a"})
    assert (status, body["error"]["code"]) == (404, "model_not_found")


def test_gemini_embeds_one_content() -> None:
    status, body = gemini(content("Hello", taskType="RETRIEVAL_QUERY"))
    assert status == 200
    assert len(body["embedding"]["values"]) == 3072
    assert length(body["embedding"]["values"]) == pytest.approx(1)


def test_gemini_embeds_a_batch_in_its_order() -> None:
    named = {"model": f"models/{GEMINI}", "outputDimensionality": 4}
    status, body = gemini({"requests": [content(text, **named) for text in "aab"]}, "batchEmbedContents")
    vectors = [embedding["values"] for embedding in body["embeddings"]]
    assert status == 200
    assert [len(vector) for vector in vectors] == [4, 4, 4]
    assert vectors[0] == vectors[1] != vectors[2]


GEMINI_REFUSES = {
    "no content": ({}, "embedContent", "contents is not specified"),
    "empty text": (content(""), "embedContent", "must have one initialized field"),
    "unknown field": (content("a", dimensions=4), "embedContent", 'Unknown name "dimensions"'),
    "unknown task": (content("a", taskType="GUESS"), "embedContent", "Invalid value at 'task_type'"),
    "too many dimensions": (content("a", outputDimensionality=3073), "embedContent", "output_dimensionality"),
    "a title of a query": (content("a", title="b", taskType="RETRIEVAL_QUERY"), "embedContent", "title is only"),
    "another model": (content("a", model="models/gemini-embedding-2"), "embedContent", "model must match"),
    "a batch of nothing": ({"requests": []}, "batchEmbedContents", "requests is empty"),
    "a batch without its model": ({"requests": [content("a")]}, "batchEmbedContents", "requests[0].model"),
    "a batch too big": (
        {"requests": [content("a", model=f"models/{GEMINI}")] * 101},
        "batchEmbedContents",
        "at most 100 requests",
    ),
}


@pytest.mark.parametrize("case", GEMINI_REFUSES)
def test_gemini_refuses(case: str) -> None:
    body, verb, message = GEMINI_REFUSES[case]
    status, answered = gemini(body, verb)
    assert (status, answered["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert message in answered["error"]["message"]


def test_gemini_embeds_with_embedding_models_only() -> None:
    assert gemini(content("a"), model="gemini-3.1-pro-preview")[0] == 404
    assert gemini({"contents": [{"parts": [{"text": "a"}]}]}, "generateContent")[0] == 404
