"""What `router demo` runs on: thirty requests of all six classes, and benchmark runs that never happened.

The runs follow the seed's plan: ten tasks (3 coding, 2 agent, 2 long context, 2 research, 1 strict format) on three
models. Scores are drawn around the strengths below; they say nothing about the models whose names they bear.
"""

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from router.catalog import Catalog, Model
from router.record import EvidenceRow, row_id_of
from router.types import Usage

Body = dict[str, Any]


class Work(NamedTuple):
    """A class's tasks: how many, tokens of one, and around which score each model's runs lie."""

    tasks: int
    input_tokens: int
    output_tokens: int
    strengths: dict[str, float]


MODELS = ("gpt-5.5", "claude-opus-4.7", "gemini-3.1-pro")

_WORK = {
    "coding_deep_review": Work(3, 9_000, 2_000, {"gpt-5.5": 3.7, "claude-opus-4.7": 4.7, "gemini-3.1-pro": 3.0}),
    "agentic_terminal_work": Work(2, 20_000, 4_000, {"gpt-5.5": 4.7, "claude-opus-4.7": 3.9, "gemini-3.1-pro": 2.9}),
    "long_context_synthesis": Work(2, 120_000, 1_500, {"gpt-5.5": 4.1, "claude-opus-4.7": 4.1, "gemini-3.1-pro": 4.6}),
    "research_synthesis": Work(2, 12_000, 2_500, {"gpt-5.5": 4.5, "claude-opus-4.7": 4.1, "gemini-3.1-pro": 4.4}),
    "strict_json_extraction": Work(1, 3_000, 600, {"gpt-5.5": 4.8, "claude-opus-4.7": 3.8, "gemini-3.1-pro": 3.2}),
}
_SPREAD = 0.4  # of a score around its strength
_TOKENS_PER_S = 60


def benchmark_rows(catalog: Catalog, now: datetime) -> list[EvidenceRow]:
    """The thirty runs of MODELS, as far as the catalogue has them; the same each time but for `at` and the prices."""
    return [
        _run(f"{task_class}-{number}", task_class, work, model, work.strengths[name], now)
        for task_class, work in _WORK.items()
        for number in range(1, work.tasks + 1)
        for name in MODELS
        if (model := catalog.find(name))
    ]


def _run(task_id: str, task_class: str, work: Work, model: Model, strength: float, now: datetime) -> EvidenceRow:
    chance = random.Random(f"{task_id} {model.name}")  # noqa: S311  # a fixed draw, no secret
    score = min(5.0, round(2 * (strength + chance.uniform(-_SPREAD, _SPREAD))) / 2)
    usage = Usage(
        round(work.input_tokens * chance.uniform(0.9, 1.1)), round(work.output_tokens * chance.uniform(0.9, 1.1))
    )
    first_useful_s = round(1 + work.input_tokens / 10_000 * chance.uniform(0.5, 1), 3)
    return EvidenceRow(
        task_id=task_id,
        task_type=task_class,
        model=model.name,
        score=score,
        time_to_first_useful_s=first_useful_s,
        wall_time_s=round(first_useful_s + usage.output_tokens / _TOKENS_PER_S, 3),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=model.cost_usd(usage, now.date()),
        manual_corrections=int(5 - score),
        notes="SIMULATED: drawn by router demo, never run",
        row_id=row_id_of(("demo", task_id, model.name), 0),
        source="simulated",
        at=now,
        scorer="simulated",
        price_version=model.price_version,
        suite="demo",
        run_id="demo",
    )


def requests() -> list[Body]:
    """The thirty chat bodies, the classes in turn; every other one of a class is streamed."""
    turns = zip(_CODING, _AGENTIC, _LONG, _RESEARCH, _STRICT, _GENERAL, strict=True)
    return [
        {"model": "auto", **body, "stream": (turn + place) % 2 == 1}
        for turn, bodies in enumerate(turns)
        for place, body in enumerate(bodies)
    ]


def said(body: Mapping[str, Any]) -> str:
    """The last thing that the user says in `body`."""
    return next(str(turn["content"]) for turn in reversed(body["messages"]) if turn["role"] == "user")


def _ask(text: str, **fields: Any) -> Body:
    return {"messages": [{"role": "user", "content": text}], **fields}


def _function(name: str, description: str, **parameters: str) -> dict[str, Any]:
    """A tool whose parameters are all required strings, given with their descriptions."""
    properties = {key: {"type": "string", "description": text} for key, text in parameters.items()}
    schema = {"type": "object", "properties": properties, "required": list(parameters)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


def _schema(name: str, **properties: str) -> dict[str, Any]:
    """A strict response_format whose properties are all required, given with their types."""
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}


_CODING = (
    _ask(
        "Review this pull request before we merge it. Is it safe under concurrent calls?\n\n```python\n"
        "_cache = {}\n\ndef price(sku):\n    if sku not in _cache:\n        _cache[sku] = fetch_price(sku)\n"
        "    return _cache[sku]\n```"
    ),
    _ask(
        "Fix the bug in this function: it drops the last batch.\n\n```python\ndef batches(items, size):\n    out = []\n"
        "    for i in range(0, len(items) - size, size):\n        out.append(items[i:i + size])\n    return out\n```"
    ),
    _ask("Write pytest unit tests for a function slugify(title: str) -> str, with the edge cases that matter."),
    _ask(
        "Refactor this class so that the SQL query is built in one place, and keep its public methods:\n\n"
        'class Orders:\n    def open(self):\n        return self.db.run("SELECT * FROM orders WHERE done = 0")\n'
        '    def late(self):\n        return self.db.run("SELECT * FROM orders WHERE due < 0")\n'
    ),
    _ask("Why does this TypeScript code not compile, and what is the smallest fix?\n\nconst n: number = '4' + 1;"),
)

