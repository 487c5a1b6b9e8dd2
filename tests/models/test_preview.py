from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.looks import Looks, NoBacktest, NoSignal, Tables
from models.preview import QUEUES, Preview, UnknownSegment, left_out
from models.qualification import Policy

DAY = pd.Timedelta("1D")
UNTIL = pd.Timestamp("2026-06-01", tz="UTC")


def write(folder: Path, name: str = "backtest", **columns: object) -> Path:
    pd.DataFrame(columns).to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def followed_weeks(folder: Path, *, weeks: int = 13, each_week: int = 20, share: float = 1.0, seed: int = 1) -> Path:
    """A bundle's tables: every week as many leads come, a fifth of whom reach 0.5 on their second day; half of those convert."""
    rng = np.random.default_rng(seed)
    born = UNTIL - weeks * 7 * DAY + pd.to_timedelta(np.sort(rng.uniform(0, weeks * 7 - 2, weeks * each_week)), unit="D").round("us")
    rises = np.arange(len(born)) % 5 == 0
    looks = [(f"lead {i}", at, 0.1, "ES" if i % 2 else "US") for i, at in enumerate(born)]
    looks += [(f"lead {i}", at + DAY, 0.5, "ES" if i % 2 else "US") for i, at in enumerate(born) if rises[i]]
    lead, at, p, country = (list(column) for column in zip(*looks, strict=True))
    write(folder, "course", lead=lead, as_of=at, probability=p, standing=False, segment_country=country, amount=1_000.0)
    (folder / "manifest.json").write_text(json.dumps({"course": {"share": share, "until": round(UNTIL.timestamp() * 1e6), "weeks": weeks}}))
    won = np.array([one >= 0.5 and int(name[5:]) % 10 == 0 for name, one in zip(lead, p, strict=True)])
    amount = np.where(won, 1_000.0, np.nan)
    earlier = [one - 90 * DAY for one in at]
    return write(folder, lead=lead, as_of=earlier, probability=p, margin=p, y=won.astype(int), amount=amount, segment_country=country)


class TestWithoutWhatItNeeds:
    def test_a_bundle_without_backtest_says_how_to_get_one(self, tmp_path: Path) -> None:
        with pytest.raises(NoBacktest, match="tamiz train"):
            Preview.read(tmp_path)

    def test_a_backtest_without_rows_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(NoBacktest, match="no rows"):
            Preview.read(write(tmp_path, probability=np.array([], float), y=np.array([], float)))

    def test_a_model_without_signal_promises_nobody_because_it_routes_nobody(self, tmp_path: Path) -> None:
        followed_weeks(tmp_path)
        manifest = tmp_path / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"no_signal": True}))
        with pytest.raises(NoSignal, match=r"no signal.*more leads"):
            Preview.read(tmp_path)

    def test_an_unknown_segment_column_names_those_that_there_are(self, tmp_path: Path) -> None:
        preview = Preview.read(followed_weeks(tmp_path))
        with pytest.raises(UnknownSegment, match=r"`shoe_size`.*country"):
            preview.by_segment(Policy.at(0.2, 0.5), "mql", "shoe_size")
        segment = {"name": "large", "column": "shoe_size", "values": ["45"]}
        odd = Policy.read(
            Policy.at(0.2, 0.5).model_dump() | {"segments": [segment | Policy.at(0.3, 0.6).model_dump(include={"mql", "sql"})]}
        )
        with pytest.raises(UnknownSegment, match="shoe_size"):
            preview.queue(odd, "mql")


