"""Who calls: keys are known by their SHA-256 only. With none configured, everyone on this machine may do all."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from router.errors import Forbidden, Unauthorized

Role = Literal["call", "admin"]


@dataclass(frozen=True, slots=True)
class Key:
    """`sha256` in lower-case hex."""

    id: str
    sha256: str
    roles: frozenset[Role]


class Keys:
    """The keys in force; replaced whole when the configuration is read again."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys: dict[str, Key] = {}
        self.replace(keys)

    def replace(self, keys: Iterable[Key]) -> None:
        self._keys = {key.sha256: key for key in keys}

    def check(self, headers: Mapping[str, str], role: Role) -> str | None:
        """The id of the caller's key, None when no key is configured. Raises Unauthorized or Forbidden."""
        if not self._keys:
            return None
        key = self._find(_secret(headers))
        if role not in key.roles:
            raise Forbidden(f"this key has no {role} role")
        return key.id

    def _find(self, secret: str) -> Key:
        digest = hashlib.sha256(secret.encode()).hexdigest()
        key = self._keys.get(digest)
        if key is None or not hmac.compare_digest(key.sha256, digest):
            raise Unauthorized("the API key is missing or wrong; send it as Authorization: Bearer <key>")
        return key


def _secret(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key", "")