_SHELL = _function("run_command", "Run a shell command on the build machine", command="The command line to run")
_CALENDAR = [
    _function("create_event", "Create an event in the calendar", title="Title of the event", start="Start time"),
    _function("send_message", "Send a message to a person", person="Who gets it", text="The text of the message"),
]

_AGENTIC = (
    _ask(
        "Find out which process listens on port 8080 in the terminal, and stop it if it is the old server.",
        tools=[_SHELL],
    ),
    {
        "messages": [
            {"role": "user", "content": "Free some space on the build machine, but keep the last three releases."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_demo1",
                        "type": "function",
                        "function": {"name": "run_command", "arguments": '{"command":"du -sh /srv/releases/*"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_demo1", "content": "1.2G 41\n1.3G 42\n1.3G 43\n1.4G 44\n1.4G 45"},
        ],
        "tools": [_SHELL],
    },
    _ask(
        "Create an event for the release review on Thursday at 10, then send Noor a message with the time.",
        tools=_CALENDAR,
    ),
    _ask("Run the test suite in /srv/app, and install what is missing until it passes.", tools=[_SHELL]),
    _ask(
        "Please schedule the retrospective for Friday at 15:00 and send the team a message about it.", tools=_CALENDAR
    ),
)

_TOPICS = (
    ("the warehouse move", "the new racks", "Ines", "the fire inspection"),
    ("the billing migration", "the invoice export", "Tomas", "the tax rounding"),
    ("the summer campaign", "the landing page", "Aiko", "the translation"),
    ("the clinic pilot", "the triage form", "Samuel", "the consent text"),
    ("the tender in Lyon", "the pricing sheet", "Maud", "the penalty clause"),
)
_WEEK = (
    "Week {week}. {owner} opened with the state of {topic}: {part} moved on by about {done} percent, and the estimate "
    "for the rest is {left} days. There was a long discussion about {risk}; nobody wanted to decide without numbers, "
    "so {owner} will bring them next time. Two people asked whether the budget of {budget} thousand still holds. The "
    "answer was yes if {part} is not changed again, and probably not otherwise. Actions: update the plan, talk to the "
    "supplier, and write down what was agreed about {risk}."
)
_WISHES = (
    "Summarize the notes below: what was decided, what is still open, and who owes what.",
    "From these meeting notes, give me a synthesis of the risks, and how our view of them changed over time.",
    "Read these notes and write the summary that a new project lead would need on the first day.",
    "Summarize this document in ten lines, and list the contradictions that you find in it.",
    "What do the notes below say about the budget, and does it add up? Summarize week by week.",
)


def _notes(topic: str, part: str, owner: str, risk: str) -> str:
    """Minutes of sixteen weeks, about nine thousand characters."""
    weeks = (
        _WEEK.format(
            week=week, owner=owner, topic=topic, part=part, risk=risk,
            done=3 + week * 7 % 11, left=70 - 3 * week, budget=140 + week * week,
        )
        for week in range(1, 17)
    )  # fmt: skip
    return "\n\n".join(weeks)


_LONG = tuple(_ask(f"{wish}\n\n{_notes(*topic)}") for wish, topic in zip(_WISHES, _TOPICS, strict=True))

_SEARCH = [_function("web_search", "Search the web", query="What to search for")]

_RESEARCH = (
    _ask("Research the current state of solid-state batteries for cars and write a summary with sources."),
    _ask("Compare recent studies on four-day working weeks: methods, findings, and their limits. Cite your sources."),
    _ask(
        "Which company that was founded by a former chess champion first published an open protein model?",
        tools=_SEARCH,
    ),
    _ask("Conduct a market analysis of heat pumps in northern Europe, with citations for each figure."),
    _ask(
        "Search the web for the latest research on microplastics in drinking water and give references.", tools=_SEARCH
    ),
)

_STRICT = (
    _ask(
        "Invoice 2291 from Berg & Co, due on 3 March 2026, 1,840.50 EUR.",
        response_format=_schema("invoice", number="string", vendor="string", due="string", amount="number"),
    ),
    _ask(
        'Extract every person and place as a JSON object {"people": [], "places": []}, and output only valid JSON: '
        "Mara met Jonas in Porto before the two flew to Oslo."
    ),
    _ask(
        "The parcel was left at the wrong door and support hung up on me twice.",
        response_format=_schema("ticket", topic="string", angry="boolean", urgency="integer"),
    ),
    _ask(
        "Give the name, unit and value of each reading as JSON: pressure 2.1 bar, temperature 64 C, flow 12 l/min.",
        response_format={"type": "json_object"},
    ),
    _ask(
        "Answer in exactly three bullet points of at most eight words, all lowercase, nothing else: why do leaves fall?"
    ),
)

_GENERAL = (
    _ask("What is a good way to thank a neighbour who watered my plants all summer?"),
    _ask("Write a short poem about the first snow in a harbour town."),
    _ask("How long should I boil an egg so that the yolk stays soft?"),
    _ask("Give me three ideas for a rainy Sunday with two small children."),
    _ask("My train left at 9:40 and took 2 hours 35 minutes. When did I arrive?"),
)
