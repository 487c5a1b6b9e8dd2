"""What all tests share: where nothing may be missing, a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from models.bundle import Bundle
    from tests.postgres import Server
    from training.train import Trained


# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("tamiz", deadline=None)
settings.load_profile("tamiz")


@pytest.fixture(scope="session")
def empty_mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A created but empty MLflow database: making one takes seconds, copying it into a home nothing."""
    from mlflow.tracking import MlflowClient

    store = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{store}").get_experiment_by_name("tamiz")
    return store


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what skips when TAMIZ_REQUIRE_ALL=1: on such a machine a missing browser or database is a mistake."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("TAMIZ_REQUIRE_ALL") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not be skipped with TAMIZ_REQUIRE_ALL=1: {reason}"
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A real PostgreSQL server, started when the first test asks for it."""
    from tests.postgres import Server

    server = Server()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The TAMIZ_DATABASE_URL of a fresh installation, on each database in turn; empty is the SQLite file."""
    if request.param == "sqlite":
        yield ""
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture(scope="session")
def flat_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat table of leads with a label, in order of its column `day`."""
    from tests.trained import flat_table

    path = tmp_path_factory.mktemp("flat") / "leads.csv"
    flat_table().to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def flat_trained(flat_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """What training made of it."""
    from data.home import Home
    from tests.trained import train_flat

    return train_flat(flat_file, Home(tmp_path_factory.mktemp("flat-home")), quick=False)


@pytest.fixture(scope="session")
def flat_bundle(flat_trained: Trained) -> Bundle:
    from models.bundle import Bundle

    return Bundle.load(flat_trained.folder)


@pytest.fixture(scope="session")
def event_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of event tables."""
    from tests.trained import write_events

    return write_events(tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="session")
def event_trained(event_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """What training made of it."""
    from data.home import Home
    from tests.trained import train_events

    return train_events(event_project, Home(tmp_path_factory.mktemp("event-home")))


@pytest.fixture(scope="session")
def event_bundle(event_trained: Trained) -> Bundle:
    from models.bundle import Bundle

    return Bundle.load(event_trained.folder)
