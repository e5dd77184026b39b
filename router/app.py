"""The composition root: settings -> parts -> application. The only module that constructs; read it to see the order."""

import asyncio
import gc
import random
import signal
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin

from router import __version__, log
from router.catalog import Provider
from router.classifiers import GENERAL, CustomClass, rules
from router.decision import Classification
from router.dialects import ClientFace, ServerFace, anthropic, chat, completions, gemini, messages, responses
from router.dialects.openai import chat as openai_chat
from router.dialects.openai import responses as openai_responses
from router.embedder import Embedder
from router.errors import ConfigError
from router.evidence.sqlite import open_pool, sqlite_path
from router.exchange import Parts
from router.feed import Feed
from router.health import Health, Retries, RetryRules, Rules
from router.journal import Journal
from router.limits import Gate
from router.metrics import Metrics
from router.proxy import Proxy
from router.recorder import Recorder
from router.routing import Router, Setup
from router.sessions import Sessions
from router.settings import Settings
from router.shelf import open_shelf
from router.simulated.transport import SimulatedTransport
from router.state import open_state
from router.table import RoutingTable
from router.transport import Transport
from router.types import ChatRequest, Wire
from router.upstream import Deadlines, HttpTransport, Upstream
from router.web import calls, errors, models, ops, router_api, stored_answers
from router.web.auth import Key, Keys
from router.web.count_tokens import Counter, count_route
from router.web.reply import with_request_id

FACES: dict[Wire, ClientFace] = {
    "chat": openai_chat.FACE,
    "responses": openai_responses.FACE,
    "messages": anthropic.FACE,
    "gemini": gemini.FACE,
}
DOORS: dict[str, ServerFace] = {
    "/v1/chat/completions": chat.FACE,
    "/v1/completions": completions.FACE,
    "/v1/responses": responses.FACE,
    "/v1/messages": messages.FACE,
}


@dataclass(frozen=True, slots=True)
class Application:
    """The ASGI application, and whether simulated providers answer."""

    asgi: Litestar
    simulated: bool


def build(settings: Settings, read_again: Callable[[], Settings]) -> Application:
    """Put it together. `read_again` gives fresh settings for a reload. Raises ConfigError, EvidenceError."""
    secrets = settings.secrets()
    logger = log.make(settings.log.level, secrets)
    metrics = Metrics()
    keys = Keys(_keys(settings))
    path = sqlite_path(settings.evidence.url)
    pool = open_pool(path, durability=settings.evidence.durability)
    shelf = open_shelf(path)
    feed = Feed(settings.initial_table(), shelf, metrics, logger, lambda table: _obstacle(table, router))
    health = Health(Rules(**settings.breaker.model_dump()), metrics, logger, time.monotonic)
    retries = Retries(RetryRules(**settings.retries.model_dump()), metrics, random.random)
    recorder = Recorder(pool, metrics, logger, health.finished)
    journal = Journal()
    transports = Transports()
    upstream = Upstream(transports.of, Deadlines(**settings.timeouts.model_dump()))
    state = open_state(settings.state.url, int(settings.state.max_mb * 1_000_000))
    sessions = Sessions(state, logger)
    parts = Parts(upstream, FACES, recorder, sessions, metrics, health, retries, time.monotonic)
    setup = setup_of(settings)
    router = Router(setup, lambda: (feed.table, feed.initial), FACES, metrics, time.monotonic, health.outage)
    proxy = Proxy(router, journal, parts)
    embedder = Embedder(router, journal, parts)
    metrics.allow(setup.catalog.names(), setup.classes)

    def reload() -> None:
        fresh = read_again()
        renewed, initial = setup_of(fresh), fresh.initial_table()  # may raise ConfigError: nothing has changed yet
        secrets.extend(set(fresh.secrets()) - set(secrets))  # the old ones stay secret too
        health.keep(renewed.catalog)
        metrics.allow(renewed.catalog.names(), renewed.classes)
        keys.replace(_keys(fresh))
        router.setup = renewed
        feed.set_initial(initial)
        logger.info("configuration read again", models=len(renewed.catalog))

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        feed.refresh()
        async with recorder, _following(feed), _reloading_on_hangup(reload, logger):
            gc.freeze()
            yield
        await transports.aclose()
        await state.aclose()
        pool.close()
        shelf.close()

    limits = settings.limits
    gate = Gate(limits.in_flight, limits.queue_s)
    door = calls.Door(keys, gate, metrics, time.monotonic, int(limits.body_mb * 1_000_000))
    office = router_api.Office(router, keys, journal, pool, shelf, feed, reload)
    checks: ops.Checks = {
        "evidence": lambda: (recorder.healthy, "ok" if recorder.healthy else "rows are being dropped; see the log"),
        "models": lambda: _models_check(router),
    }
    asgi = Litestar(
        [
            *(calls.route(path, face, proxy.handle, door) for path, face in DOORS.items()),
            count_route(Counter(router, upstream, FACES), door),
            calls.route("/v1/embeddings", chat.FACE, embedder.handle, door),
            *stored_answers.routes(sessions, keys),
            *models.routes(router, keys),
            *router_api.routes(office),
            *ops.routes(metrics, keys, checks),
        ],
        lifespan=[lifespan],
        after_request=with_request_id,
        exception_handlers=errors.handlers(logger),
        openapi_config=OpenAPIConfig(
            "LLM router", __version__, path="/openapi", render_plugins=[SwaggerRenderPlugin()]
        ),
        logging_config=None,
        request_max_body_size=int(limits.body_mb * 1_000_000),
    )
    return Application(asgi, setup.catalog.simulated)


