"""Embeddings of a simulated model: unit vectors made up from what is embedded, always the same."""

import hashlib
import math
import struct


def unit_vector(model: str, what: bytes, full_size: int, size: int) -> list[float]:
    """The first `size` numbers of a vector of `full_size`, scaled to length one again."""
    digest = hashlib.shake_256(model.encode() + b"\0" + what).digest(2 * full_size)
    numbers = struct.unpack(f"<{full_size}h", digest)[:size]
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]
