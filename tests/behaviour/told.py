"""Whole CRMs by chance, as rows and as the files that they come in: what the laws of time are tried on."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from data.frames import Tables
from data.project import load_project
from data.sources import load_tables
from features.catalogue import catalogue
from features.engine import Colleagues, Plan, SignalTable, evaluate
from features.history import ActivityLog, Leads, Observations, instant
from features.signal import Attribute, FeatureSet
from models.tables import account_codes, colleagues_of, leads_of, log_of

NOW = datetime(2026, 3, 31, 10, 20, 30, tzinfo=UTC)
PEOPLE = ("ana", "ben", "eva")
FIELDS = {
    "job_title": ("CEO", "Directora de Marketing", "Becario", ""),
    "employees": ("9", "250", "1e4", "many"),
    "plan": ("basic", "pro", "sí"),
    "vip": ("yes", "no"),
}
RAW = (Attribute("plan", "category"), Attribute("vip", "boolean"), Attribute("employees", "number"))
FEATURES = FeatureSet(tuple(catalogue().values()), ("nps_survey",), RAW)
PLAN = Plan(FEATURES)
TYPES = ("page_view", "email_open", "email_click", "email_delivered", "form_submit", "demo_request", "call", "answer", "nps_survey")
ANSWERS = (("budget", "approved"), ("presupuesto", "no"), ("need", "forecasting"), ("authority", "yes"), ("plazo", "next month"))
SECONDS = (1e-6, 1, 3, 60, 3_600, 86_400, 7 * 86_400, 8 * 86_400, 30 * 86_400, 91 * 86_400)


@dataclass(frozen=True)
class Did:
    """An activity; `delay` is the time until it was recorded."""

    lead: str
    occurred: datetime
    type: str
    delay: timedelta | None = None
    id: str = ""
    url: str = ""
    content: str = ""
    value: str = ""

    @property
    def recorded(self) -> datetime:
        return self.occurred + (self.delay or timedelta())


@dataclass(frozen=True)
class Changed:
    lead: str
    field: str
    value: str
    at: datetime


@dataclass(frozen=True)
class Crm:
    """What a CRM holds; `today` are the fields of each lead as they stand there now."""

    did: tuple[Did, ...] = ()
    changed: tuple[Changed, ...] = ()
    outcomes: tuple[tuple[str, datetime, str], ...] = ()
    stages: tuple[tuple[str, datetime, str], ...] = ()
    today: tuple[tuple[str, ...], ...] = (("CEO", "9", "pro", "yes"),) * len(PEOPLE)

    def known_before(self, as_of: datetime) -> Crm:
        """Without any row that happened, or was recorded, at `as_of` or later."""
        return replace(
            self,
            did=tuple(one for one in self.did if max(one.occurred, one.recorded) < as_of),
            changed=tuple(one for one in self.changed if one.at < as_of),
            outcomes=tuple(one for one in self.outcomes if one[1] < as_of),
            stages=tuple(one for one in self.stages if one[1] < as_of),
        )

    def write(self, folder: Path, zone: str = "UTC", *, naive: bool = False) -> Path:
        """As CSV files with their project; `naive` writes local times of the zone, without an offset."""
        from zoneinfo import ZoneInfo

        def at(when: datetime) -> str:
            return when.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat() if naive else when.isoformat()

        long_ago = datetime(2025, 1, 1, tzinfo=UTC)
        domains = ("acme.example", "acme.example", "")
        leads = [(who, at(long_ago), domain, *now) for who, domain, now in zip(PEOPLE, domains, self.today, strict=True)]
        first = [Changed("old", field, values[0], long_ago) for field, values in FIELDS.items()]
        tables: dict[str, tuple[str, list[tuple[str, ...]]]] = {
            "leads": (
                "lead_id created_at company_domain " + " ".join(FIELDS),
                [*leads, ("old", at(long_ago), "", "CTO", "5", "basic", "no")],
            ),
            "lead_changes": (
                "lead_id field value changed_at",
                [(one.lead, one.field, one.value, at(one.at)) for one in (*first, *self.changed)],
            ),
            "activities": (
                "lead_id occurred_at type recorded_at activity_id url content value",
                [
                    (one.lead, at(one.occurred), one.type, at(one.recorded) if one.delay else "", one.id, one.url, one.content, one.value)
                    for one in self.did
                ],
            ),
            "outcomes": (
                "lead_id converted_at kind",
                [(who, at(when), kind) for who, when, kind in (("old", long_ago + timedelta(days=9), "won"), *self.outcomes)],
            ),
            "stage_changes": ("lead_id entered_at stage", [(who, at(when), stage) for who, when, stage in self.stages]),
        }
        folder.mkdir(parents=True, exist_ok=True)
        for name, (header, rows) in tables.items():
            with (folder / f"{name}.csv").open("w", newline="") as file:
                csv.writer(file).writerows([header.split(), *rows])
        queries = "".join(f"{name} = \"SELECT * FROM read_csv('{name}.csv', all_varchar = true)\"\n" for name in tables)
        project = folder / "tamiz.toml"
        project.write_text(f'[data]\n{queries}until = 2026-12-31T00:00:00Z\ntimezone = "{zone}"\nmax_bad_share = 1.0\n')
        return project

    def tables(self, folder: Path, zone: str = "UTC", *, naive: bool = False) -> Tables:
        return load_tables(load_project(self.write(folder, zone, naive=naive)))


def columns(tables: Tables, as_of: datetime = NOW) -> tuple[Leads, ActivityLog, Observations, Colleagues | None]:
    """Every lead at an instant, as the engine takes it."""
    account, log = account_codes(tables), log_of(tables)
    n = len(tables.leads)
    return leads_of(tables, account), log, Observations(np.arange(n), np.full(n, instant(as_of))), colleagues_of(PLAN, account, log)


def signals(tables: Tables, as_of: datetime = NOW) -> SignalTable:
    """Every signal and attribute of every lead at an instant."""
    return evaluate(PLAN, *columns(tables, as_of))


def bits(table: SignalTable) -> dict[str, object]:
    """Each input's column to the last bit; every NaN alike."""
    numbers = np.where(np.isnan(table.numbers), np.nan, table.numbers)
    return {name: numbers[:, i].tobytes() for i, name in enumerate(table.names)} | {name: one.texts() for name, one in table.texts.items()}


