"""Reasoning in messages of chat completions, which has no word for it: what other gateways made customary, both ways.

`reasoning_content` is its text (DeepSeek, vLLM), `reasoning_details` its sealed pieces (OpenRouter's form, each marked
with the format of its provider), `thinking_blocks` the same of Anthropic alone (LiteLLM's form, read only).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from router.bodies import filled, member, optional_text, text
from router.types import Reasoning, Seal, Wire

_FORMATS: Mapping[Wire, str] = {
    "messages": "anthropic-claude-v1",
    "gemini": "google-gemini-v1",
    "responses": "openai-responses-v1",
}
_WIRES: Mapping[str, Wire] = {"anthropic": "messages", "google-gemini": "gemini", "openai-responses": "responses"}


def detail(thought: Reasoning, index: int) -> dict[str, Any] | None:
    """A sealed thought as the entry of this index of reasoning_details; an unsealed one has none."""
    seal = thought.seal
    if seal is None or seal.wire not in _FORMATS:
        return None
    if seal.wire == "messages" and not thought.hidden:
        said = {"type": "reasoning.text", "text": thought.text, "signature": seal.value}
    else:
        said = {"type": "reasoning.encrypted", "data": seal.value}
    return {**said, "format": _FORMATS[seal.wire], "index": index}


def details(thoughts: tuple[Reasoning, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for thought in thoughts:
        if (entry := detail(thought, len(found))) is not None:
            found.append(entry)
    return found


def read_reasoning(path: str, message: Mapping[str, Any]) -> tuple[Reasoning, ...]:
    """What an assistant message at `path` holds of it; sealed pieces before their bare text."""
    if message.get("reasoning_details"):
        where = f"{path}.reasoning_details"
        if thoughts := tuple(_each(where, message["reasoning_details"], _from_detail)):
            return thoughts
    if message.get("thinking_blocks"):
        where = f"{path}.thinking_blocks"
        if thoughts := tuple(_each(where, message["thinking_blocks"], _from_block)):
            return thoughts
    bare = optional_text(f"{path}.reasoning_content", message.get("reasoning_content"))
    return (Reasoning(bare),) if bare else ()


def _each(path: str, value: object, read: Any) -> Iterator[Reasoning]:
    for index, item in enumerate(filled(path, value)):
        where = f"{path}[{index}]"
        if (thought := read(where, member(where, item))) is not None:
            yield thought


def _from_detail(path: str, entry: Mapping[str, Any]) -> Reasoning | None:
    """Kinds and formats that we don't know are no reasoning of a provider of ours."""
    wire = _wire(optional_text(f"{path}.format", entry.get("format")) or "")
    match entry.get("type"):
        case "reasoning.text":
            said = optional_text(f"{path}.text", entry.get("text")) or ""
            signature = optional_text(f"{path}.signature", entry.get("signature"))
            seal = Seal(signature, wire) if signature and wire == "messages" else None
            return Reasoning(said, seal) if said or seal else None
        case "reasoning.encrypted" if wire is not None:
            return Reasoning(seal=Seal(text(f"{path}.data", entry.get("data")), wire), hidden=True)
    return None


def _wire(format_: str) -> Wire | None:
    return next((wire for start, wire in _WIRES.items() if format_.startswith(start)), None)


def _from_block(path: str, block: Mapping[str, Any]) -> Reasoning | None:
    match block.get("type"):
        case "thinking":
            said = optional_text(f"{path}.thinking", block.get("thinking")) or ""
            signature = optional_text(f"{path}.signature", block.get("signature"))
            return Reasoning(said, Seal(signature, "messages") if signature else None)
        case "redacted_thinking":
            return Reasoning(seal=Seal(text(f"{path}.data", block.get("data")), "messages"), hidden=True)
    return None
