"""An environment of its own for each client: a virtual environment or a folder of npm, kept where a cache is given."""

import os
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
    interpreter: Path | str
    commands: Path


class InstallationFailed(Exception):
    """What the package manager said at last."""


def install(kind: Literal["python", "node"], packages: Sequence[str], folder: Path) -> Environment:
    """`packages` at their newest in `folder`; nothing is done where they were installed before."""
    done = folder / "installed.txt"
    if not done.exists() or done.read_text("utf-8") != "\n".join(packages):
        folder.mkdir(parents=True, exist_ok=True)
        _python(packages, folder) if kind == "python" else _node(packages, folder)
        done.write_text("\n".join(packages), "utf-8")
    if kind == "node":
        return Environment(folder, "node", folder / "node_modules" / ".bin")
    commands = folder / ("Scripts" if os.name == "nt" else "bin")
    return Environment(folder, commands / "python", commands)


def _python(packages: Sequence[str], folder: Path) -> None:
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    _run(str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--upgrade", *packages)


def _node(packages: Sequence[str], folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true, "type": "module"}', "utf-8")
    newest = [name if "@" in name[1:] else f"{name}@latest" for name in packages]
    _run("npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", *newest)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    if done.returncode != 0:
        raise InstallationFailed((done.stderr or done.stdout).strip()[-600:])
