"""What all tests share: where nothing may be missing, a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest


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
