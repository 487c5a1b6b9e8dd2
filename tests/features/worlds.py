"""Small worlds of leads for the tests of signals, and how the engine is asked about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from hypothesis import strategies as st

from features.engine import Colleagues, Plan, SignalTable, evaluate
from features.history import DAY, ActivityLog, FieldHistory, Leads, Observations, TextColumn, instant
from features.testing import Told, log_of

NOW = instant(datetime.fromisoformat("2026-03-31T10:20:30"))
SECOND = 1_000_000
MINUTE = 60 * SECOND
TYPES = ("page_view", "email_open", "email_click", "email_delivered", "email_sent", "email_reply", "form_submit", "webinar_attended")
TYPES += ("demo_request", "trial_start", "answer", "call", "email_unsubscribe", "nps_survey", "odd {name}")
TYPES += ("meeting", "chat", "download", "note")
PAGES = (
    "/pricing",
    "/precios",
    "/docs/x",
    "/integrations/y",
    "/blog/a",
    "/demo",
    "/compare",
    "/careers",
    "/trial",
    "/clientes",
    "/aviso-legal",
    "/",
    None,
)
CONTENTS = (None, "newsletter", "Whitepaper: forecasting", "webinar-ventas", "pricing guide", "Spring")
AGENTS = (None, None, "Mozilla/5.0 (iPhone) Safari/604.1", "Mozilla/5.0", "AhrefsBot/7.0")
CHANCE_OF_AGENT = (0.5, 0.2, 0.27, 0.015, 0.015)
CALLS = (None, "connected", "no answer", "Buzón de voz")
ANSWERS = (
    ("budget", "approved"),
    ("presupuesto", "no"),
    ("need", "forecasting"),
    ("need", "nothing for now"),
    ("authority", "my boss"),
    ("authority", "yes"),
    ("timeline", "next month"),
    ("plazo", "2029"),
    ("colour", "red"),
)
AGES = (1, SECOND, 3 * SECOND, MINUTE, 30 * MINUTE, DAY // 2, DAY, DAY + 1, 2 * DAY, 7 * DAY - 1, 7 * DAY, 7 * DAY + 1, 8 * DAY)
AGES += (14 * DAY, 30 * DAY - 1, 30 * DAY, 31 * DAY, 35 * DAY, 62 * DAY, 90 * DAY, 91 * DAY, 400 * DAY)


MAILS = ("info@gmail.com", "ana@acme.example", None, "bo@acme.example", "ana@mailinator.com", "ana@upm.es", "ana@madrid.es")
WORDS = {
    "company": ("Acme S.L.", "Contoso", "x"),
    "industry": ("Transportation", "Software", "x"),
    "country": ("España", "US", "x"),
    "phone": ("+34 961 23 45 67", "961 23 45 67", "x", "+1 415 555 2671"),
}


@dataclass(frozen=True)
class World:
    """Activities and changes by lead, and what is known of each lead now."""

    activities: tuple[tuple[Told, ...], ...]
    accounts: tuple[int, ...]
    titles: tuple[str | None, ...]
    sizes: tuple[float, ...]
    changes: tuple[tuple[int, int, str], ...] = ()
    """(lead, instant, job title)"""
    created: int = NOW - 100 * DAY
    n: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", len(self.activities))

    def leads(self, which: list[int] | None = None) -> Leads:
        rows = list(range(self.n)) if which is None else which
        place = {row: i for i, row in enumerate(rows)}
        mine = [(place[lead], when, title) for lead, when, title in self.changes if lead in place]
        dated = FieldHistory.build(
            len(rows),
            np.array([lead for lead, _, _ in mine], dtype=np.int64),
            np.array([when for _, when, _ in mine], dtype=np.int64),
            texts=TextColumn.of([title for _, _, title in mine]),
        )
        titles = TextColumn.of([self.titles[row] for row in rows])
        emails = TextColumn.of([MAILS[row % len(MAILS)] for row in rows])
        words = {
            name: TextColumn.of([texts[row // k % len(texts)] if row % k else None for row in rows])
            for k, (name, texts) in enumerate(WORDS.items(), 2)
        }
        sizes = np.array([self.sizes[row] for row in rows])
        return Leads(
            [str(row) for row in rows],
            {"employees": sizes, "annual_revenue": sizes * 1e5 + rows},
            {"job_title": titles, "email": emails, **words},
            {"created_at": np.full(len(rows), self.created)},
            np.array([self.accounts[row] for row in rows], dtype=np.int64),
            {"job_title": dated} if self.changes else {},
        )

    def log(self, which: list[int] | None = None) -> ActivityLog:
        return log_of([self.activities[row] for row in (range(self.n) if which is None else which)])

    def known_before(self, as_of: int) -> World:
        """The same world without anything that happened, or was recorded, at `as_of` or later."""
        kept = tuple(tuple(one for one in mine if max(one.occurred, one.recorded or one.occurred) < as_of) for mine in self.activities)
        return replace(self, activities=kept)


def ask(plan: Plan, world: World, observations: list[tuple[int, int]]) -> SignalTable:
    """Every signal for (lead, as_of), with the account's context from the world itself."""
    leads, log = world.leads(), world.log()
    assert leads.account is not None
    lead, as_of = (np.array(column, dtype=np.int64) for column in zip(*observations, strict=True))
    return evaluate(plan, leads, log, Observations(lead, as_of), Colleagues.of(leads.account, log))