class TestFlatTables:
    """A backtest without instants: everything is per hundred leads."""

    def test_counts_per_hundred_leads(self, tmp_path: Path) -> None:
        preview = Preview.read(write(tmp_path, probability=[0.1, 0.2, 0.3, 0.4] * 50, y=[0, 0, 1, 1] * 50))
        assert preview.per == "100 leads"
        at = preview.queue(Policy.at(0.25, 0.9), "mql")
        assert at["volume"]["value"] == 50.0
        assert at["caught"]["value"] == 1.0
        assert 0.35 < at["precision"]["value"] < 1.0, "between what the model said and what happened, nearer to what happened"
        assert at["precision"]["value"] > 0.6

    def test_nobody_reaches_a_threshold_above_every_probability(self, tmp_path: Path) -> None:
        at = Preview.read(write(tmp_path, probability=[0.1, 0.2], y=[0, 1])).queue(Policy.at(0.9, 0.95), "mql")
        assert at["reached"] is False
        assert (at["volume"], at["precision"], at["caught"], at["revenue"]) == (None, None, None, None)

    def test_a_lead_seen_often_enters_once_when_it_first_reaches_the_threshold(self, tmp_path: Path) -> None:
        days = pd.to_datetime(["2026-01-03", "2026-01-01", "2026-01-02", "2026-01-01"], utc=True)
        lead, p, y = ["ana", "ana", "ana", "bea"], [0.6, 0.2, 0.4, 0.3], [0, 0, 1, 0]
        preview = Preview.read(write(tmp_path, probability=p, y=y, lead=lead, as_of=days))
        assert (preview.leads, preview.conversions) == (2, 1)
        assert preview.reached(0.2).outcomes[:2, 0].tolist() == [2, 0], "when ana was at 0.2 she was not to convert within the horizon"
        assert preview.reached(0.4).outcomes[:2, 0].tolist() == [1, 1]
        assert preview.queue(Policy.at(0.4, 0.9), "mql")["caught"]["value"] == 1.0
        assert preview.queue(Policy.at(0.6, 0.9), "mql")["caught"]["value"] == 0.0, "she reached 0.6 after she had converted"

    @given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.booleans()), min_size=1, max_size=40))
    @settings(max_examples=60)
    def test_the_curves_count_what_a_patient_person_would(self, rows: list[tuple[int, int, bool]]) -> None:
        rows = sorted(rows, key=lambda row: row[0])
        leads = sorted({lead for lead, _, _ in rows})
        looks = Looks(
            np.array([p / 10 for _, p, _ in rows]),
            np.array([leads.index(lead) for lead, _, _ in rows]),
            y=np.array([float(y) for *_, y in rows]),
        )
        preview = Preview(Tables(looks, None, 1.0, 0, 0))
        found = preview.curves()
        for place, threshold in enumerate(found.thresholds):
            entered, kept = 0, 0
            for lead in leads:
                seen = [(p / 10, y) for one, p, y in rows if one == lead]
                first = next((at for at, (p, _) in enumerate(seen) if p >= threshold), None)
                if first is not None:
                    entered, kept = entered + 1, kept + any(y for _, y in seen[first:])
            assert found.promise.volume.value[place] == pytest.approx(100 * entered / len(leads))
            assert found.promise.caught.value[place] == pytest.approx(kept / found.conversions if found.conversions else 0.0)
            alone = preview.reached(float(threshold))
            assert (alone.entered[0], alone.outcomes[4, 0]) == (entered, kept)


