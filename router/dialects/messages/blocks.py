"""The content blocks of a message that is being streamed: what each says, and when the next one may open."""

from typing import Any

import msgspec

from router.types import ToolCallStarted

Document = dict[str, Any]


def thinking(text: str, signature: str) -> Document:
    return {"type": "thinking", "thinking": text, "signature": signature}


def redacted(data: str) -> Document:
    return {"type": "redacted_thinking", "data": data}


def input_of(arguments: str) -> Any:
    """A tool's input, exactly as the model wrote it; what is no object becomes a member of one."""
    if not arguments.strip():
        return {}
    if _is_object(arguments):
        return msgspec.Raw(arguments.encode())
    try:
        return {"input": msgspec.json.decode(arguments)}
    except (ValueError, RecursionError):
        return {"input": arguments}


def _is_object(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return False
    return True


class Block:
    """One content block. `start` is how it opens; `ended`: nothing more is to come of it."""

    closable = True  # whether it may be closed as soon as another block waits

    def __init__(self, start: Document, *, ended: bool = False) -> None:
        self.start = start
        self.started = False
        self.ended = ended
        self._unsaid: list[Document] = []

    @property
    def speaks(self) -> bool:
        """Whether it has something to show."""
        return True

    def ready(self) -> list[Document]:
        """The deltas that can go out, each once."""
        unsaid, self._unsaid = self._unsaid, []
        return unsaid

    def rest(self) -> list[Document]:
        """The deltas that were held back until its end."""
        return []


class TextBlock(Block):
    """Text, or a refusal. White space at its beginning waits for a word: the API refuses blank text coming back."""

    def __init__(self, kind: str) -> None:
        super().__init__({"type": "text", "text": ""})
        self.kind = kind
        self._blank = ""

    @property
    def speaks(self) -> bool:
        return bool(self._unsaid)

    def add(self, text: str) -> None:
        if not self.started and not self._unsaid and not text.strip():
            self._blank += text
            return
        if text:
            self._unsaid.append({"type": "text_delta", "text": self._blank + text})
            self._blank = ""

    def ready(self) -> list[Document]:
        return self._unsaid if not self.started else super().ready()


class ThinkingBlock(Block):
    def add(self, text: str) -> None:
        self._unsaid.append({"type": "thinking_delta", "thinking": text})

    def end(self, signature: str) -> None:
        if signature:
            self._unsaid.append({"type": "signature_delta", "signature": signature})
        self.ended = True


class ToolBlock(Block):
    """A call. Arguments that are no object are held back, to become a member of one at its end."""

    def __init__(self, call: ToolCallStarted) -> None:
        super().__init__({"type": "tool_use", "id": call.id, "name": call.name, "input": {}})
        self.index = call.index
        self._arguments = ""
        self._said = 0  # characters of the arguments

    @property
    def closable(self) -> bool:  # type: ignore[override]  # other blocks always are
        """Whether its arguments are complete. Of parallel calls, those of an earlier one may go on meanwhile."""
        return self._arguments.rstrip().endswith("}") and _is_object(self._arguments)

    def add(self, arguments: str) -> None:
        self._arguments += arguments

    def ready(self) -> list[Document]:
        if not self._arguments.lstrip().startswith("{"):
            return []
        return self._piece(self._arguments)

    def rest(self) -> list[Document]:
        if self._said or not self._arguments.strip():
            return []
        return self._piece(msgspec.json.encode(input_of(self._arguments)).decode())

    def _piece(self, text: str) -> list[Document]:
        piece, self._said = text[self._said :], len(text)
        return [{"type": "input_json_delta", "partial_json": piece}] if piece else []
