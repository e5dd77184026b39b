"""No body makes a simulated provider raise: every value of a good request is replaced by every kind of bad one."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from router.simulated import Call, answer
from router.simulated.openai_responses_items import encrypted_reasoning

SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "integer", "minimum": 1},
        "b": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/x"}},
    },
    "$defs": {"x": {"anyOf": [{"type": "string", "enum": ["q"]}]}},
    "required": ["a"],
}
USER = {"role": "user", "content": "get_weather"}
REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "gpt-5.5",
        "messages": [USER, {"role": "user", "content": [{"type": "text", "text": "get_weather"}]}],
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}],
        "stream": True,
    },
    "/v1/responses": {
        "model": "gpt-5.5",
        "input": [
            USER,
            {"role": "user", "content": [{"type": "input_text", "text": "get_weather"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": encrypted_reasoning("rs_1")},
            {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "get_weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "12"},
        ],
        "tools": [{"type": "function", "name": "get_weather", "parameters": SCHEMA}, {"type": "web_search"}],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "get_weather"}],
        },
        "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "stream": True,
    },
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": [[1, 2], [3]], "dimensions": 9},
    "/v1beta/models/gemini-embedding-001:batchEmbedContents": {
        "requests": [
            {
                "model": "models/gemini-embedding-001",
                "content": {"parts": [{"text": "a"}]},
                "taskType": "RETRIEVAL_DOCUMENT",
                "title": "a",
                "outputDimensionality": 9,
            }
        ],
    },
    "/v1/messages/count_tokens": {
        "model": "claude-opus-4-7",
        "messages": [USER, {"role": "user", "content": [{"type": "text", "text": "get_weather"}]}],
        "tools": [{"name": "get_weather", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "cache_control": {"type": "ephemeral"},
    },
    "/v1/messages": {
        "model": "claude-opus-4-7",
        "max_tokens": 99,
        "messages": [USER, {"role": "user", "content": [{"type": "text", "text": "get_weather"}]}],
        "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
        "thinking": {"type": "adaptive"},
    },
    "/v1beta/models/gemini-3.1-pro-preview:generateContent": {
        "contents": [{"role": "user", "parts": [{"text": "get_weather"}]}],
        "tools": [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": SCHEMA}]}],
        "generationConfig": {"maxOutputTokens": 9},
    },
}
WIDE = {"type": "object", "properties": {f"p{n}": {"$ref": "#"} for n in range(30)}, "required": ["p1", "p2"]}
BAD = [None, -1, 1.5, 10**30, True, "x", "", [], [None], {}, {"a": 1}, {"$ref": "#"}, {"type": 5}, WIDE, "\ud800"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in members:
        yield (*path, key)
        yield from places(item, (*path, key))


@pytest.mark.parametrize("path", REQUESTS)
def test_no_bad_value_anywhere_makes_it_raise(path: str) -> None:
    statuses = set()
    for place in places(REQUESTS[path]):
        for bad in BAD:
            body = copy.deepcopy(REQUESTS[path])
            parent: Any = body
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]] = bad
            headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
            statuses.add(answer(Call(path, "", headers, json.dumps(body).encode(), "0" * 32, 1)).status)
    assert statuses <= {200, 400, 404}
    assert {200, 400} <= statuses


@pytest.mark.parametrize("path", REQUESTS)
def test_nesting_without_end_is_refused(path: str) -> None:
    for data in (b"[" * 100_000, b'{"a":' * 100_000, b'{"contents":' + b'[{"parts":' * 400 + b"1" + b"}]" * 400 + b"}"):
        assert answer(Call(path, "", {"content-type": "application/json"}, data, "0" * 32, 1)).status == 400
