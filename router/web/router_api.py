"""/v1/router: the router's own questions and orders. Dry run, past decisions, the table and its life, the evidence."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from router import csv_rows, explain, ids
from router.dialects import chat
from router.errors import BadRequest, ConfigError, EvidenceError, NotFound, TableError
from router.evidence import Pool
from router.feed import Feed
from router.journal import Journal
from router.record import EvidenceRow
from router.routing import Router
from router.shelf import Entry, Shelf
from router.table import RoutingTable, check, dump, load
from router.web import wishes
from router.web.auth import Keys, Role

PAGE = 1000
PAGE_LIMIT = 10_000
WHY_LIMIT = 1000

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Office:
    """What these routes work on. `reload` reads the configuration again and raises ConfigError when it is bad."""

    router: Router
    keys: Keys
    journal: Journal
    pool: Pool
    shelf: Shelf
    feed: Feed
    reload: Callable[[], None]


def routes(office: Office) -> list[HTTPRouteHandler]:
    """The handlers."""
    return [*_decision_routes(office), *_table_routes(office), *_evidence_routes(office)]


def _decision_routes(office: Office) -> list[HTTPRouteHandler]:
    @post("/v1/router/route", status_code=200, summary="What would happen to this request, and why")
    async def route(request: AnyRequest) -> dict[str, Any]:
        office.keys.check(request.headers, "call")
        asked = wishes.read({name.lower(): value for name, value in request.headers.items()})
        decision = office.router.decide(office.router.read(chat.FACE, await request.body()), asked)
        return explain.document(decision)

    @get("/v1/router/decisions/{decision:str}", summary="What happened to a past request, and why")
    async def decision(request: AnyRequest, decision: str) -> dict[str, Any]:
        office.keys.check(request.headers, "call")
        request_id = ids.request_id_of(decision)
        facts = {"decision": ids.decision_id(request_id), "request_id": request_id}
        entry = office.journal.get(request_id)
        if entry is not None:
            return explain.document(entry.decision, entry.rows, **facts)
        rows = await asyncio.to_thread(office.pool.recent, request_id=request_id)
        if not rows:
            raise NotFound(f"no decision {decision[:80]!r} is known", param="decision")
        return explain.remembered(rows, office.router.setup.catalog, **facts)

    @post("/v1/router/reload", status_code=200, summary="Read the configuration again; a bad one changes nothing")
    async def reload(request: AnyRequest) -> dict[str, str]:
        office.keys.check(request.headers, "admin")
        try:
            await asyncio.to_thread(office.reload)
        except ConfigError as error:
            raise BadRequest(str(error), code="bad_configuration") from None
        return {"status": "reloaded"}

    return [route, decision, reload]


def _table_routes(office: Office) -> list[HTTPRouteHandler]:
    @get("/v1/router/table", summary="The routing table in force")
    async def table(request: AnyRequest) -> Response[bytes]:
        office.keys.check(request.headers, "call")
        return Response(dump(office.feed.table), media_type="application/json")

    @get("/v1/router/table/history", summary="Which table was in force when, who put it there, and why")
    async def history(request: AnyRequest) -> dict[str, Any]:
        office.keys.check(request.headers, "call")
        entries = await asyncio.to_thread(office.shelf.history)
        return {"in_force": office.feed.table.version, "history": [_entry_document(entry) for entry in entries]}

    @post("/v1/router/table/publish", status_code=200, summary="Put a table in force: {version} or {table}, and {why}")
    async def publish(request: AnyRequest) -> dict[str, Any]:
        who = _who(office, request)
        fields = await _object(request)
        version = await asyncio.to_thread(_publish, office, fields, who)
        return {"in_force": version}

    @post("/v1/router/table/rollback", status_code=200, summary="Back to the table in force before: {why}")
    async def rollback(request: AnyRequest) -> dict[str, Any]:
        who = _who(office, request)
        why = _why(await _object(request))
        try:
            await asyncio.to_thread(office.shelf.rollback, who=who, why=why, now=datetime.now(UTC))
        except TableError as error:
            raise BadRequest(str(error), code="no_table_before") from None
        await asyncio.to_thread(office.feed.refresh)
        return {"in_force": office.feed.table.version}

    return [table, history, publish, rollback]


def _publish(office: Office, fields: dict[str, Any], who: str) -> str:
    now = datetime.now(UTC)
    try:
        table = _table_of(office.shelf, fields)
        check(table, office.router.setup.catalog, office.router.setup.classes)
        version = office.shelf.put(table, now=now)
        office.shelf.publish(version, who=who, why=_why(fields), now=now, replacing=office.feed.initial)
    except TableError as error:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.path)
        raise BadRequest(str(error), param=f"table{path}", code="bad_table") from None
    office.feed.refresh()
    return version


def _table_of(shelf: Shelf, fields: dict[str, Any]) -> RoutingTable:
    version, document = fields.get("version"), fields.get("table")
    if isinstance(version, str) and document is None:
        return shelf.get(version)
    if version is None and document is not None:
        return load(msgspec.json.encode(document))
    raise BadRequest("give either version (of a table on the shelf) or table (a whole one)", param="version")


def _evidence_routes(office: Office) -> list[HTTPRouteHandler]:
    @get("/v1/router/evidence", summary="Evidence rows as CSV or NDJSON, oldest first; x-router-next is the cursor")
    async def evidence(request: AnyRequest, format: str = "csv", after: str = "", limit: int = PAGE) -> Response[bytes]:
        office.keys.check(request.headers, "admin")
        if format not in _WRITERS:
            raise BadRequest(f"format is {format[:20]!r}; it can be csv or ndjson", param="format")
        if not 1 <= limit <= PAGE_LIMIT:
            raise BadRequest(f"limit is {limit}; it can be 1 to {PAGE_LIMIT}", param="limit")
        try:
            rows = await asyncio.to_thread(office.pool.recent, after=after, limit=limit)
        except EvidenceError as error:
            if not after:
                raise
            raise BadRequest(str(error), param="after") from None
        write, media_type = _WRITERS[format]
        cursor = {"x-router-next": rows[-1].row_id} if rows else {}
        return Response(write(rows), media_type=media_type, headers=cursor)

    return [evidence]


def _csv(rows: list[EvidenceRow]) -> bytes:
    text = io.StringIO(newline="")
    csv_rows.write(rows, text)
    return text.getvalue().encode()


def _ndjson(rows: list[EvidenceRow]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


_WRITERS = {"csv": (_csv, "text/csv; charset=utf-8"), "ndjson": (_ndjson, "application/x-ndjson")}


async def _object(request: AnyRequest) -> dict[str, Any]:
    body = await request.body()
    try:
        fields = msgspec.json.decode(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("the body is not valid JSON", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise BadRequest("the body is a JSON object", code="invalid_json")
    return fields


def _why(fields: dict[str, Any]) -> str:
    why = fields.get("why", "no reason given")
    if not isinstance(why, str) or len(why) > WHY_LIMIT:
        raise BadRequest(f"why is a sentence of at most {WHY_LIMIT} characters", param="why")
    return why


def _who(office: Office, request: AnyRequest) -> str:
    role: Role = "admin"
    return office.keys.check(request.headers, role) or "http"


def _entry_document(entry: Entry) -> dict[str, Any]:
    return entry._asdict()