def ask_alone(plan: Plan, world: World, lead: int, as_of: int) -> SignalTable:
    """The same for one lead as the service would: nothing of anybody else, and its colleagues as an explicit context."""
    others = [row for row in range(world.n) if row != lead and world.accounts[row] == world.accounts[lead]]
    leads = replace(world.leads([lead]), account=np.array([0 if world.accounts[lead] >= 0 else -1]))
    context = Colleagues(world.log(others), np.array([0, len(others)]), np.arange(len(others)), own=False)
    return evaluate(plan, leads, world.log([lead]), Observations(np.array([0]), np.array([as_of])), context)


def bits(table: SignalTable) -> dict[str, bytes]:
    """Each signal's column to the last bit; every NaN alike."""
    numbers = np.where(np.isnan(table.numbers), np.nan, table.numbers)
    return {name: numbers[:, i].tobytes() for i, name in enumerate(table.names)}


@st.composite
def activities(draw: st.DrawFn, future: bool = True) -> Told:
    age = draw(st.sampled_from(AGES)) * (draw(st.sampled_from((1, 1, 1, -1))) if future else 1)
    occurred = NOW - age if draw(st.booleans()) or not future else NOW
    kind = draw(st.sampled_from(TYPES))
    content, value = draw(st.sampled_from(ANSWERS)) if kind == "answer" else (None, None)
    if kind in ("form_submit", "download"):
        content = draw(st.sampled_from(CONTENTS))
    if kind == "call":
        value = draw(st.sampled_from(CALLS))
    url = draw(st.sampled_from(PAGES)) if kind == "page_view" or (kind == "form_submit" and content is None) else None
    delay = draw(st.sampled_from((None, None, 0, 1, SECOND, DAY, 40 * DAY)))
    channel = draw(st.sampled_from(("web", "email", None)))
    known, automated = None if delay is None else occurred + delay, draw(st.integers(0, 9)) == 0
    agent, seconds = draw(st.sampled_from(AGENTS)), draw(st.sampled_from((None, 0.0, 30.0)))
    return Told(occurred, kind, known, url, content, value, channel, automated, agent, seconds)


TITLES = (None, "CEO", "Directora de Marketing", "Junior developer", "Becario")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    n = draw(st.integers(1, 4))
    mine = tuple(tuple(draw(st.lists(activities(), max_size=9))) for _ in range(n))
    accounts = tuple(draw(st.sampled_from((-1, 0, 0, 1))) for _ in range(n))
    titles = tuple(draw(st.sampled_from(TITLES)) for _ in range(n))
    changes = draw(
        st.lists(
            st.tuples(st.integers(0, n - 1), st.sampled_from((NOW - DAY, NOW - 1, NOW, NOW + DAY)), st.sampled_from(TITLES[1:])), max_size=4
        )
    )
    sizes = tuple(draw(st.sampled_from((np.nan, 0.0, 9.0, 250.0, 40_000.0))) for _ in range(n))
    return World(mine, accounts, titles, sizes, tuple(changes))


def crowd(n: int = 60, per_lead: int = 40, seed: int = 0) -> World:
    """A larger world by chance: bursts, silences, late rows, ties, machines, colleagues."""
    rng = np.random.default_rng(seed)
    leads = []
    for _ in range(n):
        mine: list[Told] = []
        while len(mine) < rng.integers(0, per_lead * 2):
            age = int(rng.choice([2, 10, 40, 120]) * rng.exponential() * DAY) - 2 * DAY
            for _ in range(int(rng.choice([1, 1, 3, 8]))):
                age -= int(rng.choice([0, SECOND // 3, 4 * SECOND, 20 * MINUTE, 31 * MINUTE]))
                kind = str(rng.choice(TYPES, p=[0.5, *[0.5 / (len(TYPES) - 1)] * (len(TYPES) - 1)]))
                content, value = ANSWERS[rng.integers(len(ANSWERS))] if kind == "answer" else (None, None)
                content = CONTENTS[rng.integers(len(CONTENTS))] if kind in ("form_submit", "download") else content
                value = CALLS[rng.integers(len(CALLS))] if kind == "call" else value
                url = PAGES[rng.integers(len(PAGES))] if kind == "page_view" or (kind == "form_submit" and content is None) else None
                late = NOW - age + int(rng.choice([0, 0, SECOND, 10 * DAY]))
                agent, seconds = AGENTS[rng.choice(len(AGENTS), p=CHANCE_OF_AGENT)], float(rng.choice([np.nan, 0.0, 0.0, 9.0]))
                mine.append(Told(NOW - age, kind, late, url, content, value, "web", bool(rng.random() < 0.03), agent, seconds))
        leads.append(tuple(mine))
    accounts = tuple(int(code) for code in rng.integers(-1, n // 3, n))
    titles = tuple(TITLES[code] for code in rng.integers(0, len(TITLES), n))
    sizes = tuple(float(size) for size in rng.choice([np.nan, 5.0, 120.0, 8_000.0], n))
    changes = tuple((int(rng.integers(n)), NOW + int(rng.integers(-30, 5)) * DAY, str(rng.choice(TITLES[1:]))) for _ in range(n))
    return World(tuple(leads), accounts, titles, sizes, changes)