@contextmanager
def offline_router(settings: Settings) -> Iterator[Router]:
    """A router that decides as a running proxy would, by the table in force. Raises ConfigError, EvidenceError.

    Where there is no pool yet it looks at a temporary one, so that a look leaves no file behind.
    """
    with TemporaryDirectory() as folder:
        path = sqlite_path(settings.evidence.url)
        with closing(open_shelf(path if path.exists() else Path(folder) / "router.db")) as shelf:
            metrics = Metrics()
            logger = log.make("warning", settings.secrets())
            feed = Feed(settings.initial_table(), shelf, metrics, logger, lambda table: _obstacle(table, router))
            router = Router(setup_of(settings), lambda: (feed.table, feed.initial), FACES, metrics, time.monotonic)
            feed.refresh()
            yield router


def setup_of(settings: Settings) -> Setup:
    """What the operator configured, as the proxy takes it."""
    return Setup(
        catalog=settings.catalog(),
        classes=tuple(settings.classes),
        policies=settings.policies,
        classify=partial(_classify, settings.custom_classes, frozenset(settings.classes)),
    )


def _classify(custom: tuple[CustomClass, ...], classes: frozenset[str], request: ChatRequest) -> Classification:
    """The classifier's answer, or the nearest to it that is configured: built-in classes can be removed."""
    classification = rules.classify(request, custom)
    if classification.task_class in classes:
        return classification
    runner_up = classification.runner_up
    known = runner_up if runner_up in classes else GENERAL if GENERAL in classes else min(classes)
    return Classification(known, "default", why=(f"{classification.task_class} is not configured",))


def _keys(settings: Settings) -> list[Key]:
    return [Key(key.id, key.sha256, frozenset(key.roles)) for key in settings.keys]


class Transports:
    """One transport, so one pool of connections, for each provider endpoint and key."""

    def __init__(self) -> None:
        self._simulated = SimulatedTransport()
        self._networked: dict[tuple[str, str | None], Transport] = {}
        self._tls = ssl.create_default_context()

    def of(self, provider: Provider) -> HttpTransport:
        if provider.simulated:
            return self._simulated
        at = (provider.base_url, provider.api_key)
        if at not in self._networked:
            self._networked[at] = Transport(tls=self._tls)
        return self._networked[at]

    async def aclose(self) -> None:
        for transport in self._networked.values():
            await transport.aclose()


def _obstacle(table: RoutingTable, router: Router) -> str | None:
    """Simulated evidence says nothing about real models, so its table is not followed once there are any."""
    if table.simulated and not router.setup.catalog.simulated:
        return "it was built from simulated rows, and real providers answer now"
    return None


def _models_check(router: Router) -> tuple[bool, str]:
    usable = sum(model.provider.usable for model in router.setup.catalog)
    word = " (simulated)" if router.setup.catalog.simulated else ""
    return usable > 0, f"{usable} can be called{word}"


@asynccontextmanager
async def _following(feed: Feed) -> AsyncIterator[None]:
    """Keep the feed fresh while inside."""
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def _reloading_on_hangup(reload: Callable[[], None], logger: log.Log) -> AsyncIterator[None]:
    """While inside, SIGHUP reads the configuration again; a bad one is logged and changes nothing."""

    def hang_up() -> None:
        try:
            reload()
        except ConfigError as error:
            logger.error("the configuration was not taken; the one before stays in force", why=str(error))

    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield  # only a main thread gets signals
        return
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
