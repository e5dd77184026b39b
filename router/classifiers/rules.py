"""Rules: hard structure first, then a sum of named reasons per class over a bounded part of the text.

Weights come from reading labelled requests, not from training, so there is no probability to give as `confidence`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal, NamedTuple

from router.classifiers import (
    AGENTIC,
    CODING,
    GENERAL,
    GROUPS,
    LONG,
    RESEARCH,
    STRICT,
    CustomClass,
    Group,
    marks,
    nearest,
    words,
    words_of,
)
from router.decision import Classification
from router.types import ChatRequest, Message, Tool

WHOLE_CHARS = 3000  # a last user turn up to here is read whole,
WINDOW_CHARS = 800  # of a longer one this much of head and tail; of the system prompt twice this
DOCUMENT_CHARS = 2000  # from here on a text can be a document to work on,
LONG_CHARS = 6000  # from here on its length alone says so
MOST_TOOLS = 16
BASE_WEIGHT = 1.0  # of `general`: what another class has to beat
MOST_REASONS = 6


class Reason(NamedTuple):
    task_class: str
    name: str
    weight: float


_BY_WORD = {word: group for group in GROUPS for word in group.words}
_ALL_WORDS = frozenset(_BY_WORD)
_ASCII_MARKS = {group.reason: tuple(mark for mark in group.marks if mark.isascii()) for group in GROUPS}

# Every repeat in these is bounded or over one class of signs, so that they stay linear on any text.
_AMOUNT = re.compile(
    r"\b(?:at least|at most|no more than|not exceed\w*|fewer than|less than|more than|exactly|within|under|over|in|"
    r"into) (?:\d{1,5}|one|two|three|four|five|six|seven|eight|nine|ten|a single)(?: or more)? (?:\w{1,20} )?"
    r"(?:words?|characters?|sentences?|paragraphs?|bullets?|sections?|lines?|letters?|times|items|placeholders?)\b"
)
_CODE_LINE = re.compile(
    r"^[ \t+-]{0,40}(?:def |return\b|import |from \w+ import|class \w+[:(]|#include|const |let |var |if ?\(|for ?\(|"
    r"for \w+ in |while |elif |else:|try:|func |fn |public |private |static |@\w+|print\(|assert |raise |throw |"
    r"select \w|[\w.\[\]]{1,40} [+-]?= )",
    re.MULTILINE,
)
_BACKTICKED = re.compile(r"`[\w.()\[\]'\" ]{1,40}`")
_PATH = re.compile(r"(?<![\w:/.<\"])(?:~|/[\w.-]{1,40})/[\w.-]")  # not in a URL, a tag, or a stack trace's quotes
_NAME_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")

_SEARCH_TOOLS = words(
    "search web_search search_web websearch google_search google bing_search tavily_search brave_search duckduckgo "
    "search_google internet_search wikipedia wikipedia_search arxiv scholar_search open_url fetch_url web_fetch fetch "
    "browse visit visit_page read_page open_page get_page"
)
_WISHES = marks(
    "can you|could you|please|i need|i want|i'd like|i would like|help me|would you|looking for|in need of|planning|"
    "interested in|kindly|find|check|show me|set |book|查|获取|帮我|검색|찾"
)
_ORDERS = words(
    "get find show list check book order send set schedule play turn remind buy cancel post delete update upload open "
    "click navigate download install create add remove search reserve transfer call start stop move copy display"
)
_STOP_STEMS = words(
    "with from that this have what your about which would could please tool funct retur given some list name user "
    "value when where into they them will there their query text info infor perfo"
)
_GO_ON = words(
    "continue go on yes ok okay please sure thanks next more do it 继续 好的 続けて 계속 sí oui weiter ja продолжай да"
)


@dataclass(frozen=True, slots=True)
class _View:
    """What the rules look at; texts in lower case and cut."""

    request: ChatRequest
    turn: str
    words: frozenset[str]
    system: str
    longest_chars: int
    tools: tuple[Tool, ...]


def classify(request: ChatRequest, custom: Sequence[CustomClass] = ()) -> Classification:
    """`custom` are the operator's own classes: one with an example that is near enough wins over the weights."""
    if decided := _structure(request):
        return decided
    view = _look(request)
    if like := nearest(view.words, custom):
        why = f"like example {like.example} of {like.task_class} {like.likeness:+.2f}"
        return Classification(like.task_class, "rules", why=(why,))
    return _strongest(tuple(_reasons(view)))


def _structure(request: ChatRequest) -> Classification | None:
    """What needs no weighing. A search's result is no terminal work: there the question still decides."""
    if request.messages and request.messages[-1].role == "tool" and not _only_searches(request.tools):
        return Classification(AGENTIC, "structure", why=("the last message is a tool's result",))
    if request.response_format.kind == "json_schema" and not _has_called_tools(request):
        return Classification(STRICT, "structure", why=("response_format json_schema",))
    return None


def _has_called_tools(request: ChatRequest) -> bool:
    return any(message.tool_calls or message.role == "tool" for message in request.messages)


def _only_searches(tools: Sequence[Tool]) -> bool:
    return bool(tools) and all(tool.name.lower() in _SEARCH_TOOLS for tool in tools)


