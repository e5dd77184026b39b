"""What a conversation needs between its requests: sealed reasoning by tool-call id, and stored answers of Responses.

Callers of chat completions send tool calls back without what the provider sealed them with; it is kept here, each
caller's apart. A store that fails costs the memory, never the call.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from router.catalog import Model
from router.dialects import responses
from router.errors import BadRequest, StateError
from router.log import Log
from router.state import State
from router.types import ChatRequest, ChatResponse, Json, Message, Reasoning, Seal, ToolCall

SEAL_TTL_S = 24 * 3600.0
ANSWER_TTL_S = 30 * 24 * 3600.0  # as OpenAI keeps them
TURNS_LIMIT = 400  # turns with tool calls that are looked up for one request, the newest first

T = TypeVar("T")


class _Sealed(msgspec.Struct):
    """What one turn was sealed with: its reasoning, and its calls by id."""

    thoughts: tuple[Reasoning, ...] = ()
    calls: dict[str, Seal] = {}


class _StoredItem(msgspec.Struct):
    """A piece of a stored answer, which may be named by its id alone."""

    item: dict[str, Json]
    held_by: str | None = None


class StoredAnswer(msgspec.Struct):
    """An answer of Responses as its caller got it, its input, and the conversation up to and with it, as items.
    `held_by` is the provider that keeps it too."""

    document: msgspec.Raw
    input: list[Json]
    conversation: list[Json]
    held_by: str | None = None


@dataclass(frozen=True, slots=True)
class Sessions:
    """Remembers in `state`."""

    state: State
    log: Log

    async def recall(self, request: ChatRequest, key_id: str | None) -> ChatRequest:
        """The request with what its caller can't send back. Raises BadRequest for an unknown previous answer."""
        if request.references:
            request = await self._referred(request, key_id)
        if request.kept:
            holders = [await self._holder(item_id, key_id) for item_id in request.kept]
            request = replace(request, kept=dict(zip(request.kept, holders, strict=True)))
        if request.previous is not None:
            request = await self._continued(request, request.previous, key_id)
        looked_up = _calling_turns(request.messages)
        if not looked_up:
            return request
        messages = list(request.messages)
        for index in looked_up:
            if sealed := await self._sealed(messages[index].tool_calls, key_id):
                messages[index] = _with_seals(messages[index], sealed)
        return replace(request, messages=tuple(messages))

    async def remember(
        self, request: ChatRequest, key_id: str | None, model: Model, response: ChatResponse, document: bytes | None
    ) -> None:
        """Keep what the next request may need. `document` is the answer as its caller gets it."""
        if response.tool_calls:
            await self._keep_seals(key_id, model, response)
        if request.wire == "responses" and document is not None and request.others.get("store") is not False:
            await self._keep_answer(request, key_id, model, document)

    async def stored(self, answer_id: str, key_id: str | None) -> StoredAnswer | None:
        """The stored answer of this caller, None when there is none."""
        found = await self._tried(self.state.get(_answer_key(answer_id, key_id)))
        return None if found is None else msgspec.json.decode(found, type=StoredAnswer)

    async def forget(self, answer_id: str, key_id: str | None) -> bool:
        """Delete a stored answer; whether it was there."""
        return bool(await self._tried(self.state.delete(_answer_key(answer_id, key_id))))

    async def _continued(self, request: ChatRequest, previous: str, key_id: str | None) -> ChatRequest:
        stored = await self.stored(previous, key_id)
        if stored is None:
            text = f"Previous response with id {previous[:80]!r} not found."
            raise BadRequest(text, param="previous_response_id", code="previous_response_not_found")
        return responses.continued(request, stored.conversation, stored.held_by)

    async def _referred(self, request: ChatRequest, key_id: str | None) -> ChatRequest:
        """With all items that it names by id, or as it is when one is unknown: its provider may know it."""
        found = {}
        for item_id in request.references:
            value = await self._tried(self.state.get(_item_key(item_id, key_id)))
            if value is None:
                return request
            found[item_id] = msgspec.json.decode(value, type=_StoredItem)
        holders = {stored.held_by for stored in found.values()}
        items = {item_id: stored.item for item_id, stored in found.items()}
        return responses.referred(request, items, holders.pop() if len(holders) == 1 else None)

    async def _holder(self, item_id: str, key_id: str | None) -> str | None:
        value = await self._tried(self.state.get(_item_key(item_id, key_id)))
        return None if value is None else msgspec.json.decode(value, type=_StoredItem).held_by

    async def _keep_answer(self, request: ChatRequest, key_id: str | None, model: Model, document: bytes) -> None:
        asked = responses.own_items(request)
        answer = responses.answer_of(document)
        held = model.provider.name if model.wire(request) == "responses" else None
        conversation = [*request.history, *asked, *answer.output]
        stored = StoredAnswer(msgspec.Raw(document), asked, conversation, held)
        put = self.state.put(_answer_key(answer.id, key_id), msgspec.json.encode(stored), ANSWER_TTL_S)
        await self._tried(put)
        for item in answer.output:
            kept = msgspec.json.encode(_StoredItem(item, held))
            await self._tried(self.state.put(_item_key(item.get("id"), key_id), kept, ANSWER_TTL_S))

    async def _keep_seals(self, key_id: str | None, model: Model, response: ChatResponse) -> None:
        thoughts = tuple(
            replace(thought, seal=replace(thought.seal, model=model.id))
            for thought in response.thoughts
            if thought.seal
        )
        calls = {call.id: replace(call.seal, model=model.id) for call in response.tool_calls if call.seal}
        if thoughts or calls:
            value = msgspec.json.encode(_Sealed(thoughts, calls))
            await self._tried(self.state.put(_seal_key(response.tool_calls[0].id, key_id), value, SEAL_TTL_S))

    async def _sealed(self, calls: tuple[ToolCall, ...], key_id: str | None) -> _Sealed | None:
        for call in calls:  # it stands under the first, which the caller may have moved
            if found := await self._tried(self.state.get(_seal_key(call.id, key_id))):
                return msgspec.json.decode(found, type=_Sealed)
        return None

    async def _tried(self, verb: Awaitable[T]) -> T | None:
        try:
            return await verb
        except StateError as error:
            self.log.warning("state", why=str(error))
            return None


def _seal_key(call_id: str, key_id: str | None) -> str:
    return f"seal:{key_id or ''}:{call_id}"


def _item_key(item_id: str | None, key_id: str | None) -> str:
    return f"item:{key_id or ''}:{item_id}"


def _answer_key(answer_id: str, key_id: str | None) -> str:
    return f"answer:{key_id or ''}:{answer_id}"


def _calling_turns(messages: tuple[Message, ...]) -> list[int]:
    """Where the turns that called tools stand, the newest TURNS_LIMIT of them."""
    return [index for index, message in enumerate(messages) if message.tool_calls][-TURNS_LIMIT:]


def _with_seals(message: Message, sealed: _Sealed) -> Message:
    """What we kept goes before what the caller sent back: it says which model sealed it."""
    calls = tuple(replace(call, seal=sealed.calls.get(call.id, call.seal)) for call in message.tool_calls)
    if not sealed.thoughts:
        return replace(message, tool_calls=calls)
    others = tuple(part for part in message.parts if not isinstance(part, Reasoning))
    return replace(message, parts=(*sealed.thoughts, *others), tool_calls=calls)
