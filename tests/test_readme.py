"""The README is the manual: what it shows runs as written, and what exists stands in it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import rich_click as click

from router.cli import VERBS, Verbs
from router.decision import Exclusion, Reason
from router.metrics import Metrics
from router.settings import load
from router.shape import Shape
from router.web.wishes import HEADERS
from tests.running import CHECKOUT, Running, environment, running

README = (CHECKOUT / "README.md").read_text("utf-8")
BLOCKS = [(match[1], match[2]) for match in re.finditer(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]
NODE = CHECKOUT / "tests" / "clients" / "node"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("readme")) as process:
        yield process


def run(proxy: Running, *command: str) -> str:
    extra = {"PATH": f"{Path(sys.executable).parent}:{environment()['PATH']}"}
    done = subprocess.run(
        command, cwd=proxy.folder, env=environment(extra), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def blocks(language: str, proxy: Running) -> list[str]:
    """The README's blocks of this language, speaking to this proxy."""
    return [text.replace("http://127.0.0.1:4000", proxy.url) for name, text in BLOCKS if name == language]


def test_the_python_example_runs(proxy: Running) -> None:
    (example,) = blocks("python", proxy)
    assert run(proxy, sys.executable, "-c", example).startswith("simulated/claude-opus-4.7 ")


@pytest.mark.skipif(not shutil.which("npm"), reason="no node and npm on this machine")
def test_the_node_example_runs(proxy: Running) -> None:
    (example,) = blocks("js", proxy)
    folder = proxy.folder / "node"
    shutil.copytree(NODE, folder, ignore=shutil.ignore_patterns("node_modules"))
    run(proxy, "npm", "ci", "--prefix", str(folder), "--no-audit", "--no-fund")
    (folder / "example.js").write_text(example, "utf-8")
    assert "simulated" in run(proxy, "node", str(folder / "example.js"))


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
def test_the_commands_run_in_their_order(proxy: Running) -> None:
    printed = [run(proxy, "bash", "-euc", example) for example in blocks("sh", proxy)]
    anthropic, curl, asked, loop = printed
    assert '"type":"message"' in anthropic and '"stop_reason":"end_turn"' in anthropic
    assert curl.startswith("HTTP/1.1 200 OK") and '"finish_reason":"stop"' in curl
    assert '"task_class":"general"' in asked
    assert "imported 3" in loop and "coding_deep_review -> claude-opus-4.7" in loop
    assert (proxy.folder / "all.csv").read_text().startswith("task_id,task_type,model,score,")


def test_the_two_commands_stand_in_it_as_they_are_run() -> None:
    assert "python3 -m router serve " in README and "python3 -m router test " in README
    assert "python3 -m router test\n" in (CHECKOUT / ".ci" / "run").read_text()


def verbs() -> Iterator[str]:
    for name in VERBS:
        command = Verbs().get_command(click.Context(click.Command("router")), name)
        if isinstance(command, click.Group):
            yield from (f"{name} {inner}" for inner in command.commands)
        else:
            yield name


@pytest.mark.parametrize("verb", list(verbs()))
def test_every_verb_stands_in_it(verb: str) -> None:
    assert f"`{verb}`" in README


@pytest.mark.parametrize("header", HEADERS)
def test_every_request_header_stands_in_it(header: str) -> None:
    assert f"| `{header}` |" in README


def test_every_response_header_stands_in_it(proxy: Running) -> None:
    for header in proxy.chat("Hello").headers:
        if header.startswith("x-r"):
            assert f"`{header}`" in README


@pytest.mark.parametrize("code", [*get_args(Reason), *get_args(Exclusion)])
def test_every_reason_code_stands_in_it(code: str) -> None:
    assert f"`{code}`" in README


def test_every_metric_stands_in_it_and_no_other() -> None:
    section = README.partition("## Metrics")[2].partition("\n## ")[0]
    stated = set(re.findall(r"`([a-z_]+)`", section)) - {"llm_router_", "other"}
    existing = {
        family.name.removeprefix("llm_router_") + ("_total" if family.type == "counter" else "")
        for family in Metrics().registry.collect()
    }
    assert stated == existing


def test_every_config_key_stands_in_it() -> None:
    section = README.partition("## Configuration")[2].partition("\n## ")[0]
    for name in Shape.model_fields:
        assert f"| `{name}` |" in section
    shipped = load(None, {}, CHECKOUT)
    for group in ("server", "timeouts", "retries", "breaker", "limits", "evidence", "state", "log"):
        for name in type(getattr(shipped, group)).model_fields:
            assert f"`{name}`" in section


def test_every_route_stands_in_it(proxy: Running) -> None:
    described = proxy.client.get("/openapi/openapi.json").json()["paths"]
    for path, methods in described.items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in README


def test_the_table_of_parameters_is_the_one_that_is_made(proxy: Running) -> None:
    table = README.partition("<!-- parameters -->\n")[2].partition("<!-- /parameters -->")[0]

    assert run(proxy, sys.executable, "-m", "router", "docs", "parameters") == table


def test_the_block_of_a_compatible_server_is_good_configuration(proxy: Running) -> None:
    (example,) = blocks("yaml", proxy)
    (proxy.folder / "ollama.yaml").write_text(example, "utf-8")
    run(proxy, sys.executable, "-m", "router", "--config", "ollama.yaml", "config", "check")


def test_every_file_of_the_spine_stands_in_it() -> None:
    section = README.partition("## The house")[2].partition("\n## ")[0]
    for file in (CHECKOUT / "router").glob("[a-z]*.py"):
        if file.stem not in ("ids", "journal", "feed", "shelf", "metrics", "log", "csv_rows"):
            assert re.search(rf"\b{file.stem}\b", section), file.stem
