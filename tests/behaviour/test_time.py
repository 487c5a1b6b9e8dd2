"""Time made honest, on the whole path: tables → signals, request → decision, file → score.

A row counts from the instant at which it had both happened and been recorded. Until then nothing that anyone computes may
know of it: not a signal, not a reason, not the last bit of a probability.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from data.labels import observe
from data.project import load_project
from data.sources import load_tables
from models.boosted import fit_boosted
from models.bundle import Bundle, write_bundle
from models.calibration import ScoreScale, fit_calibration
from models.decision import Decision
from models.encoder import Encoder
from models.inputs import InputSpec
from models.qualification import Policy
from models.request import Activity, ScoreRequest
from models.score_file import score_file
from models.scoring import score_columns, score_requests
from tests.behaviour.told import (
    FEATURES,
    FIELDS,
    NOW,
    PEOPLE,
    PLAN,
    Changed,
    Crm,
    Did,
    bits,
    columns,
    crms,
    deeds,
    of_one,
    signals,
    went_on,
)
from training.dataset import project_dataset

DAY = timedelta(days=1)
laws = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Every signal behind boosted trees, which a change of any of them may move."""
    rng = np.random.default_rng(4)
    inputs = [InputSpec(name, "fit", "number") for name in PLAN.names] + [InputSpec("plan", "fit", "category", 0, FIELDS["plan"])]
    X = np.column_stack([rng.integers(0, 4, 2_000) if one.kind == "category" else rng.choice([0, 1, 2, 5, 30], 2_000) for one in inputs])
    X = np.where(rng.random(X.shape) < 0.15, np.nan, X.astype(float))
    pull = np.nan_to_num(X[:, ::3]).sum(axis=1)
    y = (rng.random(2_000) < 1 / (1 + np.exp(np.median(pull) - pull))).astype(float)
    model = fit_boosted(X, y, None, None, inputs, seed=7, rounds=150)
    margin = model.margin(X)
    kinds = {
        "created_at": "time",
        "company_domain": "text",
        "job_title": "text",
        "employees": "number",
        "plan": "category",
        "vip": "boolean",
    }
    return write_bundle(
        tmp_path_factory.mktemp("time") / "first",
        model=model,
        encoder=Encoder(FEATURES, tuple(inputs)),
        calibration=fit_calibration(margin, y, np.arange(2_000), 7),
        scale=ScoreScale.from_margins(margin),
        policy=Policy.at(0.3, 0.6),
        manifest={
            "model_version": "first",
            "horizon_days": 90,
            "no_signal": False,
            "columns": kinds,
            "reading": {"dated": sorted(FIELDS), "timezone": "UTC", "missing": [], "imported": False},
        },
        tables={},
    )


