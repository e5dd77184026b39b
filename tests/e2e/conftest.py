"""A proxy with keys for three local provider servers, shared by the tests of a module, and one without any key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.providers import Providers
from tests.running import Running, running, with_keys


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with Providers(pace_s=0.005) as servers:  # so that pieces reach the proxy one by one
        yield servers


@pytest.fixture(scope="module")
def proxy(providers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("proxy")
    with running(folder, with_keys(providers), {}) as process:
        yield process


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("simulated")) as process:
        yield process
