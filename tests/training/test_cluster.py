"""Trees fitted on a Dask cluster: what stops it says why, and what comes out is as good as on one machine."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tamiz
from data.errors import BadUsage, DependencyFailed
from data.home import Home
from data.synthetic import simulate
from models.blend import Model
from tests.trained import write_events
from training.calibrate import calibrate
from training.candidates import refit
from training.cluster import Cluster, ClusterOptions, TooSmallForCluster, WorkerLost, sampled
from training.dataset import from_cluster, from_project
from training.metrics import auc, log_loss
from training.train import Options, Watch, learn, train, when_of

QUIET: Any = lambda text: None  # noqa: E731 - a name for silence


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    simulate(folder / "crm", leads=2_500, seed=5)
    return folder / "crm" / "tamiz.toml"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals are built and counted without a cluster; only fitting would need one."""
    import contextlib

    import training.cluster as module
    from models.build import build as built

    monkeypatch.setattr(module, "connected", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(module, "build", lambda *args, **named: built(*args, **{**named, "scheduler": None, "workers": 1}))


class TestWhatStopsIt:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--leads", "leads.csv", "--label", "won", "--scheduler", "local"], "trains on event tables"),
            (["--project", "tamiz.toml", "--estimand", "worked", "--scheduler", "local"], "without --store"),
            (["--project", "tamiz.toml", "--signals", "somewhere"], "--signals goes with --scheduler"),
        ],
    )
    def test_options_that_do_not_go_together(self, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert tamiz._run(["train", *words]) == 2
        assert said in capsys.readouterr().err

    def test_dask_is_not_installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "distributed", None)
        with pytest.raises(BadUsage, match=r"pip install 'tamiz\[cluster\]'"):
            sampled(write_events(tmp_path / "events", leads=40), ClusterOptions("local", tmp_path / "signals"), seed=1, say=QUIET)

    def test_no_scheduler_answers_before_anything_is_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import distributed

        def refuses(*_: Any, **__: Any) -> None:
            raise OSError("Timed out trying to connect to tcp://127.0.0.1:9")

        path = write_events(tmp_path / "events", leads=40)
        monkeypatch.setattr(distributed, "Client", refuses)
        with pytest.raises(DependencyFailed, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
            sampled(path, ClusterOptions("tcp://127.0.0.1:9", tmp_path / "signals"), seed=1, say=QUIET)
        assert not (tmp_path / "signals").exists()

    @pytest.mark.usefixtures("here")
    def test_a_sample_too_small_to_choose_on(self, tmp_path: Path) -> None:
        path = write_events(tmp_path / "events", leads=120)
        data = from_cluster(path, ClusterOptions("local", tmp_path / "signals"), say=QUIET)
        with pytest.raises(TooSmallForCluster, match="sample of 120 leads"):
            learn(data, Options(quick=True), Watch(QUIET))

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore")  # what distributed says when its processes end is not ours
    def test_a_worker_that_dies_while_fitting(self, world: Path, tmp_path: Path) -> None:
        from distributed import Client, LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50) as local:
            with Client(local.scheduler_address, set_as_default=False) as client:
                pids = list(client.run(os.getpid).values())

            def kill(text: str) -> None:
                if "rounds on" in text:
                    os.kill(pids[0], signal.SIGKILL)

            data = from_cluster(world, ClusterOptions(local.scheduler_address, tmp_path / "signals"), seed=5, say=kill)
            with pytest.raises(WorkerLost, match="a Dask worker was lost while the model was fitted"):
                learn(data, Options(quick=True), Watch(QUIET), ("boosted",))


class TestTheSample:
    @pytest.mark.usefixtures("here")
    def test_is_whole_accounts_and_the_same_looks_as_all_of_them_have(self, event_project: Path, tmp_path: Path) -> None:
        data = from_cluster(event_project, ClusterOptions("local", tmp_path / "signals", sample_leads=200), seed=5, say=QUIET)
        everything = from_project(event_project, seed=5)
        assert 150 < len(np.unique(data.lead)) <= 200
        assert data.as_of is not None
        assert everything.as_of is not None
        assert data.cluster is not None
        assert data.cluster.rows == len(everything)
        looks = zip(everything.lead, everything.as_of, strict=True)
        place = {(everything.lead_ids[lead], when): row for row, (lead, when) in enumerate(looks)}
        rows = np.array([place[data.lead_ids[lead], when] for lead, when in zip(data.lead, data.as_of, strict=True)])
        assert np.array_equal(data.y, everything.y[rows])
        columns = [everything.table.names.index(name) for name in data.table.names]
        assert np.array_equal(data.table.numbers, everything.table.numbers[rows][:, columns], equal_nan=True)
        inside = np.isin(everything.account, everything.account[rows])
        assert set(everything.lead[inside]) == set(everything.lead[rows])

    @pytest.mark.usefixtures("here")
    def test_what_was_dropped_is_not_built(self, event_project: Path, tmp_path: Path) -> None:
        data = from_cluster(event_project, ClusterOptions("local", tmp_path / "signals"), drop=("job_title",), say=QUIET)
        assert set(data.input_names) == set(from_project(event_project, drop=("job_title",)).input_names)


class TestSlices:
    @given(st.lists(st.integers(0, 500), min_size=1, max_size=6), st.integers(1, 5))
    def test_each_row_has_one_worker_and_workers_have_about_as_many(self, sizes: list[int], workers: int) -> None:
        files = tuple(Path(f"part-{number}") for number in range(len(sizes)))
        dealt = Cluster(ClusterOptions("local", Path()), files, tuple(sizes), sum(sizes), 1, 1, QUIET).slices(workers)
        rows = [(file, row) for own in dealt for file, start, stop in own for row in range(start, stop)]
        assert sorted(rows) == [(file, row) for file, size in zip(files, sizes, strict=True) for row in range(size)]
        held = [sum(stop - start for _, start, stop in own) for own in dealt]
        assert max(held) - min(held) <= max(16, sum(sizes) // 16)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # as above
class TestOnTwoWorkers:
    def test_it_is_as_good_as_on_one_machine_within_noise_and_serves(self, world: Path, tmp_path: Path) -> None:
        """The noise is what fits with other seeds on one machine differ by."""
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50) as local:
            data = from_cluster(world, ClusterOptions(local.scheduler_address, tmp_path / "signals"), seed=5, say=QUIET)
            learned = learn(data, Options(seed=5, quick=True), Watch(QUIET))
            done = train(lambda say: data, Home(tmp_path / "home"), Options(seed=5, quick=True))
        split, candidate = learned.split, learned.candidates["boosted"]
        inputs, y, judged = learned.encoder.inputs, data.y, learned.split.test

        def loss(model: Model) -> float:
            margin = model.margin(learned.X)
            p = calibrate(margin, y, data.lead, when_of(data), split.calibrate, 5).apply(margin[judged])[0]
            return log_loss(y[judged], p)

        here = [loss(refit(candidate.recipe, learned.X[split.fit], y[split.fit], inputs, seed)) for seed in range(6)]
        assert loss(candidate.model) < np.mean(here) + max(3 * np.std(here), 0.02 * np.mean(here))
        assert auc(y[judged], candidate.margin[judged]) > 0.75
        assert done.result.metrics["cluster"] == {"rows": len(data), "leads": 2_500}
        assert any("Trained on a cluster" in said for said in done.result.notices)
        text = (done.folder / "model.txt").read_text()
        assert "[machines:" not in text
        assert "[num_machines: 2]" in text