class TestTablesToSignals:
    @laws
    @given(crm=crms(), data=st.data())
    def test_nothing_dated_at_or_after_as_of_changes_any_signal(self, crm: Crm, data: st.DataObject, tmp_path: Path) -> None:
        """Changed, removed, added, in another order: activities, field changes, outcomes, stages, and what fields say today."""
        before = bits(signals(crm.known_before(NOW).tables(tmp_path / "before")))
        assert bits(signals(crm.tables(tmp_path / "whole"))) == before
        assert bits(signals(went_on(data, crm).tables(tmp_path / "later"))) == before

    def test_the_law_is_not_kept_by_saying_nothing(self, tmp_path: Path) -> None:
        """What is broken on purpose is seen: each kind of row, moved to before as_of, changes some signal."""
        quiet = bits(signals(Crm().tables(tmp_path / "quiet")))
        told: list[dict[str, Any]] = [
            {"did": (Did("ana", NOW - DAY, "demo_request"),)},
            *({"changed": (Changed("ana", field, values[0], NOW - DAY),)} for field, values in FIELDS.items()),
        ]
        for i, rows in enumerate(told):
            assert bits(signals(Crm(**rows).tables(tmp_path / str(i)))) != quiet, rows

    @laws
    @given(one=deeds(st.just(NOW - 3 * DAY)), delay=st.sampled_from((0.0, 1e-6, 3_600.0, 40 * 86_400.0)))
    def test_when_it_happened_and_when_it_was_told_are_two_things(self, one: Did, delay: float, tmp_path: Path) -> None:
        """A back-fill: it happened three days before we looked and was recorded after. Then it was not known; later it is."""
        late = replace(one, delay=3 * DAY + timedelta(seconds=delay))
        at_once = replace(one, delay=None)
        nothing, filled, known = (Crm(did=did).tables(tmp_path / f"{i}") for i, did in enumerate(((), (late,), (at_once,))))
        assert bits(signals(filled)) == bits(signals(nothing))
        assert bits(signals(known)) != bits(signals(nothing))
        then = late.recorded + timedelta(microseconds=1)
        assert bits(signals(filled, late.recorded)) == bits(signals(nothing, late.recorded)), "recorded at the very instant is too late"
        assert bits(signals(filled, then)) == bits(signals(known, then)) != bits(signals(nothing, then)), "it counts by when it happened"

    @laws
    @given(crm=crms())
    def test_a_double_of_an_id_counts_once_whenever_it_comes(self, crm: Crm, tmp_path: Path) -> None:
        named = tuple(replace(one, id=f"n{i}") for i, one in enumerate(crm.did))
        later = [max(one.occurred, one.recorded) + timedelta(microseconds=1) for one in named]
        doubles = tuple(replace(one, type="call", occurred=at, delay=None) for one, at in zip(named, later, strict=True))
        twice, once = replace(crm, did=(*doubles, *named)), replace(crm, did=named)
        assert bits(signals(twice.tables(tmp_path / "twice"))) == bits(signals(once.tables(tmp_path / "once")))

    @laws
    @given(crm=crms(), seed=st.randoms(use_true_random=False))
    def test_ties_are_settled_by_what_rows_say_and_not_by_their_place(self, crm: Crm, seed: Any, tmp_path: Path) -> None:
        """Two titles written in one second, two answers in one call: whichever file order they come in."""
        tied = replace(
            crm,
            did=tuple(replace(one, occurred=NOW - DAY, delay=None, id="") for one in crm.did),
            changed=tuple(replace(one, at=NOW - DAY) for one in crm.changed),
        )
        did, changed = (tuple(seed.sample(rows, len(rows))) for rows in (tied.did, tied.changed))
        shuffled = replace(tied, did=did, changed=changed)
        assert bits(signals(shuffled.tables(tmp_path / "one"))) == bits(signals(tied.tables(tmp_path / "other")))

    def test_every_kind_of_field_is_read_as_it_was(self, tmp_path: Path) -> None:
        """Text, number, category and boolean: not known before its first change, and a change at as_of has not happened yet."""
        said = {"job_title": ("Becario", "CEO"), "employees": ("9", "250"), "plan": ("basic", "pro"), "vip": ("no", "yes")}
        changed = tuple(Changed("ana", field, value, NOW + i * DAY) for field, values in said.items() for i, value in enumerate(values))
        tables = Crm(changed=changed).tables(tmp_path)

        def read(as_of: datetime) -> list[object]:
            table = signals(tables, as_of)
            numbers = [float(table.column(name)[0]) for name in ("seniority", "company_size", "employees", "vip")]
            return [*(None if one != one else one for one in numbers), table.texts["plan"].text(0)]

        first, then = read(NOW + DAY), read(NOW + 2 * DAY)
        assert read(NOW) == [None] * 5
        assert read(NOW + timedelta(microseconds=1)) == first
        assert first[1:] == [9.0, 9.0, 0.0, "basic"]
        assert then[1:] == [250.0, 250.0, 1.0, "pro"]
        assert first[0] != then[0]

    def test_the_evidence_of_bant_knows_no_later_title_nor_answer(self, tmp_path: Path) -> None:
        title, answer = Changed("ana", "job_title", "CEO", NOW), Did("ana", NOW - DAY, "answer", DAY, content="budget", value="approved")
        known = signals(Crm(did=(answer,), changed=(title,)).tables(tmp_path))
        later = signals(Crm(did=(answer,), changed=(title,)).tables(tmp_path), NOW + DAY)
        for name in ("authority_known", "budget_known"):
            assert known.column(name)[0] != later.column(name)[0], name
        assert bits(known) == bits(signals(Crm().tables(tmp_path / "silent")))

    def test_outcomes_and_stages_move_labels_and_never_inputs(self, tmp_path: Path) -> None:
        """Through the training set: whatever became of a lead, what was known of it at an instant stays as it was."""
        did = tuple(Did(who, NOW + timedelta(hours=i), "page_view", url="/pricing") for who in PEOPLE for i in range(-40, 40, 7))
        crm = Crm(did=did, changed=(Changed("ana", "job_title", "CEO", NOW - DAY),))
        ended = replace(crm, outcomes=(("ana", NOW + 30 * DAY, "won"), ("ben", NOW + 9 * DAY, "lost")), stages=(("eva", NOW, "demo"),))
        rows = []
        for name, one in (("open", crm), ("ended", ended)):
            project = load_project(one.write(tmp_path / name))
            data = project_dataset(project, load_tables(project), seed=7)
            assert data.as_of is not None
            ids = [data.lead_ids[i] for i in data.lead]
            rows.append({key: data.table.numbers[i].tobytes() for i, key in enumerate(zip(ids, data.as_of.tolist(), strict=True))})
        both = rows[0].keys() & rows[1].keys()
        assert len(both) > 20
        assert {key: rows[0][key] for key in both} == {key: rows[1][key] for key in both}


