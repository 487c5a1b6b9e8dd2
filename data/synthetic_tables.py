"""The CRM's books of one territory: what was lived, as the tables of the data contract, with the flaws of real books.

In: a random generator and the territory's size. Out: Arrow tables by name, each clustered by lead and sorted by
time. Flaws: some rows are recorded hours or days late, some twice (same `activity_id`), machines are seldom
flagged, and nothing recorded after the world's end is in the books. What follows a lead's end is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data import synthetic_words as words
from data.synthetic_life import ANSWER, CLICK, DELIVERED, FORM, KINDS, MACHINES, OPEN, PAGE, Life, live
from data.synthetic_machines import AGENTS, agents
from data.synthetic_people import DAY, SPAN_DAYS, WORLD_START, Population, Texts, populate
from data.synthetic_truth import Truth, truth_of

__all__ = ["tables_of"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

_UNTIL = WORLD_START + SPAN_DAYS * DAY
_TIME = pa.timestamp("us", tz="UTC")
_LATE, _TWICE = 0.02, 0.003
_CALLS = (KINDS.index("call"), KINDS.index("missed_call"))
_MEETING, _WEBINAR, _CHAT = KINDS.index("meeting"), KINDS.index("webinar_attended"), KINDS.index("chat")
_DEMO, _CONTACT, _TRIAL = KINDS.index("demo_request"), KINDS.index("contact_sales"), KINDS.index("trial_start")


@dataclass(frozen=True)
class _Log:
    """Activities, sorted by lead and time."""

    lead: Ints
    when: Ints
    recorded: Ints
    kind: Ints
    detail: Ints
    machine: Ints


@dataclass(frozen=True)
class _Stages:
    """Pipeline history in order of lead and time; `amount` is NaN where there is none."""

    lead: list[int]
    stage: list[str]
    when: list[int]
    amount: list[float | None]
    reason: list[str | None]


def tables_of(rng: np.random.Generator, leads: int, *, territory: int, first_lead: int, explore: float = 0.0) -> dict[str, pa.Table]:
    """All tables of a territory; leads are numbered from `first_lead` + 1, companies from its own range. Without a share to
    explore nobody writes decisions down."""
    people = populate(rng, leads, first_account=first_lead)
    life = live(people, rng, explore)
    truth = truth_of(people, life)
    ids = pa.array([f"L-{first_lead + i + 1:07d}" for i in range(leads)])
    ended = np.where(life.ended_us < _UNTIL, life.ended_us, 0)
    log = _books(rng, life, ended)
    amount = _amounts(rng, people)
    stages = _pipeline(rng, people, life, ended, log, amount)
    activities, machines = _activities(rng, people, life, log, ids, territory)
    decisions = {"decisions": _decisions(life, ids)} if explore else {}
    return decisions | {
        "leads": _leads(people, ids, stages),
        "lead_changes": _lead_changes(people, ids, stages),
        "activities": activities,
        "stage_changes": _stage_changes(rng, stages, ids, leads),
        "outcomes": _outcomes(life, ended, amount, ids),
        "truth": _truth(truth, ids),
        "truth_activities": machines,
    }


def _books(rng: np.random.Generator, life: Life, ended: Ints) -> _Log:
    lead, when, kind, detail, machine = life.events.columns()
    delay = rng.integers(50_000, 900_000, len(lead))
    typed = np.isin(kind, [*_CALLS, _MEETING]) & (rng.random(len(lead)) < 0.25)
    delay = np.where(typed, (rng.lognormal(1.0, 0.6, len(lead)) * 3_600_000_000).astype(np.int64), delay)
    late = rng.random(len(lead)) < _LATE
    delay = np.where(late, (rng.lognormal(2.5, 1.1, len(lead)) * 3_600_000_000).astype(np.int64), delay)
    recorded = when + np.minimum(delay, 12 * DAY)
    keep = (recorded < _UNTIL) & ((ended[lead] == 0) | (when < ended[lead]))
    order = np.flatnonzero(keep)
    order = order[np.lexsort((detail[order], kind[order], when[order], lead[order]))]
    return _Log(lead[order], when[order], recorded[order], kind[order], detail[order], machine[order])


def _amounts(rng: np.random.Generator, people: Population) -> Floats:
    size = np.where(np.isnan(people.employees), 60.0, np.maximum(people.employees, 1.0))
    amount: Floats = np.round(rng.lognormal(np.log(4000.0) + 0.5 * np.log(size / 60.0), 0.6), 2)
    return amount


def _pipeline(rng: np.random.Generator, people: Population, life: Life, ended: Ints, log: _Log, amount: Floats) -> _Stages:
    """Stages follow what sales did: a pick, the first and the second meeting, the letting go, the end."""
    meets = (log.kind == _MEETING) & (log.machine == 0)
    close = np.flatnonzero(ended)
    parts = (
        (np.arange(len(people)), people.created_us, 0),
        (*life.work.taken, 1),
        (log.lead[meets], log.when[meets], 2),
        (*life.work.let_go, 3),
        (close, ended[close], 4),
    )
    lead = np.concatenate([p[0] for p in parts])
    when = np.concatenate([p[1] for p in parts])
    what = np.concatenate([np.full(len(p[0]), p[2]) for p in parts])
    keep = (when < _UNTIL) & ((ended[lead] == 0) | (when < ended[lead]) | (what == 4))
    order = np.flatnonzero(keep)
    order = order[np.lexsort((what[order], when[order], lead[order]))]
    reasons = rng.integers(0, len(words.LOST_REASONS), len(people)).tolist()
    guesses = (amount * rng.uniform(0.8, 1.3, len(people))).round(-2).tolist()
    stages = _Stages([], [], [], [], [])
    at = ""
    for i, t, w in zip(lead[order].tolist(), when[order].tolist(), what[order].tolist(), strict=True):
        money: float | None = None
        reason: str | None = None
        if w == 0:
            at = "new"
        elif w == 1:
            at = "contacted"
        elif w == 2 and at == "contacted":
            at = "qualified"
        elif w == 2 and at == "qualified":
            at, money = "proposal", guesses[i]
        elif w == 3 and at in ("contacted", "qualified", "proposal"):
            at = "nurture"
        elif w == 4 and life.won[i]:
            at, money = "Closed won", float(amount[i])
        elif w == 4:
            at, reason = "Closed lost", words.LOST_REASONS[reasons[i]]
        else:
            continue
        stages.lead.append(i)
        stages.stage.append(at)
        stages.when.append(t)
        stages.amount.append(money)
        stages.reason.append(reason)
    return stages


def _stage_changes(rng: np.random.Generator, stages: _Stages, ids: pa.Array, leads: int) -> pa.Table:
    owner = rng.integers(0, len(words.OWNERS), leads).tolist()
    owners = [None if s == "new" else words.OWNERS[owner[i]] for i, s in zip(stages.lead, stages.stage, strict=True)]
    return pa.table(
        {
            "lead_id": ids.take(pa.array(stages.lead, pa.int64())),
            "stage": pa.array(stages.stage, pa.string()),
            "entered_at": pa.array(stages.when, pa.int64()).cast(_TIME),
            "owner": pa.array(owners, pa.string()),
            "amount": pa.array(stages.amount, pa.float64()),
            "reason": pa.array(stages.reason, pa.string()),
        }
    )


_STATUS = {
    "new": "open",
    "contacted": "working",
    "qualified": "working",
    "proposal": "working",
    "nurture": "nurture",
    "Closed won": "won",
    "Closed lost": "lost",
}


def _leads(people: Population, ids: pa.Array, stages: _Stages) -> pa.Table:
    status = ["open"] * len(people)
    for i, stage in zip(stages.lead, stages.stage, strict=True):
        status[i] = _STATUS[stage]
    places = [
        words.PLACES[c][p] if c >= 0 and 0 <= p < len(words.PLACES[c]) else (None, None)
        for c, p in zip(people.country.tolist(), people.place.tolist(), strict=True)
    ]
    return pa.table(
        {
            "lead_id": ids,
            "created_at": pa.array(people.created_us).cast(_TIME),
            "email": pa.array(people.email, pa.string()),
            "job_title": pa.array(people.title, pa.string()),
            "company": pa.array(people.company, pa.string()),
            "company_domain": pa.array(people.domain, pa.string()),
            "industry": _named(people.industry, words.INDUSTRIES),
            "employees": pa.array(people.employees, from_pandas=True).cast(pa.int64()),
            "annual_revenue": pa.array(people.revenue, from_pandas=True),
            "country": _named(people.country, words.COUNTRIES),
            "region": pa.array([p[0] for p in places], pa.string()),
            "city": pa.array([p[1] for p in places], pa.string()),
            "phone": pa.array(people.phone, pa.string()),
            "source": _named(people.source, words.SOURCES),
            "medium": _named(people.medium, words.MEDIUMS),
            "campaign": pa.array(people.campaign, pa.string()),
            "language": pa.array(np.where(people.spanish, "es", "en").tolist(), pa.string()),
            "consent": pa.array(people.consent),
            "status": pa.array(status, pa.string()),
            "crm": _named(people.crm, words.CRMS),
            "interest": _named(people.interest, words.INTERESTS),
        }
    )


def _lead_changes(people: Population, ids: pa.Array, stages: _Stages) -> pa.Table:
    """What was written when, a second before the lead is created and at each change."""
    rows: list[tuple[int, int, str, str]] = []
    start = (people.created_us - 1_000_000).tolist()

    def tell(field: str, first: Texts, last: Texts, changed: Ints) -> None:
        for i, (a, b, t) in enumerate(zip(first, last, changed.tolist(), strict=True)):
            if a is not None:
                rows.append((i, start[i], field, a))
            if t and b is not None:
                rows.append((i, t, field, b))

    tell("employees", _whole(people.employees_first), _whole(people.employees), people.corrected_us)
    tell("job_title", people.title_first, people.title, people.promoted_us)
    before = ""
    for i, t, stage in zip(stages.lead, stages.when, stages.stage, strict=True):
        if stage == "new":
            rows.append((i, start[i], "status", "open"))
        elif _STATUS[stage] != before:
            rows.append((i, t, "status", _STATUS[stage]))
        before = _STATUS[stage]
    rows.sort()
    lead, when, field, value = zip(*rows, strict=True)
    return pa.table(
        {
            "lead_id": ids.take(pa.array(lead, pa.int64())),
            "field": pa.array(field, pa.string()),
            "value": pa.array(value, pa.string()),
            "changed_at": pa.array(when, pa.int64()).cast(_TIME),
        }
    )


def _outcomes(life: Life, ended: Ints, amount: Floats, ids: pa.Array) -> pa.Table:
    close = np.flatnonzero(ended)
    won = life.won[close]
    return pa.table(
        {
            "lead_id": ids.take(pa.array(close)),
            "converted_at": pa.array(ended[close]).cast(_TIME),
            "amount": pa.array(np.where(won, amount[close], np.nan), from_pandas=True),
            "kind": pa.array(np.where(won, "won", "lost").tolist(), pa.string()),
        }
    )


def _decisions(life: Life, ids: pa.Array) -> pa.Table:
    """By lead and time, those before the world's end."""
    made = life.work.decided
    order = np.lexsort((made.as_of_us, made.lead))
    order = order[made.as_of_us[order] < _UNTIL]
    return pa.table(
        {
            "lead_id": ids.take(pa.array(made.lead[order])),
            "as_of": pa.array(made.as_of_us[order]).cast(_TIME),
            "worked": pa.array(made.worked[order]),
            "propensity": pa.array(made.propensity[order]),
        }
    )


