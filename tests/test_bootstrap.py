"""The environment that a checkout makes for itself, in small checkouts with a stand-in for uv on PATH."""

import ast
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from router import bootstrap

CHECKOUT = Path(__file__).resolve().parents[1]
PYTHON = getattr(sys, "_base_executable", sys.executable)  # holds no packages of ours

# Installs each pin of the lock as an empty module. UV_STANDIN: "says ..." fails with that text; "holds" waits for
# the file `go` in the middle of its work.
STANDIN = """#!{python} -I
import os, pathlib, sys, time
home = pathlib.Path(__file__).parent
if sys.argv[1] == "--version":
    sys.exit()
with (home / "log").open("a") as log:
    print(*sys.argv[1:], file=log)
wish = os.environ.get("UV_STANDIN", "")
if wish.startswith("says "):
    sys.exit(wish[5:])
python = pathlib.Path(sys.argv[sys.argv.index("--python") + 1])
packages = next(python.parent.parent.glob("lib/python3*/site-packages"))
if wish == "holds":
    (packages / "half.py").touch()
    (home / "started").write_text(str(os.getpid()))
    while not (home / "go").exists():
        time.sleep(0.01)
for line in open(sys.argv[sys.argv.index("-r") + 1]):
    name, _, version = line.split()[0].partition("==")
    (packages / (name + ".py")).touch()
    (packages / (name + "-" + version + ".dist-info")).mkdir(exist_ok=True)
"""

COMMAND_LINE = """
import json, os, sys
def main():
    import tiny
    print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "prefix": sys.prefix, "warn": sys.warnoptions}))
"""


@dataclass
class House:
    """A checkout in miniature: our three files, a lock of one package, a command line that says where it runs."""

    folder: Path
    tools: Path
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    working_directory: Path | None = None

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [PYTHON, *self.options, "-m", "router", *arguments],
            cwd=self.working_directory or self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def report(self, *arguments: str, **environment: str) -> dict[str, object]:
        code, out, err = self.run(*arguments, **environment)
        assert code == 0, err
        return json.loads(out)  # type: ignore[no-any-return]

    @property
    def installs(self) -> int:
        log = self.tools / "log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    @property
    def half_package(self) -> list[Path]:
        return list(self.folder.glob(".venv/lib/python3*/site-packages/half.py"))

    def wait_until_installing(self) -> int:
        """The process id of the installer, once it is in the middle of its work."""
        started = self.tools / "started"
        wait_until(lambda: started.exists() and started.read_text() != "")
        return int(started.read_text())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


