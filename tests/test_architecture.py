"""The layers of the house: imports point down or sideways, never up. Read off the sources: lazy imports count too."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from router.cli import VERBS

CHECKOUT = Path(__file__).resolve().parents[1]

# A new file or folder of router/ gets a row here: what it may import follows from its level.
LEVELS: dict[str, int] = {
    name: level
    for level, names in {
        1: "types decision catalog record table errors",  # the vocabulary
        2: "sse call explain relay output bodies embeddings parameters "
        "dialects classifiers policies ranking scorers",  # pure
        3: "proxy embedder routing exchange journal upstream transport health limits sessions feed shelf recorder "
        "metrics log ids csv_rows evidence state simulated",  # may do I/O
        4: "web bench",  # the two doors
        5: "app settings shape yaml_source cli bootstrap __main__",  # composition and command line
    }.items()
    for name in names.split()
}
PURE_LEVELS = (1, 2)
IMPURE = {"httpx", "redis", "sqlite3", "litestar", "asyncio", "time", "random"}
CHOICES = {"dialects", "classifiers", "policies", "ranking", "scorers", "evidence", "state"}
SPEAK_HTTP = {"upstream", "transport", "simulated"}

Sources = Mapping[str, str]  # module name -> source


def read_sources() -> dict[str, str]:
    files = (CHECKOUT / "router").rglob("*.py")
    return {module_name(file.relative_to(CHECKOUT)): file.read_text(encoding="utf-8") for file in files}


def module_name(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(module: str) -> str:
    """The file or folder of router/ that a module belongs to; "" for router itself."""
    return module.partition(".")[2].partition(".")[0]


def alternative(module: str) -> str:
    """The file or package of a choice folder that a module belongs to; "" for the folder itself."""
    return module.split(".")[2] if module.count(".") > 1 else ""


def imports(module: str, sources: Sources) -> Iterator[str]:
    """Every module that `module` imports, anywhere in its source; `from a import b` is a.b where that is a module."""
    for node in ast.walk(ast.parse(sources[module])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                is_package = any(other.startswith(module + ".") for other in sources)
                base = module.split(".")[: None if is_package and node.level == 1 else is_package - node.level]
                start = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                deeper = f"{start}.{alias.name}"
                yield deeper if deeper in sources else start


def complaints(sources: Sources) -> list[str]:
    """One sentence for each thing that is wrong."""
    homeless = {place(module) for module in sources} - {""} - LEVELS.keys()
    found = [f"router/{name} has no level: add it to LEVELS in tests/test_architecture.py" for name in sorted(homeless)]
    for module in sorted(sources):
        if place(module) not in homeless:
            for target in sorted(set(imports(module, sources))):
                ours = target.partition(".")[0] == "router"
                check = complaint_about_ours if ours else complaint_about_others
                found += [f"{module} imports {target}: {reason}" for reason in check(module, target)]
    return found


def complaint_about_ours(module: str, target: str) -> Iterator[str]:
    here, there = place(module), place(target)
    if not here or there not in LEVELS:
        return
    if LEVELS[there] > LEVELS[here]:
        yield f"level {LEVELS[here]} may not see level {LEVELS[there]}"
    if {here, there} == {"web", "bench"}:
        yield "the two doors never import each other"
    if (
        here == there
        and here in CHOICES
        and alternative(module)
        and alternative(target) not in ("", alternative(module))
    ):
        yield f"the alternatives in {here}/ don't know each other; what they share goes into its __init__"


def complaint_about_others(module: str, target: str) -> Iterator[str]:
    here, library = place(module), target.partition(".")[0]
    if here and LEVELS[here] in PURE_LEVELS and library in IMPURE:
        yield f"level {LEVELS[here]} is pure; pass in a value or a callable"
    if library == "httpx" and here not in SPEAK_HTTP:
        yield f"only {', '.join(sorted(SPEAK_HTTP))} speak HTTP to models"


def unreached(sources: Sources, verbs: Mapping[str, str]) -> list[str]:
    """Modules that no other one imports and no verb names: a registry forgot them, or they are dead."""
    named = {verb.partition(":")[0] for verb in verbs.values()}
    imported = {target for module in sources for target in imports(module, sources) if target != module}
    doors = {module for module in sources if module.endswith("__main__") or has_children(module, sources)}
    return sorted(sources.keys() - named - imported - doors)


def has_children(module: str, sources: Sources) -> bool:
    return any(other.startswith(module + ".") for other in sources)


def test_imports_point_down_or_sideways() -> None:
    assert complaints(read_sources()) == []


def test_every_module_is_in_a_registry_or_imported() -> None:
    assert unreached(read_sources(), VERBS) == []


def test_every_verb_of_the_command_line_has_its_module() -> None:
    assert {verb.partition(":")[0] for verb in VERBS.values()} <= read_sources().keys()


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("router.types", "import router.sse", "router.types imports router.sse: level 1 may not see level 2"),
        (
            "router.upstream",
            "def f():\n    from router.settings import Settings",
            "router.upstream imports router.settings: level 3 may not see level 5",
        ),
        (
            "router.policies",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from router import proxy",
            "router.policies imports router.proxy: level 2 may not see level 3",
        ),
        (
            "router.sse",
            "import asyncio.events",
            "router.sse imports asyncio.events: level 2 is pure; pass in a value or a callable",
        ),
        (
            "router.log",
            "import httpx",
            "router.log imports httpx: only simulated, transport, upstream speak HTTP to models",
        ),
        (
            "router.web.chat",
            "import router.bench",
            "router.web.chat imports router.bench: the two doors never import each other",
        ),
        (
            "router.dialects.gemini",
            "from .openai import decode",
            "router.dialects.gemini imports router.dialects.openai: "
            "the alternatives in dialects/ don't know each other; what they share goes into its __init__",
        ),
        ("router.helpers", "", "router/helpers has no level: add it to LEVELS in tests/test_architecture.py"),
    ],
)
def test_a_wrong_import_is_told_in_a_sentence(module: str, source: str, complaint: str) -> None:
    house = dict.fromkeys(
        ("router", "router.proxy", "router.settings", "router.bench", "router.dialects", "router.dialects.openai"), ""
    )

    assert complaints({**house, module: source}) == [complaint]


def test_downward_imports_and_a_folder_with_its_registry_are_fine() -> None:
    house = {
        "router": "",
        "router.types": "import dataclasses",
        "router.dialects": "from . import gemini",
        "router.dialects.gemini": "from router.dialects import Face\nfrom ..types import Text",
        "router.upstream": "import httpx, asyncio\nfrom router.dialects import gemini",
    }

    assert complaints(house) == []


def test_a_file_that_no_registry_knows_is_found() -> None:
    house = {
        "router.cli": "",
        "router.cli.serve": "",
        "router.ranking": "from router.ranking.seed_rule import seed_rule",
        "router.ranking.seed_rule": "import router.ranking",
        "router.ranking.forgotten": "from router import ranking",
    }

    assert unreached(house, {"serve": "router.cli.serve:serve"}) == ["router.ranking.forgotten"]
