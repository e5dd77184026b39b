"""Bugs of other gateways (numbered as in the list of 28) with streams, their ends, and what was used: none is ours."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.callers import DOORS, PATHS, Caller, Door, Tokens, chunks
from tests.providers import Cut, Fault, Providers, Stall, Status
from tests.running import Running, running, with_keys
from tests.scripts import (
    CHAT_START,
    CHAT_USAGE,
    DIALECTS,
    MODELS,
    SPEECHES,
    Speech,
    candidates,
    chat_events,
    chunk,
    completion,
    dumped,
    gemini_events,
    message,
    message_end,
    message_item,
    message_start,
    named_events,
    numbered_events,
    response,
    script,
    spoken,
    text_answer,
    text_block,
    with_local,
)

CALLERS = [Caller(door, stream) for door in DOORS for stream in (False, True)]
each_caller = pytest.mark.parametrize("caller", CALLERS, ids=lambda one: f"{one.door}-{'stream' * one.stream}")
each_door = pytest.mark.parametrize("door", DOORS)
each_speech = pytest.mark.parametrize("speech", SPEECHES)


class Drip:
    """A provider that answers each call with `body`, one byte a chunk. The path says nothing to it."""

    def __init__(self) -> None:
        self.body = b""
        drip = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for byte in drip.body:
                    self.wfile.write(b"1\r\n" + bytes([byte]) + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Drip":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="drip").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


DRIPPING: dict[Speech, tuple[str, dict[str, Any]]] = {
    "chat": ("openai", {}),
    "responses": ("openai", {"endpoints": ["responses"]}),
    "messages": ("anthropic", {}),
    "gemini": ("gemini", {}),
}


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with Providers() as servers:
        yield servers


@pytest.fixture(scope="module")
def drip() -> Iterator[Drip]:
    with Drip() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(providers: Providers, drip: Drip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = with_local(providers.base_url["openai"])
    for speech, (dialect, fields) in DRIPPING.items():
        name = f"drip-{speech}"
        config["providers"][name] = {"dialect": dialect, "base_url": drip.url, "api_key": "secret-drip"}
        config["models"][name] = {"provider": name, "id": name, **fields}
    with running(tmp_path_factory.mktemp("bugs"), with_keys(providers), config) as process:
        yield process


# --- 6: what was used --------------------------------------------------------------------------------------------

_CHAT_USED = {
    "prompt_tokens": 160,
    "completion_tokens": 7,
    "total_tokens": 167,
    "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
_RESPONSES_USED = {
    "input_tokens": 160,
    "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 167,
}
_ANTHROPIC_INPUT = {
    "input_tokens": 10,  # the uncached rest
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 50,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
}
_ANTHROPIC_USED = {**_ANTHROPIC_INPUT, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}}
_GEMINI_USED = {
    "promptTokenCount": 160,
    "cachedContentTokenCount": 100,
    "candidatesTokenCount": 4,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 167,
}
_GEMINI_SO_FAR = {**_GEMINI_USED, "candidatesTokenCount": 1, "totalTokenCount": 164}


def used(speech: Speech, *, stream: bool) -> Any:
    """An answer that tells these uses, in a stream as often as the provider does."""
    match speech, stream:
        case "chat", False:
            return completion({"content": "Hi"}, usage=_CHAT_USED)
        case "chat", True:
            usage = {**chunk({}), "choices": [], "usage": _CHAT_USED}
            return spoken("chat", "Hi") + chat_events(chunk({}, "stop"), usage, b"[DONE]")
        case "responses", _:
            whole = response(message_item("Hi"), usage=_RESPONSES_USED)
            end = {"type": "response.completed", "response": whole, "sequence_number": 5}
            return spoken("responses", "Hi") + named_events(*_item_done("Hi"), end) if stream else whole
        case "messages", False:
            return message({"type": "text", "text": "Hi"}, usage=_ANTHROPIC_USED)
        case "messages", True:
            begun = [message_start(**_ANTHROPIC_INPUT), *text_block(0, "Hi")]
            end = message_end("end_turn", **_ANTHROPIC_USED)  # all of it again
            return named_events(*begun, {"type": "content_block_stop", "index": 0}, *end)
        case _:
            chunks_ = [candidates({"text": "H"}, usageMetadata=_GEMINI_SO_FAR), candidates({"text": "i"})]
            end = candidates(end="STOP", usageMetadata=_GEMINI_USED)
            chunks_[1]["usageMetadata"] = _GEMINI_SO_FAR
            return (
                gemini_events(*chunks_, end)
                if stream
                else candidates({"text": "Hi"}, end="STOP", usageMetadata=_GEMINI_USED)
            )
