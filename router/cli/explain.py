"""`router explain` and `router classify`: what would happen to a request, what happened to a past one, and why."""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO, get_args

import rich_click as click

from router.cli import Context, json_option
from router.decision import Classification, Exclusion, Objective
from router.errors import BadRequest, EvidenceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.decision import Wishes
    from router.types import ChatRequest

EXCLUDED: "Mapping[Exclusion, str]" = {
    "no_key": "no key",
    "no_tools": "it takes no tools",
    "no_images": "it takes no images",
    "no_audio": "it takes no audio",
    "no_files": "it takes no files",
    "no_json_schema": "it can't be held to a JSON schema",
    "no_chat": "it makes embeddings",
    "bound_history": "another provider keeps the conversation",
    "context_too_small": "the input is too long",
    "unsupported_parameter": "it can't express a field of the request",
    "over_max_cost": "it would cost too much",
    "unknown_price": "there is a cost limit and its price is unknown",
    "unknown_model": "the catalogue has no such model",
    "circuit_open": "it failed too often lately",
    "cooling": "its provider asked to wait",
}
_METHODS = {
    "explicit": "explicit choice",
    "structure": "by the structure of the request",
    "rules": "by rules",
    "default": "by default",
}
_PAST = re.compile(r"(dec|req)_\w+")


@click.command()
@click.argument("prompt", required=False)
@click.option("--body", type=click.File("rb"), help="A chat completions body as JSON, instead of PROMPT.")
@click.option("--model", metavar="NAME", help="What the request's model says: auto, auto:CLASS, or a name.")
@click.option("--task-class", metavar="CLASS", help="As x-router-task-class.")
@click.option("--objective", type=click.Choice(get_args(Objective)), help="As x-router-objective.")
@click.option("--max-cost-usd", metavar="X", help="As x-router-max-cost-usd.")
@json_option
@click.pass_obj
def explain(
    context: Context,
    prompt: str | None,
    body: BinaryIO | None,
    model: str | None,
    task_class: str | None,
    objective: str | None,
    max_cost_usd: str | None,
) -> None:
    """Say what would happen to PROMPT (- is standard input) and why; no model is called.

    With the id of a past call (dec_... or req_...) instead: what happened to it.
    """
    if (prompt is None) == (body is None):
        raise click.UsageError("give either a PROMPT or --body FILE")
    if prompt is not None and _PAST.fullmatch(prompt):
        document = _past(context, prompt)
    else:
        fields = _asked(prompt) if body is None else _fields(body.read(), body.name)
        wishes = _wishes(task_class=task_class, objective=objective, max_cost_usd=max_cost_usd)
        document = _dry_run(context, {"model": "auto", **fields, **({"model": model} if model else {})}, wishes)
    context.emit(document, lambda: click.echo("\n".join(lines(document))))


@click.command()
@click.argument("text", required=False)
@click.option("--file", type=click.File("rb"), help="A chat completions body, or many: one a line, or under `request`.")
@click.option("--explain", "explained", is_flag=True, help="Say why, too.")
@json_option
@click.pass_obj
def classify(context: Context, text: str | None, file: BinaryIO | None, explained: bool) -> None:
    """Say which task class TEXT (- is standard input) belongs to, or each request of a file."""
    from router.app import setup_of

    if (text is None) == (file is None):
        raise click.UsageError("give either a TEXT or --file FILE")
    requests = [_request(_asked(text), "TEXT")] if file is None else _requests(file.read(), file.name)
    found = [setup_of(context.settings).classify(request) for request in requests]
    documents = [asdict(classification) for classification in found]

    def render() -> None:
        click.echo("\n".join(_in_a_line(one) if explained else one.task_class for one in found))

    context.emit(documents[0] if file is None else documents, render)


def lines(document: "Mapping[str, Any]") -> list[str]:
    """A document of `router.explain` for people; what it doesn't have is left out."""
    return [f"{name:<11}{text}".rstrip() for name, text in _labelled(document)]


def _labelled(document: "Mapping[str, Any]") -> Iterator[tuple[str, str]]:
    """Labels and texts; a text that goes on below has no label."""
    from router.ranking import usd

    yield "class", _class_in_words(document)
    yield from (("", reason) for reason in document.get("why_class", ()))
    mark = " (SIMULATED)" if document["simulated"] else ""
    yield "model", (document.get("why_model") or f"{document['model']}, for the reason {document['reason']}") + mark
    yield "table", f"{document['table_version']}, objective {document['objective']}"
    candidates = {candidate["model"]: candidate for candidate in document.get("candidates", ())}
    if candidates:
        cost = candidates[document["model"]].get("estimated_cost_usd")
        price = "of unknown cost" if cost is None else f"{usd(cost)} by estimate"
        yield "cost", f"{price}, for about {document['estimated_input_tokens']} tokens in"
    usable = [document["model"], *document.get("fallbacks", ())]
    excluded = [name for name in candidates if name not in usable]
    for place, name in enumerate([*usable, *excluded] if candidates else ()):
        yield "" if place else "candidates", _candidate_in_words(candidates[name], place)
    for attempt in document["attempts"]:
        yield f"call {attempt['attempt']}", _attempt_in_words(attempt)


