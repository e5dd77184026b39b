"""Messages -> the system prompt and the turns of this API."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from router.catalog import Model
from router.dialects import as_function_call, mended
from router.dialects.anthropic.blocks import Block, content, given, is_thought, last_mark, text, thoughts
from router.errors import BadRequest
from router.types import Message, Text, ToolCall

_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LIMIT = 128


def is_system(message: Message) -> bool:
    return message.role in ("system", "developer")


def leading(messages: Sequence[Message]) -> int:
    """How many system messages come before the conversation. Alone they are it: the API wants a user's turn."""
    return next((index for index, message in enumerate(messages) if not is_system(message)), 0)


def system(messages: Sequence[Message], *hints: str) -> str | list[Block] | None:
    """The system prompt: one text, or blocks where a part of it is marked for the cache. `hints` come last."""
    first = messages[: leading(messages)]
    parts = [part for message in first for part in message.parts if isinstance(part, Text) and part.text.strip()]
    if any(part.cache for part in parts):
        return [*(text(part.text, part.cache) for part in parts), *map(text, hints)]
    texts = [message.text for message in first if message.text.strip()]
    return "\n\n".join([*texts, *hints]) or None


def folded(words: str) -> str:
    """A system message as a piece of a user's turn."""
    return f"<system>\n{words}\n</system>"


@dataclass(slots=True)
class Turn:
    """`index` is that of its first message; `system` is what the system said in the course of a user's turn."""

    role: Literal["user", "assistant"]
    index: int
    content: list[Block] = field(default_factory=list)
    system: list[Block] = field(default_factory=list)


def turns(messages: Sequence[Message], model: Model) -> list[Turn]:
    """The conversation behind the leading system messages. Raises BadRequest with `param`."""
    conversation = _Conversation(model)
    for index in range(leading(messages), len(messages)):
        conversation.add(index, messages[index])
    return conversation.turns()


def breaks_off(conversation: Sequence[Turn]) -> bool:
    """Whether a turn that called tools has lost its thinking: with a budget that is a 400 (pydantic-ai issue 2075)."""
    calling = (turn for turn in conversation if any(block["type"] == "tool_use" for block in turn.content))
    return not all(is_thought(turn.content[0]) for turn in calling)


def wire_messages(conversation: Sequence[Turn]) -> list[dict[str, Any]]:
    """A system message stands behind a user's turn: the API takes it nowhere else."""
    messages: list[dict[str, Any]] = []
    for turn in conversation:
        messages.append({"role": turn.role, "content": turn.content})
        if turn.system:
            messages.append({"role": "system", "content": turn.system})
    return messages


class _Conversation:
    """Messages gathered into turns. A turn with tool calls is answered, whole and first, by the user turn after it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._turns: list[Turn] = []
        self._open: dict[str, str] = {}  # calls of the last turn that wait for a result: the caller's id -> ours
        self._calls_at = 0
        self._ids: set[str] = set()

    def add(self, index: int, message: Message) -> None:
        path = f"messages[{index}]"
        if message.role == "tool":
            self._turn("user", index).content.append(self._result(path, message))
            return
        self._check_answered()
        if message.role == "assistant":
            self._add_answer(index, message)
        elif message.role == "user":
            self._turn("user", index).content += content(path, message)
        elif message.text.strip():
            self._add_system(index, message)

    def turns(self) -> list[Turn]:
        self._check_answered()
        if not self._turns:
            raise BadRequest("messages has no turn of the user", param="messages")
        for turn in self._turns:
            if not turn.content:  # the system alone has spoken
                turn.content, turn.system = [block | {"text": folded(block["text"])} for block in turn.system], []
            if not turn.content:
                raise BadRequest("a turn of the user without any text", param=f"messages[{turn.index}].content")
        return self._turns

    def _turn(self, role: Literal["user", "assistant"], index: int) -> Turn:
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(Turn(role, index))
        return self._turns[-1]

    def _add_answer(self, index: int, message: Message) -> None:
        path = f"messages[{index}]"
        calls = [self._call(f"{path}.tool_calls[{at}]", call) for at, call in enumerate(message.tool_calls)]
        if blocks := [*content(path, message), *calls]:  # thinking alone is no turn
            self._turn("assistant", index).content += [*thoughts(message.parts, self._model.id), *blocks]
            self._calls_at = index

    def _add_system(self, index: int, message: Message) -> None:
        parts = [part for part in message.parts if isinstance(part, Text) and part.text.strip()]
        turn = self._turn("user", index)
        if self._model.mid_system:
            turn.system += [text(part.text, part.cache) for part in parts]
        else:
            cache = next((part.cache for part in reversed(parts) if part.cache), None)
            turn.content.append(text(folded(message.text), cache))

    def _call(self, path: str, call: ToolCall) -> Block:
        if call.id in self._open:
            raise BadRequest(f"two calls of one turn have the id {call.id[:64]!r}", param=f"{path}.id")
        id_ = _NOT_IN_IDS.sub("_", call.id) or "call"
        while id_ in self._ids:  # the API wants them unique in the whole conversation
            id_ += "_"
        self._ids.add(id_)
        self._open[call.id] = id_
        name = _NOT_IN_IDS.sub("_", call.name)[:_NAME_LIMIT] or "tool"
        return {"type": "tool_use", "id": id_, "name": name, "input": _input(path, as_function_call(call).arguments)}

    def _result(self, path: str, message: Message) -> Block:
        id_ = self._open.pop(message.tool_call_id or "", None)
        if id_ is None:
            why = f"{str(message.tool_call_id)[:64]!r} is no open tool call of the assistant turn before it"
            raise BadRequest(why, param=f"{path}.tool_call_id")
        inner = [
            {key: value for key, value in block.items() if key != "cache_control"} for block in content(path, message)
        ]
        return given(
            type="tool_result",
            tool_use_id=id_,
            content=inner or None,
            is_error=message.failed or None,
            cache_control=last_mark(message),
        )

    def _check_answered(self) -> None:
        for call_id in self._open:
            why = f"tool call {call_id[:64]!r} has no tool message right after its turn"
            raise BadRequest(why, param=f"messages[{self._calls_at}].tool_calls")


def _input(path: str, arguments: str) -> dict[str, msgspec.Raw]:
    """Its members as they were written, so that numbers keep their digits."""
    said = mended(arguments.strip().encode()) or b"{}"
    try:
        msgspec.json.decode(said)  # a Raw holds what nobody has looked at
        return msgspec.json.decode(said, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("arguments is not the JSON text of an object", param=f"{path}.function.arguments") from None
