"""Anthropic as the simulated provider: what it refuses and says, against values from Anthropic's documents."""

import base64
import json
from typing import Any

import pytest

from router.simulated import Call, answer

USER = {"role": "user", "content": "What is a monad?"}
WEATHER = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "clock_now", "input_schema": {"type": "object", "properties": {}}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12 degrees"}
CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
HEADERS = {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "k"}


def ask(body: Any, **headers: str) -> tuple[int, list[bytes]]:
    sent = {name: value for name, value in {**HEADERS, **headers}.items() if value}
    data = json.dumps(body).encode()
    reply = answer(Call("/v1/messages", "", sent, data, "0123456789abcdef" * 2, 1764000000))
    return reply.status, list(reply.chunks)


def request(model: str = "claude-opus-4-7", **fields: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 2000, "messages": [USER], **fields}


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def whole(body: dict[str, Any]) -> dict[str, Any]:
    status, chunks = ask(body)
    assert status == 200, chunks
    return json.loads(b"".join(chunks))


def stream(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events; each one's name is checked to be its type."""
    status, chunks = ask({**body, "stream": True})
    assert status == 200, chunks
    events = []
    for event in b"".join(chunks).decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def said(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def form(**changes: Any) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": {**CLOSED, **changes}}}


def member(**schema: Any) -> dict[str, Any]:
    return form(properties={"a": schema})


REFUSED = {
    "no max_tokens": (without(request(), "max_tokens"), "max_tokens: Field required"),
    "no messages": (without(request(), "messages"), "messages: Field required"),
    "empty messages": (request(messages=[]), "messages: at least one message is required"),
    "unknown field": (request(seed=1), "seed: Extra inputs are not permitted"),
    "unknown field of a block": (
        request(messages=[said({**text("a"), "prompt_cache_breakpoint": None})]),
        "messages.0.content.0.prompt_cache_breakpoint: Extra inputs are not permitted",
    ),
    "unknown block": (request(messages=[said({"type": "image_url"})]), "messages.0.content.0: Input tag 'image_url'"),
    "wrong type": (request(max_tokens="9"), "max_tokens: Input should be a valid integer"),
    "null": (request(stop_sequences=None), "stop_sequences: Input should be a valid list"),
    "role": (request(messages=[{"role": "tool", "content": "a"}]), "messages.0.role"),
    "system role": (request(messages=[USER, {"role": "system", "content": "a"}, USER]), 'Unexpected role "system"'),
    "max_tokens of 0": (request(max_tokens=0), "max_tokens: Input should be greater"),
    "max_tokens over the model's": (request(max_tokens=128_001), "max_tokens: 128001 > 128000"),
    "blank stop sequence": (request(stop_sequences=[" "]), "stop_sequences: each stop sequence must contain"),
    "e-mail as user": (request(metadata={"user_id": "a@b.co"}), "metadata.user_id"),
    "other metadata": (request(metadata={"a": "b"}), "metadata.a: Extra inputs are not permitted"),
    "service tier": (request(service_tier="flex"), "service_tier"),
    "first turn of the assistant": (
        request(messages=[{"role": "assistant", "content": "a"}, USER]),
        'first message must use the "user" role',
    ),
    "prefill": (
        request(messages=[USER, {"role": "assistant", "content": "{"}]),
        "does not support assistant message prefill",
    ),
    "empty string": (request(messages=[{"role": "user", "content": ""}]), "must have non-empty content"),
    "empty list": (request(messages=[said()]), "must have non-empty content"),
    "empty text block": (request(messages=[said(text(""))]), "text content blocks must be non-empty"),
    "blank text block": (request(messages=[said(text(" \n"))]), "must contain non-whitespace text"),
    "empty system block": (request(system=[text("")]), "system: text content blocks must be non-empty"),
    "empty assistant text beside a call": (
        request(messages=[USER, said(text(""), USE, role="assistant"), said(RESULT)]),
        "text content blocks must be non-empty",
    ),
    "tool_use without a result": (
        request(messages=[USER, said(USE, role="assistant"), USER]),
        "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
    ),
    "result after text": (
        request(messages=[USER, said(USE, role="assistant"), said(text("here"), RESULT)]),
        "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
    ),
    "result without a call": (request(messages=[said(RESULT)]), "unexpected `tool_use_id` found"),
    "result given twice": (
        request(messages=[USER, said(USE, role="assistant"), said(RESULT, RESULT)]),
        "each tool_use must have a single result",
    ),
    "id used twice": (
        request(messages=[USER, said(USE, role="assistant"), said(RESULT), said(USE, role="assistant"), said(RESULT)]),
        "`tool_use` ids must be unique",
    ),
    "id of odd characters": (
        request(messages=[USER, said({**USE, "id": "a.b"}, role="assistant"), said({**RESULT, "tool_use_id": "a.b"})]),
        "String should match pattern",
    ),
    "arguments as text": (
        request(messages=[USER, said({**USE, "input": "{}"}, role="assistant"), said(RESULT)]),
        "messages.1.content.0.input: Input should be a valid dictionary",
    ),
    "call by the user": (request(messages=[said(USE)]), "can only be in `assistant` messages"),
    "result by the assistant": (
        request(messages=[USER, said(RESULT, role="assistant"), USER]),
        "can only be in `user`",
    ),
    "picture format": (
        request(
            messages=[said({"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": ""}})]
        ),
        "media_type",
    ),
    "foreign thinking": (
        request(
            messages=[USER, said({"type": "thinking", "thinking": "hm", "signature": "x"}, role="assistant"), USER]
        ),
        "Invalid `signature` in `thinking` block",
    ),
    "foreign redacted thinking": (
        request(
            messages=[USER, said({"type": "redacted_thinking", "data": "AAAA"}, text("a"), role="assistant"), USER]
        ),
        "Invalid `data` in `redacted_thinking` block",
    ),
    "thinking between tools of another model": (
        request(thinking={"type": "between_tools"}),
        '"thinking.type.between_tools" is not supported',
    ),
    "an hour's cache after five minutes'": (
        request(
            system=[{**text("a"), "cache_control": {"type": "ephemeral"}}],
            messages=[said({**text("a"), "cache_control": {"type": "ephemeral", "ttl": "1h"}})],
        ),
        "must not come after a ttl='5m' cache_control block",
    ),
    "a cache for a day": (
        request(system=[{**text("a"), "cache_control": {"type": "ephemeral", "ttl": "24h"}}]),
        "system.0.cache_control.ttl",
    ),
    "a cache mark of another kind on a tool": (
        request(tools=[{**WEATHER, "cache_control": {"type": "permanent"}}]),
        "tools.0.custom.cache_control",
    ),
    "unknown tool of the provider": (
        request(tools=[{"type": "teleport_20250101", "name": "a"}]),
        "tools.0: Input tag 'teleport_20250101'",
    ),
    "temperature": (request(temperature=0), "`temperature` is deprecated for this model."),
    "top_p": (request(top_p=0.5), "`top_p` is deprecated for this model."),
    "top_k": (request(top_k=1), "`top_k` is deprecated for this model."),
    "thinking enabled": (request(thinking={"type": "enabled", "budget_tokens": 1024}), '"thinking.type.enabled"'),
    "thinking and a forced tool": (
        request(tools=[WEATHER], tool_choice={"type": "any"}, thinking={"type": "adaptive"}),
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    "small budget": (
        request("claude-haiku-4-5", thinking={"type": "enabled", "budget_tokens": 1000}),
        "greater than or equal to 1024",
    ),
    "budget over max_tokens": (
        request("claude-haiku-4-5", thinking={"type": "enabled", "budget_tokens": 2000}),
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    "budget turn without its thinking": (
        request(
            "claude-haiku-4-5",
            thinking={"type": "enabled", "budget_tokens": 1024},
            messages=[USER, said(USE, role="assistant"), said(RESULT)],
        ),
        "Expected `thinking` or `redacted_thinking`",
    ),
    "adaptive on an old model": (request("claude-haiku-4-5", thinking={"type": "adaptive"}), "adaptive thinking"),
    "effort on an old model": (request("claude-haiku-4-5", output_config={"effort": "low"}), "effort parameter"),
    "xhigh before 4.7": (request("claude-opus-4-6", output_config={"effort": "xhigh"}), "output_config.effort"),
    "unknown effort": (request(output_config={"effort": "minimal"}), "output_config.effort"),
    "both samplings": (request("claude-opus-4-6", temperature=0.5, top_p=0.5), "cannot both be specified"),
    "temperature over 1": (request("claude-opus-4-6", temperature=1.5), "temperature: range: 0..1"),
    "always thinking": (request("claude-opus-5-5", thinking={"type": "disabled"}), '"thinking.type.disabled"'),
    "never forced": (
        request("claude-opus-5-5", tools=[WEATHER], tool_choice={"type": "any"}),
        "does not support forcing tool use",
    ),
    "disabled thinking at xhigh": (
        request("claude-opus-5", thinking={"type": "disabled"}, output_config={"effort": "xhigh"}),
        "with effort",
    ),
    "tool's name": (request(tools=[{**WEATHER, "name": "a.b"}]), "tools.0.custom.name: String should match pattern"),
    "two tools of a name": (request(tools=[WEATHER, WEATHER]), "tools: Tool names must be unique."),
    "tool without a schema": (request(tools=[{"name": "a"}]), "tools.0.custom.input_schema: Field required"),
    "schema without a type": (
        request(tools=[{"name": "a", "input_schema": {}}]),
        "tools.0.custom.input_schema.type: Field required",
    ),
    "schema of another type": (
        request(tools=[{"name": "a", "input_schema": {"type": "string"}}]),
        "input_schema.type: Input should be 'object'",
    ),
    "OpenAI's tool": (
        request(tools=[{"name": "a", "parameters": {}, "input_schema": {"type": "object"}}]),
        "tools.0.custom.parameters: Extra inputs are not permitted",
    ),
    "strict tool that is open": (request(tools=[{**WEATHER, "strict": True}]), "additionalProperties"),
    "choice without tools": (request(tool_choice={"type": "auto"}), "tool_choice: may only be specified"),
    "choice of no tool": (
        request(tools=[WEATHER], tool_choice={"type": "tool", "name": "b"}),
        "Tool 'b' not found in provided tools",
    ),
    "five cache marks": (
        request(system=[{**text("a"), "cache_control": {"type": "ephemeral"}}] * 5),
        "A maximum of 4 blocks with cache_control",
    ),
    "malformed schema": (request(output_config=form(required="a")), "JSON schema is invalid"),
    "malformed parameters": (
        request(tools=[{"name": "a", "input_schema": {"type": "object", "properties": []}}]),
        "tools.0.custom.input_schema: JSON schema is invalid",
    ),
    "open schema": (request(output_config=form(additionalProperties=True)), "additionalProperties"),
    "minimum": (request(output_config=member(type="integer", minimum=1)), "minimum are not supported"),
    "maxLength": (request(output_config=member(type="string", maxLength=1)), "maxLength are not supported"),
    "oneOf": (request(output_config=member(oneOf=[{"type": "null"}])), "oneOf are not supported"),
    "minItems": (
        request(output_config=member(type="array", items={}, minItems=2)),
        "'minItems' values other than 0 or 1",
    ),
    "string format": (request(output_config=member(type="string", format="color")), "format 'color' is not supported"),
    "open object within": (
        request(output_config=member(type="array", items={"type": "object"})),
        "additionalProperties",
    ),
    "recursion": (
        request(output_config=form(**{"properties": {"a": {"$ref": "#"}}})),
        "Recursive schemas are not supported",
    ),
    "external reference": (request(output_config=member(**{"$ref": "https://a/b"})), "External $ref"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_anthropic_refuses(case: str) -> None:
    body, message = REFUSED[case]
    status, chunks = ask(body)
    error = json.loads(chunks[0])
    assert status == 400
    assert message in error["error"]["message"]
    assert error == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": error["error"]["message"], "details": None},
        "request_id": "req_0110123456789abcdef01234",
    }


TAKEN = {
    "default sampling": request(temperature=1, top_p=1),
    "old models sample": request("claude-haiku-4-5", temperature=0.3),
    "old models take a prefill": request("claude-haiku-4-5", messages=[USER, {"role": "assistant", "content": "{"}]),
    "user turns in a row": request(messages=[USER, USER, {"role": "assistant", "content": "a"}, USER]),
    "results over two messages are one turn": request(
        messages=[
            USER,
            said(USE, {**USE, "id": "toolu_2"}, role="assistant"),
            said(RESULT),
            said({**RESULT, "tool_use_id": "toolu_2"}, text("go on")),
        ]
    ),
    "system turns from 4.8": request("claude-opus-4-8", messages=[USER, {"role": "system", "content": "a"}, USER]),
    "the provider's own tools": request(tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]),
    "recursive schema of a plain tool": request(
        tools=[
            {"name": "a", "input_schema": {"type": "object", "properties": {"b": {"$ref": "#"}, "c": {"minimum": 1}}}}
        ]
    ),
    "a used definition": request(
        output_config=form(
            **{
                "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#/$defs/n"}},
                "$defs": {"n": {"type": "integer"}},
            }
        )
    ),
    "pictures and papers": request(
        messages=[
            said(
                text("see"),
                {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}},
            )
        ]
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_anthropic_takes(case: str) -> None:
    status, chunks = ask(TAKEN[case])
    assert status == 200, chunks


@pytest.mark.parametrize("model", ["claude-opus-4.7", "gpt-5.5", "simulated/claude-opus-4-7", "auto"])
def test_an_id_that_is_none_of_anthropics_is_not_found(model: str) -> None:
    status, chunks = ask(request(model))
    assert (status, json.loads(chunks[0])["error"]["type"]) == (404, "not_found_error")


def test_the_version_header_is_required_and_must_be_a_known_one() -> None:
    missing, unknown = (
        ask(request(), **{"anthropic-version": ""}),
        ask(request(), **{"anthropic-version": "2020-01-01"}),
    )
    assert missing[0] == unknown[0] == 400
    assert "anthropic-version: header is required" in missing[1][0].decode()
    assert "is not a valid version" in unknown[1][0].decode()


def test_the_second_version_knows_no_sampling_fields_nor_assistants_documents() -> None:
    new = {"anthropic-version": "2026-10-21"}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}
    cited = {**text("a"), "citations": [{"type": "char_location"}]}
    for body in (
        request("claude-opus-4-6", temperature=1),
        request(messages=[USER, said(document, role="assistant"), USER]),
        request(messages=[said(cited)]),
    ):
        assert ask(body)[0] == 200
        assert ask(body, **new)[0] == 400


def test_a_prompt_over_the_context_is_too_long() -> None:
    status, chunks = ask(request("claude-haiku-4-5", messages=[{"role": "user", "content": "word " * 170_000}]))
    assert status == 400
    assert "prompt is too long: " in json.loads(chunks[0])["error"]["message"]


def test_a_whole_answer_has_anthropics_shape() -> None:
    body = whole(request())
    (block,) = body["content"]
    assert block["text"].startswith("This is a simulated answer in the name of claude-opus-4-7")
    assert body == {
        "id": "msg_010123456789abcdef012345",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-7",
        "content": [{"type": "text", "text": block["text"]}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": body["usage"]["input_tokens"],
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": len(block["text"].encode()) // 4,
            "output_tokens_details": {"thinking_tokens": 0},
            "service_tier": "standard",
        },
    }


def test_a_marked_cache_is_not_part_of_input_tokens() -> None:
    marked = {**text("word " * 4000), "cache_control": {"type": "ephemeral"}}
    usages = [whole(request(messages=[said(marked, text(ask_))]))["usage"] for ask_ in ("a", "b", "c", "d")]
    plain = whole(request(messages=[said(text("word " * 4000), text("a"))]))["usage"]
    assert plain["cache_read_input_tokens"] == plain["cache_creation_input_tokens"] == 0
    for usage in usages:
        kept = usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        assert kept > 2000
        assert abs(usage["input_tokens"] + kept - plain["input_tokens"]) < 20


def test_a_stream_of_text_has_anthropics_events_in_order() -> None:
    body, events = whole(request()), stream(request())
    assert [event["type"] for event in events[:3]] == ["message_start", "ping", "content_block_start"]
    assert [event["type"] for event in events[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
    message = events[0]["message"]
    assert (message["content"], message["stop_reason"], message["usage"]["output_tokens"]) == ([], None, 1)
    assert message["usage"]["input_tokens"] == body["usage"]["input_tokens"]
    assert events[2] == {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = events[3:-3]
    assert len(deltas) > 5
    assert {(event["type"], event["index"], event["delta"]["type"]) for event in deltas} == {
        ("content_block_delta", 0, "text_delta")
    }
    assert "".join(event["delta"]["text"] for event in deltas) == body["content"][0]["text"]
    assert events[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}
    assert events[-2]["usage"]["output_tokens"] == body["usage"]["output_tokens"]


def test_a_called_tool_follows_a_sentence_in_a_block_of_its_own() -> None:
    asked = request(tools=[CLOCK, WEATHER], messages=[{"role": "user", "content": "How is the weather?"}])
    body, events = whole(asked), stream(asked)
    assert body["stop_reason"] == "tool_use"
    assert [block["type"] for block in body["content"]] == ["text", "tool_use"]
    use = body["content"][1]
    assert (use["name"], use["input"]) == ("get_weather", {"city": "simulated city"})
    assert use["id"].startswith("toolu_01")
    start = next(event for event in events if event.get("content_block", {}).get("type") == "tool_use")
    assert (start["index"], start["content_block"]) == (1, {**use, "input": {}})
    pieces = [
        event["delta"]["partial_json"] for event in events if event.get("delta", {}).get("type") == "input_json_delta"
    ]
    assert pieces[0] == ""
    assert len(pieces) > 2
    assert json.loads("".join(pieces)) == use["input"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_tool_without_arguments_streams_one_empty_fragment() -> None:
    events = stream(request(tools=[CLOCK], tool_choice={"type": "any"}))
    assert [event["delta"] for event in events if event["type"] == "content_block_delta"] == [
        {"type": "input_json_delta", "partial_json": ""}
    ]


def test_forced_named_and_forbidden_tools() -> None:
    forced = whole(request(tools=[WEATHER, CLOCK], tool_choice={"type": "tool", "name": "clock_now"}))
    assert [(block["type"], block.get("name")) for block in forced["content"]] == [("tool_use", "clock_now")]
    none = request(tools=[WEATHER], tool_choice={"type": "none"}, messages=[{"role": "user", "content": "get_weather"}])
    assert whole(none)["stop_reason"] == "end_turn"


def test_parallel_use_can_be_disabled() -> None:
    both = request(tools=[WEATHER, CLOCK], messages=[{"role": "user", "content": "get_weather and clock_now"}])
    kinds = [block["type"] for block in whole(both)["content"]]
    assert kinds == ["text", "tool_use", "tool_use"]
    one = whole({**both, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}})
    assert [block["type"] for block in one["content"]] == ["text", "tool_use"]


def test_a_tool_result_is_answered_with_text() -> None:
    body = whole(request(tools=[WEATHER], messages=[USER, said(USE, role="assistant"), said(RESULT)]))
    assert body["stop_reason"] == "end_turn"
    assert "The tool answered: 12 degrees" in body["content"][0]["text"]


def test_adaptive_thinking_is_empty_but_signed_unless_summarized() -> None:
    omitted = whole(request(thinking={"type": "adaptive"}))["content"][0]
    shown = whole(request(thinking={"type": "adaptive", "display": "summarized"}))["content"][0]
    assert (omitted["type"], omitted["thinking"]) == ("thinking", "")
    assert shown["thinking"] != ""
    assert omitted["signature"]
    assert omitted["signature"] != shown["signature"]
    usage = whole(request(thinking={"type": "adaptive"}, output_config={"effort": "low"}))["usage"]
    assert usage["output_tokens_details"] == {"thinking_tokens": 64}
    assert usage["output_tokens"] > 64


def test_thinking_streams_as_a_block_that_ends_with_its_signature() -> None:
    asked = request(thinking={"type": "adaptive", "display": "summarized"})
    thinking = whole(asked)["content"][0]
    events = [event for event in stream(asked) if event.get("index") == 0]
    assert events[0]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert "".join(event["delta"]["thinking"] for event in events[1:-2]) == thinking["thinking"]
    assert events[-2]["delta"] == {"type": "signature_delta", "signature": thinking["signature"]}
    assert events[-1] == {"type": "content_block_stop", "index": 0}


def test_its_own_thinking_is_taken_back_unchanged_only() -> None:
    block = whole(request(thinking={"type": "adaptive", "display": "summarized"}))["content"][0]
    for replayed, status in ((block, 200), ({**block, "thinking": "other"}, 400)):
        assert ask(request(messages=[USER, said(replayed, text("a"), role="assistant"), USER]))[0] == status


def test_a_schema_is_answered_with_a_value_of_it() -> None:
    value = json.loads(whole(request(output_config=form()))["content"][0]["text"])
    assert list(value) == ["a"]
    assert isinstance(value["a"], int)


def test_max_tokens_and_stop_sequences_end_an_answer_by_name() -> None:
    cut, stopped = whole(request(max_tokens=5)), whole(request(stop_sequences=["simulated"]))
    assert (cut["stop_reason"], cut["usage"]["output_tokens"]) == ("max_tokens", 5)
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "simulated")
    assert stopped["content"] == [text("This is a ")]


def test_a_signature_fits_neither_another_text_nor_another_provider_but_other_models_are_ignored() -> None:
    shown = {"thinking": {"type": "adaptive", "display": "summarized"}}
    blocks = [whole(request(model, **shown))["content"][0] for model in ("claude-opus-4-7", "claude-opus-4-8")]
    assert blocks[0]["signature"] != blocks[1]["signature"]
    assert ask(request(messages=[USER, said(blocks[1], text("a"), role="assistant"), USER]))[0] == 200
    renamed = base64.b64encode(base64.b64decode(blocks[0]["signature"]).replace(b"4-7", b"4-8")).decode()
    spoiled = {**blocks[0], "signature": renamed}
    assert ask(request(messages=[USER, said(spoiled, text("a"), role="assistant"), USER]))[0] == 400


def test_redacted_thinking_comes_without_text_and_goes_back_unchanged_only() -> None:
    asked = request(thinking={"type": "adaptive"}, messages=[{"role": "user", "content": "[[redact]]"}])
    block = whole(asked)["content"][0]
    assert (block["type"], set(block)) == ("redacted_thinking", {"type", "data"})
    events = [event for event in stream(asked) if event.get("index") == 0]
    assert [event["type"] for event in events] == ["content_block_start", "content_block_stop"]
    assert events[0]["content_block"] == block
    for replayed, status in ((block, 200), ({**block, "data": "AAAA"}, 400)):
        assert ask(request(messages=[USER, said(replayed, text("a"), role="assistant"), USER]))[0] == status


def test_thoughts_come_before_tool_calls_and_never_last() -> None:
    thought = whole(request(thinking={"type": "adaptive"}))["content"][0]
    for blocks, after, why in (
        ((USE, thought, text("a")), said(RESULT), "Expected `thinking` or `redacted_thinking`, but found `tool_use`"),
        ((text("a"), thought), USER, "The final block in an assistant message cannot be `thinking`."),
    ):
        status, chunks = ask(request(messages=[USER, said(*blocks, role="assistant"), after]))
        assert status == 400
        assert why in json.loads(chunks[0])["error"]["message"]


def test_thoughts_between_tool_calls_are_taken_back() -> None:
    thinking = {"type": "adaptive", "display": "summarized"}
    asked = request(thinking=thinking, tools=[WEATHER], messages=[{"role": "user", "content": "get_weather"}])
    first = whole(asked)["content"]
    assert [block["type"] for block in first] == ["thinking", "text", "tool_use"]
    result = {**RESULT, "tool_use_id": first[-1]["id"]}
    messages = [*asked["messages"], said(*first, role="assistant"), said(result)]
    second = whole({**asked, "messages": messages})["content"]
    assert [block["type"] for block in second] == ["thinking", "text"]
    messages += [said(*second, role="assistant"), USER]
    assert ask({**asked, "messages": messages})[0] == 200


def test_cache_writes_are_counted_by_how_long_they_hold() -> None:
    def creation(words: str, *ttls: str) -> Any:
        marks = [{**text(words * 20_000), "cache_control": {"type": "ephemeral", "ttl": ttl}} for ttl in ttls]
        usage = whole(request(messages=[said(*marks)]))["usage"]
        split = usage["cache_creation"]
        assert sum(split.values()) == usage["cache_creation_input_tokens"]
        return split["ephemeral_5m_input_tokens"] > 0, split["ephemeral_1h_input_tokens"] > 0

    written = [(creation(word, "5m"), creation(word, "1h"), creation(word, "1h", "5m")) for word in "abcdef"]
    assert ((True, False), (False, True)) in {(five, hour) for five, hour, _ in written}
    assert (True, True) in {both for _, _, both in written}


def test_tokens_are_counted_without_an_answer() -> None:
    counted = without(request(tools=[WEATHER], thinking={"type": "adaptive"}), "max_tokens")

    def count(body: Any) -> tuple[int, Any]:
        reply = answer(Call("/v1/messages/count_tokens", "", HEADERS, json.dumps(body).encode(), "0" * 32, 1))
        return reply.status, json.loads(reply.chunks[0])

    status, body = count(counted)
    assert (status, set(body)) == (200, {"input_tokens"})
    assert body["input_tokens"] == whole({**counted, "max_tokens": 2000})["usage"]["input_tokens"]
    for field in ("max_tokens", "stream", "temperature", "metadata"):
        status, body = count({**counted, field: 1})
        assert (status, body["error"]["message"]) == (400, f"{field}: Extra inputs are not permitted")
    assert count({**counted, "messages": []})[0] == 400


def test_fields_of_a_beta_come_with_its_header() -> None:
    asked = request(context_management={"edits": []})
    assert ask(asked)[0] == 400
    assert ask(asked, **{"anthropic-beta": "context-management-2025-06-27,something-new"})[0] == 200


def test_the_providers_own_tools_and_what_they_found_are_taken() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    used = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    messages = [USER, said(used, found, text("a"), role="assistant"), USER]
    assert ask(request(tools=[search, WEATHER], messages=messages))[0] == 200


def provoked(words: str, **fields: Any) -> dict[str, Any]:
    return request(messages=[{"role": "user", "content": words}], **fields)


def test_a_refusal_has_a_reason_and_no_content() -> None:
    details = {
        "type": "refusal",
        "category": "general_harms",
        "explanation": "I'm sorry, but I can't help with that.",
    }
    body = whole(provoked("[[refuse]]", thinking={"type": "adaptive"}))
    assert (body["content"], body["stop_reason"], body["stop_details"]) == ([], "refusal", details)
    events = stream(provoked("[[refuse]]"))
    assert [event["type"] for event in events] == ["message_start", "ping", "message_delta", "message_stop"]
    assert events[2]["delta"] == {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}


def test_visible_thoughts_can_be_provoked_where_thinking_is_not_off() -> None:
    block = whole(provoked("[[think]]"))["content"][0]
    assert (block["type"], block["thinking"]) == ("thinking", "Simulated thoughts: read the request, then answer it.")
    assert whole(provoked("[[think]]", thinking={"type": "disabled"}))["content"][0]["type"] == "text"


def test_half_an_answer_ends_by_max_tokens() -> None:
    assert whole(provoked("[[length]]"))["stop_reason"] == "max_tokens"


def test_odd_characters_come_in_arguments_too() -> None:
    block = whole(provoked("[[unicode]] get_weather", tools=[WEATHER]))["content"][-1]
    assert block["input"] == {"city": "simulated city one\u2028two\u0085three \U0001f389 \u6f22\u5b57"}