people = st.sampled_from(PEOPLE)
before = st.sampled_from(SECONDS).map(lambda seconds: NOW - timedelta(seconds=seconds))
after = st.sampled_from((0.0, *SECONDS)).map(lambda seconds: NOW + timedelta(seconds=seconds))
moments = st.one_of(before, after)
delays = st.sampled_from((None, *(timedelta(seconds=seconds) for seconds in (-5, 0, *SECONDS))))


def _deed(lead: str, occurred: datetime, kind: str, delay: timedelta | None, id: str, page: str, said: tuple[str, str]) -> Did:
    content, value = said if kind == "answer" else ("", "")
    return Did(lead, occurred, kind, delay, id, page if kind == "page_view" else "", content, value)


def deeds(when: st.SearchStrategy[datetime] = moments) -> st.SearchStrategy[Did]:
    pages = st.sampled_from(("/pricing", "/docs/x", "/blog/a", "/demo", ""))
    ids = st.sampled_from(("", "", "a1", "a2"))
    return st.builds(_deed, people, when, st.sampled_from(TYPES), delays, ids, pages, st.sampled_from(ANSWERS))


def changes(when: st.SearchStrategy[datetime] = moments) -> st.SearchStrategy[Changed]:
    pairs = [(field, value) for field, values in FIELDS.items() for value in values]
    return st.builds(lambda who, pair, at: Changed(who, *pair, at), people, st.sampled_from(pairs), when)


def _some(rows: st.SearchStrategy[object], most: int) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(rows, max_size=most).map(tuple)


def crms(when: st.SearchStrategy[datetime] = moments) -> st.SearchStrategy[Crm]:
    today = st.tuples(*(st.sampled_from(values) for values in FIELDS.values()))
    return st.builds(
        Crm,
        _some(deeds(when), 12),
        _some(changes(when), 6),
        _some(st.tuples(people, when, st.sampled_from(("won", "lost"))), 3),
        _some(st.tuples(people, when, st.sampled_from(("new", "demo"))), 3),
        st.lists(today, min_size=len(PEOPLE), max_size=len(PEOPLE)).map(tuple),
    )


def went_on(draw: st.DataObject, crm: Crm, as_of: datetime = NOW) -> Crm:
    """The same CRM some time later: rows from `as_of` or later gone, changed and new, others told late, everything in another order."""
    known, later = crm.known_before(as_of), draw.draw(crms())
    hidden = tuple(one for one in later.did if max(one.occurred, one.recorded) >= as_of)
    told_again = tuple(replace(one, type="call", occurred=one.occurred + timedelta(days=200), delay=None) for one in known.did if one.id)
    rows = draw.draw(st.permutations([*known.did, *hidden, *told_again]))
    changed = draw.draw(st.permutations([*known.changed, *(one for one in later.changed if one.at >= as_of)]))
    return Crm(
        tuple(rows),
        tuple(changed),
        (*known.outcomes, *(one for one in later.outcomes if one[1] >= as_of)),
        (*known.stages, *(one for one in later.stages if one[1] >= as_of)),
        later.today,
    )


def of_one(crm: Crm, who: str) -> tuple[Sequence[Did], Sequence[Did]]:
    """What a lead did, and what the others did."""
    return [one for one in crm.did if one.lead == who], [one for one in crm.did if one.lead != who]
