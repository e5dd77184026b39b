"""Gemini's embedContent and batchEmbedContents as the provider: made-up unit vectors. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from router.simulated.gemini_checks import check_content, text_of
from router.simulated.gemini_shapes import invalid, read_message
from router.simulated.gemini_wire import decoded, error_reply, json_reply
from router.simulated.vectors import unit_vector
from router.simulated.wire import Call, Refused, Reply, encode, tokens

Json = Any

PATH = re.compile(r"/models/(?P<model>[^/:]+):(?P<verb>embedContent|batchEmbedContents)$")

_MODELS = ("gemini-embedding-001", "gemini-embedding-2")
_FULL_SIZE = 3072
_MOST_REQUESTS = 100


def reply(call: Call) -> Reply:
    """The answer to one POST of a path that PATH finds."""
    path = PATH.search(call.path)
    try:
        if path is None or path["model"] not in _MODELS:
            raise _unknown_model(path["model"] if path else "")
        if path["verb"] == "embedContent":
            answer = _single(decoded(call), path["model"])
        else:
            answer = _batch(decoded(call), path["model"])
    except Refused as refusal:
        return error_reply(call, refusal)
    except RecursionError:
        return error_reply(call, invalid("Invalid JSON payload received. Nested too deep."))
    return json_reply(200, encode(answer))


def _unknown_model(model: str) -> Refused:
    message = f"models/{model} is not found for API version v1beta, or is not supported for embedContent."
    return Refused(message, status=404, kind="NOT_FOUND")


def _single(document: Json, model: str) -> dict[str, Json]:
    request = {"model": f"models/{model}", **read_message("EmbedContentRequest", document)}
    return {"embedding": _embedding(request, model, "EmbedContentRequest"), "usageMetadata": _usage([request])}


def _batch(document: Json, model: str) -> dict[str, Json]:
    where = "BatchEmbedContentsRequest.requests"
    requests = read_message("BatchEmbedContentsRequest", document).get("requests", [])
    if not requests:
        raise invalid(f"* {where}: requests is empty\n")
    if len(requests) > _MOST_REQUESTS:
        raise invalid(f"* {where}: at most {_MOST_REQUESTS} requests can be in one batch\n")
    embeddings = [_embedding(request, model, f"{where}[{place}]") for place, request in enumerate(requests)]
    return {"embeddings": embeddings, "usageMetadata": _usage(requests)}


def _usage(requests: list[dict[str, Json]]) -> dict[str, int]:
    count = sum(tokens(len(text_of(request["content"]).encode())) for request in requests)
    return {"promptTokenCount": count, "totalTokenCount": count}


def _embedding(request: Mapping[str, Json], model: str, where: str) -> dict[str, Json]:
    if request.get("model") != f"models/{model}":
        raise invalid(f"* {where}.model: model must match the model of the request path: models/{model}\n")
    if "content" not in request:
        raise invalid(f"* {where}.content: contents is not specified\n")
    check_content(request["content"], "content")
    if not text_of(request["content"]).strip():
        raise invalid(f"* {where}.content: content contains an empty Part.\n")
    if "title" in request and request.get("taskType") != "RETRIEVAL_DOCUMENT":
        raise invalid(f"* {where}.title: title is only allowed with task_type RETRIEVAL_DOCUMENT.\n")
    size = request.get("outputDimensionality", _FULL_SIZE)
    if not 1 <= size <= _FULL_SIZE:
        raise invalid(f"* {where}.output_dimensionality: must be in the range [1, {_FULL_SIZE}].\n")
    return {"values": unit_vector(model, text_of(request["content"]).encode(), _FULL_SIZE, size)}
