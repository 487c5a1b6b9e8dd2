"""A registered version in MLflow's own hands: the figures are those of the bundle, and nothing in it is pickled."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.home import Home
from models.bundle import Bundle
from models.pyfunc_model import MatrixModel
from models.registry import MODEL, Registry, RunRecord, Sample


@pytest.fixture
def bundle(flat_bundle: Bundle) -> Bundle:
    return flat_bundle


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real tracking server with its own artifact store, as a team would run it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", str(tmp_path / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *place]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                    break
            except OSError:
                assert process.poll() is None, "the server went away"
                time.sleep(0.5)
        else:
            pytest.fail("the server did not come up in two minutes")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


class TestTheMatrix:
    def test_columns_that_are_not_there_are_missing(self, bundle: Bundle) -> None:
        first = bundle.encoder.inputs[0].name
        found = MatrixModel(bundle).predict(pd.DataFrame({"nobody_knows": [1.0, 2.0], first: [None, None]}))
        nothing = bundle.calibration.apply(bundle.model.margin(np.full((1, len(bundle.encoder.inputs)), np.nan)))[0]
        assert found["probability"].tolist() == [nothing[0]] * 2

    def test_the_order_of_columns_and_the_index_do_not_matter(self, bundle: Bundle) -> None:
        frame = pd.DataFrame({one.name: (list(one.categories[:1]) or [1.0]) * 2 for one in bundle.encoder.inputs}, index=["ana", "ben"])
        model = MatrixModel(bundle)
        pd.testing.assert_frame_equal(model.predict(frame), model.predict(frame[frame.columns[::-1]]))
        assert model.predict(frame).index.tolist() == ["ana", "ben"]


class TestOnATrackingServer:
    def test_a_version_is_loaded_by_mlflow_and_pulled_by_tamiz(
        self, bundle: Bundle, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import mlflow

        monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
        registry = Registry(Home(tmp_path / "var").create())
        trial = RunRecord("trial 1", {"leaves": 4}, {"tune_loss": 0.4})
        run = registry.log_run(RunRecord("parent", children=(trial,), samples=(Sample(1_700_000_000_000, {"system/cpu": 5.0}),)))
        there = registry.register_bundle(bundle.folder, run, description="**What it is**")
        registry.set_alias("champion", there.version)

        assert capsys.readouterr().out == ""  # a remote server's links would spoil what machines read

        client = mlflow.MlflowClient(server)
        inside = {one.path for one in client.list_artifacts(run, "model")}
        assert inside == {"model/MLmodel", "model/requirements.txt", "model/bundle"}
        assert client.get_model_version(MODEL, str(there.version)).description == "**What it is**"
        experiment = client.get_experiment_by_name("tamiz")
        assert experiment is not None
        nested = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{run}'")
        assert [(one.info.run_name, one.data.params, one.info.status) for one in nested] == [("trial 1", {"leaves": "4"}, "FINISHED")]
        assert client.get_metric_history(run, "system/cpu")[0].timestamp == 1_700_000_000_000

        model = mlflow.pyfunc.load_model(f"models:/{MODEL}/{there.version}")
        names = [one.name for one in model.metadata.get_input_schema()]
        assert names == [one.name for one in bundle.encoder.inputs]
        frame = pd.DataFrame({one.name: [one.categories[0] if one.categories else 1.0] for one in bundle.encoder.inputs})
        expected = MatrixModel(bundle).predict(frame)
        assert model.predict(frame)["probability"].tolist() == expected["probability"].tolist()

        elsewhere = Registry(Home(tmp_path / "elsewhere").create()).pull()
        assert Bundle.load(elsewhere).model_version == bundle.model_version
        assert not list(elsewhere.glob("MLmodel"))
