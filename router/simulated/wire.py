"""What the simulated providers share: a call, its reply, reading a body strictly, and cutting text into pieces.

Written from the providers' documents alone: nothing here or beside it may use router.dialects.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

Json = Any
T = TypeVar("T")

JSON_TYPE = ("content-type", "application/json")
STREAM_TYPE = ("content-type", "text/event-stream; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Header names are lower-case; `nonce` is 32 hex digits, new for each call; `at` is unix seconds."""

    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    nonce: str
    at: int
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Reply:
    """`chunks` are the body in the pieces it is sent in: one for a whole answer, many for a stream."""

    status: int
    headers: tuple[tuple[str, str], ...]
    chunks: tuple[bytes, ...]


class Refused(Exception):
    """A request that the provider answers with its error; the dialect writes its own envelope around these."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = "", param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code


class Misshapen(Exception):
    """A body that is not of the type asked for: `path` as in `messages[0].content`, "" for the body itself.

    `problem` is "json", "missing", "unknown", "value" or "type"; `found` is the field's name, the bad value, or the
    type found; `wanted` the type wanted.
    """

    def __init__(self, path: str, problem: str, found: str = "", wanted: str = "") -> None:
        super().__init__(f"{path}: {problem} {found}")
        self.path = path
        self.problem = problem
        self.found = found
        self.wanted = wanted

    @property
    def field(self) -> str:
        """The path of the field itself, also where the problem is that it is missing or unknown."""
        if self.problem not in ("missing", "unknown"):
            return self.path
        return f"{self.path}.{self.found}" if self.path else self.found


_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_PROBLEMS = (
    ("missing", re.compile(r"Object missing required field `(?P<found>.*)`")),
    ("unknown", re.compile(r"Object contains unknown field `(?P<found>.*)`")),
    ("type", re.compile(r"Expected `(?P<wanted>.*)`, got `(?P<found>.*)`")),
    ("value", re.compile(r"Invalid (?:enum )?value '?(?P<found>.*?)'?$")),
)


def read(body: bytes, type_: type[T]) -> T:
    """`body` as a `type_`. Raises Misshapen."""
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise misshapen(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misshapen("", "json", str(error)) from None


def misshapen(message: str) -> Misshapen:
    """What msgspec says of a value of the wrong shape, taken apart."""
    place = _PLACE.match(message)
    what, path = (place["what"], place["path"] or "") if place else (message, "")
    for problem, pattern in _PROBLEMS:
        if match := pattern.match(what):
            groups = match.groupdict()
            return Misshapen(path, problem, groups["found"], groups.get("wanted", ""))
    return Misshapen(path, "value", what)


def bearer(headers: Mapping[str, str]) -> str:
    """The key of an `Authorization: Bearer` header, "" without one."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def tokens(size: int) -> int:
    """About how many tokens `size` bytes are."""
    return max(1, size // 4)


def encode(value: Json) -> bytes:
    return msgspec.json.encode(value)


def few_words(text: str, count: int = 3) -> list[str]:
    """`text` in pieces of `count` words; joined they are `text` again."""
    words = text.split(" ")
    groups = [" ".join(words[start : start + count]) for start in range(0, len(words), count)]
    return [group if index == 0 else " " + group for index, group in enumerate(groups)]


def cut(text: str, size: int) -> list[str]:
    """`text` in pieces of `size` characters; joined they are `text` again."""
    return [text[start : start + size] for start in range(0, len(text), size)]
