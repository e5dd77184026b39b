"""One upstream call, the network faked at HTTP: every failure is an UpstreamError of the right kind."""

import asyncio

import httpx
import pytest
import respx

from router.catalog import Provider
from router.dialects import WireRequest
from router.dialects.openai import chat as openai
from router.errors import UpstreamError
from router.upstream import Deadlines, Stopwatch, Upstream

PROVIDER = Provider("openai", "openai", "https://provider.test/v1/", api_key="the-key")
WIRE = WireRequest("/chat/completions", (("authorization", "Bearer the-key"),), b"{}")


async def post(mock: respx.MockRouter, *, stream: bool = False) -> bytes:
    transport = httpx.MockTransport(mock.async_handler)
    upstream = Upstream(lambda _provider: transport, Deadlines())
    async with upstream.post(PROVIDER, WIRE, openai.decode_error, stream=stream) as answer:
        return b"".join([block async for block in answer.blocks])


def provider(**response: object) -> respx.MockRouter:
    mock = respx.MockRouter(assert_all_called=False)
    mock.post("https://provider.test/v1/chat/completions").mock(**response)  # type: ignore[arg-type]
    return mock


async def test_the_request_goes_to_the_providers_own_address_with_nothing_but_its_headers() -> None:
    mock = provider(return_value=httpx.Response(200, content=b"{}"))
    assert await post(mock) == b"{}"
    sent = mock.calls.last.request
    assert str(sent.url) == "https://provider.test/v1/chat/completions"
    assert set(sent.headers) == {"host", "authorization", "accept", "user-agent", "content-length"}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("x"), "connect"),
        (httpx.ConnectTimeout("x"), "connect"),
        (httpx.ReadTimeout("x"), "timeout"),
        (httpx.PoolTimeout("x"), "timeout"),
        (httpx.ReadError("x"), "connect"),
        (httpx.RemoteProtocolError("x"), "protocol"),
    ],
)
async def test_what_the_network_does_has_its_kind(error: httpx.TransportError, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await post(provider(side_effect=error))
    assert caught.value.kind == kind and caught.value.retryable


async def test_a_redirect_is_not_followed_and_is_the_operators_fault() -> None:
    mock = provider(return_value=httpx.Response(307, headers={"location": "https://elsewhere.test"}))
    with pytest.raises(UpstreamError, match="base_url"):
        await post(mock)
    assert len(mock.calls) == 1


async def test_what_is_no_stream_where_one_was_asked_for_is_refused() -> None:
    with pytest.raises(UpstreamError) as caught:
        await post(provider(return_value=httpx.Response(200, json={})), stream=True)
    assert caught.value.kind == "protocol" and "application/json" in caught.value.message


async def test_an_endless_error_body_is_read_only_so_far() -> None:
    async def endless():  # type: ignore[no-untyped-def]
        while True:
            yield b"x" * 10_000

    with pytest.raises(UpstreamError) as caught:
        await post(provider(return_value=httpx.Response(500, content=endless())))
    assert caught.value.upstream_status == 500


async def test_the_stopwatch_gives_up_on_a_silent_stream_and_content_winds_it_on() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(first_byte_s=0.1, idle_s=0.1, total_s=60)
    with pytest.raises(UpstreamError) as caught:
        async with Stopwatch(deadlines, loop.time() + 60, stream=True):
            await asyncio.sleep(10)
    assert caught.value.kind == "timeout" and caught.value.status == 504
    async with Stopwatch(deadlines, loop.time() + 60, stream=True) as stopwatch:
        for _ in range(4):
            await asyncio.sleep(0.05)
            stopwatch.content()


async def test_a_whole_answer_has_the_total_deadline_only() -> None:
    loop = asyncio.get_running_loop()
    async with Stopwatch(Deadlines(first_byte_s=0.01, idle_s=0.01), loop.time() + 60, stream=False):
        await asyncio.sleep(0.05)
    with pytest.raises(UpstreamError):
        async with Stopwatch(Deadlines(), loop.time() + 0.05, stream=False):
            await asyncio.sleep(10)