def _truth(truth: Truth, ids: pa.Array) -> pa.Table:
    seen = truth.as_of_us <= _UNTIL
    return pa.table(
        {
            "lead_id": ids.take(pa.array(truth.lead[seen])),
            "as_of": pa.array(truth.as_of_us[seen]).cast(_TIME),
            "p_if_worked": pa.array(truth.p_if_worked[seen]),
            "p_if_unworked": pa.array(truth.p_if_unworked[seen]),
            "p_under_policy": pa.array(truth.p_under_policy[seen]),
        }
    )


def _activities(
    rng: np.random.Generator, people: Population, life: Life, log: _Log, ids: pa.Array, territory: int
) -> tuple[pa.Table, pa.Table]:
    count = len(log.lead)
    number = np.arange(count)
    activity_id = pa.array([f"a{territory:03d}{n:08d}" for n in range(count)], pa.string())
    machine = _named(log.machine, MACHINES)
    again = np.sort(np.concatenate([number, number[rng.random(count) < _TWICE]]))
    flagged = (log.machine > 0) & (rng.random(count) < np.array([0.0, 0.4, 0.3, 0.5])[log.machine])
    columns = {
        "lead_id": ids.take(pa.array(log.lead)),
        "activity_id": activity_id,
        "occurred_at": pa.array(log.when).cast(_TIME),
        "recorded_at": pa.array(log.recorded).cast(_TIME),
        "type": _named(log.kind, [k if k != "missed_call" else "call" for k in KINDS]),
        "channel": _channels(rng, life, log),
        "url": _urls(rng, people, log),
        "content": _contents(rng, log),
        "campaign": _email_campaigns(log),
        "duration_seconds": _durations(rng, log),
        "value": _values(rng, people, log),
        "automated": pa.array(flagged, mask=~flagged),
        "user_agent": _agents(rng, people, log),
    }
    machines = np.flatnonzero(log.machine)
    truth = pa.table({"activity_id": activity_id.take(pa.array(machines)), "machine": machine.take(pa.array(machines))})
    return pa.table(columns).take(pa.array(again)), truth


