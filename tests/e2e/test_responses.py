"""The official OpenAI SDK speaking Responses to a running proxy, answered by providers of other dialects."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import FunctionToolParam, Response
from pydantic import BaseModel

from tests.providers import Cut, Providers, Status
from tests.running import Running, running, with_keys

MODELS = {"anthropic": "claude-opus-4.7", "gemini": "gemini-3.1-pro"}
TOOL: FunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
QUESTION = "What is the weather in Oslo?"


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(proxy: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{proxy.url}/v1", api_key="unused", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(params=MODELS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(dialect: str) -> str:
    return MODELS[dialect]


def sent(providers: Providers) -> str:
    return providers.received[-1].body.decode()


def called(response: Response) -> Any:
    """The one call of this answer."""
    (call,) = [item for item in response.output if item.type == "function_call"]
    assert call.name == "get_weather" and isinstance(json.loads(call.arguments)["city"], str)
    return call


# --- answers and streams -------------------------------------------------------------------------------


def test_a_whole_answer_names_its_model_and_its_usage(client: OpenAI, model: str) -> None:
    answer = client.responses.create(model=model, input="Say hello", instructions="Be brief.", metadata={"k": "v"})

    Response.model_validate(answer.to_dict())
    assert (answer.model, answer.status, answer.error) == (model, "completed", None)
    assert answer.output_text
    assert (answer.instructions, answer.metadata) == ("Be brief.", {"k": "v"})
    assert answer.usage is not None and answer.usage.output_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_a_stream_tells_the_answer_that_it_ends_with(client: OpenAI, model: str) -> None:
    events = list(client.responses.create(model=model, input="Tell a story", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last.type == "response.completed"
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(pieces) > 2 and "".join(pieces) == last.response.output_text
    assert last.response.usage is not None
    kept = client.responses.retrieve(last.response.id)
    assert kept.to_dict() == last.response.to_dict()


def test_the_sdks_own_stream_adds_up(client: OpenAI, model: str) -> None:
    asked = {"model": model, "input": QUESTION, "tools": [TOOL], "tool_choice": "required"}
    with client.responses.stream(**asked) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()

    assert called(final).arguments == snapshots[-1]


def test_visible_reasoning_is_a_summary(client: OpenAI, model: str) -> None:
    asked = {"model": model, "input": "Think about it", "reasoning": {"effort": "high", "summary": "auto"}}

    whole = client.responses.create(**asked)
    events = list(client.responses.create(**asked, stream=True))

    assert [item.type for item in whole.output] == ["reasoning", "message"]
    (text,) = [part.text for item in whole.output if item.type == "reasoning" for part in item.summary]
    said = "".join(event.delta for event in events if event.type == "response.reasoning_summary_text.delta")
    assert text == said != ""
    assert whole.usage is not None and whole.usage.output_tokens_details.reasoning_tokens > 0


def test_a_schema_is_parsed(client: OpenAI, model: str) -> None:
    asked = {"model": model, "input": "Ann is 31", "text_format": Person}

    whole = client.responses.parse(**asked)
    with client.responses.stream(**asked) as stream:
        streamed = stream.get_final_response()

    assert isinstance(whole.output_parsed, Person) and isinstance(streamed.output_parsed, Person)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_cut_by_its_limit_is_incomplete(client: OpenAI, model: str, stream: bool) -> None:
    if stream:
        last = list(client.responses.create(model=model, input="Tell [[length]]", stream=True))[-1]
        assert last.type == "response.incomplete"
        answer = last.response
    else:
        answer = client.responses.create(model=model, input="Tell [[length]]")

    assert answer.status == "incomplete" and answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert [item.status for item in answer.output if item.type == "message"] == ["incomplete"]


def test_odd_text_arrives_whole(client: OpenAI, model: str) -> None:
    events = client.responses.create(model=model, input="Say [[unicode]]", stream=True)

    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")

    assert "one\u2028two\u0085three \U0001f389 \u6f22\u5b57" in said


# --- conversations -------------------------------------------------------------------------------------


def test_a_tool_loop_goes_round_when_the_caller_keeps_all(
    client: OpenAI, dialect: str, model: str, providers: Providers
) -> None:
    asked: dict[str, Any] = {
        "model": model,
        "tools": [TOOL],
        "store": False,
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }
    first = client.responses.create(input=QUESTION, **asked)
    items = [{"role": "user", "content": QUESTION}, *(item.to_dict() for item in first.output)]
    output = {"type": "function_call_output", "call_id": called(first).call_id, "output": '{"temperature": 7}'}

    answer = client.responses.create(input=[*items, output], **asked)

    assert answer.status == "completed" and answer.output_text
    assert QUESTION in sent(providers) and '"temperature' in sent(providers).replace("\\", "")
    assert_sealed(providers, dialect)


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop_goes_round_by_the_previous_answers_id(
    client: OpenAI, dialect: str, model: str, providers: Providers, stream: bool
) -> None:
    """Bug 23: gateways that only bridge forget what came before."""
    asked: dict[str, Any] = {"model": model, "tools": [TOOL], "reasoning": {"effort": "high"}}
    if stream:
        first = list(client.responses.create(input=QUESTION, stream=True, **asked))[-1].response
    else:
        first = client.responses.create(input=QUESTION, **asked)
    output: Any = {"type": "function_call_output", "call_id": called(first).call_id, "output": '{"temperature": 7}'}

    second = client.responses.create(input=[output], previous_response_id=first.id, **asked)
    assert QUESTION in sent(providers)
    assert_sealed(providers, dialect)
    third = client.responses.create(model=model, input="And tomorrow?", previous_response_id=second.id)

    assert second.previous_response_id == first.id and second.output_text and third.output_text
    for text in (QUESTION, "temperature", second.output_text, "And tomorrow?"):
        assert json.dumps(text)[1:-1] in sent(providers) or text in sent(providers)


def assert_sealed(providers: Providers, dialect: str) -> None:
    """The provider got back what it had sealed its call with, and no stand-in."""
    turns = providers.received[-1].json["messages" if dialect == "anthropic" else "contents"]
    if dialect == "anthropic":
        blocks = [block for turn in turns if turn["role"] == "assistant" for block in turn["content"]]
        assert blocks[0]["type"] == "thinking" and blocks[0]["signature"] and blocks[-1]["type"] == "tool_use"
    else:
        parts = [part for turn in turns if turn["role"] == "model" for part in turn["parts"]]
        (signature,) = [part["thoughtSignature"] for part in parts if "functionCall" in part]
        assert signature != "skip_thought_signature_validator"


def test_instructions_hold_for_one_answer(client: OpenAI, model: str, providers: Providers) -> None:
    first = client.responses.create(model=model, input="Hello", instructions="Speak like a pirate.")

    client.responses.create(model=model, input="Again", previous_response_id=first.id, instructions="Speak plainly.")

    assert "pirate" not in sent(providers) and "Speak plainly." in sent(providers) and "Hello" in sent(providers)


def test_a_conversation_moves_to_another_provider(client: OpenAI, providers: Providers) -> None:
    asked: dict[str, Any] = {"tools": [TOOL], "reasoning": {"effort": "high", "summary": "auto"}}
    first = client.responses.create(model=MODELS["anthropic"], input=QUESTION, **asked)
    output: Any = {"type": "function_call_output", "call_id": called(first).call_id, "output": "7 degrees"}

    second = client.responses.create(
        model=MODELS["gemini"], input=[output], previous_response_id=first.id, tools=[TOOL]
    )

    assert second.output_text and QUESTION in sent(providers) and "7 degrees" in sent(providers)


def test_an_output_that_is_missing_is_told_as_openai_does(client: OpenAI, model: str) -> None:
    first = client.responses.create(model=model, input=QUESTION, tools=[TOOL], tool_choice="required")

    text = f"No tool output found for function call {called(first).call_id}."
    with pytest.raises(openai.BadRequestError, match=text) as caught:
        client.responses.create(model=model, input="Well?", previous_response_id=first.id)

    assert caught.value.param == "input"


# --- stored answers ------------------------------------------------------------------------------------


def test_a_stored_answer_is_found_listed_and_forgotten(client: OpenAI) -> None:
    items: Any = [{"role": "user", "content": f"Hello {number}"} for number in range(3)]
    answer = client.responses.create(model=MODELS["anthropic"], input=items)

    assert client.responses.retrieve(answer.id).to_dict() == answer.to_dict()
    newest_first = [item.to_dict() for item in client.responses.input_items.list(answer.id)]
    assert [item["content"][0]["text"] for item in newest_first] == ["Hello 2", "Hello 1", "Hello 0"]
    page = client.responses.input_items.list(answer.id, order="asc", limit=2)
    assert page.has_more and [item.to_dict() for item in page] == newest_first[::-1]
    rest = client.responses.input_items.list(answer.id, order="asc", after=page.data[-1].id)
    assert [item.to_dict() for item in rest] == newest_first[:1] and not rest.has_more

    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(answer.id)
    with pytest.raises(openai.BadRequestError) as caught:
        list(client.responses.retrieve(answer.id, stream=True))
    assert caught.value.param == "stream"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.input_items.list(answer.id, after="msg_unknown")
    assert caught.value.param == "after"

    client.responses.delete(answer.id)
    assert_unknown(client, answer.id)


def test_a_deletion_says_so(client: OpenAI, proxy: Running) -> None:
    answer = client.responses.create(model=MODELS["gemini"], input="Hello")

    said = proxy.client.delete(f"/v1/responses/{answer.id}")

    assert (said.status_code, said.json()) == (200, {"id": answer.id, "object": "response", "deleted": True})


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_to_be_stored_is_not(client: OpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {"model": MODELS["anthropic"], "input": "Hello", "store": False}
    if stream:
        answer = list(client.responses.create(**asked, stream=True))[-1].response
    else:
        answer = client.responses.create(**asked)

    assert answer.store is False
    assert_unknown(client, answer.id)


def assert_unknown(client: OpenAI, answer_id: str) -> None:
    calls = (
        client.responses.retrieve,
        client.responses.delete,
        client.responses.cancel,
        client.responses.input_items.list,
    )
    for call in calls:
        with pytest.raises(openai.NotFoundError, match=f"Response with id '{answer_id}' not found."):
            call(answer_id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODELS["gemini"], input="And?", previous_response_id=answer_id)
    assert (caught.value.param, caught.value.code) == ("previous_response_id", "previous_response_not_found")


def test_an_answer_is_its_callers_own(tmp_path: Path, providers: Providers) -> None:
    keys = [{"id": name, "sha256": hashlib.sha256(name.encode()).hexdigest()} for name in ("ada", "bob")]
    with (
        running(tmp_path, with_keys(providers), {"keys": keys}) as proxy,
        OpenAI(base_url=f"{proxy.url}/v1", api_key="ada", max_retries=0) as ada,
        OpenAI(base_url=f"{proxy.url}/v1", api_key="bob", max_retries=0) as bob,
        OpenAI(base_url=f"{proxy.url}/v1", api_key="eve", max_retries=0) as eve,
    ):
        answer = ada.responses.create(model=MODELS["anthropic"], input="Hello")
        assert_unknown(bob, answer.id)
        assert ada.responses.retrieve(answer.id).id == answer.id
        with pytest.raises(openai.AuthenticationError):
            eve.responses.retrieve(answer.id)


# --- what goes wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model": "gpt-9"}, openai.NotFoundError, "model"),
        ({"background": True}, openai.BadRequestError, "background"),
        ({"conversation": "conv_1"}, openai.BadRequestError, "conversation"),
        ({"input": []}, openai.BadRequestError, "input"),
    ],
)
def test_a_refusal_names_the_field(
    client: OpenAI, fields: dict[str, Any], error: type[openai.APIStatusError], param: str
) -> None:
    asked: dict[str, Any] = {"model": MODELS["anthropic"], "input": "Hello", **fields}

    with pytest.raises(error) as caught:
        client.responses.create(**asked)

    assert caught.value.body is not None and caught.value.param == param


def test_what_only_openai_can_do_is_refused_by_name_elsewhere(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.BadRequestError, match=r"tools\[0\]\.type"):
        client.responses.create(model=model, input="Hello", tools=[{"type": "web_search"}])


def test_a_providers_error_is_the_sdks_own(client: OpenAI, dialect: str, model: str, providers: Providers) -> None:
    providers.fail(dialect, Status(429, retry_after_s=7))

    with pytest.raises(openai.RateLimitError) as caught:
        client.responses.create(model=model, input="Hello", stream=True)

    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("then", ["end", "reset", "error"])
def test_a_stream_that_breaks_fails_and_is_not_stored(
    client: OpenAI, dialect: str, model: str, providers: Providers, then: Any
) -> None:
    providers.fail(dialect, Cut(2, then))

    events = list(client.responses.create(model=model, input="Tell a story", stream=True))

    last = events[-1]
    assert last.type == "response.failed" and last.response.status == "failed" and last.response.error is not None
    assert last.response.error.code.startswith("upstream_") and last.response.error.message
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "response.completed" not in {event.type for event in events}
    assert_unknown(client, last.response.id)


@pytest.mark.parametrize("model", ["gpt-5.5", "claude-opus-4.7", "gemini-3.1-pro"])
def test_items_are_known_by_their_ids(proxy: Running, model: str) -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    asked = {"role": "user", "content": "What is the weather in Oslo?"}
    first = proxy.client.post("/v1/responses", json={"model": model, "input": [asked], "tools": [tool]}).json()
    references = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
    (call,) = [item for item in first["output"] if item["type"] == "function_call"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "7 degrees"}

    second = proxy.client.post(
        "/v1/responses", json={"model": model, "input": [asked, *references, output], "tools": [tool]}
    )

    assert second.status_code == 200, second.text
    third = {"model": "claude-opus-4.7", "previous_response_id": second.json()["id"], "input": "Thanks"}
    assert proxy.client.post("/v1/responses", json=third).status_code == 200


def test_an_item_that_nobody_knows_is_named(proxy: Running) -> None:
    items = [{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": "msg_unknown"}]

    response = proxy.client.post("/v1/responses", json={"model": "claude-opus-4.7", "input": items})

    assert response.status_code == 400 and response.json()["error"]["param"] == "input[1].type"


def test_reasoning_that_openai_keeps_goes_back_to_it_by_its_id(proxy: Running, providers: Providers) -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    asked = {"role": "user", "content": "What is the weather in Oslo? [[think]]"}
    fields = {"model": "gpt-5.5", "tools": [tool], "reasoning": {"effort": "high"}}
    said = proxy.client.post("/v1/responses", json={**fields, "input": [asked]}).json()["output"]
    assert [item["type"] for item in said] == ["reasoning", "function_call"]
    output = {"type": "function_call_output", "call_id": said[1]["call_id"], "output": "7 degrees"}

    answer = proxy.client.post("/v1/responses", json={**fields, "input": [asked, *said, output]})

    assert answer.status_code == 200, answer.text
    sent = providers.calls("openai")[-1].json["input"]
    assert [item.get("id") for item in sent[1:3]] == [item["id"] for item in said]


def test_an_answer_names_the_one_before_it_also_where_its_provider_did_not(proxy: Running) -> None:
    first = proxy.client.post("/v1/responses", json={"model": "gemini-3.1-pro", "input": "Hi"}).json()
    again = {"model": "gpt-5.5", "input": "And?", "previous_response_id": first["id"]}

    whole = proxy.client.post("/v1/responses", json=again).json()
    streamed = proxy.client.post("/v1/responses", json={**again, "stream": True})

    assert whole["previous_response_id"] == first["id"]
    lines = [line for line in streamed.text.split("\n") if line.startswith('data: {"type":"response.completed"')]
    (end,) = [json.loads(line[6:]) for line in lines]
    assert end["response"]["previous_response_id"] == first["id"]


def test_a_conversation_with_openais_own_tools_stays_with_openai(proxy: Running, providers: Providers) -> None:
    said = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Found", "annotations": []}]}  # fmt: skip
    searched = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
    answer: dict[str, Any] = {
        "id": "resp_search",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": [searched, said],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    }
    providers.fail("openai", Status(200, json.dumps(answer).encode(), {"content-type": "application/json"}))
    first = {"model": "gpt-5.5", "input": "Search", "tools": [{"type": "web_search"}]}
    assert proxy.client.post("/v1/responses", json=first).status_code == 200

    again = {"input": "And?", "previous_response_id": "resp_search"}
    elsewhere = proxy.client.post("/v1/responses", json={"model": "claude-opus-4.7", **again})
    providers.fail("openai", Status(200, json.dumps(answer).encode(), {"content-type": "application/json"}))
    there = proxy.client.post("/v1/responses", json={"model": "gpt-5.5", **again})

    assert elsewhere.status_code == 400 and "bound_history" in elsewhere.json()["error"]["message"]
    sent = providers.calls("openai")[-1].json
    assert sent["previous_response_id"] == "resp_search" and there.status_code == 200
