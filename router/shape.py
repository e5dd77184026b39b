"""The shape of config/*.yaml as pydantic models: what the files may say, and the defaults. `settings` reads them.

The description of a text is how an error message calls it.
"""

import hashlib
import json
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.json_schema import GenerateJsonSchema

from router.catalog import DialectName
from router.decision import Objective
from router.types import Effort

NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$"
_CLASS = r"^[a-z][a-z0-9_]{0,49}$"


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):  # pydantic would take true for 1
        raise ValueError("not a number")
    return value


def _splits(url: str) -> str:
    """Raises ValueError when the host or port is none."""
    parts = urlsplit(url)
    if not parts.hostname or parts.port == 0:
        raise ValueError("no host")
    return url


Name = Annotated[
    str,
    StringConstraints(pattern=NAME),
    Field(description="a name of letters, digits and . _ : / -, 100 at most, that begins with a letter or digit"),
]
ClassName = Annotated[
    str,
    StringConstraints(pattern=_CLASS),
    Field(description="a name of small letters, digits and _, 50 at most, that begins with a letter"),
]
Text = Annotated[str, StringConstraints(min_length=1)]
Url = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s?#]*$"),
    AfterValidator(_splits),
    Field(description="an http or https URL, such as https://api.example.com/v1"),
]
Secret = Annotated[
    str,
    StringConstraints(pattern=r"^[!-~]*$", strip_whitespace=True),
    Field(description="the provider's key, in quotes, without spaces"),
]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_no_boolean)]
Attempts = Annotated[int, Field(ge=1, le=10), BeforeValidator(_no_boolean)]
Count = Annotated[int, Field(ge=1), BeforeValidator(_no_boolean)]
Amount = Annotated[float, Field(ge=0), BeforeValidator(_no_boolean)]
Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(_no_boolean)]
Rate = Annotated[float, Field(gt=0, le=1), BeforeValidator(_no_boolean)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(_no_boolean)]
Role = Literal["call", "admin"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Server(_Section):
    host: Text = "127.0.0.1"
    port: Port = 4000


class Key(_Section):
    """A caller's key, known by its SHA-256 alone."""

    id: Name
    sha256: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9a-f]{64}$", to_lower=True),
        Field(repr=False, description="the 64 hex digits that `router keys new` prints"),
    ]
    roles: Annotated[tuple[Role, ...], Field(min_length=1)] = ("call",)


class ProviderRow(_Section):
    """No `api_key` at all: the server asks for none. An empty one: it needs a key and has none."""

    dialect: DialectName
    base_url: Url
    api_key: Annotated[Secret | None, Field(repr=False)] = None


class Rates(_Section):
    """USD per million tokens."""

    input: Amount
    cached: Amount | None = None
    cache_write: Amount | None = None
    cache_write_1h: Amount | None = None
    output: Amount


class AboveRow(Rates):
    input_tokens: Count


class TierRow(Rates):
    above: AboveRow | None = None


class PriceRow(TierRow):
    tiers: dict[Name, TierRow] = {}
    valid_from: Annotated[date | None, Field(alias="from")] = None