def _agents(rng: np.random.Generator, people: Population, log: _Log) -> pa.Array:
    on_web, opens = np.isin(log.kind, (PAGE, OPEN, CLICK)), log.kind == OPEN
    free_mail = people.email_kind[log.lead] == words.EMAIL_KINDS.index("free")
    (own,) = rng.spawn(1)
    return _named(agents(own, log.lead, log.machine, on_web, opens, free_mail), AGENTS)


def _channels(rng: np.random.Generator, life: Life, log: _Log) -> pa.Array:
    names = ("web", "email", "phone", "meeting", "chat", "form")
    channel = np.zeros(len(log.lead), dtype=np.int64)
    channel[np.isin(log.kind, (DELIVERED, OPEN, CLICK))] = 1
    channel[np.isin(log.kind, _CALLS)] = 2
    channel[log.kind == _MEETING] = 3
    channel[log.kind == _CHAT] = 4
    # Answers come on forms, and by phone once sales has called.
    first_work = np.full(len(life.ended_us), np.iinfo(np.int64).max)
    np.minimum.at(first_work, life.work.taken[0], life.work.taken[1])
    answers = log.kind == ANSWER
    by_phone = (log.when > first_work[log.lead]) & (rng.random(len(log.lead)) < 0.7)
    channel[answers] = np.where(by_phone[answers], 2, 5)
    return _named(channel, names)


