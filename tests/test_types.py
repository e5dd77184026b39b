"""The vocabulary: what deltas add up to, and what counts as useful output."""

import pytest

from router.types import (
    ChatResponse,
    ChoiceSwitched,
    Delta,
    Finished,
    Image,
    Message,
    Reasoning,
    ReasoningDelta,
    ReasoningEnded,
    RefusalDelta,
    Seal,
    Started,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
    fold,
    is_useful,
)


def test_deltas_fold_to_the_whole_answer() -> None:
    deltas: list[Delta] = [
        Started("id", "model"),
        ReasoningDelta("think"),
        ReasoningDelta("ing"),
        TextDelta("Hel"),
        ToolCallStarted(1, "b", "g"),
        ToolCallStarted(0, "a", "f"),
        ToolCallDelta(0, '{"x"'),
        TextDelta("lo"),
        ToolCallDelta(0, ":1}"),
        RefusalDelta("N"),
        RefusalDelta("o"),
        UsageReported(Usage(1, 1)),
        UsageReported(Usage(5, 2)),
        Finished("tool_calls"),
    ]

    assert fold(deltas) == ChatResponse(
        id="id",
        model="model",
        text="Hello",
        finish_reason="tool_calls",
        tool_calls=(ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}")),
        refusal="No",
        thoughts=(Reasoning("thinking"),),
        usage=Usage(5, 2),
    )


def test_an_answer_without_text_has_none() -> None:
    assert fold([Started("id", "m"), Finished("length")]) == ChatResponse("id", "m", None, "length")


@pytest.mark.parametrize("deltas", [[], [Started("id", "m"), TextDelta("Half an")]])
def test_a_stream_without_an_end_has_no_whole(deltas: list[Delta]) -> None:
    with pytest.raises(ValueError, match="no end"):
        fold(deltas)


@pytest.mark.parametrize(
    ("delta", "useful"),
    [
        (TextDelta("x"), True),
        (TextDelta(" x"), True),
        (TextDelta(""), False),
        (TextDelta(" \n\t\u2003"), False),
        (RefusalDelta("No"), True),
        (RefusalDelta(" "), False),
        (ToolCallStarted(0, "a", "f"), True),
        (ToolCallDelta(0, "{}"), False),
        (ReasoningDelta("Hm"), False),
        (Started("id", "m"), False),
        (UsageReported(Usage(1, 1)), False),
        (Finished("stop"), False),
    ],
)
def test_useful_output_is_text_a_refusal_or_a_tool_call(delta: Delta, useful: bool) -> None:
    assert is_useful(delta) is useful


def test_the_text_of_a_message_is_its_text_parts() -> None:
    assert Message("user", (Text("a"), Image("https://x.test"), Text("b"))).text == "ab"
    assert Message("user", (Text("a"),)).text == "a"
    assert Message("assistant").text == ""


def test_cached_and_reasoning_tokens_are_not_counted_twice() -> None:
    assert Usage(100, 20, cached_tokens=60, cache_write_tokens=10, reasoning_tokens=5).total_tokens == 120


def test_pieces_of_reasoning_keep_their_seals_and_their_order() -> None:
    deltas = [
        Started("id", "model"),
        ReasoningDelta("first "),
        ReasoningDelta("piece"),
        ReasoningEnded(Seal("s1", "messages")),
        ReasoningEnded(Seal("cipher", "messages"), hidden=True),
        ReasoningDelta("open"),
        Finished("stop"),
    ]

    answer = fold(deltas)

    assert answer.thoughts == (
        Reasoning("first piece", Seal("s1", "messages")),
        Reasoning("", Seal("cipher", "messages"), hidden=True),
        Reasoning("open"),
    )
    assert answer.reasoning == "first pieceopen"


def test_choices_are_added_up_apart() -> None:
    deltas = [
        Started("id", "model"),
        TextDelta("a", ({"token": "a"},)),
        ChoiceSwitched(1),
        TextDelta("b"),
        ToolCallStarted(0, "x", "f", "custom"),
        ChoiceSwitched(0),
        TextDelta("A", ({"token": "A"},)),
        Finished("stop"),
        ChoiceSwitched(1),
        Finished("tool_calls"),
        UsageReported(Usage(1, 2)),
    ]

    assert fold(deltas) == ChatResponse(
        "id",
        "model",
        "aA",
        "stop",
        logprobs=({"token": "a"}, {"token": "A"}),
        usage=Usage(1, 2),
        alternatives=(ChatResponse("id", "model", "b", "tool_calls", (ToolCall("x", "f", "", "custom"),)),),
    )


def test_a_choice_without_its_end_is_truncated() -> None:
    with pytest.raises(ValueError, match="truncated"):
        fold([Started("id", "m"), Finished("stop"), ChoiceSwitched(1), TextDelta("b")])