def _listed(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class ModelRow(_Section):
    """A row of the catalogue; what the columns mean stands at `router.catalog.Model`."""

    provider: Name
    id: Text | None = None
    effort: Effort | None = None
    fallbacks: tuple[Name, ...] = ()
    price: Annotated[
        tuple[PriceRow, ...], BeforeValidator(_listed, json_schema_input_type=PriceRow | tuple[PriceRow, ...])
    ] = ()
    context_tokens: Count = 128_000
    max_output_tokens: Count = 32_000
    kind: Literal["chat", "embedding"] = "chat"
    dimensions: Count | None = None
    tools: bool = True
    images: bool = False
    audio: bool = False
    files: bool = False
    json_schema: bool = True
    logprobs: bool = True
    choices: bool = True
    sampling: bool = True
    stop: bool = True
    endpoints: Annotated[tuple[Literal["chat", "responses"], ...], Field(min_length=1)] = ("chat",)
    tools_on_chat: Literal["always", "unless_effort", "effort_none"] = "always"
    forced_tool_choice: bool = True
    mid_system: bool = False
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    efforts: tuple[Effort, ...] = ()
    thinking: Literal["none", "adaptive", "budget", "level"] = "none"
    thinking_off: Literal["unsaid", "disabled", "between_tools", "never"] = "unsaid"
    source: Text | None = None
    checked: date | None = None


class ClassRow(_Section):
    description: str = ""
    examples: tuple[Text, ...] = ()


class PolicyRow(_Section):
    objective: Objective = "balanced"
    max_cost_usd: Positive | None = None


class Score(_Section):
    """A published result, as a share of what can be reached."""

    benchmark: Text
    task_class: Annotated[ClassName, Field(alias="class")]
    model: Name
    score: Share
    source: Text
    published: Annotated[date, Field(alias="date")]


class Ordering(_Section):
    """A source that says which model is stronger, with no figure."""

    benchmark: Text
    task_class: Annotated[ClassName, Field(alias="class")]
    stronger: Name
    than: Annotated[tuple[Name, ...], Field(min_length=1)]
    source: Text
    published: Annotated[date, Field(alias="date")]


class Priors(_Section):
    scores: tuple[Score, ...] = ()
    orderings: tuple[Ordering, ...] = ()


class Timeouts(_Section):
    connect_s: Positive = 2.0
    first_byte_s: Positive = 60.0
    idle_s: Positive = 60.0
    total_s: Positive = 600.0


class Retries(_Section):
    max_attempts: Attempts = 3
    max_wait_s: Amount = 0.0
    budget_share: Share = 0.2
    budget_floor: Annotated[int, Field(ge=0), BeforeValidator(_no_boolean)] = 3


class Breaker(_Section):
    window_s: Positive = 30.0
    min_calls: Count = 20
    failure_rate: Rate = 0.5
    open_s: Positive = 15.0
    max_cooling_s: Amount = 600.0


class Limits(_Section):
    body_mb: Positive = 10.0
    in_flight: Count = 1000
    queue_s: Amount = 1.0


class Evidence(_Section):
    url: Annotated[
        str,
        StringConstraints(pattern=r"^sqlite:///."),
        Field(description="sqlite:///FILE, such as sqlite:///router.db"),
    ] = "sqlite:///router.db"
    durability: Literal["normal", "full"] = "normal"


class State(_Section):
    url: Annotated[
        str,
        StringConstraints(pattern=r"^(memory://$|sqlite:///.)"),
        Field(description="memory:// or sqlite:///FILE, such as sqlite:///state.db"),
    ] = "memory://"
    max_mb: Positive = 64.0


class Log(_Section):
    level: Literal["debug", "info", "warning"] = "info"


class Shape(_Section):
    """All that the files may say, every key optional. A null entry of a mapping of names removes it."""

    server: Server = Server()
    keys: tuple[Key, ...] = ()
    providers: dict[Name, ProviderRow | None] = {}
    models: dict[Name, ModelRow | None] = {}
    aliases: dict[Name, Text | None] = {}
    classes: dict[ClassName, ClassRow | None] = {}
    policies: dict[ClassName, PolicyRow | None] = {}
    priors: Priors = Priors()
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    breaker: Breaker = Breaker()
    limits: Limits = Limits()
    evidence: Evidence = Evidence()
    state: State = State()
    log: Log = Log()


class _Untitled(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file, for editors."""
    return Shape.model_json_schema(schema_generator=_Untitled)


def schema_text() -> str:
    """What config/schema.json holds."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **json_schema()}
    return json.dumps(document, indent=1) + "\n"


def digest(secret: str) -> str:
    """What `keys` holds of a key: its SHA-256 in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()
