"""An environment of its own for each client: a virtual environment or a folder of npm, kept where a cache is given."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PATIENCE_S = 1200  # one installation


@dataclass(frozen=True)
class Environment:
    """`interpreter` runs a driver of this kind; `commands` is where the client's own programs lie."""

    folder: Path
    interpreter: str
    commands: Path


class InstallationFailed(Exception):
    """What the package manager said at last."""


def install(
    kind: Literal["python", "node"], packages: Sequence[str], folder: Path, newest_python: int | None = None
) -> Environment:
    """`packages` at their newest in `folder`; nothing is done where they were installed before."""
    done = folder / "installed.txt"
    if not done.exists() or done.read_text("utf-8") != "\n".join(packages):
        folder.mkdir(parents=True, exist_ok=True)
        _python(packages, folder, newest_python) if kind == "python" else _node(packages, folder)
        done.write_text("\n".join(packages), "utf-8")
    if kind == "node":
        return Environment(folder, "node", folder / "node_modules" / ".bin")
    return Environment(folder, str(folder / "bin" / "python"), folder / "bin")


def _python(packages: Sequence[str], folder: Path, newest: int | None) -> None:
    _run(_interpreter(newest), "-m", "venv", "--clear", str(folder))
    _run(str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--upgrade", *packages)


def _interpreter(newest: int | None) -> str:
    """This Python, or one on the path where this is too new."""
    if newest is None or sys.version_info.minor <= newest:
        return sys.executable
    found = [path for minor in range(newest, 9, -1) if (path := shutil.which(f"python3.{minor}"))]
    if not found:
        raise InstallationFailed(f"needs a python3.{newest} or older on the path")
    return found[0]


def _node(packages: Sequence[str], folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true, "type": "module"}', "utf-8")
    newest = [f"{name}@latest" for name in packages]
    _run("npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", *newest)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallationFailed(str(error)) from None
    if done.returncode != 0:
        raise InstallationFailed((done.stderr or done.stdout).strip()[-600:])