def _class_in_words(document: "Mapping[str, Any]") -> str:
    facts = [_METHODS.get(document["method"], document["method"])] if document.get("method") else []
    if document["confidence"] is not None:
        facts.append(f"confidence {document['confidence']:.2f}")
    if document.get("runner_up"):
        facts.append(f"runner-up {document['runner_up']}")
    return f"{document['task_class']} ({', '.join(facts)})" if facts else f"{document['task_class']}"


def _candidate_in_words(candidate: "Mapping[str, Any]", place: int) -> str:
    from router.ranking import usd

    if code := candidate.get("excluded"):
        detail = f": {candidate['detail']}" if "detail" in candidate else ""
        return f"-  {candidate['model']}, ruled out: {EXCLUDED[code]}{detail}"
    cost = candidate.get("estimated_cost_usd")
    return f"{place + 1}. {candidate['model']}, {'unknown cost' if cost is None else usd(cost)}"


def _attempt_in_words(attempt: "Mapping[str, Any]") -> str:
    from router.ranking import usd

    facts = [attempt["model"], attempt.get("error_kind") or attempt["outcome"]]
    if "time_to_first_useful_s" in attempt:
        facts.append(f"first useful output after {attempt['time_to_first_useful_s']:.3f} s")
    if "input_tokens" in attempt:
        facts.append(f"{attempt['input_tokens']} tokens in, {attempt['output_tokens']} out")
    facts.append(usd(attempt["cost_usd"]) if "cost_usd" in attempt else "unknown cost")
    return ", ".join(facts)


def _in_a_line(found: Classification) -> str:
    return f"{_class_in_words(asdict(found))}: {'; '.join(found.why) or 'nothing speaks for another class'}"


def _wishes(**options: str | None) -> "Wishes":
    """What the request headers of the same names would say; checked as they are."""
    from router.web import wishes

    given = {name: value for name, value in options.items() if value is not None}
    return wishes.read({f"x-router-{name.replace('_', '-')}": value for name, value in given.items()})


def _dry_run(context: Context, fields: dict[str, Any], wishes: "Wishes") -> dict[str, Any]:
    import msgspec

    from router import explain
    from router.app import offline_router
    from router.dialects import chat

    with offline_router(context.settings) as router:
        decision = router.decide(router.read(chat.FACE, msgspec.json.encode(fields)), wishes)
    return explain.document(decision)


def _past(context: Context, name: str) -> dict[str, Any]:
    from router import explain, ids
    from router.cli.evidence import opened_pool, pool_path

    request_id = ids.request_id_of(name)
    with opened_pool(context, must_exist=True) as pool:
        rows = pool.recent(request_id=request_id)
    if not rows:
        raise EvidenceError(
            f"{pool_path(context)} has no call {name[:80]}; calls with x-router-record: off leave no row"
        )
    facts = {"decision": ids.decision_id(request_id), "request_id": request_id}
    return explain.remembered(rows, context.settings.catalog(), **facts)


def _asked(text: str | None) -> dict[str, Any]:
    """The body of a request that says just this; - reads standard input. What isn't UTF-8 is replaced."""
    said = sys.stdin.buffer.read() if text == "-" else os.fsencode(text or "")
    return {"messages": [{"role": "user", "content": said.decode("utf-8", "replace")}]}


def _requests(data: bytes, name: str) -> "Sequence[ChatRequest]":
    """The request of a file that is one JSON document, or those of its lines."""
    import msgspec

    first, *rest = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()] or [(1, data)]
    try:
        msgspec.json.decode(first[1])
    except msgspec.DecodeError:
        return [_request(_fields(data, name), name)]
    places = [(f"{name}:{number}", line) for number, line in (first, *rest)]
    return [_request(_fields(line, place), place) for place, line in places]


def _request(fields: dict[str, Any], place: str) -> "ChatRequest":
    import msgspec

    from router.dialects import chat

    try:
        return chat.FACE.decode_request(msgspec.json.encode({"model": "auto", **fields}))
    except BadRequest as error:
        raise BadRequest(f"{place}: {error}", param=error.param) from None


def _fields(data: bytes, place: str) -> dict[str, Any]:
    """The chat body in `data`, or under `request` in it. Raises BadRequest."""
    import msgspec

    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"{place}: not valid JSON: {error}") from None
    body = fields.get("request", fields) if isinstance(fields, dict) else fields
    if not isinstance(body, dict):
        raise BadRequest(f"{place}: not a chat completions body: a JSON object with messages")
    return body
