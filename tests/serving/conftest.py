"""A small installation for each test: a real bundle of declared points, and a service in front of it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.store import Store
from serving.app import create_app
from serving.security import new_key
from serving.settings import Settings
from tests.bundles import make_bundle, point

with warnings.catch_warnings():  # the test client would rather have a package that is not installed
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

LOCAL = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models: `first`, and `second`, which is more hopeful of everybody."""
    folder = tmp_path_factory.mktemp("bundles")
    make_bundle(folder / "first", version="1", hope=0.0)
    make_bundle(folder / "second", version="2", hope=1.0)
    return folder


@pytest.fixture
def home(tmp_path: Path, bundles: Path) -> Path:
    """An installation that has pulled the first model."""
    (tmp_path / "bundles").mkdir()
    for name in ("first", "second"):
        (tmp_path / "bundles" / name).symlink_to(bundles / name)
    point(tmp_path, "first")
    return tmp_path


@pytest.fixture
def client(home: Path) -> Iterator[TestClient]:
    """The service of that installation, on this machine, without keys."""
    with TestClient(create_app(Settings(home, auth="dev", poll_seconds=0.05)), base_url=LOCAL, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def guarded(home: Path) -> Iterator[TestClient]:
    """The same service with keys required."""
    with TestClient(create_app(Settings(home)), base_url="http://tamiz.example", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def key_for(home: Path) -> Callable[..., dict[str, str]]:
    """Makes a key and gives the header that presents it."""

    def make(*scopes: str, expires_at: int | None = None) -> dict[str, str]:
        key, stored = new_key(scopes, expires_at=expires_at)
        store = Store.open(home)
        store.add_key(stored)
        store.close()
        return {"Authorization": f"Bearer {key}"}

    return make


@pytest.fixture
def lead() -> dict[str, object]:
    """A request as the documentation shows it."""
    from serving.examples import SCORE_REQUEST

    loaded: dict[str, object] = json.loads(SCORE_REQUEST)
    return loaded


@pytest.fixture
def point_at(home: Path) -> Callable[[str], None]:
    """Makes another bundle the champion."""
    return lambda name: point(home, name)