@pytest.fixture
def house(tmp_path: Path) -> House:
    folder, tools = tmp_path / "checkout", tmp_path / "tools"
    (folder / "router").mkdir(parents=True)
    tools.mkdir()
    for name in ("__init__.py", "__main__.py", "bootstrap.py"):
        shutil.copy(CHECKOUT / "router" / name, folder / "router")
    (folder / "pyproject.toml").touch()
    (folder / "router" / "cli.py").write_text(COMMAND_LINE)
    (folder / "router" / "requirements.txt").write_text("tiny==1.0\n")
    (folder / "router" / "requirements-test.txt").write_text("tiny==1.0\nprobe==2.0\n")
    (tools / "uv").write_text(STANDIN.format(python=PYTHON))
    (tools / "uv").chmod(0o755)
    environment = {"PATH": str(tools), "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    return House(folder, tools, environment)


def test_the_first_start_makes_the_environment_and_runs_the_command_in_it(house: House) -> None:
    code, out, err = house.run("serve", "--port", "0")

    assert (code, err) == (0, "Setting up the environment in .venv (once, about 10 s) ...\n")
    told = json.loads(out)
    assert told["argv"] == ["serve", "--port", "0"]
    assert told["prefix"] == str(house.folder / ".venv")


def test_the_second_start_installs_nothing_and_says_nothing(house: House) -> None:
    house.report("serve")

    assert house.run("serve")[2] == ""
    assert house.installs == 1


def test_the_working_directory_and_pythons_own_options_are_kept(house: House, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    house.options, house.working_directory = ("-W", "error"), elsewhere

    told = house.report("serve", PYTHONPATH=str(house.folder))

    assert (told["cwd"], told["warn"]) == (str(elsewhere), ["error"])


def test_a_changed_lock_is_installed(house: House) -> None:
    house.report("serve")
    (house.folder / "router" / "requirements.txt").write_text("tiny==1.1\n")

    house.report("serve")

    assert house.installs == 2
    assert list(house.folder.glob(".venv/lib/*/site-packages/tiny-1.1.dist-info"))


def test_the_test_verb_adds_the_tools_and_the_other_verbs_are_content_with_them(house: House) -> None:
    house.report("serve")
    house.report("--config", "mine.yaml", "test")
    house.report("serve")

    assert house.installs == 2
    assert list(house.folder.glob(".venv/lib/*/site-packages/probe-2.0.dist-info"))


def test_the_environment_can_lie_elsewhere(house: House, tmp_path: Path) -> None:
    told = house.report("serve", ROUTER_VENV=str(tmp_path / "far" / "away"))

    assert told["prefix"] == str(tmp_path / "far" / "away")
    assert not (house.folder / ".venv").exists()


def test_a_python_that_holds_the_locked_packages_is_used_as_it_is(house: House, tmp_path: Path) -> None:
    (tmp_path / "mine" / "tiny-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "mine" / "tiny.py").touch()

    told = house.report("serve", PYTHONPATH=str(tmp_path / "mine"))

    assert told["prefix"] != str(house.folder / ".venv")
    assert house.installs == 0


def test_an_installed_router_makes_no_environment(house: House) -> None:
    (house.folder / "pyproject.toml").unlink()
    (house.folder / "tiny.py").touch()

    house.report("serve")

    assert house.installs == 0
    assert not (house.folder / ".venv").exists()


def test_a_set_up_that_was_killed_starts_afresh_next_time(house: House) -> None:
    first = house.start("serve", UV_STANDIN="holds")
    installer = house.wait_until_installing()
    first.kill()
    os.kill(installer, signal.SIGKILL)
    first.communicate(timeout=60)
    assert house.half_package

    house.report("serve")

    assert not house.half_package


def test_an_installer_that_outlives_its_parent_keeps_the_next_start_waiting(house: House) -> None:
    first = house.start("serve", UV_STANDIN="holds")
    house.wait_until_installing()
    first.kill()
    second = house.start("serve")
    assert second.stderr is not None
    assert second.stderr.readline() == "Waiting for another router that sets up .venv ...\n"

    (house.tools / "go").touch()
    second.communicate(timeout=60)
    first.communicate(timeout=60)

    assert second.returncode == 0
    assert not house.half_package


def test_two_starts_at_once_install_once(house: House) -> None:
    first = house.start("serve", UV_STANDIN="holds")
    house.wait_until_installing()
    second = house.start("serve")
    assert second.stderr is not None
    assert second.stderr.readline() == "Waiting for another router that sets up .venv ...\n"

    (house.tools / "go").touch()
    for process in (first, second):
        process.communicate(timeout=60)

    assert (first.returncode, second.returncode, house.installs) == (0, 0, 1)


def test_ctrl_c_ends_the_set_up_quietly(house: House) -> None:
    process = house.start("serve", UV_STANDIN="holds")
    house.wait_until_installing()

    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert (process.returncode, len(err.splitlines())) == (130, 1)


def test_a_folder_of_the_users_is_left_alone(house: House) -> None:
    (house.folder / ".venv").mkdir()
    (house.folder / ".venv" / "diary").touch()

    code, _, err = house.run("serve")

    assert code == 1
    assert err == (
        "router: .venv is in the way and no working environment: move it, or set ROUTER_VENV to another folder\n"
    )
    assert [file.name for file in (house.folder / ".venv").iterdir()] == ["diary"]


def test_an_environment_of_the_users_is_filled_and_never_emptied(house: House) -> None:
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", house.folder / ".venv"], check=True)
    packages = next(house.folder.glob(".venv/lib/python3*/site-packages"))
    (packages / "theirs.py").touch()
    code, _, _ = house.run("serve", UV_STANDIN="says error: no")

    house.report("serve")

    assert code == 1
    assert (packages / "theirs.py").exists()
    assert "--reinstall" in (house.tools / "log").read_text().splitlines()[1]


def test_an_environment_whose_python_is_gone_is_made_again(house: House) -> None:
    house.report("serve")
    for link in (house.folder / ".venv" / "bin").glob("python*"):
        link.unlink()
        link.symlink_to("/nowhere/python")

    house.report("serve")

    assert house.installs == 2


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(house: House) -> None:
    code, out, err = house.run("serve", ROUTER_VENV="/dev/null/x")

    assert (code, out) == (1, "")
    assert err == (
        "router: the environment in /dev/null/x can't be set up (Not a directory): set ROUTER_VENV to another folder\n"
    )


def test_a_failed_installation_is_told_in_one_sentence(house: House) -> None:
    code, out, err = house.run("serve", UV_STANDIN="says error: No solution found")

    assert (code, out) == (1, "")
    assert err.splitlines()[1:] == ["router: the packages can't be installed: error: No solution found"]


def test_without_uv_ensurepip_and_network_the_sentence_names_the_index(house: House, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")
    nobody = "http://127.0.0.1:9/simple"

    code, _, err = house.run("serve", PATH="/nowhere", PIP_INDEX_URL=nobody, PYTHONPATH=str(tmp_path / "bare"))

    assert code == 1
    assert err.splitlines()[1:] == [f"router: {bootstrap.UNREACHABLE}"]


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError(...): [Errno 111] Connection refused'\n"
            "ERROR: No matching distribution found for tiny==1.0",
            bootstrap.UNREACHABLE,
        ),
        ("error: Failed to fetch: `x`\n  Caused by: dns error: failed to lookup address", bootstrap.UNREACHABLE),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] ...'))", bootstrap.UNTRUSTED),
        ("error: x\n  Caused by: invalid peer certificate: UnknownIssuer", bootstrap.UNTRUSTED),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", bootstrap.WRONG_HASH),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", bootstrap.NO_ROOM),
        ("error: failed to create file: Read-only file system (os error 30)", bootstrap.NOT_WRITABLE),
        (
            "\x1b[31mERROR: tiny requires a different Python\x1b[0m\nNotice: a new release of pip\n",
            "the packages can't be installed: ERROR: tiny requires a different Python",
        ),
    ],
)
def test_what_an_installer_prints_becomes_advice(printed: str, sentence: str) -> None:
    assert bootstrap.explain(printed) == sentence


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py", "bootstrap.py"])
def test_python_3_6_can_read_it(name: str) -> None:
    ast.parse((CHECKOUT / "router" / name).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_old_python_is_told_what_is_needed() -> None:
    assert bootstrap.too_old((3, 9, 2)) == (
        "Python 3.11 or newer is needed and this is 3.9.2: install it and run python3.11 -m router"
    )


# pip's own wheel, from an index on this machine

WHEEL = "pip-1.0-py3-none-any.whl"
CONTENT = b"not really a wheel"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Index:
    url: str
    seen: list[str | None]  # the Authorization header of each request


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            pages = {
                "/simple/pip/": f'<a href="../../files/{WHEEL}?a=1&amp;b=2#sha256=x">{WHEEL}</a>'.encode(),
                "/simple/other/": b"<a>nothing</a>",
                f"/files/{WHEEL}?a=1&b=2": CONTENT,
            }
            body = pages.get(self.path)
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Index(f"http://127.0.0.1:{server.server_port}/simple", seen)
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_wheel_is_found_in_a_simple_index(index: Index) -> None:
    assert bootstrap.fetch_wheel(index.url, WHEEL, SHA256) == CONTENT


def test_a_wheel_with_another_hash_is_refused(index: Index) -> None:
    with pytest.raises(bootstrap.SetupError, match="its hash differs"):
        bootstrap.fetch_wheel(index.url, WHEEL, "0" * 64)


def test_an_index_without_the_wheel_is_named(index: Index) -> None:
    with pytest.raises(bootstrap.SetupError, match=r"has no other-2.0-py3-none-any.whl: install python3-venv or uv"):
        bootstrap.fetch_wheel(index.url, "other-2.0-py3-none-any.whl", SHA256)


def test_the_password_in_an_index_url_is_sent_and_never_shown(index: Index) -> None:
    private = index.url.replace("http://", "http://me:s%40crt@")

    with pytest.raises(bootstrap.SetupError) as failure:
        bootstrap.fetch_wheel(private + "/nowhere", WHEEL, SHA256)

    assert index.seen == ["Basic " + base64.b64encode(b"me:s@crt").decode()]
    assert str(failure.value) == f"the package index answers 404 to {index.url}/nowhere/pip/: check PIP_INDEX_URL"


def test_the_index_is_the_one_configured_for_pip_or_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert bootstrap.index_url() is None

    monkeypatch.setenv("UV_INDEX_URL", "http://uv.test/simple")
    assert bootstrap.index_url() == "http://uv.test/simple"

    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://file.test/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert bootstrap.index_url() == "http://file.test/simple"

    monkeypatch.setenv("PIP_INDEX_URL", "http://pip.test/simple")
    assert bootstrap.index_url() == "http://pip.test/simple"


def test_the_test_verb_runs_pytest_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "router", "test", "tests/test_bootstrap.py", "--collect-only", "-k", "python_3_6"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "3/" in done.stdout.splitlines()[-1]
