"""What a simulated provider says, the same in every dialect: a pure function of the question.

It calls a tool when it is forced to; else, unless the last turn is a tool's result, when the last user text has a word
of the tool's name in it, or when a tool is a shell. Tools that are named in full are called together; without one, the
tool with most words in common is. Otherwise it answers with a few sentences, or with JSON where that was asked for.

Words in the last user text provoke what is rare:

    [[refuse]]    a refusal, in the dialect's own way
    [[length]]    half an answer, ended by the limit of tokens; no tool unless forced
    [[unicode]]   U+2028, U+0085, an emoji and ideographs, in texts and in what tools are called with
    [[think]]     visible reasoning that nobody asked for, where the model can reason
    [[redact]]    reasoning that is there but not to be read, where the dialect has that
    [[parallel]]  two tool calls, where there are tools and more than one call is allowed
    [[invalid]]   prose where JSON was asked for, unless the API holds the model to it
"""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from router.simulated.schemas import malformed
from router.simulated.values import value_for
from router.simulated.wire import encode, tokens

Json = Any

Trigger = Literal["refuse", "length", "unicode", "think", "redact", "parallel", "invalid"]

REFUSAL = "I'm sorry, but I can't help with that."
THOUGHTS = "Simulated thoughts: read the request, then answer it."
ODD_TEXT = " one\u2028two\u0085three \U0001f389 \u6f22\u5b57"


@dataclass(frozen=True, slots=True)
class Tool:
    """`schema` None means no arguments; a `free` tool takes text instead of JSON (OpenAI's custom tools)."""

    name: str
    schema: Mapping[str, Json] | None = None
    free: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """`text` is the last user text; `tool_result` what the last turn returned, None when it is not a tool's.

    `tools` are those that may be called now. `schema` holds a JSON answer; an empty one asks for any object; it is
    only `told` where the API doesn't hold the model to it. `draw` tells the answers to one request apart.
    """

    model: str
    text: str
    tool_result: str | None = None
    tools: tuple[Tool, ...] = ()
    forced: bool = False
    parallel: bool = True
    schema: Mapping[str, Json] | None = None
    told: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_tokens: int = 0
    draw: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`text` is what the model writes: its arguments as JSON, or a free tool's input."""

    tool: Tool
    arguments: Mapping[str, Json]
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal has its words in `text`. `output_tokens` count the reasoning too; `thinks_aloud` asks to show it.

    `luck` is a number from the question, to vary what else is said.
    """

    text: str
    calls: tuple[ToolCall, ...]
    end: Literal["stop", "stop_sequence", "length", "tool_calls", "refusal"]
    stop_sequence: str | None
    output_tokens: int
    reasoning_tokens: int
    luck: int
    thinks_aloud: bool = False


def answer(question: Question) -> Answer:
    """The same question gives the same answer."""
    return replace(_answer(question), thinks_aloud=provoked(question.text, "think"))


def _answer(question: Question) -> Answer:
    luck = zlib.crc32(question.text.encode("utf-8", "replace"), question.draw)
    reasoning = question.reasoning_tokens
    if provoked(question.text, "refuse"):
        return Answer(REFUSAL, (), "refusal", None, tokens(len(REFUSAL)) + reasoning, reasoning, luck)
    if called := _called(question):
        calls = tuple(_call(question, tool, luck + place) for place, tool in enumerate(called))
        size = sum(len(call.tool.name) + len(call.text.encode()) for call in calls)
        return Answer("", calls, "tool_calls", None, tokens(size) + reasoning, reasoning, luck)
    return _limited(question, _said(question, luck), luck)


def provoked(text: str, what: Trigger) -> bool:
    return f"[[{what}]]" in text


_ASKS_FOR_SCHEMA = re.compile("json schema", re.IGNORECASE)


def told_schema(instructions: str) -> Mapping[str, Json] | None:
    """What instructions ask for in words, where an API has no field for it: the first object behind "JSON Schema", an
    empty schema for "one JSON object", None without either."""
    for place in _ASKS_FOR_SCHEMA.finditer(instructions):
        start = instructions.find("{", place.end())
        try:
            _, end = json.JSONDecoder().raw_decode(instructions, start)
            schema = msgspec.json.decode(instructions[start:end].encode())
        except (ValueError, RecursionError, msgspec.DecodeError):
            continue
        if isinstance(schema, dict) and malformed(schema) is None:
            return schema
    return {} if "one JSON object" in instructions else None


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
    if provoked(question.text, "length") and not question.forced:
        return []
    if provoked(question.text, "parallel") and question.parallel:
        return list((question.tools * 2)[:2])
    named = [tool for tool in question.tools if tool.name in question.text]
    if named:
        return named if question.parallel else named[:1]
    said = _words(question.text)
    common = [len(_name_words(tool.name) & said) for tool in question.tools]
    if any(common) or question.forced:
        return [question.tools[common.index(max(common))]]
    return [tool for tool in question.tools if _name_words(tool.name) & _SHELLS][:1]


def _call(question: Question, tool: Tool, luck: int) -> ToolCall:
    odd = _odd(question)
    if tool.free:
        return ToolCall(tool, {}, "simulated input" + odd)
    arguments = value_for(tool.schema, luck, odd) if tool.schema else {}
    return ToolCall(tool, arguments, encode(arguments).decode())


def _odd(question: Question) -> str:
    return ODD_TEXT if provoked(question.text, "unicode") else ""


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
    excerpt, odd = question.text[:80], _odd(question)
    in_prose = question.told and provoked(question.text, "invalid")
    if question.schema and not in_prose:
        return encode(value_for(question.schema, luck, odd)).decode()
    if question.schema is not None and not in_prose:
        return encode({"simulated": True, "model": question.model, "request": excerpt + odd}).decode()
    opening = f"This is a simulated answer in the name of {question.model}; no provider was asked."
    if question.tool_result is not None:
        return f"{opening} The tool answered: {question.tool_result[:80]}"
    chosen = [_SENTENCES[(luck >> shift) % len(_SENTENCES)] for shift in (0, 8, 16)]
    return " ".join([opening, f"You wrote: {excerpt}{odd}", *dict.fromkeys(chosen)])


def _limited(question: Question, text: str, luck: int) -> Answer:
    """`text` up to a stop sequence or the limit of tokens; reasoning takes at most half of the limit."""
    reasoning, sequence = question.reasoning_tokens, None
    places = [(text.find(stop), stop) for stop in question.stop if stop and stop in text]
    if places:
        place, sequence = min(places)
        text = text[:place]
    data, over = text.encode(), False
    if provoked(question.text, "length"):
        data, over = data[: len(data) // 2], True
    if question.max_tokens is not None:
        reasoning = min(reasoning, question.max_tokens // 2)
        over = over or tokens(len(data)) > question.max_tokens - reasoning
        data = data[: max(1, question.max_tokens - reasoning) * 4]
    end: Literal["stop", "stop_sequence", "length"] = "length" if over else "stop_sequence" if sequence else "stop"
    if over:
        text, sequence = data.decode("utf-8", "ignore"), None
    return Answer(text, (), end, sequence, tokens(len(data)) + reasoning, reasoning, luck)
