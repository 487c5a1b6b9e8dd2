"""An installation with two models, and services in processes of their own that end with the test."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bundles import make_bundle, point
from tests.service import Service, begin, stop

with warnings.catch_warnings():  # the test client would rather have a package that is not installed
    warnings.simplefilter("ignore")
    import fastapi.testclient  # noqa: F401 - for the tests that import it

Start = Callable[..., Service]


@pytest.fixture(scope="session")
def fault_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    make_bundle(folder / "first", version="1", hope=0.0)
    make_bundle(folder / "second", version="2", hope=1.0)
    return folder


@pytest.fixture
def home(tmp_path: Path, fault_bundles: Path) -> Path:
    """An installation that serves the first of two models."""
    home = tmp_path / "var"
    (home / "bundles").mkdir(parents=True)
    for name in ("first", "second"):
        (home / "bundles" / name).symlink_to(fault_bundles / name)
    point(home, "first")
    return home


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a service of the installation: `start(*options, **environment)`. What it logs is in `service.log`, shown on failure."""
    running: list[Service] = []
    log = tmp_path / "service.log"

    def one(*options: str, **environment: str) -> Service:
        running.append(begin(home, *options, log=log, **environment))
        return running[-1]

    yield one
    for service in running:
        stop(service)
    sys.stdout.write(log.read_text(errors="replace")[-20_000:] if log.exists() else "")
