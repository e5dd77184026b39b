"""What Gemini's endpoints share: the error envelope, the key, and reading JSON. Pure."""

from typing import Any
from urllib.parse import parse_qs

import msgspec

from router.simulated.gemini_shapes import invalid
from router.simulated.wire import Call, Refused, Reply, bearer, encode

Json = Any


def error_reply(call: Call, refusal: Refused) -> Reply:
    error: dict[str, Json] = {"code": refusal.status, "message": refusal.message, "status": refusal.kind}
    if refusal.param:
        violation = {"field": refusal.param, "description": refusal.message}
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    body = encode({"error": error})
    in_list = call.path.endswith(":streamGenerateContent") and not is_sse(call)
    return json_reply(refusal.status, b"[" + body + b"]" if in_list else body)


def missing_key(call: Call) -> Refused | None:
    key = call.headers.get("x-goog-api-key") or parse_qs(call.query).get("key") or bearer(call.headers)
    if key:
        return None
    message = "Request is missing required authentication credential. Expected an API key in x-goog-api-key."
    return Refused(message, status=401, kind="UNAUTHENTICATED")


def json_reply(status: int, body: bytes) -> Reply:
    return Reply(status, (("content-type", "application/json; charset=UTF-8"),), (body,))


def is_sse(call: Call) -> bool:
    return parse_qs(call.query).get("alt") == ["sse"]


def decoded(call: Call) -> Json:
    try:
        return msgspec.json.decode(call.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"Invalid JSON payload received. {error}") from None
