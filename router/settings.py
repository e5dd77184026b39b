"""The configuration: read from YAML in layers, checked, and handed on as values. Only app and cli see it.

Layers, later ones win: the `config/` of the checkout or package, then `./config` or what `--config` names.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from router import embeddings, table
from router.catalog import SIMULATED_PREFIX, Catalog, Model, Provider, Tariff, simulated_twin
from router.classifiers import BUILT_IN, GENERAL, CustomClass
from router.errors import ConfigError, TableError
from router.policies import Policy
from router.shape import (
    Breaker,
    Evidence,
    Key,
    Limits,
    Log,
    ModelRow,
    PolicyRow,
    PriceRow,
    Priors,
    ProviderRow,
    Rates,
    Retries,
    Server,
    Shape,
    State,
    TierRow,
    Timeouts,
    digest,
    json_schema,
)
from router.yaml_source import Node, Place, explain, find, laid_over, plain, read, suggestion

T = TypeVar("T")

SECTION_FILES = ("models", "priors", "classes")
TABLE_FILE = "routing_table.json"


@dataclass(frozen=True)
class Settings:
    """The checked configuration. `keys` has those of the environment too; `files` are the ones read, base first."""

    shape: Shape
    keys: tuple[Key, ...]
    files: tuple[str, ...]
    table_file: tuple[Path, str]  # the file, and how messages call it
    _secrets: tuple[str, ...] = field(repr=False)

    @property
    def server(self) -> Server:
        return self.shape.server

    @property
    def timeouts(self) -> Timeouts:
        return self.shape.timeouts

    @property
    def retries(self) -> Retries:
        return self.shape.retries

    @property
    def breaker(self) -> Breaker:
        return self.shape.breaker

    @property
    def limits(self) -> Limits:
        return self.shape.limits

    @property
    def evidence(self) -> Evidence:
        return self.shape.evidence

    @property
    def state(self) -> State:
        return self.shape.state

    @property
    def log(self) -> Log:
        return self.shape.log

    @property
    def priors(self) -> Priors:
        return self.shape.priors

    @cached_property
    def classes(self) -> Mapping[str, CustomClass]:
        """Every task class by name: the built-in ones unless removed, then the operator's own."""
        return _classes(self.shape)

    @property
    def custom_classes(self) -> tuple[CustomClass, ...]:
        """Those that a classifier has to be told of: the ones with examples, and the ones that aren't built in."""
        return tuple(known for known in self.classes.values() if known.examples or known.name not in BUILT_IN)

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """`default`, and one for each class that has its own; what that one leaves unsaid is the default's."""
        rows = _present(self.shape.policies)
        default = rows.pop("default", PolicyRow())
        own = {name: {**default.model_dump(), **row.model_dump(exclude_unset=True)} for name, row in rows.items()}
        return {"default": Policy(**default.model_dump()), **{name: Policy(**values) for name, values in own.items()}}

    def catalog(self) -> Catalog:
        """The models; their simulated twins when no provider is usable."""
        providers = {name: _provider(name, row) for name, row in _present(self.shape.providers).items()}
        rows = _models(self.shape)
        models = [_model(name, row, providers[row.provider], rows) for name, row in rows.items()]
        if not any(provider.usable for provider in providers.values()):
            models = [simulated_twin(model) for model in models]
        return Catalog(models, _present(self.shape.aliases))

    def check_host(self, host: str) -> None:
        """Raises ConfigError when `host` is open to others and no key is asked for."""
        if problem := _open_to_all(host, self.keys):
            raise ConfigError(problem)

    def initial_table(self) -> table.RoutingTable:
        """The routing table of the last layer that has one. Raises ConfigError."""
        path, label = self.table_file
        data = _bytes(path, label)
        try:
            found = table.load(data)
            self._check_models(found)
        except TableError as error:
            raise ConfigError(f"{place_in_table(data, label, error)}: {error}") from None
        return found

    def _check_models(self, found: table.RoutingTable) -> None:
        """Raises TableError for a model that no file names. One that was removed on purpose is passed over."""
        for task_class, ranking in found.classes.items():
            for index, model in enumerate(ranking.models):
                if model not in self.shape.models:
                    hint = suggestion(model, self.shape.models)
                    text = f"{task_class} names the model {model!r}, which is not in models{hint}"
                    raise TableError(text, path=("classes", task_class, "models", index))

    def secrets(self) -> list[str]:
        """What must never be shown: the keys of providers and callers."""
        return list(self._secrets)

    def redacted(self) -> dict[str, Any]:
        """What is in force, as plain values, with secrets as `set` or `not set`."""
        document = self.shape.model_dump(mode="json", by_alias=True)
        document["keys"] = [{**key.model_dump(mode="json"), "sha256": "set"} for key in self.keys]
        document["providers"] = {name: _redacted(row) for name, row in _present(self.shape.providers).items()}
        document["models"] = {
            name: row.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            for name, row in _models(self.shape).items()
        }
        document["aliases"] = _present(self.shape.aliases)
        document["classes"] = {
            name: {"description": known.description, "examples": list(known.examples)}
            for name, known in self.classes.items()
        }
        document["policies"] = {
            name: {"objective": policy.objective, "max_cost_usd": policy.max_cost_usd}
            for name, policy in self.policies.items()
        }
        return document


