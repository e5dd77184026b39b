"""Embeddings: what callers ask in OpenAI's form, what providers of two dialects are asked, and the way back. Pure.

Vectors of different models can't be compared, so a request always names its model and nothing falls back.
"""

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from router.bodies import read_object
from router.catalog import Model
from router.dialects import WireRequest
from router.errors import BadRequest, UpstreamError
from router.types import Usage

Encoding = Literal["float", "base64"]
Input = str | tuple[int, ...]  # a text, or its tokens

MAX_INPUTS = 2048
BYTES_PER_TOKEN = 4
_ADVISORY = frozenset({"user"})


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """One request for vectors, one for each of `inputs`. `others` are fields that we have no word for."""

    model: str
    inputs: tuple[Input, ...]
    dimensions: int | None = None
    encoding: Encoding = "float"
    others: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def input_tokens(self) -> int:
        """An estimate."""
        return sum(len(one) if isinstance(one, tuple) else len(one.encode()) // BYTES_PER_TOKEN + 1 for one in self.inputs)


Vectors = list[list[float]]


@dataclass(frozen=True, slots=True)
class Embeddings:
    vectors: Vectors
    usage: Usage | None = None
