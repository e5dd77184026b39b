"""Embeddings: what callers ask in OpenAI's form, what providers of two dialects are asked, and the way back. Pure.

Vectors of different models can't be compared, so a request always names its model and nothing falls back.
Source: types of the openai and google-genai SDKs, 2026-11-24.
"""

import base64
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from router.bodies import missing, read_object, typed, whole, wrong
from router.catalog import Model
from router.dialects import WireRequest
from router.errors import BadRequest, UpstreamError
from router.types import Usage

Encoding = Literal["float", "base64"]
Input = str | tuple[int, ...]  # a text, or its tokens
Vector = Sequence[float]

MAX_INPUTS = 2048
BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """One request for vectors, one for each of `inputs`. `others` are fields that we have no word for."""

    model: str
    inputs: tuple[Input, ...]
    dimensions: int | None = None
    encoding: Encoding = "float"
    user: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input_tokens(self) -> int:
        """An estimate where the inputs are texts."""
        return sum(len(one) if isinstance(one, tuple) else _token_estimate(one) for one in self.inputs)


def _token_estimate(text: str) -> int:
    return len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + 1


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors in the order of the inputs. `usage` is None where the provider doesn't say."""

    vectors: Sequence[Vector]
    usage: Usage | None = None


# --- a caller's side -----------------------------------------------------------------------------------


def decode_request(body: bytes) -> EmbeddingRequest:
    """The request in `body`. Raises BadRequest with `param`."""
    fields = read_object(body)
    model = typed(fields, "model", str)
    if not model:
        raise missing("model")
    encoding = typed(fields, "encoding_format", str)
    if encoding not in (None, "float", "base64"):
        raise wrong("encoding_format", f"encoding_format is {encoding[:40]!r}; it can be float or base64")
    return EmbeddingRequest(
        model=model,
        inputs=_inputs(fields.pop("input", None)),
        dimensions=whole(fields, "dimensions", 1),
        encoding="base64" if encoding == "base64" else "float",
        user=typed(fields, "user", str),
        others={name: value for name, value in fields.items() if value is not None},
    )


def _inputs(value: Any) -> tuple[Input, ...]:
    if value is None:
        raise missing("input")
    if isinstance(value, str) or _is_tokens(value):
        value = [value]
    if not isinstance(value, list) or not value:
        raise wrong(
            "input", "input is a text, an array of tokens, or an array of at least one of these", "invalid_type"
        )
    if len(value) > MAX_INPUTS:
        raise wrong("input", f"input has {len(value)} items; it can have at most {MAX_INPUTS}")
    return tuple(_input(f"input[{index}]", item) for index, item in enumerate(value))


def _input(path: str, value: Any) -> Input:
    if isinstance(value, str) and value:
        return value
    if _is_tokens(value):
        return tuple(value)
    raise wrong(path, f"{path} is a text that is not empty, or an array of tokens", "invalid_type")


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int and item >= 0 for item in value)


def encode_response(
    answer: Embeddings, request: EmbeddingRequest, model: str, extra: Mapping[str, Any] | None = None
) -> bytes:
    """The list that OpenAI's clients expect; `model` is the catalogue's name, `extra` members ride at its end."""
    tokens = answer.usage.input_tokens if answer.usage else request.input_tokens
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, request.encoding)}
        for index, vector in enumerate(answer.vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage, **(extra or {})})


def _encoded(vector: Vector, encoding: Encoding) -> Vector | str:
    """base64 is that of 32-bit floats, the lowest byte first."""
    if encoding == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


# --- a provider's side ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EmbeddingFace:
    """How a provider is asked for vectors, and what it answers.

    encode_request   raises BadRequest for what this dialect can't say
    decode_response  body, count of vectors expected -> them. Raises UpstreamError (protocol)
    """

    encode_request: Callable[[EmbeddingRequest, Model], WireRequest]
    decode_response: Callable[[bytes, int], Embeddings]


def _openai_request(request: EmbeddingRequest, model: Model) -> WireRequest:
    """Floats are asked for in base64: a third of the bytes."""
    fields = {
        **request.others,
        "model": model.id,
        "input": request.inputs,
        "encoding_format": "base64",
        "dimensions": request.dimensions,
        "user": request.user,
    }
    headers = [("content-type", "application/json")]
    if model.provider.api_key:
        headers.append(("authorization", f"Bearer {model.provider.api_key}"))
    said = {name: value for name, value in fields.items() if value is not None}
    return WireRequest("/embeddings", tuple(headers), msgspec.json.encode(said))


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Datum(msgspec.Struct):
    embedding: str | list[float]
    index: int | None = None


class _OpenAiAnswer(msgspec.Struct):
    data: list[_Datum]
    usage: _Usage | None = None


def _openai_answer(body: bytes, count: int) -> Embeddings:
    answer = _read(body, _OpenAiAnswer)
    if all(datum.index is not None for datum in answer.data):
        answer.data.sort(key=lambda datum: datum.index or 0)
    vectors = [_decoded(datum.embedding) for datum in answer.data]
    tokens = answer.usage.prompt_tokens if answer.usage else None
    return _counted(vectors, count, None if tokens is None else Usage(tokens))


def _decoded(embedding: str | list[float]) -> Vector:
    """Compatible servers may send floats although base64 was asked for."""
    if isinstance(embedding, list):
        return embedding
    try:
        data = base64.b64decode(embedding, validate=True)
        return struct.unpack(f"<{len(data) // 4}f", data)
    except (ValueError, struct.error):
        raise UpstreamError("protocol", "the provider's vector is not base64 of 32-bit floats") from None


def _gemini_request(request: EmbeddingRequest, model: Model) -> WireRequest:
    if request.others:
        name = next(iter(request.others))
        raise BadRequest(f"{name}: this model's API has no such field", param=name, code="unsupported_parameter")
    if any(isinstance(one, tuple) for one in request.inputs):
        text = "input: this model takes texts, not tokens of another model"
        raise BadRequest(text, param="input", code="unsupported_parameter")
    size = {} if request.dimensions is None else {"outputDimensionality": request.dimensions}
    requests = [
        {"model": f"models/{model.id}", "content": {"parts": [{"text": text}]}, **size} for text in request.inputs
    ]
    headers = [("content-type", "application/json")]
    if model.provider.api_key:
        headers.append(("x-goog-api-key", model.provider.api_key))
    body = msgspec.json.encode({"requests": requests})
    return WireRequest(f"/models/{model.id}:batchEmbedContents", tuple(headers), body)


class _ContentEmbedding(msgspec.Struct):
    values: list[float]


class _GeminiUsage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _GeminiAnswer(msgspec.Struct, rename="camel"):
    embeddings: list[_ContentEmbedding]
    usage_metadata: _GeminiUsage | None = None


def _gemini_answer(body: bytes, count: int) -> Embeddings:
    answer = _read(body, _GeminiAnswer)
    tokens = answer.usage_metadata.prompt_token_count if answer.usage_metadata else None
    return _counted([one.values for one in answer.embeddings], count, None if tokens is None else Usage(tokens))


def _read(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamError("protocol", "the provider's answer holds no embeddings") from None


def _counted(vectors: Sequence[Vector], count: int, usage: Usage | None) -> Embeddings:
    if len(vectors) != count:
        raise UpstreamError("protocol", f"the provider sent {len(vectors)} vectors for {count} inputs")
    return Embeddings(vectors, usage)


FACES: Mapping[str, EmbeddingFace] = {
    "openai": EmbeddingFace(_openai_request, _openai_answer),
    "gemini": EmbeddingFace(_gemini_request, _gemini_answer),
}
