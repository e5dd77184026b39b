"""The rules for a request's head that llhttp leaves to us."""

import pytest

from router.web.edge import Patience, Refused, check_head

HOST = (b"host", b"proxy.example:8080")


def test_clients_have_the_time_that_is_promised() -> None:
    assert Patience() == Patience(head_s=10, body_s=10, body_bytes_s=1024, idle_s=15, unread_s=60, leaving_s=10)


@pytest.mark.parametrize(
    ("method", "version", "target", "fields"),
    [
        (b"GET", "1.1", b"/v1/models", [HOST]),
        (b"HEAD", "1.0", b"/health/live", []),
        (b"POST", "1.1", b"/v1/chat/completions?a=b", [HOST, (b"transfer-encoding", b"Chunked")]),
        (b"POST", "1.1", b"http://PROXY.example:8080/v1/responses", [HOST, (b"content-length", b"5 ")]),
        (b"GET", "1.1", b"/", [(b"host", b"[::1]:4000")]),
        (b"GET", "1.1", b"/", [(b"host", b"")]),
    ],
)
def test_a_good_head_passes(method: bytes, version: str, target: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    check_head(method, version, target, fields)


@pytest.mark.parametrize(
    ("method", "version", "target", "fields", "status", "code"),
    [
        (b"TRACE", "1.1", b"/", [HOST], 405, "method_not_allowed"),
        (b"CONNECT", "1.1", b"other:443", [HOST], 405, "method_not_allowed"),
        (b"SOURCE", "1.0", b"/", [HOST], 405, "method_not_allowed"),
        (b"GET", "0.9", b"/", [], 400, "bad_version"),
        (b"GET", "2.0", b"/", [HOST], 400, "bad_version"),
        (b"POST", "1.0", b"/", [HOST, (b"transfer-encoding", b"chunked")], 400, "bad_framing"),
        (b"POST", "1.1", b"/", [HOST, (b"transfer-encoding", b"gzip, chunked")], 400, "bad_framing"),
        (b"POST", "1.1", b"/", [HOST, (b"transfer-encoding", b",chunked")], 400, "bad_framing"),
        (b"POST", "1.1", b"/", [HOST, *[(b"transfer-encoding", b"chunked")] * 2], 400, "bad_framing"),
        (b"POST", "1.1", b"/", [HOST, (b"content-length", b"0" * 5000 + b"5")], 400, "bad_framing"),
        (b"GET", "1.1", b"/", [HOST, (b"upgrade", b"h2c")], 400, "no_upgrade"),
        (b"GET", "1.1", b"/", [], 400, "bad_host"),
        (b"GET", "1.1", b"/", [HOST, HOST], 400, "bad_host"),
        (b"GET", "1.0", b"/", [HOST, HOST], 400, "bad_host"),
        (b"GET", "1.1", b"/", [(b"host", b"user@proxy")], 400, "bad_host"),
        (b"GET", "1.1", b"/", [(b"host", b"proxy/path")], 400, "bad_host"),
        (b"GET", "1.1", b"/", [(b"host", b"proxy:port")], 400, "bad_host"),
        (b"GET", "1.1", b"http://other.example/", [HOST], 400, "bad_target"),
        (b"GET", "1.1", b"http://user@proxy.example:8080/", [HOST], 400, "bad_target"),
        (b"GET", "1.1", b"ftp://proxy.example:8080/", [HOST], 400, "bad_target"),
        (b"OPTIONS", "1.1", b"*", [HOST], 400, "bad_target"),
    ],
)
def test_a_head_that_could_mean_two_things_is_refused(
    method: bytes, version: str, target: bytes, fields: list[tuple[bytes, bytes]], status: int, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        check_head(method, version, target, fields)
    assert (refused.value.status, refused.value.code) == (status, code)
