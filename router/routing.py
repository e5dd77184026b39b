"""Stops 2 to 4: read a request, classify it, decide who answers. No upstream call, and nothing is remembered."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from router.call import Clock
from router.catalog import Catalog, Model
from router.decision import Classification, Decision, Wishes
from router.dialects import ClientFace, ServerFace
from router.errors import BadRequest, NotFound
from router.metrics import Metrics
from router.policies import Outages, Policy, Question, no_outage, pinned, ranked, requirements
from router.table import RoutingTable
from router.types import ChatRequest, Wire

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Setup:
    """What the operator configured, as one value: replaced whole when the configuration is read again."""

    catalog: Catalog
    classes: tuple[str, ...]
    policies: Mapping[str, Policy]
    classify: Callable[[ChatRequest], Classification]

    def policy(self, task_class: str) -> Policy:
        return self.policies.get(task_class) or self.policies.get("default") or Policy()


class Router:
    """Decides by what is configured and by the table in force at the moment, which `tables` gives first.

    The second is the table of the configuration: it speaks for the classes that the one in force leaves out.
    """

    def __init__(
        self,
        setup: Setup,
        tables: Callable[[], tuple[RoutingTable, RoutingTable]],
        faces: Mapping[Wire, ClientFace],
        metrics: Metrics,
        clock: Clock,
        outage: Outages = no_outage,
    ) -> None:
        self.setup = setup
        self._tables = tables
        self._faces = faces
        self._metrics = metrics
        self._clock = clock
        self._outage = outage

    def read(self, face: ServerFace, body: bytes) -> ChatRequest:
        """The request in `body`. Raises BadRequest."""
        started = self._clock()
        request = face.decode_request(body)
        self._metrics.timed("decode", self._clock() - started)
        return request

    @property
    def table_version(self) -> str:
        return self._tables()[0].version

    def named(self, name: str) -> Model | None:
        """The model that `name`, a catalogue name or an alias of one, stands for; None for a name that routes.

        Raises NotFound for a name that is unknown.
        """
        return self.setup.catalog.find(_with_model_name(self.setup, Wishes(), name).model or "")

    def decide(self, request: ChatRequest, wishes: Wishes) -> Decision:
        """Who is to answer. Raises RouterError for what can't be answered."""
        setup, (table, initial) = self.setup, self._tables()
        started = self._clock()
        wishes = _with_model_name(setup, wishes, request.model)
        classification = _classification(setup, wishes, request)
        classified = self._clock()
        question = _question(setup, wishes, request, classification.task_class, self._faces, self._outage)
        model = setup.catalog.find(wishes.model) if wishes.model else None
        if model is None:
            decision = ranked.choose(question, classification, table, initial)
        else:
            decision = pinned.choose(question, classification, table.version, model)
        self._metrics.timed("classify", classified - started)
        self._metrics.timed("decide", self._clock() - classified)
        return decision


def _with_model_name(setup: Setup, wishes: Wishes, name: str) -> Wishes:
    """The wishes with what the body's `model` says; a header of the same meaning wins. Unknown names are refused."""
    name = setup.catalog.aliases.get(name, name)
    if wishes.model is not None:
        if setup.catalog.find(wishes.model) is None:
            text = f"x-router-model is {wishes.model!r}; it can be {_some(setup.catalog.names())}"
            raise BadRequest(text, param="x-router-model")
        return wishes
    if name == AUTO:
        return wishes
    prefix, _, task_class = name.partition(":")
    if prefix == AUTO:
        if task_class not in setup.classes:
            text = f"there is no task class {task_class!r}; after auto: it can be {', '.join(setup.classes)}"
            raise NotFound(text, param="model", code="model_not_found")
        return wishes if wishes.task_class else replace(wishes, task_class=task_class)
    if setup.catalog.find(name) is None:
        text = (
            f"the model {name[:100]!r} does not exist; it can be auto, auto:<task class>, or a name of GET /v1/models"
        )
        raise NotFound(text, param="model", code="model_not_found")
    return replace(wishes, model=name)


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _classification(setup: Setup, wishes: Wishes, request: ChatRequest) -> Classification:
    if wishes.task_class is None:
        return setup.classify(request)
    if wishes.task_class not in setup.classes:
        text = f"x-router-task-class is {wishes.task_class!r}; it can be {', '.join(setup.classes)}"
        raise BadRequest(text, param="x-router-task-class")
    return Classification(wishes.task_class, "explicit", why=("named by the caller",))


def _question(
    setup: Setup,
    wishes: Wishes,
    request: ChatRequest,
    task_class: str,
    faces: Mapping[Wire, ClientFace],
    outage: Outages,
) -> Question:
    policy = setup.policy(task_class)
    limits = [limit for limit in (wishes.max_cost_usd, policy.max_cost_usd) if limit is not None]
    return Question(
        request=request,
        requirements=requirements(request),
        catalog=setup.catalog,
        policy=Policy(wishes.objective or policy.objective, min(limits, default=None)),
        today=datetime.now(UTC).date(),
        obstacles=lambda asked, model: _obstacles(faces, asked, model),
        outage=outage,
    )


def _obstacles(faces: Mapping[Wire, ClientFace], request: ChatRequest, model: Model) -> Iterator[str]:
    wire = model.wire(request)
    if wire != request.wire:
        for name in request.only_native:
            yield f"{name}: this model's API has no such thing"
    yield from faces[wire].obstacles(request, model)