class TestZones:
    ZONES = ("Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
    # Both changes of clocks in Madrid in 2025 and 2026, and the day before each.
    AROUND = tuple(datetime.fromisoformat(f"{day}T01:00:00+00:00") for day in ("2025-03-30", "2025-10-26", "2026-03-29"))

    @laws
    @given(
        crm=crms(st.sampled_from(AROUND).flatmap(lambda at: st.integers(-200, 200).map(lambda minutes: at + timedelta(minutes=minutes)))),
        zone=st.sampled_from(ZONES),
        offset=st.integers(-12, 14),
    )
    def test_however_an_instant_is_written_it_gives_the_same_bits(self, crm: Crm, zone: str, offset: int, tmp_path: Path) -> None:
        """With Z, with another offset, or as the clock on the wall showed it, where it showed it once."""
        elsewhere = timezone(timedelta(hours=offset))
        crm = replace(crm, did=tuple(one for one in crm.did if _shown_once(one.occurred, zone) and _shown_once(one.recorded, zone)))
        crm = replace(crm, changed=tuple(one for one in crm.changed if _shown_once(one.at, zone)), outcomes=(), stages=())
        moved = replace(
            crm,
            did=tuple(replace(one, occurred=one.occurred.astimezone(elsewhere)) for one in crm.did),
            changed=tuple(replace(one, at=one.at.astimezone(elsewhere)) for one in crm.changed),
        )
        for as_of in (NOW, self.AROUND[1] + timedelta(minutes=7)):
            expected = bits(signals(crm.tables(tmp_path / "z"), as_of))
            assert bits(signals(moved.tables(tmp_path / "offset", zone), as_of)) == expected
            assert bits(signals(crm.tables(tmp_path / "naive", zone, naive=True), as_of)) == expected

    def test_two_visits_in_the_hour_that_the_clocks_repeat_are_both_the_first_and_it_is_said(self, tmp_path: Path) -> None:
        at = self.AROUND[1]
        first, second = (Did("ana", at + timedelta(minutes=minutes), "call", id=f"{minutes}") for minutes in (-30, 30))
        tables = Crm(did=(first, second)).tables(tmp_path, "Europe/Madrid", naive=True)
        assert tables.activities["occurred_at"].tolist() == [pd.Timestamp(first.occurred)] * 2
        assert any("2 times fall into the hour that the clocks repeat" in said for said in tables.notices)

    def test_a_lead_is_as_old_as_its_instants_say_over_a_change_of_clocks(self, tmp_path: Path) -> None:
        """From Saturday noon to Sunday noon in Madrid the night of the change has 25 hours."""
        project = load_project(Crm().write(tmp_path, "Europe/Madrid"))
        (tmp_path / "leads.csv").write_text("lead_id,created_at\nana,2025-10-25 12:00\n")
        (tmp_path / "lead_changes.csv").write_text("lead_id,field,value,changed_at\n")
        (tmp_path / "activities.csv").write_text("lead_id,occurred_at,type\nana,2025-10-26 12:00,call\n")
        for name in ("outcomes", "stage_changes"):
            (tmp_path / f"{name}.csv").write_text("lead_id,converted_at,entered_at,stage\n")
        seen, _ = observe(load_tables(project), horizon_days=30, ages_days=[])
        assert (seen["age_days"] * 24).round(6).tolist() == [25.0]


def _shown_once(when: datetime, zone: str) -> bool:
    local = when.astimezone(ZoneInfo(zone))
    return local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()


def request(crm: Crm, who: str = "ana", as_of: datetime = NOW) -> ScoreRequest:
    """What a CRM sends that keeps no field history: the lead as it is, all that it and its colleagues did."""

    def sent(one: Did) -> Activity:
        return Activity(
            type=one.type,
            occurred_at=one.occurred,
            activity_id=one.id or None,
            recorded_at=None if one.delay is None else one.recorded,
            url=one.url or None,
            content=one.content or None,
            value=one.value or None,
            lead_id=one.lead,
        )

    own, others = of_one(crm, who)
    lead = {"lead_id": who, "created_at": "2025-01-01T00:00:00Z", "job_title": "CTO", "employees": 40, "plan": "pro", "vip": True}
    return ScoreRequest(lead, [sent(one) for one in own], [sent(one) for one in others], as_of)


def decided(bundle: Bundle, one: ScoreRequest) -> Decision:
    (answer,) = score_requests(bundle, [one], bundle.policy)
    assert isinstance(answer, Decision)
    return structs.replace(answer, missing=[])  # which counts what was ignored


class TestRequestToDecision:
    @settings(max_examples=40)
    @given(crm=crms(), data=st.data())
    def test_nothing_from_as_of_or_later_changes_any_part_of_a_decision(self, bundle: Bundle, crm: Crm, data: st.DataObject) -> None:
        """Probability, interval, score, evidence, reasons; where the rows that count keep their order, the hash of the input too."""
        known, later = crm.known_before(NOW), went_on(data, crm)
        before, after = decided(bundle, request(known)), decided(bundle, request(later))
        assert structs.replace(after, receipt=before.receipt) == before
        place = {one: i for i, one in enumerate(known.did)}
        in_place = replace(later, did=tuple(sorted(later.did, key=lambda one: place.get(one, -1))))
        assert decided(bundle, request(in_place)) == before

    def test_the_hash_of_the_input_tells_inputs_apart(self, bundle: Bundle) -> None:
        hashes = {
            decided(bundle, one).receipt.input_hash
            for one in (
                request(Crm()),
                request(Crm(did=(Did("ana", NOW - DAY, "call"),))),
                request(Crm(did=(Did("ben", NOW - DAY, "call"),))),
                request(Crm(), as_of=NOW + DAY),
                request(Crm(), "ben"),
            )
        }
        assert len(hashes) == 5


def scored(bundle: Bundle, folder: Path, as_of: datetime = NOW) -> list[str]:
    """The lines that `tamiz score` writes."""
    leads, out = folder / "leads.csv", folder / "scored.csv"
    dated = {name: folder / f"{name}.csv" for name in ("activities", "lead_changes")}
    score_file(bundle, bundle.policy, leads, str(out), as_of=as_of, **dated)
    return out.read_text().splitlines()


class TestFileToScore:
    @settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(crm=crms(), data=st.data())
    def test_a_score_stays_what_it_was(self, bundle: Bundle, crm: Crm, data: st.DataObject, tmp_path: Path) -> None:
        crm.known_before(NOW).write(tmp_path / "then")
        went_on(data, crm).write(tmp_path / "today")
        assert scored(bundle, tmp_path / "today") == scored(bundle, tmp_path / "then")

    @settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(crm=crms())
    def test_a_file_scores_what_the_tables_say(self, bundle: Bundle, crm: Crm, tmp_path: Path) -> None:
        """The third way in: leads and their history by file are the leads of the tables, to the last digit."""
        expected = score_columns(bundle, *columns(crm.tables(tmp_path))).probability.tolist()
        rows = list(csv.DictReader(scored(bundle, tmp_path)))
        assert [float(row["probability"]) for row in rows] == expected
