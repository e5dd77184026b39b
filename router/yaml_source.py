"""YAML whose every value knows its file, line and column: read it, fill in `${VAR}`, merge it, say what is wrong in it.

Knows nothing of what the settings mean; `explain` reads what would be right off a JSON Schema.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from router.errors import ConfigError, nearest

Path = tuple[str | int, ...]
Scalar = str | int | float | bool | date | None


@dataclass(frozen=True, slots=True)
class Place:
    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands. `template` is the text with its `${VAR}`s where the environment filled some in."""

    value: "dict[str, Node] | list[Node] | Scalar"
    place: Place
    key_place: Place | None = None
    template: str | None = None


def read(text: str, file: str, environ: Mapping[str, str] | None) -> Node:
    """The tree of one YAML document; an empty one is an empty mapping. Raises ConfigError.

    `environ` fills in `${VAR}`; where it is None, that is plain text.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return Node({}, Place(file, 1, 1))
        return _Reader(file, environ).node(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(file, mark) if mark else Place(file, 1, 1)
        hint = "; a ${...} inside braces needs quotes" if "but got '{'" in str(error.problem) else ""
        raise ConfigError(f"{place}: not YAML: {error.problem or error.context}{hint}") from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(file, before.count("\n") + 1, error.position - before.rfind("\n"))
        raise ConfigError(f"{place}: not YAML: the character {text[error.position]!r} isn't allowed") from None
    except RecursionError:
        raise ConfigError(f"{Place(file, 1, 1)}: nested too deeply") from None


def laid_over(base: Node, over: Node) -> Node:
    """`over` on top of `base`: mappings are merged key by key, anything else is replaced."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    merged = dict(base.value)
    for key, child in over.value.items():
        merged[key] = laid_over(merged[key], child) if key in merged else child
    return replace(over, value=merged)


def plain(node: Node) -> Any:
    """The values alone."""
    match node.value:
        case dict():
            return {key: plain(child) for key, child in node.value.items()}
        case list():
            return [plain(child) for child in node.value]
        case _:
            return node.value


def find(root: Node, path: Iterable[str | int]) -> Node:
    """The node at `path`, or the last one on the way there."""
    node = root
    for part in path:
        child = _child(node, part)
        if child is None:
            break
        node = child
    return node


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or `; it can be a, b or c` when nothing is near."""
    names = sorted(known)
    return nearest(word, names) or (f"; it can be {_listed(names)}" if names else "")


def explain(error: ValidationError, root: Node, schema: Mapping[str, Any]) -> list[tuple[Place, str]]:
    """For each thing that pydantic refused: where it stands, and what is wrong and would be right."""
    items = error.errors(include_url=False)
    paths = {item["loc"] for item in items}
    return [_explained(item, root, schema) for item in items if not _is_above(item["loc"], paths)]


# --- reading -------------------------------------------------------------------------------------------

_VARIABLE = re.compile(r"\$?\$\{(?P<inner>[^}]*)\}?")
_INNER = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)
_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp"})


class _Reader:
    """Turns PyYAML's nodes into ours; refuses what would be read otherwise than it looks."""

    def __init__(self, file: str, environ: Mapping[str, str] | None) -> None:
        self._file = file
        self._environ = environ
        self._seen: set[int] = set()
        self._construct = yaml.constructor.SafeConstructor().construct_object

    def node(self, source: yaml.Node, key: yaml.Node | None = None) -> Node:
        place = self._at(source)
        if id(source) in self._seen:
            # Its marks are the anchor's; the key's are where the alias stands.
            raise ConfigError(f"{self._at(key or source)}: an alias (*name) isn't read here; write the value out")
        self._seen.add(id(source))
        key_place = self._at(key) if key else None
        match source:
            case yaml.MappingNode():
                return Node(self._mapping(source), place, key_place)
            case yaml.SequenceNode():
                return Node([self.node(item) for item in source.value], place, key_place)
            case _:
                value, template = self._scalar(source, place)
                return Node(value, place, key_place, template)

    def _mapping(self, source: yaml.MappingNode) -> dict[str, Node]:
        children: dict[str, Node] = {}
        for key, value in source.value:
            place = self._at(key)
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{place}: a key is a plain word")
            if key.value in children:
                first = children[key.value].key_place or place
                raise ConfigError(f"{place}: key {key.value!r} is here twice; the first is in line {first.line}")
            children[key.value] = self.node(value, key)
        return children

    def _scalar(self, source: yaml.Node, place: Place) -> tuple[Scalar, str | None]:
        if source.tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            raise ConfigError(
                f"{place}: the tag {source.tag} isn't read here; write plain text, numbers, lists and mappings"
            )
        if self._environ is not None and "${" in source.value:
            return _filled_in(source.value, place, self._environ), source.value
        try:
            value = self._construct(source)
        except ValueError as error:  # 2026-02-30 looks like a date
            raise ConfigError(f"{place}: {source.value!r} can't be read: {error}") from None
        assert value is None or isinstance(value, Scalar)  # noqa: S101  # by the tags above
        return value, None

    def _at(self, source: yaml.Node) -> Place:
        return _place(self._file, source.start_mark)


def _filled_in(text: str, place: Place, environ: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: _variable(found, place, environ), text)


def _variable(found: re.Match[str], place: Place, environ: Mapping[str, str]) -> str:
    if found[0].startswith("$$"):
        return found[0][1:]
    parts = _INNER.fullmatch(found["inner"]) if found[0].endswith("}") else None
    if parts is None:
        raise ConfigError(f"{place}: {found[0]!r} isn't ${{NAME}} or ${{NAME:-default}}; write $${{ for a plain ${{")
    name, default = parts["name"], parts["default"]
    if default is not None:
        return environ.get(name) or default  # as in a shell, an empty variable takes the default too
    if name not in environ:
        raise ConfigError(f"{place}: the variable {name} isn't set; set it, or write ${{{name}:-a default}}")
    return environ[name]


