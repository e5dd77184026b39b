"""The parts of a message -> the content blocks of this API."""

import base64
import binascii
import re
from collections.abc import Collection, Sequence
from typing import Any

from router.errors import BadRequest
from router.types import Audio, CacheTtl, File, Image, Message, Part, Reasoning, Refusal, Text

Block = dict[str, Any]

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_DOCUMENT_TYPES = frozenset({"application/pdf", "text/plain"})
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[^;,]*)*;base64,")
_DATED = re.compile(r"-20\d{6}$")


def given(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def mark(ttl: CacheTtl | None) -> dict[str, str] | None:
    """The `cache_control` of a prefix that ends here; five minutes are what the API takes where nothing is said."""
    if ttl is None:
        return None
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}


def last_mark(message: Message) -> dict[str, str] | None:
    """The mark of a block that holds the whole message."""
    return next(
        (mark(part.cache) for part in reversed(message.parts) if isinstance(part, _MARKED) and part.cache), None
    )


_MARKED = (Text, Image, File)


def text(words: str, cache: CacheTtl | None = None) -> Block:
    return given(type="text", text=words, cache_control=mark(cache))


def content(path: str, message: Message) -> list[Block]:
    """What the message says or shows, without its reasoning; `path` leads to it in the caller's request."""
    parts = enumerate(message.parts)
    return [block for at, part in parts if (block := said(f"{path}.content[{at}]", part)) is not None]


def said(path: str, part: Part) -> Block | None:
    """None for reasoning, and for blank text, which the API refuses. Raises BadRequest with `param`."""
    match part:
        case Text():
            return text(part.text, part.cache) if part.text.strip() else None
        case Refusal():
            return text(part.text) if part.text.strip() else None
        case Image():
            source = _source(f"{path}.image_url.url", part.url, _IMAGE_TYPES)
            return given(type="image", source=source, cache_control=mark(part.cache))
        case File():
            source = _file_source(path, part)
            return given(type="document", source=source, title=part.filename or None, cache_control=mark(part.cache))
        case Reasoning():
            return None
        case Audio():
            raise BadRequest("this model takes no audio", param=f"{path}.input_audio")


def thoughts(parts: Sequence[Part], model_id: str) -> list[Block]:
    """The reasoning that this model sealed, as it was: it is refused changed, and that of others is of no use to it."""
    reasoning = [part for part in parts if isinstance(part, Reasoning)]
    return [_thought(part, part.seal.value) for part in reasoning if part.seal and _is_own(part, model_id)]


def is_thought(block: Block) -> bool:
    return block["type"] in ("thinking", "redacted_thinking")


def _is_own(part: Reasoning, model_id: str) -> bool:
    if part.seal is None or part.seal.wire != "messages":
        return False
    return not part.seal.model or _DATED.sub("", part.seal.model) == _DATED.sub("", model_id)


def _thought(part: Reasoning, seal: str) -> Block:
    if part.hidden:
        return {"type": "redacted_thinking", "data": seal}
    return {"type": "thinking", "thinking": part.text, "signature": seal}


def _file_source(path: str, part: File) -> dict[str, str]:
    if part.data is not None:
        path = f"{path}.file.file_data"
        source = _source(path, part.data, _DOCUMENT_TYPES)
        return _plain_text(path, source) if source.get("media_type") == "text/plain" else source
    if part.url is not None:
        return {"type": "url", "url": part.url}
    raise BadRequest("this model knows no files of another provider", param=f"{path}.file.file_id")


def _plain_text(path: str, source: dict[str, str]) -> dict[str, str]:
    try:
        words = base64.b64decode(source["data"], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadRequest("it is no text of UTF-8 in base64", param=path) from None
    return {"type": "text", "media_type": "text/plain", "data": words}


def _source(path: str, url: str, media_types: Collection[str]) -> dict[str, str]:
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    match = _DATA_URL.match(url)
    if match is None:
        raise BadRequest("it is neither an https URL nor a data URL in base64", param=path)
    media_type = match[1].lower().replace("image/jpg", "image/jpeg")
    if media_type not in media_types:
        known = ", ".join(sorted(media_types))
        raise BadRequest(f"it is {media_type}; this model takes {known}", param=path)
    return {"type": "base64", "media_type": media_type, "data": url[match.end() :]}
