"""The server's edge by bytes on a socket: what is no good request is refused, and who is too slow is cut."""

import hashlib
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.running import Running, environment, running

HOST = b"Host: proxy\r\n"
HELLO = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}).encode()
BEHIND = b"GET /v1/models HTTP/1.1\r\n" + HOST + b"\r\n"


def post(body: bytes = HELLO, *fields: bytes, path: bytes = b"/v1/chat/completions") -> bytes:
    head = [b"POST %b HTTP/1.1" % path, b"Host: proxy", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(body: bytes, *fields: bytes) -> bytes:
    head = [b"POST /v1/chat/completions HTTP/1.1", b"Host: proxy", b"Transfer-Encoding: chunked", *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def connect(proxy: Running, receive_buffer: int | None = None) -> socket.socket:
    host, port = proxy.url.removeprefix("http://").split(":")
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(10)
    sock.connect((host, int(port)))
    return sock


def until_closed(sock: socket.socket) -> bytes:
    received = b""
    while data := sock.recv(65536):
        received += data
    return received


def talk(proxy: Running, raw: bytes) -> bytes:
    """What the proxy says to `raw` until it closes."""
    with connect(proxy) as sock:
        sock.sendall(raw)
        return until_closed(sock)


def one_answer(sock: socket.socket) -> bytes:
    """A whole answer with a content-length; the connection stays open."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(sock)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
    while len(body) < length:
        body += _some(sock)
    assert len(body) == length
    return head + b"\r\n\r\n" + body


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    assert data, "closed too early"
    return data


def answers(received: bytes) -> int:
    return len(re.findall(rb"HTTP/1\.1 \d{3} ", received))


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 ")
    return int(answer[9:12])


def assert_refused(answer: bytes, *statuses: int) -> dict[str, Any]:
    """One answer and no more, with OpenAI's error in it; gives the error."""
    assert answers(answer) == 1 and status(answer) in statuses
    head, _, body = answer.partition(b"\r\n\r\n")
    for field in (b"content-type: application/json", b"x-content-type-options: nosniff", b"connection: close"):
        assert b"\r\n" + field in head
    error: dict[str, Any] = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"
    return error


def with_fields(*lines: bytes, body: bytes = b"hello") -> bytes:
    """A POST with these header lines as they are."""
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body
    )


EMPTY_CHUNK = b"0\r\n\r\n"
MALFORMED = {
    "a TLS hello": bytes.fromhex("16030101000100") + random.Random(1).randbytes(250),
    "noise": random.Random(2).randbytes(2000),
    "nulls": b"\0" * 100,
    "an h2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "h2 by version": b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\n" + HOST + b"\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "a null in the target": b"GET /a\0b HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes above ASCII in the target": b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "another authority": b"GET http://other/v1/models HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /v1/models HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "length and chunks": with_fields(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=EMPTY_CHUNK),
    "chunks and length": with_fields(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=EMPTY_CHUNK),
    "chunks on HTTP/1.0": chunked(EMPTY_CHUNK).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "xchunked": with_fields(b"Transfer-Encoding: xchunked", body=EMPTY_CHUNK),
    "chunked, identity": with_fields(b"Transfer-Encoding: chunked, identity", body=EMPTY_CHUNK),
    "chunked and identity": with_fields(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=EMPTY_CHUNK
    ),
    "identity": with_fields(b"Transfer-Encoding: identity"),
    "gzip, chunked": with_fields(b"Transfer-Encoding: gzip, chunked", body=EMPTY_CHUNK),
    "chunked twice": with_fields(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=EMPTY_CHUNK),
    "an empty coding": with_fields(b"Transfer-Encoding: ,chunked", body=EMPTY_CHUNK),
    "chunked behind a tab": with_fields(b"Transfer-Encoding:\x0bchunked", body=EMPTY_CHUNK),
    "two equal lengths": with_fields(b"Content-Length: 5", b"Content-Length: 5"),
    "two lengths": with_fields(b"Content-Length: 5", b"Content-Length: 6"),
    "a list of lengths": with_fields(b"Content-Length: 5,5"),
    "a length with a sign": with_fields(b"Content-Length: +5"),
    "a negative length": with_fields(b"Content-Length: -5"),
    "a length in hex": with_fields(b"Content-Length: 0x5"),
    "a length in two words": with_fields(b"Content-Length: 5 5"),
    "a length behind a form feed": with_fields(b"Content-Length: \x0c5"),
    "no length": with_fields(b"Content-Length:"),
    "a length beyond 64 bits": with_fields(b"Content-Length: 99999999999999999999"),
    "a length of 5,000 digits": with_fields(b"Content-Length: " + b"0" * 5000 + b"5"),
    "a folded value": with_fields(b"X: a\r\n b", b"Content-Length: 5"),
    "a folded length": with_fields(b"Content-Length:\r\n 5"),
    "a folded first line": b"GET / HTTP/1.1\r\n " + HOST + b"\r\n",
    "lines that end in LF": b"GET / HTTP/1.1\nHost: proxy\n\n",
    "a field that ends in LF": with_fields(b"X: a\nContent-Length: 5"),
    "a field that ends in CR": with_fields(b"X: a\rContent-Length: 5"),
    "a head that ends in LF": b"GET / HTTP/1.1\r\n" + HOST + b"\n",
    "a space before the colon": with_fields(b"Content-Length : 5"),
    "a null in a value": with_fields(b"X: a\0b", b"Content-Length: 5"),
    "a control character in a value": with_fields(b"X: a\x1bb", b"Content-Length: 5"),
    "a null in a name": with_fields(b"X\0: a", b"Content-Length: 5"),
    "a name of bytes above ASCII": with_fields(b"X\xff: a", b"Content-Length: 5"),
    "no name": with_fields(b": a", b"Content-Length: 5"),
    "a negative chunk": chunked(b"-5\r\nhello\r\n" + EMPTY_CHUNK),
    "a chunk size with a prefix": chunked(b"0x5\r\nhello\r\n" + EMPTY_CHUNK),
    "a chunk beyond 64 bits": chunked(b"fffffffffffffffff\r\nhello"),
    "a chunk size that ends in LF": chunked(b"5\nhello\r\n" + EMPTY_CHUNK),
    "a chunk longer than its size": chunked(b"5\r\nhello!\r\n" + EMPTY_CHUNK),
    "a null in an extension": chunked(b"5;a\0\r\nhello\r\n" + EMPTY_CHUNK),
    "a line break in an extension": chunked(b"5;a\nhello\r\n" + EMPTY_CHUNK),
    "a length among the trailers": chunked(b"0\r\nContent-Length: 5\r\n\r\n"),
    "an upgrade to h2c": b"GET /v1/models HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "an upgrade to a websocket": b"GET / HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_good_request_is_refused_and_nothing_behind_it_runs(simulated: Running, raw: bytes) -> None:
    before, rows = simulated.log, len(simulated.rows())
    assert_refused(talk(simulated, raw + BEHIND), 400)
    assert simulated.log == before and len(simulated.rows()) == rows


@pytest.mark.parametrize(
    ("raw", "allow"),
    [
        (b"TRACE /v1/models HTTP/1.1\r\nHost: proxy\r\n\r\n", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        (b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
    ],
)
def test_methods_for_proxies_of_another_kind_are_refused(simulated: Running, raw: bytes, allow: bytes) -> None:
    answer = talk(simulated, raw + BEHIND)
    assert_refused(answer, 405)
    assert b"\r\nallow: " + allow + b"\r\n" in answer


def test_a_good_request_may_look_unusual(simulated: Running) -> None:
    closing_field = b"Connection: close\r\n\r\n"
    for raw in (
        b"\r\nGET /health/live HTTP/1.1\r\n" + HOST + closing_field,
        b"GET http://PROXY/health/live HTTP/1.1\r\n" + HOST + closing_field,
        b"GET /health/live HTTP/1.0\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhOsT: [::1]:80\r\n" + closing_field,
        b"GET /health/live HTTP/1.1\r\n" + HOST + b"X: \xe9\tb\r\n" + closing_field,
    ):
        assert status(talk(simulated, raw)) == 200
    spaced = post(HELLO, b"Connection: close").replace(b"Content-Length: ", b"Content-Length:   ")
    assert status(talk(simulated, spaced)) == 200  # RFC 9110, section 5.5: white space there is no part of the value
    half = len(HELLO) // 2
    body = b"%x;note=a\r\n%b\r\n%X\r\n%b\r\n" % (half, HELLO[:half], len(HELLO) - half, HELLO[half:])
    trailers = b"0\r\nx-router-model: nothing\r\n\r\n"
    assert status(talk(simulated, chunked(body + trailers, b"Connection: close"))) == 200


def head(target: bytes = b"/health/live", fields: int = 0, size: int = 0) -> bytes:
    """A GET with this many header fields more than two, or of this size."""
    lines = b"GET %b HTTP/1.1\r\n" % target + HOST + b"Connection: close\r\n"
    lines += b"".join(b"X-%d: a\r\n" % number for number in range(fields))
    if size:
        lines += b"X-Long: " + b"x" * (size - len(lines) - len(b"X-Long: \r\n\r\n")) + b"\r\n"
    return lines + b"\r\n"


def test_a_head_has_at_most_64_kb_and_100_fields(simulated: Running) -> None:
    assert status(talk(simulated, head(fields=98))) == status(talk(simulated, head(size=65536))) == 200
    for raw in (head(fields=99), head(size=65537), head(size=65537)[:-4], head(size=5_000_000)[:-4]):
        error = assert_refused(talk(simulated, raw + BEHIND), 431)
        assert error["code"] == "head_too_large"
    assert status(talk(simulated, head(b"/health/live?" + b"x" * 8000))) == 200
    assert_refused(talk(simulated, head(b"/" + b"x" * 8193) + BEHIND), 414)


def test_many_small_pieces_of_a_head_count_as_one(simulated: Running) -> None:
    with connect(simulated) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(70):
            sock.sendall(b"X: %b\r\n" % (b"x" * 1000))
        assert_refused(until_closed(sock), 431)


def test_a_body_that_is_mostly_chunk_framing_is_refused(simulated: Running) -> None:
    rows = len(simulated.rows())
    for framing in (b"1;" + b"x" * 4000, b"0" * 4000 + b"1"):
        assert_refused(talk(simulated, chunked((framing + b"\r\n \r\n") * 50)), 400)
    assert_refused(talk(simulated, chunked(b"0\r\n" + b"X: %b\r\n" % (b"x" * 1000) * 200)), 400)
    assert len(simulated.rows()) == rows


def test_a_body_that_goes_wrong_in_the_middle_calls_no_model(simulated: Running) -> None:
    rows, log = len(simulated.rows()), simulated.log
    with connect(simulated) as sock:
        sock.sendall(chunked(b"%x\r\n%b\r\n" % (len(HELLO), HELLO)))
        simulated.until(lambda: in_progress(simulated) == 1)
        sock.sendall(b"no size\r\n" + BEHIND)
        assert_refused(until_closed(sock), 400)
        simulated.until(lambda: in_progress(simulated) == 0)
    assert status(talk(simulated, post(HELLO, b"Connection: close"))) == 200
    assert len(simulated.rows(rows + 1)) == rows + 1
    assert simulated.log.count("\n") == log.count("\n") + 1


def test_requests_glued_together_are_never_mixed(simulated: Running) -> None:
    rows = len(simulated.rows())
    answer = talk(simulated, post() + post() + post())
    assert answers(answer) == 1 and status(answer) == 200
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["object"] == "chat.completion"
    last = talk(simulated, post(HELLO, b"Connection: close") + post())
    assert answers(last) == 1 and status(last) == 200
    with connect(simulated) as sock:
        sock.sendall(post() + b"\r\n")  # a line break too much, as old clients send it
        assert status(one_answer(sock)) == 200
        sock.sendall(post())
        assert status(one_answer(sock)) == 200
    assert len(simulated.rows(rows + 4)) == rows + 4


def test_a_body_over_the_limit_is_refused_before_it_is_read(simulated: Running) -> None:
    answer = talk(simulated, b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 10000001\r\n\r\n")
    assert assert_refused(answer, 413)["code"] == "request_too_large"
    waiting = (
        b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 10000001\r\nExpect: 100-continue\r\n\r\n"
    )
    assert_refused(talk(simulated, waiting), 413)


def test_the_answer_outlives_a_client_that_goes_on_sending(simulated: Running) -> None:
    with connect(simulated) as sock:
        sock.sendall(post(b"x" * 12_000_000))
        sock.sendall(b"x" * 4_000_000)
        assert_refused(until_closed(sock), 413)


def test_an_early_answer_to_a_small_request_keeps_the_connection(simulated: Running) -> None:
    with connect(simulated) as sock:
        for _ in range(3):
            request = post(HELLO, b"Content-Encoding: gzip")
            sock.sendall(request[: -len(HELLO)])
            assert status(one_answer(sock)) == 415
            sock.sendall(HELLO)
        sock.sendall(post())
        assert status(one_answer(sock)) == 200


def test_a_request_in_chunks_or_a_long_one_keeps_the_connection_too(simulated: Running) -> None:
    with connect(simulated) as sock:
        for raw in (chunked(b"%x\r\n%b\r\n" % (len(HELLO), HELLO) + EMPTY_CHUNK), post(HELLO + b" " * 1_000_000)):
            sock.sendall(raw)
            assert status(one_answer(sock)) == 200
        sock.sendall(post())
        assert status(one_answer(sock)) == 200


def test_an_expectant_client_is_told_to_go_on(simulated: Running) -> None:
    with connect(simulated) as sock:
        request = post(HELLO, b"Expect: 100-continue")
        sock.sendall(request[: -len(HELLO)])
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(HELLO)
        assert status(one_answer(sock)) == 200


# --- methods and routes ------------------------------------------------------------------------------------

CALLS = ("chat/completions", "responses", "messages", "messages/count_tokens", "embeddings", "completions")


@pytest.mark.parametrize("path", CALLS)
def test_a_call_takes_post_alone_and_says_so(simulated: Running, path: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
        response = simulated.client.request(method, f"/v1/{path}")
        assert response.status_code == 405 and response.headers["allow"] == "POST"
        assert response.json()["error"]["message"]
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-content-type-options"] == "nosniff"
    assert simulated.client.head(f"/v1/{path}").status_code == 405


def test_other_routes_name_the_methods_they_take(simulated: Running) -> None:
    for path, allow in (
        ("/v1/models", "GET, HEAD, OPTIONS"),
        ("/v1/models/auto", "GET, HEAD, OPTIONS"),
        ("/v1/router/decisions/d_1", "GET, HEAD, OPTIONS"),
        ("/v1/router/reload", "OPTIONS, POST"),
        ("/v1/responses/resp_1", "DELETE, GET, HEAD, OPTIONS"),
    ):
        response = simulated.client.patch(path)
        assert (response.status_code, response.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/v1/models"])
def test_head_answers_as_get_does_without_a_body(simulated: Running, path: str) -> None:
    got = simulated.client.get(path)
    with connect(simulated) as sock:
        for _ in range(2):
            sock.sendall(b"HEAD %b HTTP/1.1\r\n" % path.encode() + HOST + b"\r\n")
        answer = talk(simulated, b"HEAD %b HTTP/1.1\r\n" % path.encode() + HOST + b"Connection: close\r\n\r\n")
    assert status(answer) == got.status_code == 200 and answer.endswith(b"\r\n\r\n")
    assert b"\r\ncontent-type: " + got.headers["content-type"].encode() in answer
    assert path == "/metrics" or b"\r\ncontent-length: %d\r\n" % len(got.content) in answer


def test_options_opens_nothing_to_other_origins(simulated: Running) -> None:
    for path in ("/v1/models", "/v1/chat/completions", "/health/live", "/metrics"):
        asked = {"origin": "https://other.example", "access-control-request-method": "POST"}
        response = simulated.client.options(path, headers=asked)
        assert response.status_code in (204, 405)
        assert not [name for name in response.headers if name.startswith("access-control-")]


def test_every_route_but_health_needs_a_key(tmp_path: Path) -> None:
    keys = {"keys": [{"id": "app", "sha256": hashlib.sha256(b"app-key").hexdigest()}]}
    with running(tmp_path, {"ROUTER_ADMIN_KEY": "admin-key"}, keys) as proxy:
        paths = proxy.client.get("/openapi/openapi.json", headers={"authorization": "Bearer app-key"}).json()["paths"]
        routes = [(method, path) for path, methods in paths.items() for method in methods]
        routes += [("post", f"/v1/{path}") for path in CALLS]
        open_routes = set()
        for method, path in routes:
            response = proxy.client.request(method, re.sub(r"\{.*?\}", "x", path), content=b"{}")
            if response.status_code != 401:
                open_routes.add(path)
        assert len(routes) > 15 and open_routes == {"/health/live", "/health/ready"}


# --- deadlines: a process with little patience -------------------------------------------------------------

HASTY = """
import sys
from pathlib import Path
from router.cli import Context
from router.cli.serve import _listen, run
from router.web.edge import Patience
patience = Patience(head_s=1, body_s=0.6, body_bytes_s=10_000, idle_s=1.8, unread_s=1, leaving_s=0.5)
run(Context(Path(sys.argv[1])), "127.0.0.1", _listen("127.0.0.1", 0), patience)
"""


class Hose:
    """A provider of the chat format. It streams for ever, while `flows`, or answers whole with 1 MB; `sent` counts the
    bytes of streams, one number a call."""

    def __init__(self) -> None:
        self.flows = threading.Event()
        self.flows.set()
        self.sent: list[int] = []
        self.open = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def close(self) -> None:
        self._stopped = True
        self.flows.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pour, args=(sock,), daemon=True).start()

    def _pour(self, sock: socket.socket) -> None:
        number = len(self.sent)
        self.sent.append(0)
        self.open += 1
        try:
            with sock:
                if b'"stream":true' in sock.recv(65536):
                    self._stream(sock, number)
                else:
                    message = {"role": "assistant", "content": "x" * 1_000_000}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    body = json.dumps({"object": "chat.completion", **self.ANSWER, "choices": [choice]}).encode()
                    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                    sock.sendall(head % len(body) + body)
        except OSError:
            pass
        finally:
            self.open -= 1

    ANSWER: ClassVar = {"id": "c_1", "created": 1, "model": "endless"}

    def _stream(self, sock: socket.socket, number: int) -> None:
        delta = {"role": "assistant", "content": "x" * 8000}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        event = {"object": "chat.completion.chunk", **self.ANSWER, "choices": [choice]}
        block = b"data: %b\n\n" % json.dumps(event).encode()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not self._stopped:
            self.flows.wait()
            sock.sendall(b"%x\r\n%b\r\n" % (len(block), block))
            self.sent[number] += len(block)


@contextmanager
def started(folder: Path, program: str, config: Any) -> Iterator[Running]:
    (folder / "own.yaml").write_text(json.dumps(config), "utf-8")
    log = folder / "proxy.log"
    with log.open("wb") as stderr:
        command = [sys.executable, "-c", program, str(folder / "own.yaml")]
        process = subprocess.Popen(command, cwd=folder, env=environment(), stderr=stderr)
        try:
            proxy = Running(folder, process, log)
            with proxy.client:
                yield proxy
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(20)


@pytest.fixture(scope="module")
def hose() -> Iterator[Hose]:
    with closing(Hose()) as provider:
        yield provider


@pytest.fixture(scope="module")
def hasty(hose: Hose, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = {
        "providers": {"hose": {"dialect": "openai", "base_url": hose.url, "api_key": "any"}},
        "models": {"endless": {"provider": "hose", "id": "endless"}},
    }
    with started(tmp_path_factory.mktemp("hasty"), HASTY, config) as process:
        yield process


def drip(sock: socket.socket, drop: bytes) -> bytes:
    """Send `drop` every 50 ms until the proxy answers; gives all it says."""
    sock.settimeout(0.05)
    for _ in range(100):
        sock.sendall(drop)
        with suppress(TimeoutError):
            answer = sock.recv(65536)
            sock.settimeout(10)
            return answer + until_closed(sock)
    raise AssertionError("not cut within 5 s")


def test_a_connection_that_says_nothing_is_closed_without_a_word(hasty: Running) -> None:
    with connect(hasty) as silent, connect(hasty) as broken:
        broken.sendall(b"\r\n\r\n")
        assert until_closed(silent) == until_closed(broken) == b""


def test_a_head_has_to_come_in_time_however_it_drips(hasty: Running) -> None:
    with connect(hasty) as stalled, connect(hasty) as dripping, connect(hasty) as second:
        stalled.sendall(b"GET /health/live HTTP/1.1\r\n")
        second.sendall(b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n")
        assert status(one_answer(second)) == 200
        second.sendall(b"GET /health/live HTTP/1.1\r\n")
        dripping.sendall(b"GET /")
        for sent in (drip(dripping, b"x"), until_closed(stalled), until_closed(second)):
            assert assert_refused(sent, 408)["code"] == "request_timeout"


def test_a_head_has_its_time_from_its_own_first_byte(hasty: Running) -> None:
    with connect(hasty) as sock:
        time.sleep(0.7)
        sock.sendall(b"GET /health/live HTTP/1.1\r\n")
        time.sleep(0.6)  # together longer than either may take
        sock.sendall(HOST + b"\r\n")
        assert status(one_answer(sock)) == 200


def test_a_body_has_to_come_in_time_or_at_a_rate(hasty: Running) -> None:
    log, rows = hasty.log, len(hasty.rows())
    unfinished = [
        post()[:-1],
        chunked(b"5\r\nhel"),
        post(b'{"why": "x"}', path=b"/v1/router/table/rollback")[:-1],
        post(b" " * 9_000_000)[:-1],  # what came fast earns no rest of 15 minutes
    ]
    with ExitStack() as stack:
        stalled = [stack.enter_context(connect(hasty)) for _ in unfinished]
        dripping = stack.enter_context(connect(hasty))
        for sock, raw in zip(stalled, unfinished, strict=True):
            sock.sendall(raw)
        dripping.sendall(post(b" " * 1000)[:-1000])
        assert_refused(drip(dripping, b" "), 408)
        for sock in stalled:
            assert_refused(until_closed(sock), 408)
    assert hasty.log == log and len(hasty.rows()) == rows
    assert in_progress(hasty) == 0


def test_a_slow_body_that_keeps_its_rate_is_read_to_its_end(hasty: Running) -> None:
    body = b'{"model": "no-such-model", "messages": []}' + b" " * 60_000
    with connect(hasty) as sock:
        request = post(body)
        start = time.monotonic()
        for at in range(0, len(request), 2_000):
            sock.sendall(request[at : at + 2_000])
            time.sleep(0.05)  # 40 KB a second
        assert time.monotonic() - start > 1.2  # twice the time for a body without the rate
        assert status(one_answer(sock)) in (400, 404)


def test_a_connection_may_rest_for_a_while_between_two_requests(hasty: Running) -> None:
    with connect(hasty) as sock:
        sock.sendall(b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n")
        assert status(one_answer(sock)) == 200
        time.sleep(1.3)  # longer than a head may take, shorter than a rest
        sock.sendall(b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n")
        assert status(one_answer(sock)) == 200
        assert until_closed(sock) == b""


def endless(*, stream: bool) -> bytes:
    body = {"model": "endless", "stream": stream, "messages": [{"role": "user", "content": "Go"}]}
    return post(json.dumps(body).encode())


def test_a_client_that_reads_nothing_slows_its_own_upstream_alone_and_is_cut(hasty: Running, hose: Hose) -> None:
    first, before = len(hose.sent), memory_mb(hasty)
    with connect(hasty, receive_buffer=4096) as deaf:
        deaf.sendall(endless(stream=True))
        hasty.until(lambda: len(hose.sent) > first and hose.sent[first] > 0)
        with connect(hasty) as reading:
            reading.sendall(endless(stream=True))
            received = 0
            while received < 30_000_000:
                received += len(reading.recv(1 << 20))
        assert hose.sent[first + 1] > 29_000_000
        assert hose.sent[first] < 20_000_000  # what the sockets to the provider hold, and little more
        assert memory_mb(hasty) - before < 30
        hasty.until(lambda: hose.open == 0, within_s=8)
        assert [row.outcome for row in hasty.rows(2)] == ["cancelled", "cancelled"]
        hasty.until(lambda: in_progress(hasty) == 0)


def test_a_slow_reader_that_reads_is_left_alone(hasty: Running, hose: Hose) -> None:
    with connect(hasty, receive_buffer=4096) as sock:
        sock.sendall(endless(stream=True))
        end = time.monotonic() + 2.5  # more than twice as long as one may read nothing
        while time.monotonic() < end:
            assert sock.recv(8192)
            time.sleep(0.01)
        assert hose.open == 1


def test_a_stream_that_caught_up_may_be_silent_for_long(hasty: Running, hose: Hose) -> None:
    with connect(hasty, receive_buffer=4096) as sock:
        sock.sendall(endless(stream=True))
        time.sleep(0.5)  # reading nothing
        hose.flows.clear()
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while sock.recv(65536):
                pass
        time.sleep(3.2)  # longer than one may read nothing and rest together
        hose.flows.set()
        sock.settimeout(10)
        assert sock.recv(65536)


def test_a_whole_answer_that_nobody_reads_is_given_up(hasty: Running) -> None:
    with connect(hasty, receive_buffer=4096) as sock:
        sock.sendall(endless(stream=False))
        port = sock.getsockname()[1]
        hasty.until(lambda: port in peers(hasty))
        hasty.until(lambda: port not in peers(hasty), within_s=8)


def test_a_whole_answer_is_read_to_its_end_by_who_is_slow(hasty: Running) -> None:
    with connect(hasty, receive_buffer=4096) as sock:
        sock.sendall(endless(stream=False))
        start, received = time.monotonic(), 0
        while received < 1_000_000:
            data = sock.recv(8192)
            assert data
            received += len(data)
            time.sleep(0.01)
        assert time.monotonic() - start > 1.5  # beyond what it may read nothing, and a sweep


def peers(proxy: Running) -> set[int]:
    """The client ports that the proxy has an open socket to."""
    own = int(proxy.url.rpartition(":")[2])
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        if int(local.rpartition(":")[2], 16) == own and state == "01":
            found.add(int(remote.rpartition(":")[2], 16))
    return found


def in_progress(proxy: Running) -> float:
    return float(re.search(r"^llm_router_requests_in_progress (\S+)", proxy.client.get("/metrics").text, re.M)[1])  # type: ignore[index]


def memory_mb(proxy: Running) -> float:
    pages = int(Path(f"/proc/{proxy.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


# --- many ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"POST /v1/chat/completions HTTP/1.1\r\nHost: proxy\r\nX-Half: "])
def test_ten_thousand_idle_clients_and_half_open_heads_leave_health_quick(tmp_path: Path, said: bytes) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = min(10_000, hard - 500)
    with running(tmp_path) as proxy, ExitStack() as stack:
        before = memory_mb(proxy)
        probe, times_s = stack.enter_context(connect(proxy)), []
        for number in range(clients):
            sock = stack.enter_context(connect(proxy))
            if said:
                sock.sendall(said)
            if number % 50 == 0:
                start = time.monotonic()
                probe.sendall(b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n")
                assert status(one_answer(probe)) == 200
                times_s.append(time.monotonic() - start)
        grown_mb = memory_mb(proxy) - before
        assert proxy.chat().status_code == 200
        p99_s = sorted(times_s)[len(times_s) * 99 // 100]
        print(f"{clients} clients: {grown_mb:.0f} MB more, /health/live p99 {p99_s * 1000:.1f} ms")
        assert p99_s < 0.1 and grown_mb < 120


def test_beyond_the_files_at_hand_an_idle_client_makes_room(tmp_path: Path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600))\n" + HASTY.replace(
        "head_s=1", "head_s=60"
    )
    with started(tmp_path, limited, {}) as proxy, ExitStack() as stack:
        for _ in range(700):
            stack.enter_context(connect(proxy))
        assert proxy.client.get("/health/live").status_code == 200
        assert proxy.chat().status_code == 200
        assert '"level":"error"' not in proxy.log


def test_told_to_stop_it_waits_for_no_idle_client(tmp_path: Path) -> None:
    with running(tmp_path) as proxy, ExitStack() as stack:
        idle, half, served, sending = (stack.enter_context(connect(proxy)) for _ in range(4))
        half.sendall(b"GET / HTTP/1.1\r\n")
        served.sendall(post())
        assert status(one_answer(served)) == 200
        sending.sendall(post()[:-1])
        proxy.until(lambda: in_progress(proxy) == 1)
        start = time.monotonic()
        proxy.process.send_signal(signal.SIGTERM)
        assert until_closed(idle) == until_closed(half) == until_closed(served) == b""
        sending.sendall(post()[-1:])
        assert status(until_closed(sending)) == 200
        assert proxy.process.wait(20) == 0
        assert time.monotonic() - start < 10  # less than an idle connection is kept