def _urls(rng: np.random.Generator, people: Population, log: _Log) -> pa.Array:
    paths: list[str] = []
    starts = np.zeros((len(words.TOPICS), 2), dtype=np.int64)
    many = np.ones((len(words.TOPICS), 2), dtype=np.int64)
    for topic, languages in enumerate(words.PATHS):
        for language, choices in enumerate(languages):
            starts[topic, language], many[topic, language] = len(paths), len(choices)
            paths.extend(choices)
    spanish = (people.spanish[log.lead] & (rng.random(len(log.lead)) < 0.75)).astype(np.int64)
    looked = np.isin(log.kind, (PAGE, CLICK))
    page = np.where(looked, log.detail, words.TOPICS.index("demo"))
    choice = (rng.random(len(log.lead)) * many[page, spanish]).astype(np.int64)
    code = np.where(looked, starts[page, spanish] + choice, np.where(log.kind == _DEMO, starts[page, 0], -1))
    return _named(code, paths)


def _contents(rng: np.random.Generator, log: _Log) -> pa.Array:
    names = [*words.CONTENTS_FORM, "newsletter", *words.CONTENTS_WEBINAR, *words.BANT_FIELDS]
    newsletter, webinar, bant = len(words.CONTENTS_FORM), len(words.CONTENTS_FORM) + 1, len(names) - len(words.BANT_FIELDS)
    draw = rng.random(len(log.lead))
    code = np.full(len(log.lead), -1)
    forms = (log.kind == FORM) & (log.detail <= 1)
    code[forms] = (draw[forms] * len(words.CONTENTS_FORM)).astype(np.int64)
    code[(log.kind == FORM) & (log.detail == 0)] = newsletter
    webinars = (log.kind == _WEBINAR) | ((log.kind == FORM) & (log.detail == 2))
    code[webinars] = webinar + (draw[webinars] * len(words.CONTENTS_WEBINAR)).astype(np.int64)
    code = np.where(log.kind == ANSWER, bant + log.detail // 3, code)
    return _named(code, names)


def _email_campaigns(log: _Log) -> pa.Array:
    month = log.when.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12
    return _named(np.where(np.isin(log.kind, (DELIVERED, OPEN, CLICK)), month // 3, -1), words.EMAIL_CAMPAIGNS)


def _durations(rng: np.random.Generator, log: _Log) -> pa.Array:
    usual = {PAGE: 35.0, _WEBINAR: 2400.0, _CHAT: 300.0, _CALLS[0]: 420.0, _CALLS[1]: 20.0, _MEETING: 2100.0}
    typical = np.full(len(KINDS), np.nan)
    for kind, usually in usual.items():
        typical[kind] = usually
    seconds = np.round(typical[log.kind] * rng.lognormal(0.0, 0.5, len(log.lead)))
    # Trackers count from one page to the next: crawlers that run no scripts have none, and so has a person's last page.
    seconds = np.where(log.machine > 0, np.where(log.kind == PAGE, 0.0, np.nan), seconds)
    chance = rng.random(len(log.lead))
    seconds = np.where((log.kind == PAGE) & (chance < 0.3), np.nan, np.where((log.kind == PAGE) & (chance < 0.38), 0.0, seconds))
    return pa.array(seconds, from_pandas=True)


def _values(rng: np.random.Generator, people: Population, log: _Log) -> pa.Array:
    """What was answered, in the person's language, and whether a call was picked up."""
    texts = ["connected", "no answer"]
    starts = np.zeros((len(words.BANT_FIELDS) * 3, 2), dtype=np.int64)
    many = np.ones_like(starts)
    for asked, levels in enumerate(words.ANSWERS):
        for level, languages in enumerate(levels):
            for language, choices in enumerate(languages):
                starts[asked * 3 + level, language], many[asked * 3 + level, language] = len(texts), len(choices)
                texts.extend(choices)
    spanish = people.spanish[log.lead].astype(np.int64)
    answers = log.kind == ANSWER
    said = np.where(answers, log.detail, 0)
    code = np.where(answers, starts[said, spanish] + (rng.random(len(said)) * many[said, spanish]).astype(np.int64), -1)
    code = np.where(log.kind == _CALLS[0], 0, np.where(log.kind == _CALLS[1], 1, code))
    return _named(code, texts)


def _whole(numbers: Floats) -> Texts:
    return [None if n != n else str(int(n)) for n in numbers.tolist()]


def _named(codes: Ints, names: list[str] | tuple[str, ...]) -> pa.Array:
    """Text column from codes; -1 is null."""
    return pa.array(names, pa.string()).take(pa.array(codes, mask=codes < 0))