def _look(request: ChatRequest) -> _View:
    asked = [message for message in request.messages if message.role == "user"]
    told = [message for message in request.messages if message.role in ("system", "developer")]
    turn = _turn(asked).lower()
    return _View(
        request=request,
        turn=turn,
        words=words_of(turn),
        system=told[0].text[: 2 * WINDOW_CHARS].lower() if told else "",
        longest_chars=max((len(message.text) for message in asked + told), default=0),
        tools=request.tools[:MOST_TOOLS],
    )


def _turn(asked: Sequence[Message]) -> str:
    """Head and tail of the last user turn that says more than "go on"."""
    for text in (message.text for message in reversed(asked)):
        if len(text) > WHOLE_CHARS:
            return f"{text[:WINDOW_CHARS]}\n{text[-WINDOW_CHARS:]}"
        if len(text) > 40 or not words_of(text.lower()) <= _GO_ON:
            return text
    return ""


def _reasons(view: _View) -> Iterator[Reason]:
    length: Literal["short", "long"] = "long" if view.longest_chars >= DOCUMENT_CHARS else "short"
    for group, hits in _found(view.turn, view.words):
        if group.only in (None, length):
            yield Reason(group.task_class, group.reason, group.weight * min(hits, group.most))
    for group, hits in _found(view.system, words_of(view.system)):
        yield Reason(group.task_class, f"system prompt {group.reason}", 0.7 * group.weight * min(hits, group.most))
    yield from _facts(view)
    yield from _tool_facts(view)


def _found(text: str, words: frozenset[str]) -> Iterator[tuple[Group, int]]:
    hits = Counter(_BY_WORD[word].reason for word in words & _ALL_WORDS)
    ascii_only = text.isascii()
    for group in GROUPS:
        sought = _ASCII_MARKS[group.reason] if ascii_only else group.marks
        found = hits[group.reason] + sum(mark in text for mark in sought)
        if found:
            yield group, found


def _facts(view: _View) -> Iterator[Reason]:
    if (kind := view.request.response_format.kind) != "text":
        yield Reason(STRICT, f"response_format {kind}", 2.0)
    if view.longest_chars >= LONG_CHARS:
        weight = min(3.0, 1.0 + 0.6 * log2(view.longest_chars / LONG_CHARS))
        yield Reason(LONG, f"a text of {view.longest_chars} characters", weight)
    for task_class, name, pattern, weight, least, most in _COUNTED:
        found = sum(1 for _ in pattern.finditer(view.turn))
        if found >= least:
            yield Reason(task_class, name, weight * min(found, most))


_COUNTED = (
    (AGENTIC, "paths on a machine", _PATH, 1.1, 1, 3),
    (STRICT, "prescribes amounts", _AMOUNT, 0.9, 1, 3),
    (CODING, "lines of code", _CODE_LINE, 0.4, 2, 5),
    (CODING, "names in backticks", _BACKTICKED, 0.8, 1, 2),
)


def _tool_facts(view: _View) -> Iterator[Reason]:
    if _has_called_tools(view.request):
        yield Reason(AGENTIC, "tools were called before", 1.5)
    if _only_searches(view.tools):
        yield Reason(RESEARCH, "only search tools", 1.1)
    elif view.tools:
        if fit := _fit(view):
            yield Reason(AGENTIC, "asks what a tool does", min(fit, 2.0))
        if view.turn.split(" ", 1)[0] in _ORDERS or any(wish in view.turn for wish in _WISHES):
            yield Reason(AGENTIC, "wishes something done, with tools", 0.8)


def _fit(view: _View) -> float:
    """How much of one tool's name, parameters and description the turn speaks of."""
    stems = _stems(view.words)
    return max(
        0.6 * len(stems & named) + 0.25 * len(stems & described) for named, described in map(_tool_stems, view.tools)
    )


def _tool_stems(tool: Tool) -> tuple[set[str], set[str]]:
    named = words_of(" ".join(_NAME_PART.findall(tool.name[:80])).lower())
    parameters = (tool.parameters or {}).get("properties") or ()
    return _stems(named), _stems(words_of(f"{' '.join(parameters)[:200]} {(tool.description or '')[:200]}".lower()))


def _stems(words: frozenset[str]) -> set[str]:
    """Five letters are enough to meet `movies` with `movie`."""
    return {word[:5] for word in words if len(word) > 3} - _STOP_STEMS


def _strongest(reasons: tuple[Reason, ...]) -> Classification:
    if not reasons:
        return Classification(GENERAL, "default")
    scores: dict[str, float] = defaultdict(float)
    named = sorted((Reason(GENERAL, "by default", BASE_WEIGHT), *reasons), key=lambda reason: -reason.weight)
    for reason in named:
        scores[reason.task_class] += reason.weight
    first, *others = sorted(scores, key=lambda name: -scores[name])
    why = tuple(f"{reason.name} {reason.weight:+.1f}" for reason in named if reason.task_class == first)
    return Classification(first, "rules", runner_up=others[0] if others else None, why=why[:MOST_REASONS])