def _place(file: str, mark: yaml.Mark) -> Place:
    return Place(file, mark.line + 1, mark.column + 1)


def _child(node: Node, part: str | int) -> Node | None:
    if isinstance(node.value, dict):
        return node.value.get(str(part)) if isinstance(part, str) else None
    if isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    return None


# --- explaining ----------------------------------------------------------------------------------------


def _is_above(path: Path, paths: Iterable[Path]) -> bool:
    """Whether another one lies below: pydantic also calls a list too short when its items are wrong."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in paths)


def _explained(item: ErrorDetails, root: Node, schema: Mapping[str, Any]) -> tuple[Place, str]:
    path = _as_written(item["loc"], root)
    match item["type"]:
        case "extra_forbidden":
            return _unknown_key(path, root, schema)
        case "missing":
            parent = find(root, path[:-1])
            right = _words(_schema_at(schema, path), schema)
            return parent.key_place or parent.place, f"{dotted(path[:-1])} has no {path[-1]}; it needs {right}"
    if path[-1] == "[key]":
        node = find(root, path[:-1])
        right = _words(_schema_at(schema, path[:-2]).get("propertyNames", {}), schema)
        return node.key_place or node.place, f"{path[-2]!r} can't be a name in {dotted(path[:-2])}; it can be {right}"
    node = find(root, path)
    right = _words(_schema_at(schema, path), schema)
    return node.place, f"{dotted(path)} {_shown(node, path)}; it can be {right}"


def _as_written(path: Path, root: Node) -> Path:
    """Without the index of a lone mapping that stands where a list of them may."""
    kept: Path = ()
    for part in path:
        if not (isinstance(part, int) and isinstance(find(root, kept).value, dict)):
            kept = (*kept, part)
    return kept


def _unknown_key(path: Path, root: Node, schema: Mapping[str, Any]) -> tuple[Place, str]:
    node = find(root, path)
    forms = _forms(_schema_at(schema, path[:-1]), schema)
    known = [key for form in forms for key in form.get("properties", {})]
    where = f" in {dotted(path[:-1])}" if len(path) > 1 else ""
    return node.key_place or node.place, f"unknown key {path[-1]!r}{where}{suggestion(str(path[-1]), known)}"


def dotted(path: Path) -> str:
    """`models.gpt-5.5.price`, `keys[0].id`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


_PRIVATE = frozenset({"api_key", "sha256"})


def _shown(node: Node, path: Path) -> str:
    """`is 'abc'`, without what may be a secret: keys, passwords in URLs, and whatever the environment gave."""
    if path[-1] in _PRIVATE or "@" in str(node.value):
        return "isn't right"
    if node.template is not None:
        return f"is {node.template!r}, which the environment fills in otherwise"
    match node.value:
        case dict():
            return "is a mapping"
        case []:
            return "is an empty list"
        case list():
            return "is a list"
        case None:
            return "is empty"
        case bool():
            return f"is {str(node.value).lower()}"
        case date():
            return f"is the date {node.value}"
        case _:
            return f"is {node.value!r}"


def _schema_at(schema: Mapping[str, Any], path: Iterable[str | int]) -> Mapping[str, Any]:
    """The part of a JSON Schema that speaks for the value at `path`."""
    here = schema
    for part in path:
        here = next((found for form in _forms(here, schema) if (found := _below(form, part)) is not None), {})
    forms = list(_forms(here, schema))
    return forms[0] if len(forms) == 1 else here


def _below(form: Mapping[str, Any], part: str | int) -> Mapping[str, Any] | None:
    if isinstance(part, int):
        found = form.get("items")
    else:
        patterns = form.get("patternProperties", {})
        found = form.get("properties", {}).get(part, next(iter(patterns.values()), None))
    return found if isinstance(found, dict) else None


def _forms(here: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a value may be, references followed; null left out."""
    if "$ref" in here:
        yield from _forms({**root["$defs"][here["$ref"].rpartition("/")[2]], **_without_ref(here)}, root)
    elif "anyOf" in here:
        for form in here["anyOf"]:
            yield from _forms(form, root)
    elif here.get("type") != "null":
        yield here


def _without_ref(here: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in here.items() if key not in ("$ref", "default")}


def _words(here: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    return _listed([_form_in_words(form, root) for form in _forms(here, root)])


def _form_in_words(form: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    if "enum" in form or "const" in form:
        return _listed([str(value) for value in form.get("enum", [form.get("const")])])
    if "format" in form and form["format"] == "date":
        return "a date such as 2026-12-01"
    match form.get("type"):
        case "integer":
            return "a whole number" + _range(form)
        case "number":
            return "a number" + _range(form)
        case "boolean":
            return "true or false"
        case "string":
            return str(form.get("description", "a text"))
        case "array":
            least = " of at least one" if form.get("minItems") else ""
            return f"a list{least}, each item {_words(form.get('items', {}), root)}"
        case "object" if form.get("properties"):
            return f"a mapping with {', '.join(form['properties'])}"
        case "object":
            return "a mapping of names"
        case _:
            return str(form.get("description", "something else"))


def _range(form: Mapping[str, Any]) -> str:
    match form:
        case {"minimum": low, "maximum": high}:
            return f" from {low:g} to {high:g}"
        case {"minimum": low}:
            return f" of {low:g} or more"
        case {"exclusiveMinimum": low}:
            return f" above {low:g}"
        case _:
            return ""


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}" if words else "nothing"
