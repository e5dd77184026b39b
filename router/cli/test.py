"""`router test`: pytest over the tests of this checkout. An installed router has none."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import rich_click as click

from router.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[2]


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGUMENTS]")
def test(arguments: tuple[str, ...]) -> None:
    """Run the tests of this checkout; what follows goes to pytest (-k name, tests/test_sse.py, -x).

    Exit code 0 when all passed, 1 when one failed, otherwise pytest's own. Paths are taken from the checkout.
    """
    if not (CHECKOUT / "pyproject.toml").is_file() or not (CHECKOUT / "tests").is_dir():
        raise ConfigError(f"there are no tests in {CHECKOUT}: run python3 -m router test in a checkout of router")
    if find_spec("pytest") is None:
        raise ConfigError("pytest isn't installed here: pip install --require-hashes -r router/requirements-test.txt")
    sys.stdout.flush()
    os.chdir(CHECKOUT)  # this process ends here: pytest takes its place, with its settings, signals and exit codes
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606  # no shell is meant