def load(config: Path | None, environ: Mapping[str, str], cwd: Path | None = None) -> Settings:
    """The settings in force. Raises ConfigError, one line for each thing wrong: where, what, what would be right."""
    layers = _layers(config, cwd or Path.cwd())
    root = Node({}, Place("", 1, 1))
    for layer in layers:
        for label, node in layer.trees(environ):
            root = laid_over(root, _without_nulls(node, label))
    shape = _shape(root)
    keys = (*shape.keys, *_environment_keys(environ))
    if problems := list(_problems(shape, keys, root)):
        raise ConfigError("\n".join(f"{place}: {text}" for place, text in problems))
    return Settings(
        shape=shape,
        keys=keys,
        files=tuple(layer.label(path) for layer in layers for path in layer.files()),
        table_file=_table_file(layers),
        _secrets=tuple(_secret_values(shape, environ)),
    )


# --- layers --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layer:
    """A folder of configuration. `main` is its router.yaml, or the file that --config names."""

    main: Path
    cwd: Path

    @property
    def folder(self) -> Path:
        return self.main.parent

    @property
    def table(self) -> Path:
        return self.folder / TABLE_FILE

    def files(self) -> list[Path]:
        sections = [self.folder / f"{name}.yaml" for name in SECTION_FILES]
        return [path for path in dict.fromkeys((self.main, *sections, self.table)) if path.is_file()]

    def label(self, path: Path) -> str:
        return str(path.relative_to(self.cwd) if path.is_relative_to(self.cwd) else path)

    def trees(self, environ: Mapping[str, str]) -> Iterator[tuple[str, Node]]:
        """The files' trees; one of a section stands under its section's name."""
        for path in self.files():
            if path == self.table:
                continue
            label = self.label(path)
            node = read(_text(path, label), label, environ)
            is_section = path != self.main and path.stem in SECTION_FILES
            yield label, Node({path.stem: node}, node.place) if is_section else node


def _layers(config: Path | None, cwd: Path) -> list[_Layer]:
    base = _Layer(_base_folder() / "router.yaml", cwd)
    if config is None:
        own = _Layer(cwd / "config" / "router.yaml", cwd)
        return [base] if own.folder.resolve() == base.folder.resolve() or not own.files() else [base, own]
    named = cwd / config
    if named.is_dir():
        own = _Layer(named / "router.yaml", cwd)
        if not own.files():
            names = ", ".join(f"{name}.yaml" for name in ("router", *SECTION_FILES))
            raise ConfigError(f"{config}: no configuration in this folder; it can hold {names} and {TABLE_FILE}")
    elif named.is_file():
        own = _Layer(named, cwd)
    else:
        raise ConfigError(f"{config}: no such file or folder; --config takes a YAML file or a folder with router.yaml")
    return [base] if own.main.resolve() == base.main.resolve() else [base, own]


def _table_file(layers: list[_Layer]) -> tuple[Path, str]:
    for layer in reversed(layers):
        if layer.table.is_file():
            return layer.table, layer.label(layer.table)
    raise ConfigError(f"{layers[0].table}: no such file; the router ships with one, so install it again")


def _base_folder() -> Path:
    package = Path(__file__).parent
    return package.parent / "config" if (package.parent / "pyproject.toml").is_file() else package / "_config"


