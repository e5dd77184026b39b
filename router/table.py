"""The routing table: for each task class the ranked models with the evidence behind each. Load, dump, validate, hash.

Immutable. The version is a hash of the content, so the same evidence and policy give the same version anywhere.
"""

import hashlib
import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import msgspec

from router.catalog import Catalog
from router.errors import TableError, nearest

SCHEMA = 1
_KEYS = ("schema", "version", "policy", "simulated", "classes")


@dataclass(frozen=True, slots=True)
class Cell:
    """What the pool says of one (task class, model). Counts of rows; USD; seconds; None where nothing is known.

    `cost_per_success_usd` is all that was spent on the scored runs, over those with a score of 4 or more;
    `median_first_useful_s` is of all rows, scored or not.
    """

    model: str
    rows: int = 0
    scored: int = 0
    mean_score: float | None = None
    successes: int = 0
    mean_cost_usd: float | None = None
    cost_per_success_usd: float | None = None
    median_first_useful_s: float | None = None
    quality_per_cost: float | None = None
    note: str | None = None  # where the place comes from when it isn't the pool: "seed", "prior", ...


@dataclass(frozen=True, slots=True)
class Ranking:
    """The models of one class, best first, and the sentence that says why."""

    cells: tuple[Cell, ...]
    why: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(cell.model for cell in self.cells)


@dataclass(frozen=True)  # no slots: the version is worked out once
class RoutingTable:
    policy: str
    classes: Mapping[str, Ranking]
    simulated: bool = False

    @cached_property
    def version(self) -> str:
        """The first 12 hex digits of the SHA-256 of the content."""
        return hashlib.sha256(_content(self)).hexdigest()[:12]


def dump(table: RoutingTable) -> bytes:
    """The table as indented JSON, its version included; deterministic to the byte."""
    document = {"schema": SCHEMA, "version": table.version, **msgspec.json.decode(_content(table))}
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def load(data: bytes) -> RoutingTable:
    """The table in `data`. Raises TableError with the place, what is wrong and what would be right."""
    try:
        document = json.loads(data, object_pairs_hook=_unique)
        json.dumps(document, ensure_ascii=False).encode()  # fails on half of a surrogate pair
    except json.JSONDecodeError as error:
        raise TableError(f"not JSON: {error.msg}", line=error.lineno, column=error.colno) from None
    except TableError:
        raise
    except (ValueError, RecursionError):  # not UTF-8, a number of thousands of digits, nested without end
        raise TableError("not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise TableError("a table is a JSON object with schema, policy and classes")
    if document.get("schema") != SCHEMA:
        raise TableError(f"schema is {str(document.get('schema'))[:40]}; this version reads {SCHEMA}", path=("schema",))
    for key in sorted(set(document) - set(_KEYS)):
        raise TableError(f"unknown key {key!r}{nearest(key, _KEYS)}; a table has {', '.join(_KEYS)}", path=(key,))
    policy = document.get("policy")
    if not isinstance(policy, str) or not policy:
        raise TableError("policy is the name of the rule that made the table, such as seed_rule", path=("policy",))
    simulated = document.get("simulated", False)
    if not isinstance(simulated, bool):
        raise TableError("simulated is true or false", path=("simulated",))
    classes = document.get("classes")
    if not isinstance(classes, dict) or not classes:
        raise TableError("classes has at least one task class with its ranked models", path=("classes",))
    table = RoutingTable(policy, {key: _ranking(("classes", key), value) for key, value in classes.items()}, simulated)
    stated = document.get("version")
    if stated is not None and stated != table.version:
        said = f"version says {str(stated)[:40]} but the content is {table.version}"
        message = f"{said}: it was edited; remove version to use it"
        raise TableError(message, path=("version",))
    return table


def check(table: RoutingTable, catalog: Catalog, classes: Collection[str]) -> None:
    """Raises TableError when `table` can't route by it: a model that `catalog` hasn't, or none of `classes`."""
    if not any(name in classes for name in table.classes):
        name = next(iter(table.classes))
        raise TableError(f"it has none of the configured classes{nearest(name, classes)}", path=("classes", name))
    for task_class, ranking in table.classes.items():
        for index, model in enumerate(ranking.models):
            if catalog.find(model) is None:
                hint = nearest(model, catalog.plain_names())
                text = f"{task_class} names the model {model!r}, which is not in the catalogue{hint}"
                raise TableError(text, path=("classes", task_class, "models", index))


def _content(table: RoutingTable) -> bytes:
    classes = {
        key: {"why": ranking.why, "models": [_sparse(cell) for cell in ranking.cells]}
        for key, ranking in sorted(table.classes.items())
    }
    return msgspec.json.encode({"policy": table.policy, "simulated": table.simulated, "classes": classes})


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"the key {twice[:80]!r} is there twice in one object")
    return unique


_DEFAULTS = {f.name: f.default for f in fields(Cell)}
_COUNTS = ("rows", "scored", "successes")
_MAX_COUNT = 2**63 - 1
_TEXTS = ("model", "note")

Path = tuple[str | int, ...]


def _sparse(cell: Cell) -> dict[str, Any]:
    """What a cell says beyond the defaults, figures as floats: 4 and 4.0 are the same content."""
    return {
        key: float(value) if isinstance(value, int) and key not in _COUNTS else value
        for key, value in asdict(cell).items()
        if value != _DEFAULTS[key]
    }


def _ranking(path: Path, value: object) -> Ranking:
    if not isinstance(value, dict) or not isinstance(value.get("models"), list) or not value["models"]:
        raise TableError(f"{path[-1]} has no models; a class has a list of at least one", path=path)
    why = value.get("why", "")
    if not isinstance(why, str) or set(value) - {"why", "models"}:
        raise TableError(f"{path[-1]} holds why (a sentence) and models, nothing else", path=path)
    cells = tuple(_cell((*path, "models", index), item) for index, item in enumerate(value["models"]))
    if len({cell.model for cell in cells}) < len(cells):
        raise TableError(f"{path[-1]} names a model twice", path=path)
    return Ranking(cells, why)


def _cell(path: Path, value: object) -> Cell:
    if isinstance(value, str):  # the short form people write by hand
        value = {"model": value}
    if not isinstance(value, dict) or not value.get("model"):
        raise TableError("an entry of models is a model name, or an object with model", path=path)
    return Cell(**{key: _cell_value((*path, key), key, item) for key, item in value.items()})


def _cell_value(path: Path, key: str, item: object) -> Any:
    if key not in _DEFAULTS:
        raise TableError(f"unknown key {key!r}; a cell has {', '.join(_DEFAULTS)}", path=path)
    if key in _TEXTS:
        if isinstance(item, str):
            return item
        raise TableError(f"{key} is {item!r}; it is a text", path=path)
    if item is None and key not in _COUNTS:
        return None
    if (
        isinstance(item, bool)
        or not isinstance(item, int if key in _COUNTS else int | float)
        or not 0 <= item <= (_MAX_COUNT if key in _COUNTS else sys.float_info.max)
    ):
        raise TableError(
            f"{key} is {str(item)[:40]}; it is a {'whole ' if key in _COUNTS else ''}number of 0 or more", path=path
        )
    return item if key in _COUNTS else float(item)
