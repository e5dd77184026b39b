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

    def __init__(self, start: Document, *, ended: bool = False) -> None:
        self.start = start
        self.started = False
        self.ended = ended
        self._unsaid: list[Document] = []

    @property
    def speaks(self) -> bool:
        """Whether it has something to open for."""
        return True

    @property
    def closable(self) -> bool:
        """Whether it ends when another block waits."""
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
        text = self._blank + text
        if self.started or text.strip():
            self._blank = ""
            self._unsaid += [{"type": "text_delta", "text": text}] if text else []
        else:
            self._blank = text


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
        self._pieces: list[str] = []  # of the arguments
        self._said = 0  # how many of them have gone out

    @property
    def closable(self) -> bool:
        """Whether its arguments are complete: those of parallel calls may come by turns."""
        return _is_object("".join(self._pieces))

    def add(self, arguments: str) -> None:
        self._pieces.append(arguments)

    def ready(self) -> list[Document]:
        if not self._said and not "".join(self._pieces).lstrip().startswith("{"):
            return []
        piece, self._said = "".join(self._pieces[self._said :]), len(self._pieces)
        return [_input_delta(piece)] if piece else []

    def rest(self) -> list[Document]:
        arguments = "".join(self._pieces)
        if self._said or not arguments.strip():
            return []
        return [_input_delta(msgspec.json.encode(input_of(arguments)).decode())]


def _input_delta(piece: str) -> Document:
    return {"type": "input_json_delta", "partial_json": piece}