class TestTheLastWeeks:
    """A bundle that followed open leads day by day."""

    def test_volume_is_what_a_week_brought(self, tmp_path: Path) -> None:
        preview = Preview.read(followed_weeks(tmp_path))
        at = preview.queue(Policy.at(0.4, 0.9), "mql")
        assert preview.per == "week"
        assert at["volume"]["value"] == pytest.approx(4.0, abs=0.4)
        assert at["volume"]["low"] < at["volume"]["value"] < at["volume"]["high"]
        low, high = at["volume"]["one_week"]
        assert low < at["volume"]["low"]
        assert at["volume"]["high"] < high, "one week varies more than the average of eight"

    def test_what_became_of_leads_that_were_there_before_counts_but_they_are_none_of_those_who_came(self, tmp_path: Path) -> None:
        young = Preview.read(followed_weeks(tmp_path))
        backtest = pd.read_parquet(tmp_path / "backtest.parquet")
        began = backtest["as_of"].min()
        old = [
            {
                "lead": f"old {i}",
                "as_of": began + shift * DAY,
                "probability": p,
                "margin": p,
                "y": 0,
                "segment_country": "ES",
                "standing": p < 0.2,
            }
            for i in range(40)
            for shift, p in ((-1, 0.1), (5, 0.5))
        ]
        pd.concat([backtest.assign(standing=False), pd.DataFrame(old)]).to_parquet(tmp_path / "followed.parquet", index=False)
        both = Preview.read(tmp_path)
        assert (both.leads, both.conversions) == (young.leads, young.conversions)
        before, after = (one.queue(Policy.at(0.4, 0.9), "mql") for one in (young, both))
        assert after["volume"] == before["volume"]
        assert after["caught"] == before["caught"]
        assert after["precision"]["value"] < before["precision"]["value"], "forty more were called, and none of them converted"
        assert both.curves().tested[-1] == young.curves().tested[-1] + 40

    def test_leads_that_were_not_followed_are_counted_in(self, tmp_path: Path) -> None:
        (tmp_path / "half").mkdir()
        whole = Preview.read(followed_weeks(tmp_path)).queue(Policy.at(0.4, 0.9), "mql")
        half = Preview.read(followed_weeks(tmp_path / "half", share=0.5)).queue(Policy.at(0.4, 0.9), "mql")
        assert half["volume"]["value"] == pytest.approx(2 * whole["volume"]["value"])

    def test_a_bounded_queue_takes_no_more_than_its_places(self, tmp_path: Path) -> None:
        preview = Preview.read(followed_weeks(tmp_path))
        plenty, few, none = (
            preview.queue(Policy.read(Policy.at(0.05, 0.9).model_dump() | {"capacity": {"mql": places}}), "mql") for places in (1_000, 5, 0)
        )
        assert plenty["capacity"]["weeks_full"] == 0.0
        assert plenty["capacity"]["used"] == pytest.approx(plenty["volume"]["value"] / 1_000, rel=1e-3)
        assert few["volume"]["one_week"][1] <= 5
        assert few["capacity"]["weeks_full"] > 0.9
        assert few["capacity"]["wanted"] == pytest.approx(plenty["volume"]["value"], rel=0.05)
        assert none["volume"]["value"] == none["conversions"]["value"] == 0.0
        assert none["capacity"] == {"a_week": 0, "wanted": few["capacity"]["wanted"], "used": None, "weeks_full": 1.0}

    def test_a_segment_goes_by_its_own_thresholds(self, tmp_path: Path) -> None:
        preview = Preview.read(followed_weeks(tmp_path))
        strict = {
            "name": "abroad",
            "column": "country",
            "values": ["US"],
            "mql": {"enter": 0.9, "exit": 0.9},
            "sql": {"enter": 0.9, "exit": 0.9},
        }
        plain = Policy.at(0.4, 0.95)
        with_segment = Policy.read(plain.model_dump() | {"segments": [strict]})
        spanish = preview.within("country", ["ES"]).queue(plain, "mql")["volume"]["value"]
        assert preview.queue(with_segment, "mql")["volume"]["value"] == pytest.approx(spanish, rel=1e-3)

    def test_the_values_of_a_column_add_up_to_everybody(self, tmp_path: Path) -> None:
        preview = Preview.read(followed_weeks(tmp_path))
        parts = preview.by_segment(Policy.at(0.4, 0.9), "mql", "country")
        assert {one["value"] for one in parts} == {"ES", "US"}
        whole = preview.queue(Policy.at(0.4, 0.9), "mql")["volume"]["value"]
        assert sum(one["volume"]["value"] for one in parts) == pytest.approx(whole, rel=1e-3)

    def test_what_was_prepared_gives_the_same_figures(self, tmp_path: Path) -> None:
        folder, policy = followed_weeks(tmp_path), Policy.at(0.4, 0.9)
        prepared = Preview.read(folder)
        prepared.prepare()
        for queue in QUEUES:
            assert prepared.by_segment(policy, queue, "country") == Preview.read(folder).by_segment(policy, queue, "country")

    def test_half_the_leads_in_an_arm_that_takes_nobody_are_half_the_volume(self, tmp_path: Path) -> None:
        preview = Preview.read(followed_weeks(tmp_path))
        arm = {"name": "strict", "share": 0.5, "mql": {"enter": 0.9, "exit": 0.9}, "sql": {"enter": 0.9, "exit": 0.9}}
        tried = Policy.read(Policy.at(0.4, 0.95).model_dump() | {"experiment": {"name": "e", "arms": [arm]}})
        whole, half = (preview.queue(one, "mql")["volume"]["value"] for one in (Policy.at(0.4, 0.95), tried))
        assert half == pytest.approx(whole / 2, rel=1e-3)

    def test_a_higher_threshold_never_promises_more_conversions_per_lead_that_it_sees(self, tmp_path: Path) -> None:
        found = Preview.read(followed_weeks(tmp_path)).curves().promise
        assert (np.diff(found.caught.value) <= 1e-12).all()
        for estimate in (found.volume, found.precision, found.conversions, found.caught):
            assert (estimate.low <= estimate.value).all()
            assert (estimate.value <= estimate.high).all()

    def test_revenue_is_conversions_at_what_they_bring(self, tmp_path: Path) -> None:
        at = Preview.read(followed_weeks(tmp_path)).queue(Policy.at(0.4, 0.9), "mql")
        assert at["revenue"]["value"] == pytest.approx(1_000 * at["conversions"]["value"], rel=1e-3)

    def test_who_leaves_and_comes_again_is_told_apart(self, tmp_path: Path) -> None:
        course = pd.DataFrame(
            {
                "lead": "ana",
                "as_of": [UNTIL - days * DAY for days in (20, 15, 10, 5)],
                "probability": [0.5, 0.1, 0.5, 0.45],
                "standing": False,
            }
        )
        folder = followed_weeks(tmp_path)
        course.to_parquet(folder / "course.parquet", index=False)
        preview = Preview.read(folder)
        again = preview.queue(Policy.at(0.4, 0.9), "mql")
        assert preview.reached(0.4).entered[0] == 1
        assert again["returns"] == pytest.approx(1 / 13, rel=1e-4)
        stays = Policy.read({"mql": {"enter": 0.4, "exit": 0.05}, "sql": {"enter": 0.9, "exit": 0.9}})
        assert preview.queue(stays, "mql")["returns"] == 0.0

    def test_the_same_tables_give_the_same_figures(self, tmp_path: Path) -> None:
        folder = followed_weeks(tmp_path)
        first, second = (Preview.read(folder) for _ in range(2))
        assert first.curves().listed() == second.curves().listed()
        assert first.queue(Policy.at(0.4, 0.9), "sql") == second.queue(Policy.at(0.4, 0.9), "sql")


def test_what_a_preview_does_not_follow_is_named() -> None:
    assert left_out(Policy.at(0.2, 0.5)) == []
    asks = Policy.read(Policy.at(0.2, 0.5).model_dump() | {"hand_raise": {}, "require_consent": True, "suppress": {"students": True}})
    assert left_out(asks) == ["require_consent", "suppress", "hand_raise"]
