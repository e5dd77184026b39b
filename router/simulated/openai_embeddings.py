"""OpenAI's embeddings as the provider: checks a request and answers it with made-up unit vectors. Pure."""

import base64
import struct
from typing import Any, Literal

from msgspec import UNSET

from router.simulated.openai_models import no_such_model
from router.simulated.openai_shapes import Absent, Strict
from router.simulated.openai_wire import (
    check_range,
    empty_array,
    error_reply,
    json_reply,
    long_array,
    read_body,
    refused,
    shape,
)
from router.simulated.vectors import unit_vector
from router.simulated.wire import Call, Misshapen, Refused, Reply, encode, tokens

Json = Any

_SIZES = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
_MOST_INPUTS = 2048
_MOST_TOKENS = 8192  # of one input


class Request(Strict):
    input: str | list[str | int | list[int]]
    model: str
    dimensions: int | Absent = UNSET
    encoding_format: Literal["float", "base64"] | Absent = UNSET
    user: str | Absent = UNSET


def reply(call: Call) -> Reply:
    """The answer to one POST of /v1/embeddings."""
    try:
        request = _read(call)
        inputs = _inputs(request)
        counts = [_checked_tokens(one, place) for place, one in enumerate(inputs)]
    except Refused as refusal:
        return error_reply(call, refusal)
    data = [_embedding(request, place, one) for place, one in enumerate(inputs)]
    usage = {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}
    return json_reply(call, {"object": "list", "data": data, "model": request.model, "usage": usage})


def _read(call: Call) -> Request:
    try:
        request = read_body(call, Request)
    except Misshapen as fault:
        raise shape(fault) from None
    if request.model not in _SIZES:
        raise no_such_model(request.model)
    if isinstance(request.dimensions, int):
        check_range("dimensions", request.dimensions, 1, _SIZES[request.model])
    return request


def _inputs(request: Request) -> list[str | list[int]]:
    """One text or list of tokens for each vector."""
    if isinstance(request.input, str):
        return [request.input]
    if not request.input:
        raise empty_array("input")
    numbers = [one for one in request.input if isinstance(one, int)]
    if len(numbers) == len(request.input):
        return [numbers]
    inputs = [one for one in request.input if not isinstance(one, int)]
    if len({type(one) for one in request.input}) > 1:
        raise refused("Invalid 'input': all of its items must be of one kind.", "input", "invalid_type")
    if len(inputs) > _MOST_INPUTS:
        raise long_array("input", _MOST_INPUTS)
    return inputs


def _checked_tokens(one: str | list[int], place: int) -> int:
    if not one:
        raise refused(f"Invalid 'input[{place}]': input cannot be an empty string.", "input", "invalid_value")
    count = tokens(len(one.encode())) if isinstance(one, str) else len(one)
    if isinstance(one, list) and min(one) < 0:
        raise refused(f"Invalid 'input[{place}]': tokens are not negative.", "input", "invalid_value")
    if count > _MOST_TOKENS:
        message = (
            f"This model's maximum context length is {_MOST_TOKENS} tokens, however you requested {count} tokens. "
            "Please reduce your prompt."
        )
        raise refused(message, "input", "context_length_exceeded")
    return count


def _embedding(request: Request, place: int, one: str | list[int]) -> dict[str, Json]:
    full_size = _SIZES[request.model]
    size = request.dimensions if isinstance(request.dimensions, int) else full_size
    vector = unit_vector(request.model, encode(one), full_size, size)
    packed = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
    return {
        "object": "embedding",
        "index": place,
        "embedding": packed if request.encoding_format == "base64" else vector,
    }
