from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BadData
from data.frames import Tables
from data.labels import account_keys, observe
from data.quarantine import collect

BEGIN = pd.Timestamp("2026-01-01T00:00:00Z")


def at(days: float, micros: int = 0) -> pd.Timestamp:
    return (BEGIN + pd.Timedelta(days=days)).as_unit("us") + pd.Timedelta(micros, unit="us")


def times(values: list[pd.Timestamp | None]) -> pd.Series:
    return pd.to_datetime(pd.Series(values, dtype=object), utc=True).dt.as_unit("us")


def tables(
    leads: dict[str, float | None],
    won: dict[str, pd.Timestamp] | None = None,
    lost: dict[str, pd.Timestamp] | None = None,
    activities: list[tuple[str, float]] | list[tuple[str, float, float]] | None = None,
    until: float = 365,
    **columns: list[Any],
) -> Tables:
    """Leads by name and the day they were created on; the rest by name too."""
    names = list(leads)
    row = {name: i for i, name in enumerate(names)}
    outcomes = [(name, when, "won") for name, when in (won or {}).items()] + [(name, when, "lost") for name, when in (lost or {}).items()]
    done = sorted(activities or [], key=lambda activity: (row[activity[0]], activity[1]))
    frame = pd.DataFrame(
        {"lead_id": pd.Series(names, dtype=object)} | {name: pd.Series(values, dtype=object) for name, values in columns.items()}
    )
    frame["created_at"] = times([None if day is None else at(day) for day in leads.values()])
    acted = pd.DataFrame(
        {"lead_row": np.array([row[entry[0]] for entry in done], dtype=np.int32), "occurred_at": times([at(entry[1]) for entry in done])}
    )
    if any(len(entry) == 3 for entry in done):
        acted["recorded_at"] = times([at(entry[-1]) for entry in done])
    empty = pd.DataFrame({"lead_row": np.zeros(0, np.int32), "entered_at": times([])})
    closed = pd.DataFrame(
        {
            "lead_row": np.array([row[name] for name, _, _ in outcomes], dtype=np.int32),
            "converted_at": times([when for _, when, _ in outcomes]),
            "kind": [kind for _, _, kind in outcomes],
        }
    )
    return Tables(frame, empty, acted, empty, closed, at(until), {}, collect("leads"))


class TestBoundaries:
    def test_a_conversion_at_the_very_instant_is_no_observation(self) -> None:
        frame, report = observe(tables({"ana": 0, "ben": 0}, won={"ana": at(3)}), horizon_days=30, ages_days=[3], activity_instants=0)
        assert frame["lead_id"].tolist() == ["ben"]
        assert report.dropped["converted"] == 1

    @pytest.mark.parametrize(("micros", "y"), [(-1, 1), (0, 1), (1, 0)])
    def test_a_conversion_at_the_horizon_counts_and_one_after_it_does_not(self, micros: int, y: int) -> None:
        frame, _ = observe(tables({"ana": 0}, won={"ana": at(33, micros)}), horizon_days=30, ages_days=[3], activity_instants=0)
        assert frame["y"].tolist() == [y]

    def test_a_conversion_just_after_the_instant_counts(self) -> None:
        frame, _ = observe(tables({"ana": 0}, won={"ana": at(3, 1)}), horizon_days=30, ages_days=[3], activity_instants=0)
        assert frame["y"].tolist() == [1]

    @pytest.mark.parametrize(("until", "kept"), [(33, 1), (32.999, 0)])
    def test_an_observation_is_mature_when_its_horizon_has_passed(self, until: float, kept: int) -> None:
        known = tables({"ana": 0, "old": -100}, until=until)
        frame, _ = observe(known, horizon_days=30, ages_days=[3], activity_instants=0)
        assert (frame["lead_id"] == "ana").sum() == kept

    def test_an_early_converter_is_dropped_with_the_rest_of_its_cohort(self) -> None:
        known = tables({"ana": 0, "ben": 0, "old": -100}, won={"ana": at(5)}, until=20)
        frame, report = observe(known, horizon_days=30, ages_days=[0], activity_instants=0)
        assert frame["lead_id"].tolist() == ["old"]
        assert report.dropped["immature"] == 2

    def test_a_lost_lead_is_closed_and_never_a_conversion(self) -> None:
        frame, report = observe(tables({"ana": 0}, lost={"ana": at(5)}), horizon_days=30, ages_days=[0, 5, 6], activity_instants=0)
        assert frame[["age_days", "y"]].to_numpy().tolist() == [[0, 0]]
        assert report.dropped["lost"] == 2


