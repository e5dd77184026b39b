"""The server face of legacy completions: a prompt as one message, what is refused by name, and what callers get."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.dialects import Frame, completions
from router.errors import BadRequest, UpstreamError
from router.sse import EventParser
from router.types import (
    ChatRequest,
    ChatResponse,
    ChoiceSwitched,
    Delta,
    Finished,
    Message,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Started,
    Text,
    TextDelta,
    Usage,
    UsageReported,
)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "auto", "prompt": "Once upon", **fields}).encode()


def decoded(**fields: Any) -> ChatRequest:
    return completions.FACE.decode_request(body(**fields))


# --- what is read --------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["Once upon", ["Once upon"]])
def test_a_prompt_is_one_message_of_the_user(prompt: Any) -> None:
    assert decoded(prompt=prompt) == ChatRequest(
        "auto",
        (Message("user", (Text("Once upon"),)),),
        max_tokens=16,
        wire="completions",
        raw=body(prompt=prompt),
    )


def test_a_request_with_everything() -> None:
    request = decoded(
        max_tokens=50, n=2, stop=["a", "b"], temperature=0.5, top_p=0.9, frequency_penalty=1, presence_penalty=-1,
        logit_bias={"50256": -100}, seed=7, user="ada", logprobs=5, stream=True,
        stream_options={"include_usage": True}, best_of=None, echo=False, suffix=None,
    )  # fmt: skip

    assert (request.max_tokens, request.n, request.stop, request.seed) == (50, 2, ("a", "b"), 7)
    assert (request.temperature, request.top_p, request.user, request.logprobs) == (0.5, 0.9, "ada", 5)
    assert request.stream and request.include_usage
    assert request.others == {"frequency_penalty": 1, "presence_penalty": -1, "logit_bias": {"50256": -100}}


def test_nulls_are_as_good_as_nothing() -> None:
    names = ["max_tokens", "n", "stop", "temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias",
             "seed", "user", "logprobs", "stream", "stream_options", "best_of", "echo", "suffix"]  # fmt: skip

    assert replace(decoded(**dict.fromkeys(names)), raw=b"") == replace(decoded(), raw=b"")


# --- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": ["a", "b"]}, "prompt", "unsupported_parameter"),
        ({"prompt": [1, 2]}, "prompt", "unsupported_parameter"),
        ({"prompt": [[1, 2]]}, "prompt", "unsupported_parameter"),
        ({"prompt": []}, "prompt", "unsupported_parameter"),
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": 5}, "prompt", "invalid_type"),
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": ""}, "model", "missing_required_parameter"),
        ({"model": 5}, "model", "invalid_type"),
        ({"suffix": "end"}, "suffix", "unsupported_parameter"),
        ({"suffix": 5}, "suffix", "invalid_type"),
        ({"echo": True}, "echo", "unsupported_parameter"),
        ({"best_of": 2}, "best_of", "unsupported_parameter"),
        ({"best_of": 1, "n": 2}, "best_of", "invalid_value"),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"logprobs": True}, "logprobs", "invalid_type"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"presence_penalty": -3}, "presence_penalty", "decimal_below_min_value"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1", "decimal_above_max_value"),
        ({"logit_bias": []}, "logit_bias", "invalid_type"),
        ({"stop": [1]}, "stop", "invalid_type"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage", "invalid_type"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decoded(**fields)
    assert (caught.value.param, caught.value.code) == (param, code)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists)
NAMES = st.sampled_from(
    ["model", "prompt", "n", "best_of", "echo", "suffix", "logprobs", "stop", "logit_bias", "stream"]
)


@given(st.dictionaries(NAMES, JSON))
def test_any_value_gives_a_request_or_a_refusal(fields: dict[str, Any]) -> None:
    try:
        assert decoded(**fields).wire == "completions"
    except BadRequest as error:
        assert error.message and error.param


# --- what a caller gets --------------------------------------------------------------------------------

USAGE = Usage(100, 20, cached_tokens=60, cache_write_tokens=10, reasoning_tokens=5)
USAGE_DOCUMENT = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
HEAD = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}
TOKENS = (
    {"token": "a ", "logprob": -0.5, "bytes": [97, 32], "top_logprobs": [{"token": "the ", "logprob": -0.25}]},
    {"token": "🎈", "logprob": -1.0, "bytes": [], "top_logprobs": [{"token": "🎈", "logprob": -1.0}]},
)
LOGPROBS = {
    "tokens": ["a ", "🎈"],
    "token_logprobs": [-0.5, -1.0],
    "top_logprobs": [{"the ": -0.25, "a ": -0.5}, {"🎈": -1.0}],
    "text_offset": [0, 2],
}


def framed(**fields: Any) -> Frame:
    return Frame(decoded(**fields), "m", 7, "0192abcd")


def whole(response: ChatResponse, **fields: Any) -> Any:
    return json.loads(completions.FACE.encode_response(response, framed(**fields), {}))


def choice(text: str, index: int = 0, reason: str | None = None, logprobs: Any = None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}


def streamed(deltas: Sequence[Delta], extra: dict[str, Any] | None = None, **fields: Any) -> list[Any]:
    encoder = completions.FACE.stream_encoder(framed(stream=True, **fields))
    data = b"".join([*(encoder.feed(delta) for delta in deltas), encoder.finish(extra or {})])
    assert encoder.whole() is None
    return [json.loads(event.data) if event.data != b"[DONE]" else "[DONE]" for event in EventParser().feed(data)]


def test_an_answer_is_a_text_completion() -> None:
    second = ChatResponse("", "", None, "content_filter", refusal="No")
    response = ChatResponse("chatcmpl-1", "up", "a 🎈", "length", usage=USAGE, alternatives=(second,))

    assert whole(response) == {
        **HEAD,
        "choices": [choice("a 🎈", 0, "length"), choice("No", 1, "content_filter")],
        "usage": USAGE_DOCUMENT,
    }


def test_an_answer_without_an_id_of_its_own_gets_the_requests() -> None:
    document = whole(ChatResponse("", "up", "a", "stop"))

    assert document["id"] == "cmpl-0192abcd" and "usage" not in document


def test_log_probabilities_are_four_columns() -> None:
    response = ChatResponse("1", "up", "a 🎈", "stop", logprobs=TOKENS)

    assert whole(response, logprobs=1)["choices"][0]["logprobs"] == LOGPROBS
    assert whole(response, logprobs=0)["choices"][0]["logprobs"] == {**LOGPROBS, "top_logprobs": None}


DELTAS: list[Delta] = [
    Started("chatcmpl-1", "up"),
    ReasoningDelta("Hm"),
    ReasoningEnded(),
    TextDelta("a "),
    ChoiceSwitched(1),
    RefusalDelta("No"),
    Finished("content_filter"),
    ChoiceSwitched(0),
    TextDelta("🎈"),
    Finished("stop"),
    UsageReported(USAGE),
]


def test_a_stream_is_text_completions_and_done() -> None:
    assert streamed(DELTAS) == [
        {**HEAD, "choices": [choice("a ")]},
        {**HEAD, "choices": [choice("No", 1)]},
        {**HEAD, "choices": [choice("🎈")]},
        {**HEAD, "choices": [choice("", 0, "stop")]},
        {**HEAD, "choices": [choice("", 1, "content_filter")]},
        "[DONE]",
    ]


def test_usage_comes_last_and_alone_where_it_is_asked_for() -> None:
    events = streamed(DELTAS, {"router": {}}, stream_options={"include_usage": True})

    assert [event["usage"] for event in events[:-2]] == [None] * 5
    assert events[-2:] == [{**HEAD, "choices": [], "usage": USAGE_DOCUMENT, "router": {}}, "[DONE]"]


def test_log_probabilities_of_a_stream_count_through_the_text() -> None:
    pieces = [Started("", "up"), TextDelta("a ", TOKENS[:1]), TextDelta("🎈", TOKENS[1:]), Finished("stop")]

    logprobs = [event["choices"][0]["logprobs"] for event in streamed(pieces, logprobs=1)[:-1]]

    assert [found["text_offset"] for found in logprobs[:2]] == [[0], [2]]
    assert logprobs[0]["top_logprobs"] == LOGPROBS["top_logprobs"][:1] and logprobs[2] is None


def test_an_error_is_openais_envelope() -> None:
    error = {"message": "cut", "type": "server_error", "param": None, "code": "upstream_truncated"}
    cut = UpstreamError("truncated", "cut")

    assert json.loads(completions.FACE.encode_error(cut, "req_1")) == {"error": error}
    (event,) = EventParser().feed(completions.FACE.stream_encoder(framed()).fail(cut))
    assert json.loads(event.data) == {"error": error}
