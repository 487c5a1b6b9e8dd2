"""Young looks: the delay is found from looks of all ages, and they enter for what they are likely to become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BadUsage
from data.home import Home
from features.history import DAY
from tests.trained import train_events, write_events
from training.backtest import backtest
from training.dataset import Dataset, from_project
from training.delay import fit_delay
from training.train import Options, Watch, learn
from training.wider import with_young

NEVER = np.inf


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_events(tmp_path_factory.mktemp("events"), leads=900)
    # The data end while leads still come.
    path.write_text(path.read_text().replace("2025-04-30", "2025-02-04"))
    return path


@pytest.fixture(scope="module")
def data(project: Path) -> Dataset:
    return from_project(project, seed=7, recent=True)


class TestTheDelay:
    def test_is_the_plain_share_where_every_look_was_seen_to_the_end(self) -> None:
        waited = np.array([1.0, 5.0, 5.5, 20.0, NEVER, NEVER])
        delay = fit_delay(waited, waited, np.full(6, 100.0), 30.0)
        assert delay.shown(np.array([0.0, 1.0, 6.0, 19.0, 20.0, 30.0])).tolist() == pytest.approx([0, 0.25, 0.75, 0.75, 1, 1])

    def test_is_found_although_most_looks_were_cut_short(self) -> None:
        """Counting only what has shown itself would put it far too early."""
        rng = np.random.default_rng(3)
        will = rng.random(40_000) < 0.2
        waited = np.where(will, rng.uniform(0, 90, 40_000), NEVER)
        seen = rng.uniform(0, 120, 40_000)
        delay = fit_delay(waited, waited, seen, 90.0)
        days = np.array([15.0, 30.0, 45.0, 60.0, 75.0])
        assert np.abs(delay.shown(days) - days / 90).max() < 0.03
        so_far = waited[(waited <= seen) & will]
        assert (so_far <= 30).mean() > 0.36

    def test_closed_leads_are_no_longer_waited_for(self) -> None:
        rng = np.random.default_rng(4)
        will = rng.random(30_000) < 0.2
        waited = np.where(will, rng.uniform(0, 90, 30_000), NEVER)
        lost = np.where(~will & (rng.random(30_000) < 0.5), rng.uniform(0, 90, 30_000), NEVER)
        seen = rng.uniform(0, 120, 30_000)
        delay = fit_delay(waited, np.minimum(waited, lost), seen, 90.0)
        still_open = (np.abs(seen - 45) < 5) & (waited > seen) & (lost > seen)
        chance = delay.chance(np.full(still_open.sum(), 0.2), seen[still_open])
        assert abs(chance.mean() - will[still_open].mean()) < 0.02

    def test_nothing_seen_is_no_reason_to_fail(self) -> None:
        delay = fit_delay(np.full(5, NEVER), np.full(5, NEVER), np.zeros(5), 30.0)
        assert delay.shown(np.array([15.0]))[0] == pytest.approx(0.5)

    @given(p=st.floats(0, 1), day=st.floats(0, 90), later=st.floats(0, 90))
    def test_waiting_without_a_conversion_never_raises_the_chance_of_a_lead_that_nobody_closes(
        self, p: float, day: float, later: float
    ) -> None:
        waited = np.append(np.linspace(1, 90, 50), np.full(50, NEVER))
        delay = fit_delay(waited, waited, np.full(100, 90.0), 90.0)
        early, late = delay.chance(np.full(2, p), np.sort([day, later]))
        assert 0 <= late <= early + 1e-12 <= 1 + 1e-12


class TestFitting:
    def test_an_open_look_counts_once_in_all_however_it_may_end(self, data: Dataset) -> None:
        assert data.recent is not None
        assert data.until is not None
        learned = learn(data, Options(), Watch(lambda text: None))
        rows = with_young(data, learned.X, learned.encoder, learned.split.fit, learned.split.test, data.recent, data.until, 7)
        added = rows.fit[rows.fit >= len(data)]
        assert rows.weight[added].sum() == pytest.approx(rows.looks)
        assert rows.looks < len(added) <= 2 * rows.looks
        assert not np.isin(rows.lead[added], data.lead[learned.split.test]).any()
        assert len(rows.X) == len(rows.y) == len(rows.weight) == len(rows.lead)

    def test_young_looks_are_those_whose_horizon_has_not_passed(self, data: Dataset) -> None:
        assert data.recent is not None
        assert data.recent.as_of is not None
        assert data.as_of is not None
        assert data.until is not None
        assert (data.recent.as_of + 30 * DAY > data.until).all()
        assert (data.recent.as_of < data.until).all()
        assert (data.as_of + 30 * DAY <= data.until).all()

    def test_leaving_them_out_is_the_same_with_and_without_having_read_them(self, project: Path, data: Dataset) -> None:
        assert from_project(project, seed=7).digest() == data.digest()

    def test_what_came_after_the_first_test_lead_is_not_learnt_from(self, data: Dataset) -> None:
        """Conversions after that instant are hidden from the measured model: moving them changes nothing."""
        from dataclasses import replace

        assert data.as_of is not None
        assert data.created is not None
        assert data.waited is not None
        assert data.closed is not None
        options = Options(use_recent=True, quick=True)
        before = learn(data, options, Watch(lambda text: None), ("logistic",))
        now = int(data.created[before.split.test].min())
        hidden = data.as_of + data.waited * DAY > now
        changed = replace(data, waited=np.where(hidden, NEVER, data.waited), closed=np.where(hidden, NEVER, data.closed))
        after = learn(changed, options, Watch(lambda text: None), ("logistic",))
        assert before.young_looks == after.young_looks > 0
        assert np.array_equal(before.candidates["logistic"].margin, after.candidates["logistic"].margin, equal_nan=True)

    def test_training_says_how_many_there_were(self, project: Path, tmp_path: Path) -> None:
        from tests.trained import _train

        trained = _train(
            lambda say: from_project(project, seed=7, recent=True, say=say),
            Home(tmp_path),
            Options(quick=True, use_recent=True),
            False,
            None,
        )
        young = trained.result.metrics["young_looks"]
        assert young["measured"] > 0
        assert young["served"] > 0

    def test_without_the_option_there_are_none(self, project: Path, tmp_path: Path) -> None:
        assert train_events(project, Home(tmp_path)).result.metrics["young_looks"] == {"measured": 0, "served": 0}

    def test_a_backtest_takes_them_too_and_says_what_each_look_was_given(self, data: Dataset) -> None:
        using, without = (backtest(data, months=1, resamples=2, use_recent=used) for used in (True, False))
        seen = np.isfinite(using.probability)
        assert seen.any()
        assert np.array_equal(seen, np.isfinite(without.probability))
        assert not np.array_equal(using.probability[seen], without.probability[seen])

    def test_a_flat_table_has_no_young_looks(self, flat_file: Path) -> None:
        from training.dataset import FlatOptions, from_flat

        with pytest.raises(BadUsage, match="event tables"):
            backtest(from_flat(flat_file, FlatOptions("won", order_by="day")), use_recent=True)