class TestInstantsAfterActivities:
    def test_they_are_just_after_the_activity_became_known(self) -> None:
        known = tables({"ana": 0}, activities=[("ana", 2, 4)])
        frame, _ = observe(known, horizon_days=30, ages_days=[0], activity_instants=3)
        assert frame["as_of"].tolist() == [at(0), at(4, 1)]
        assert frame["kind"].tolist() == ["age", "activity"]

    def test_never_before_creation_nor_after_closing_nor_immature(self) -> None:
        known = tables(
            {"ana": 0, "ben": 0}, won={"ana": at(10)}, activities=[("ana", -1), ("ana", 9), ("ana", 10), ("ana", 11), ("ben", 340)]
        )
        frame, _ = observe(known, horizon_days=30, ages_days=[0], activity_instants=9)
        assert frame.loc[frame["kind"] == "activity", "as_of"].tolist() == [at(9, 1)]

    def test_an_instant_is_looked_at_once(self) -> None:
        frame, _ = observe(tables({"ana": 0}, activities=[("ana", 2)] * 5), horizon_days=30, ages_days=[0], activity_instants=3)
        assert len(frame) == 2

    @given(st.integers(0, 1000), st.permutations(["ana", "ben", "eva", "leo"]), st.integers(1, 4))
    def test_the_draw_depends_on_the_lead_and_the_seed_alone(self, seed: int, names: list[str], kept: int) -> None:
        activities = [(name, 1.0 + i) for name in names for i in range(20)]
        whole, _ = observe(tables(dict.fromkeys(sorted(names), 0.0), activities=activities), horizon_days=30, ages_days=[0], seed=seed)
        some = names[:kept]
        part, _ = observe(
            tables(dict.fromkeys(some, 0.0), activities=[activity for activity in activities if activity[0] in some]),
            horizon_days=30,
            ages_days=[0],
            seed=seed,
        )
        for name in some:
            mine, theirs = part[part["lead_id"] == name], whole[whole["lead_id"] == name]
            assert mine["as_of"].tolist() == theirs["as_of"].tolist()
            assert len(mine) == 4

    def test_another_seed_draws_otherwise(self) -> None:
        known = tables({"ana": 0}, activities=[("ana", 1 + i / 10) for i in range(300)])
        draws = {tuple(observe(known, horizon_days=30, ages_days=[0], seed=seed)[0]["as_of"]) for seed in range(5)}
        assert len(draws) == 5

    def test_every_activity_is_as_likely_as_any_other(self) -> None:
        names = {f"lead {i}": 0.0 for i in range(4_000)}
        known = tables(dict.fromkeys(names, 0.0), activities=[(name, float(day)) for name in names for day in range(1, 11)])
        frame, _ = observe(known, horizon_days=30, ages_days=[0], activity_instants=1)
        drawn = frame[frame["kind"] == "activity"]["age_days"].round().value_counts()
        assert len(drawn) == 10
        assert drawn.min() > 330  # 400 expected, five standard deviations are 95
        assert drawn.max() < 495


class TestLeadsWithoutDate:
    def test_they_begin_at_their_first_activity_and_it_is_said(self) -> None:
        frame, report = observe(
            tables({"ana": None, "ben": None}, activities=[("ana", 5), ("ana", 7)]), horizon_days=30, ages_days=[1], activity_instants=0
        )
        assert frame["as_of"].tolist() == [at(6)]
        assert report.dropped["no_time"] == 1
        assert any("2 leads have no created_at: 1 begin at their first activity" in said for said in report.notices)


class TestReport:
    def test_maturity_is_told_by_month(self) -> None:
        known = tables({"ana": 0, "ben": 5, "eva": 31, "old": 340}, won={"ana": at(10), "old": at(350)})
        frame, report = observe(known, horizon_days=30, ages_days=[0, 7], activity_instants=0)
        assert [(cohort.month, cohort.leads, cohort.due, cohort.mature, cohort.positives) for cohort in report.cohorts] == [
            ("2026-01", 2, 4, 4, 2),
            ("2026-02", 1, 2, 2, 0),
            ("2026-12", 1, 2, 0, 0),
        ]
        assert report.observations == len(frame) == 6
        assert report.positives == 2
        assert report.leads_observed == 3

    def test_when_nothing_is_left_it_says_why(self) -> None:
        with pytest.raises(BadData, match=r"no observation is left of 1 leads \(1 immature\).*shorten horizon_days"):
            observe(tables({"ana": 0}, until=10), horizon_days=30, ages_days=[0], activity_instants=0)


def test_colleagues_share_an_account_and_free_mail_makes_none() -> None:
    leads = pd.DataFrame({"lead_id": ["1", "2", "3"], "email": ["a@acme.example", "b@acme.example", "c@gmail.com"]}, dtype=object)
    assert account_keys(leads).tolist() == ["acme.example", "acme.example", "3"]