def _bytes(path: Path, label: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{label}: can't be read: {error.strerror}") from None


def _text(path: Path, label: str) -> str:
    try:
        return _bytes(path, label).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        raise ConfigError(f"{Place(label, line, column)}: not UTF-8 text") from None


def _without_nulls(node: Node, label: str) -> Node:
    """A section with nothing under it, as when all its lines are comments, says nothing."""
    if not isinstance(node.value, dict):
        raise ConfigError(f"{node.place}: {label} is a mapping of {', '.join(Shape.model_fields)}")
    return Node({key: child for key, child in node.value.items() if child.value is not None}, node.place)


# --- checks --------------------------------------------------------------------------------------------

Problems = Iterator[tuple[Place, str]]


def _shape(root: Node) -> Shape:
    try:
        return Shape.model_validate(plain(root))
    except ValidationError as error:
        lines = [f"{place}: {text}" for place, text in explain(error, root, json_schema())]
        raise ConfigError("\n".join(lines)) from None


def _problems(shape: Shape, keys: tuple[Key, ...], root: Node) -> Problems:
    """What no value alone shows: names that point nowhere, and values that don't go together."""
    for name, row in _models(shape).items():
        yield from _model_problems(name, row, shape, root)
    yield from _alias_problems(shape, root)
    yield from _class_problems(shape, root)
    yield from _key_problems(keys, root)
    if problem := _open_to_all(shape.server.host, keys):
        yield find(root, ("server", "host")).place, problem
    if _same_file(shape.state.url, shape.evidence.url):
        text = "state.url and evidence.url name the same file; give each a file of its own"
        yield find(root, ("state", "url")).place, text


_OF_OPENAI = {"endpoints", "tools_on_chat", "max_tokens_field"}  # columns that no other dialect reads


def _model_problems(name: str, row: ModelRow, shape: Shape, root: Node) -> Problems:
    def at(*path: str | int) -> Place:
        return find(root, ("models", name, *path)).place

    providers, others = _present(shape.providers), set(shape.models) - {name}
    if problem := _reserved(name):
        yield _key_place(root, "models", name), problem
    if row.provider not in providers:
        known = suggestion(row.provider, providers)
        yield at("provider"), f"models.{name}.provider is {row.provider!r}, which isn't there{known}"
    provider = providers.get(row.provider)
    if row.kind == "embedding" and provider is not None and provider.dialect not in embeddings.FACES:
        yield at("kind"), f"models.{name}.kind is embedding, which the dialect {provider.dialect} has no request for"
    for column in sorted(_OF_OPENAI & row.model_fields_set):
        if provider is not None and provider.dialect != "openai":
            yield at(column), f"models.{name}.{column} is for models of the dialect openai; leave it out"
    for index, fallback in enumerate(row.fallbacks):
        if fallback not in others:
            hint = _meant(fallback, others)
            yield at("fallbacks", index), f"models.{name}.fallbacks names {fallback!r}, which isn't another model{hint}"
    if row.effort is not None and row.efforts and row.effort not in row.efforts:
        known = suggestion(row.effort, row.efforts)
        yield at("effort"), f"models.{name}.effort is {row.effort!r}, which isn't one of its efforts{known}"
    if len({price.valid_from for price in row.price}) < len(row.price):
        yield at("price"), f"models.{name}.price has two prices from the same day; give each a `from` of its own"


def _class_problems(shape: Shape, root: Node) -> Problems:
    classes = ["default", *_classes(shape)]
    for name in _present(shape.policies):
        if name not in classes:
            yield (
                _key_place(root, "policies", name),
                f"policies names the class {name!r}, which isn't there{suggestion(name, classes)}",
            )
    if GENERAL not in classes:
        yield _key_place(root, "classes", GENERAL), f"{GENERAL} can't be removed: it takes what no other class does"


def _key_problems(keys: tuple[Key, ...], root: Node) -> Problems:
    seen: set[str] = set()
    for index, key in enumerate(keys):
        if key.id in seen:
            yield find(root, ("keys", index, "id")).place, f"two keys are called {key.id!r}; give each an id of its own"
        seen.add(key.id)


def _alias_problems(shape: Shape, root: Node) -> Problems:
    models, classes = _models(shape), _classes(shape)
    targets = {"auto", *(f"auto:{name}" for name in classes), *models}
    for name, target in _present(shape.aliases).items():
        if problem := _reserved(name):
            yield _key_place(root, "aliases", name), problem
        if name in models:
            yield _key_place(root, "aliases", name), f"{name!r} is a model; an alias has a name of its own"
        if target not in targets:
            right = f"it can be auto, auto:<class> or a model{_meant(target, targets)}"
            yield find(root, ("aliases", name)).place, f"aliases.{name} is {target!r}; {right}"


def _meant(word: str, known: Iterable[str]) -> str:
    hint = suggestion(word, known)
    return hint if hint.startswith("; did") else ""


def _reserved(name: str) -> str | None:
    if name == "auto" or name.startswith("auto:"):
        return f"{name!r} can't be a name here: auto and auto:<class> route"
    if name.startswith(SIMULATED_PREFIX):
        return f"{name!r} can't be a name here: {SIMULATED_PREFIX} marks what the simulated providers answer"
    return None


def _open_to_all(host: str, keys: tuple[Key, ...]) -> str | None:
    if keys or _is_loopback(host):
        return None
    return (
        f"server.host is {host!r}, open to other machines, and no key is asked for; "
        "make one with `router keys new --id NAME`, or set ROUTER_KEY, or use 127.0.0.1"
    )


def _same_file(url: str, other: str) -> bool:
    """Whether two URLs name one SQLite file, written the same way or not."""
    file, other_file = (Path(each.removeprefix("sqlite:///")).resolve() for each in (url, other))
    return file == other_file


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _key_place(root: Node, *path: str) -> Place:
    node = find(root, path)
    return node.key_place or node.place


def place_in_table(data: bytes, label: str, error: TableError) -> Place:
    """Where in the table file `data` the error lies."""
    if error.line is not None:
        return Place(label, error.line, error.column or 1)
    try:  # JSON is YAML, but for oddities such as tabs; without them the place is known
        node = find(read(data.decode("utf-8-sig"), label, None), error.path)
    except (ConfigError, UnicodeDecodeError):
        return Place(label, 1, 1)
    return node.key_place or node.place


# --- values --------------------------------------------------------------------------------------------


def _present(rows: Mapping[str, T | None]) -> dict[str, T]:
    return {name: row for name, row in rows.items() if row is not None}


def _provider(name: str, row: ProviderRow) -> Provider:
    usable = row.api_key != ""
    return Provider(name, row.dialect, row.base_url.rstrip("/"), row.api_key or None, usable=usable)


_OURS = frozenset({"provider", "id", "price", "efforts", "fallbacks", "source", "checked"})


def _models(shape: Shape) -> dict[str, ModelRow]:
    """The rows that are left: a model goes with its provider when that is removed."""
    gone = {name for name, row in shape.providers.items() if row is None}
    return {name: row for name, row in _present(shape.models).items() if row.provider not in gone}


def _model(name: str, row: ModelRow, provider: Provider, rows: Mapping[str, ModelRow]) -> Model:
    said = {column: getattr(row, column) for column in ModelRow.model_fields if column not in _OURS}
    efforts = row.efforts or ((row.effort,) if row.effort else ())
    tariffs = tuple(_tariff(price) for price in row.price)
    fallbacks = tuple(fallback for fallback in row.fallbacks if fallback in rows)
    return Model(
        name=name,
        provider=provider,
        id=row.id or name,
        tariffs=tariffs,
        efforts=efforts,
        fallbacks=fallbacks,
        **said,
    )


def _tariff(row: PriceRow) -> Tariff:
    tiers = {name: _rates(tier) for name, tier in row.tiers.items()}
    return replace(_rates(row), valid_from=row.valid_from, tiers=tiers)


_RATES = set(Rates.model_fields)


def _rates(row: TierRow) -> Tariff:
    """What `above` leaves unsaid of caches is as below it."""
    usual = row.model_dump(include=_RATES)
    if row.above is None:
        return Tariff(**usual)
    said = row.above.model_dump(include=_RATES, exclude_none=True)
    return Tariff(**usual, above_input_tokens=row.above.input_tokens, above=Tariff(**{**usual, **said}))


def _classes(shape: Shape) -> dict[str, CustomClass]:
    known = {name: CustomClass(name, text) for name, text in BUILT_IN.items()}
    for name, row in shape.classes.items():
        if row is None:
            known.pop(name, None)
        else:
            known[name] = CustomClass(name, row.description or BUILT_IN.get(name, ""), row.examples)
    return known


def _environment_keys(environ: Mapping[str, str]) -> Iterator[Key]:
    if secret := environ.get("ROUTER_KEY", "").strip():
        yield Key(id="env", sha256=digest(secret), roles=("call",))
    if secret := environ.get("ROUTER_ADMIN_KEY", "").strip():
        yield Key(id="env-admin", sha256=digest(secret), roles=("call", "admin"))


def _secret_values(shape: Shape, environ: Mapping[str, str]) -> Iterator[str]:
    provided = (row.api_key for row in _present(shape.providers).values())
    named = (environ.get(name, "").strip() for name in ("ROUTER_KEY", "ROUTER_ADMIN_KEY"))
    yield from (secret for secret in (*provided, *named) if secret)


def _redacted(row: ProviderRow) -> dict[str, Any]:
    said: dict[str, Any] = {"dialect": row.dialect, "base_url": _without_password(row.base_url)}
    if row.api_key is not None:
        said["api_key"] = "set" if row.api_key else "not set"
    return said


def _without_password(url: str) -> str:
    host = urlsplit(url).netloc
    return url.replace(host, "***@" + host.rpartition("@")[2], 1) if "@" in host else url
