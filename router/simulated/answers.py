"""What a simulated provider says, the same in every dialect: a pure function of the question.

It calls a tool when it is forced to; else, unless the last turn is a tool's result, when the last user text has a word
of the tool's name in it, or when a tool is a shell. Tools that are named in full are called together; without one, the
tool with most words in common is. Otherwise it answers with a few sentences, or with JSON where that was asked for.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from router.simulated.values import value_for
from router.simulated.wire import encode, tokens

Json = Any


@dataclass(frozen=True, slots=True)
class Tool:
    """`schema` None means no arguments; a `free` tool takes text instead of JSON (OpenAI's custom tools)."""

    name: str
    schema: Mapping[str, Json] | None = None
    free: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """`text` is the last user text; `tool_result` what the last turn returned, None when it is not a tool's.

    `tools` are those that may be called now. `schema` holds a JSON answer; an empty one asks for any object.
    """

    model: str
    text: str
    tool_result: str | None = None
    tools: tuple[Tool, ...] = ()
    forced: bool = False
    parallel: bool = True
    schema: Mapping[str, Json] | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    tool: Tool
    arguments: Mapping[str, Json]

    @property
    def text(self) -> str:
        """The arguments as a model writes them."""
        return "simulated input" if self.tool.free else encode(self.arguments).decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """`output_tokens` count the reasoning too. `luck` is a number from the question, to vary what else is said."""

    text: str
    calls: tuple[ToolCall, ...]
    end: Literal["stop", "stop_sequence", "length", "tool_calls"]
    stop_sequence: str | None
    output_tokens: int
    reasoning_tokens: int
    luck: int


def answer(question: Question) -> Answer:
    """The same question gives the same answer."""
    luck = zlib.crc32(question.text.encode("utf-8", "replace"))
    if called := _called(question):
        calls = tuple(ToolCall(tool, value_for(tool.schema, luck) if tool.schema else {}) for tool in called)
        size = sum(len(call.tool.name) + len(call.text.encode()) for call in calls)
        spent = tokens(size) + question.reasoning_tokens
        return Answer("", calls, "tool_calls", None, spent, question.reasoning_tokens, luck)
    return _limited(question, _said(question, luck), luck)


_WORD = re.compile(r"[a-z]{3,}|[0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EVERYDAY = frozenset({"the", "and", "for", "get", "set", "use", "run", "make", "new", "all", "with", "from", "into"})
_SHELLS = frozenset({"bash", "shell", "terminal"})


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _name_words(name: str) -> set[str]:
    return _words(_HUMP.sub(" ", name)) - _EVERYDAY


def _called(question: Question) -> list[Tool]:
    if not question.tools or (question.tool_result is not None and not question.forced):
        return []
    named = [tool for tool in question.tools if tool.name in question.text]
    if named:
        return named if question.parallel else named[:1]
    said = _words(question.text)
    common = [len(_name_words(tool.name) & said) for tool in question.tools]
    if any(common) or question.forced:
        return [question.tools[common.index(max(common))]]
    return [tool for tool in question.tools if _name_words(tool.name) & _SHELLS][:1]


_SENTENCES = (
    "The short version is that it depends on what you measure.",
    "Start with the smallest change that could work and look at the result.",
    "Two points matter here: what goes in, and what you do when it is wrong.",
    "A table with one row per case would make the differences easy to see.",
    "I would check the edge cases first: empty input, very long input, and repeats.",
    "If the numbers disagree, trust the ones you measured yourself.",
    "That keeps the cost low and the answer easy to verify.",
    "Write the expected outcome down before you try it.",
)


def _said(question: Question, luck: int) -> str:
    if question.schema:
        return encode(value_for(question.schema, luck)).decode()
    excerpt = question.text[:80]
    if question.schema is not None:
        return encode({"simulated": True, "model": question.model, "request": excerpt}).decode()
    opening = f"This is a simulated answer in the name of {question.model}; no provider was asked."
    if question.tool_result is not None:
        return f"{opening} The tool answered: {question.tool_result[:80]}"
    chosen = [_SENTENCES[(luck >> shift) % len(_SENTENCES)] for shift in (0, 8, 16)]
    return " ".join([opening, f"You wrote: {excerpt}", *dict.fromkeys(chosen)])


def _limited(question: Question, text: str, luck: int) -> Answer:
    """`text` up to a stop sequence or the limit of tokens; reasoning takes at most half of the limit."""
    reasoning, sequence = question.reasoning_tokens, None
    places = [(text.find(stop), stop) for stop in question.stop if stop and stop in text]
    if places:
        place, sequence = min(places)
        text = text[:place]
    data, over = text.encode(), False
    if question.max_tokens is not None:
        reasoning = min(reasoning, question.max_tokens // 2)
        over = tokens(len(data)) > question.max_tokens - reasoning
        data = data[: max(1, question.max_tokens - reasoning) * 4]
    end: Literal["stop", "stop_sequence", "length"] = "length" if over else "stop_sequence" if sequence else "stop"
    if over:
        text, sequence = data.decode("utf-8", "ignore"), None
    return Answer(text, (), end, sequence, tokens(len(data)) + reasoning, reasoning, luck)
