"""Framing of server-sent events, by the WHATWG grammar."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.sse import EVENT_LIMIT, Event, EventParser, EventTooLong, data_event


def parsed(*blocks: bytes) -> list[Event]:
    parser = EventParser()
    events = [event for block in blocks for event in parser.feed(block)]
    return events + parser.close()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"data: a\n\n", [Event(b"a")]),
        (b"data:a\n\n", [Event(b"a")]),
        (b"data:  a \n\n", [Event(b" a ")]),
        (b"data: a\r\n\r\n", [Event(b"a")]),
        (b"data: a\r\r", [Event(b"a")]),
        (b"data: a\r\n\rdata: b\n\r", [Event(b"a"), Event(b"b")]),
        (b"data: a\r\rdata: b", [Event(b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event(b"a")]),
        (b"data: a\ndata:b\ndata\ndata: c\n\n", [Event(b"a\nb\n\nc")]),
        (b"data\n\n", [Event(b"")]),
        (b"data: a: b\n\n", [Event(b"a: b")]),
        (b"event: ping\ndata: a\n\ndata: b\n\n", [Event(b"a", "ping"), Event(b"b")]),
        (b"event: x\nevent: y\ndata: a\n\n", [Event(b"a", "y")]),
        (b"event: lost\n\ndata: a\n\n", [Event(b"a")]),
        (b"event: \xff\ndata: a\n\n", [Event(b"a", "\ufffd")]),
        (b": comment\n\n:\n\ndata: a\n: another\n\n", [Event(b"a")]),
        (b"id: 1\nretry: 10\nother: x\ndatas: y\n data: z\n\ndata: a\n\n", [Event(b"a")]),
        (b"data: a", []),
        (b"data: a\n", []),
        (b"data: a\n\ndata: b\n", [Event(b"a")]),
        (b"\n\n\r\n\rdata: a\n\n\n\n", [Event(b"a")]),
        (
            "data: a\u2028b\u2029c\u0085d\x0b\x0c\x1c\n\n".encode(),
            [Event("a\u2028b\u2029c\u0085d\x0b\x0c\x1c".encode())],
        ),
    ],
)
def test_a_stream_is_read_as_the_grammar_says_wherever_it_is_cut(stream: bytes, events: list[Event]) -> None:
    assert parsed(stream) == events
    assert parsed(*(bytes([byte]) for byte in stream)) == events
    for at in range(len(stream)):
        assert parsed(stream[:at], b"", stream[at:]) == events


LINES = st.sampled_from(
    [b"data: a", b"data:", b"data", b"event: x", b": c", b"", b"", "data: \u2028é".encode(), b"id: 1"]
)
STREAMS = st.builds(
    lambda bom, lines: bom + b"".join(line + end for line, end in lines),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12),
)


@given(STREAMS, st.lists(st.integers(0, 150)))
def test_blocks_don_t_matter(stream: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]

    assert parsed(*(stream[a:b] for a, b in itertools.pairwise(bounds))) == parsed(stream)


@given(st.lists(st.tuples(st.sampled_from(["message", "ping", "content_block_delta"]), st.text().map(str.encode))))
def test_what_we_write_is_read_back(events: list[tuple[str, bytes]]) -> None:
    kept = [(name, data.replace(b"\n", b"").replace(b"\r", b"")) for name, data in events]
    stream = b"".join(
        data_event(data) if name == "message" else b"event: " + name.encode() + b"\n" + data_event(data)
        for name, data in kept
    )

    assert parsed(stream) == [Event(data, name) for name, data in kept]


def test_an_event_may_be_as_long_as_the_limit() -> None:
    data = b"x" * (EVENT_LIMIT - 10)

    assert parsed(b"data: " + data[:1000], data[1000:], b"\n\n") == [Event(data)]


@pytest.mark.parametrize("size", [64, 1 << 16, 1 << 23])
@pytest.mark.parametrize("pattern", [b"x", b"data: x\n", b": comment without an end", b"data:\n"])
def test_an_event_or_line_without_an_end_is_refused(pattern: bytes, size: int) -> None:
    block = (pattern * size)[:size]
    parser = EventParser()
    with pytest.raises(EventTooLong):
        for _ in range(8 * EVENT_LIMIT // size + 1):
            parser.feed(block)


def test_comments_without_end_are_no_event() -> None:
    parser = EventParser()
    for _ in range(3 * EVENT_LIMIT // 1024):
        assert parser.feed(b": " + b"x" * 1021 + b"\n") == []


def test_a_line_in_small_blocks_is_joined_once() -> None:
    """1 MB in blocks of 64 bytes would take a minute if each block copied what came before."""
    data = b"x" * (EVENT_LIMIT - 100)
    blocks = [data[at : at + 64] for at in range(0, len(data), 64)]

    assert parsed(b"data: ", *blocks, b"\n", b"\n") == [Event(data)]
