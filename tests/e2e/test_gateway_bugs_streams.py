"""Bugs of other gateways, numbered as in the list of 28: streams, their ends, and their characters."""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.callers import (
    CALLERS,
    DOORS,
    PATHS,
    Caller,
    each_caller,
    each_door,
)
from tests.providers import Cut, Fault, Providers, Stall, Status
from tests.reading import Door, Said
from tests.running import Running, running, with_keys
from tests.scripts import (
    MODELS,
    SPEECHES,
    Speech,
    candidates,
    chat_events,
    chunk,
    dumped,
    each_speech,
    gemini_events,
    message_done,
    message_end,
    named_events,
    numbered_events,
    response,
    script,
    spoken,
    text_answer,
    with_local,
)


class Drip:
    """A provider that answers each call with these pieces, each a chunk of its own, whatever it is asked.

    `pause` comes between the first piece and the rest: a test sets it when the caller has seen the first.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.pause = threading.Event()
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
                with contextlib.suppress(OSError):  # the caller may have heard enough
                    for place, piece in enumerate(drip.pieces):
                        if place == 1:
                            drip.pause.wait(5)
                        self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
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
def drip() -> Iterator[Drip]:
    with Drip() as server:
        yield server


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with Providers() as servers:  # which don't wait between pieces
        yield servers


@pytest.fixture(scope="module")
def proxy(providers: Providers, drip: Drip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = with_local(providers.base_url["openai"])
    for speech, (dialect, fields) in DRIPPING.items():
        name = f"drip-{speech}"
        config["providers"][name] = {"dialect": dialect, "base_url": drip.url, "api_key": "secret-drip"}
        config["models"][name] = {"provider": name, "id": name, **fields}
    with running(tmp_path_factory.mktemp("bugs"), with_keys(providers), config) as process:
        yield process


def told(proxy: Running, drip: Drip, door: Door, speech: Speech, first: bytes, rest: bytes) -> Said:
    """What a caller gets of a stream of which it has seen the first part before the rest comes."""
    drip.pieces = [first, rest] if rest else [first]
    drip.pause.clear()
    caller = Caller(door, stream=True)
    body = caller.body(f"drip-{speech}", "Tell a story")
    with proxy.client.stream("POST", PATHS[door], json=body) as response:
        blocks = response.iter_bytes()
        content = next(blocks)
        drip.pause.set()
        content += b"".join(blocks)
    return caller.read(httpx.Response(response.status_code, headers=response.headers, content=content))


MALFORMED = candidates(end="MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: print(")


# 7
@each_caller
def test_a_malformed_call_is_no_answer(proxy: Running, providers: Providers, caller: Caller) -> None:
    answer = gemini_events(MALFORMED) if caller.stream else MALFORMED
    script(providers, "gemini", answer, answer)

    pinned = caller.ask(proxy, "gemini-3.1-pro", "Hello")
    routed = caller.ask(proxy, "auto:long_context_synthesis", "Hello")

    assert pinned.status_code == 502 and "MALFORMED_FUNCTION_CALL" in caller.failure(pinned)["message"]
    assert routed.headers["x-router-reason"] == "fallback"
    assert routed.headers["x-router-model"] != "gemini-3.1-pro" and caller.read(routed).text


# 7
@each_door
def test_a_malformed_call_behind_text_ends_the_stream_in_an_error(proxy: Running, drip: Drip, door: Door) -> None:
    said = told(proxy, drip, door, "gemini", spoken("gemini", "Let me", " see."), gemini_events(MALFORMED))

    assert said.text == "Let me see." and said.end is None
    assert "MALFORMED_FUNCTION_CALL" in said.error["message"]


ERRORS: dict[str, tuple[Speech, bytes]] = {
    "chat": (
        "chat",
        chat_events({"error": {"message": "Overloaded", "type": "server_error", "param": None, "code": None}}),
    ),
    "chat, a number as code": ("chat", chat_events({"error": {"message": "Overloaded", "type": None, "code": 502}})),
    "responses error": (
        "responses",
        numbered_events({"type": "error", "code": "server_error", "message": "Overloaded", "param": None}, first=6),
    ),
    "responses failed": (
        "responses",
        numbered_events({"type": "response.failed", "response": response(
            status="failed", error={"code": "server_error", "message": "Overloaded"}, usage=None)}, first=6),
    ),
    "messages": (
        "messages",
        named_events({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"},
                      "request_id": "req_1"}),
    ),
    "gemini": ("gemini", gemini_events({"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}})),
}  # fmt: skip


# 9, and 25 for what stands in the stream
@each_door
@pytest.mark.parametrize("how", ERRORS)
def test_an_error_in_a_stream_ends_it_as_an_error(proxy: Running, drip: Drip, door: Door, how: str) -> None:
    speech, error = ERRORS[how]

    said = told(proxy, drip, door, speech, spoken(speech, "Once", " upon"), error)

    assert (said.text, said.end) == ("Once upon", None)
    assert "Overloaded" in said.error["message"]
    assert door == "messages" or re.fullmatch("[a-z_]+", said.error["code"])


# What may come behind "Once upon" before the connection is closed.
UNENDED: dict[str, tuple[Speech, bytes]] = {
    **{f"{speech}, nothing": (speech, b"") for speech in SPEECHES},
    "chat, [DONE] without a finish_reason": ("chat", chat_events(b"[DONE]")),
    "chat, half an event": ("chat", chat_events(chunk({}, "stop"))[:-1]),
    "messages, no message_stop": ("messages", named_events(*message_end("end_turn")[:1])),
    "responses, no response.completed": ("responses", numbered_events(*message_done("Once upon"), first=6)),
    "gemini, an empty chunk": ("gemini", gemini_events(candidates({"text": ""}))),
}


# 10
@each_door
@pytest.mark.parametrize("how", UNENDED)
def test_a_stream_without_its_end_is_an_error(proxy: Running, drip: Drip, door: Door, how: str) -> None:
    before = len(proxy.rows())
    speech, rest = UNENDED[how]

    said = told(proxy, drip, door, speech, spoken(speech, "Once", " upon"), rest)

    assert (said.text, said.end) == ("Once upon", None)
    assert said.error["message"]
    assert proxy.rows(before + 1)[-1].outcome == "truncated"


# 10
@each_door
@each_speech
def test_half_an_answer_is_no_answer(proxy: Running, providers: Providers, door: Door, speech: Speech) -> None:
    whole = dumped(text_answer(speech, "Once upon a time", stream=False))
    script(providers, speech, Status(200, whole[: len(whole) // 2]))
    caller = Caller(door)

    response_ = caller.ask(proxy, MODELS[speech], "Tell a story")

    assert response_.status_code == 502 and caller.failure(response_)["message"]


# What str.splitlines takes for ends of lines, as JSON escapes it or doesn't, and letters of two to four bytes.
ODD = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\r\nj é 漢字 🎉👩‍🚀"


# 11: the stream comes byte by byte.
@each_door
@each_speech
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_odd_characters_and_split_bytes_arrive_whole(
    proxy: Running, drip: Drip, door: Door, speech: Speech, line_end: bytes
) -> None:
    stream = text_answer(speech, ODD, ODD, stream=True).replace(b"\r\n", b"\n")
    assert "\u2028".encode() in stream and "\x85".encode() in stream
    body = (b": ping\n\n" + stream).replace(b"\n", line_end)
    drip.pieces = [bytes([byte]) for byte in body]
    drip.pause.set()
    caller = Caller(door, stream=True)

    said = caller.read(caller.ask(proxy, f"drip-{speech}", "Hello"))

    assert (said.text, said.end) == (ODD + ODD, "stop")


# 12
@each_caller
@each_speech
def test_half_a_surrogate_pair_of_a_provider_is_replaced(
    proxy: Running, providers: Providers, caller: Caller, speech: Speech
) -> None:
    answer = text_answer(speech, "one HALF", " two PAIR", stream=caller.stream)
    body = answer if isinstance(answer, bytes) else dumped(answer)
    body = body.replace(b"HALF", rb"\ud83d").replace(b"PAIR", rb"\uD83D\uDE00")
    script(providers, speech, body if caller.stream else Status(200, body))

    said = caller.read(caller.ask(proxy, MODELS[speech], "Hello"))

    assert (said.text, said.end) == ("one \ufffd two \U0001f600", "stop")


# 12: a caller's half is no JSON that a provider would take.
@each_caller
@each_speech
def test_half_a_surrogate_pair_of_a_caller_is_told(proxy: Running, caller: Caller, speech: Speech) -> None:
    body = json.dumps(caller.body(MODELS[speech], "one HALF")).replace("HALF", r"\ud83d")

    refused = proxy.client.post(PATHS[caller.door], content=body.encode())

    assert refused.status_code == 400, refused.text
    assert caller.failure(refused)["type"] == "invalid_request_error"


# 13: before the first byte, streamed or not, and in the middle of a stream.
@pytest.mark.parametrize(
    ("caller", "fault"),
    [*((caller, Stall()) for caller in CALLERS), *((Caller(door, True), Cut(2, "stall")) for door in DOORS)],
    ids=lambda one: f"{one.door}-{'stream' * one.stream}" if isinstance(one, Caller) else type(one).__name__,
)
def test_a_caller_who_leaves_takes_the_upstream_call_along(
    proxy: Running, providers: Providers, caller: Caller, fault: Fault
) -> None:
    rows, calls, aborted = len(proxy.rows()), len(providers.received), providers.aborted
    providers.fail("anthropic", fault)
    body = json.dumps(caller.body("claude-opus-4.7", "Tell a story")).encode()
    address = urlsplit(proxy.url)
    head = f"POST {PATHS[caller.door]} HTTP/1.1\r\nhost: proxy\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(head + body)
        providers.wait_until(lambda: len(providers.received) == calls + 1)
        if isinstance(fault, Cut):
            assert connection.recv(1).startswith(b"H")  # the answer has begun
    providers.wait_until(lambda: providers.aborted == aborted + 1)

    row = proxy.rows(rows + 1)[-1]
    assert (row.outcome, row.model) == ("cancelled", "claude-opus-4.7")
