"""A territory of the simulated world lived day by day: moods move, people act, sales picks whom to work.

In: a `Population` and a random generator. Out: a `Life`: raw events as columns (lead, instant, what), how each lead
ended, whom sales worked when, and, for the ages at which leads are observed, what an onlooker who knows the laws
but not the moods would believe (the forward filter). Machines act too; the onlooker knows to ignore them.

A lead's day runs from its own hour of creation to the same hour of the next day, so that an age of k days falls
exactly between two of its days.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from data import synthetic_machines as machine_made
from data import synthetic_words as words
from data.synthetic_nature import (
    AGES,
    ANSWERED,
    ARRIVALS,
    CHANNELS,
    FORMLESS_SOURCES,
    OLDEST,
    RAISES,
    RELEASED,
    Laws,
    Temper,
    laws,
    steps,
    temper,
)
from data.synthetic_people import DAY, SPAN_DAYS, WORLD_START, Population, clock

__all__ = ["CAPACITY", "KINDS", "Beliefs", "Decisions", "Events", "Life", "Work", "live", "weekly_capacity"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

CAPACITY = 0.42
"""Leads that sales can take on in a week, as a share of a week's average arrivals."""
_LEARNING_WEEKS = 14
_COIN = 0.5
"""Chance of being worked for a new lead about which lots are drawn."""
_RAISED_POINTS, _LUCK = 22.0, 7.0

KINDS = (
    "page_view",
    "form_submit",
    "webinar_attended",
    "chat",
    "demo_request",
    "contact_sales",
    "trial_start",
    "call",
    "missed_call",
    "meeting",
    "answer",
    "email_delivered",
    "email_open",
    "email_click",
)
PAGE, FORM, ANSWER, DELIVERED, OPEN, CLICK = 0, 1, 10, 11, 12, 13
MACHINES = ("human", "privacy_proxy", "scanner", "bot")
_MAIL_DAYS = np.array([n * n for n in range(1, 16)])
_LINKS = (0, 4, 6, 9)
"""Topics of the links in a mail."""
_BURSTS = 0.0012
"""Chance a day that a crawler runs over the site in a lead's name."""


@dataclass
class Events:
    """A growing log; `detail` is a page topic, an answer (field * 3 + level), or an arrival; -1 is nothing."""

    lead: list[Ints] = field(default_factory=list)
    when: list[Ints] = field(default_factory=list)
    kind: list[Ints] = field(default_factory=list)
    detail: list[Ints] = field(default_factory=list)
    machine: list[Ints] = field(default_factory=list)

    def add(self, lead: Ints, when: Ints, kind: int | Ints, detail: int | Ints = -1, machine: int = 0) -> None:
        if len(lead) == 0:
            return
        for column, values in ((self.lead, lead), (self.when, when), (self.kind, kind), (self.detail, detail), (self.machine, machine)):
            column.append(np.broadcast_to(np.asarray(values, dtype=np.int64), lead.shape))

    def columns(self) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        empty = np.zeros(0, dtype=np.int64)
        lead, when, kind, detail, machine = (
            np.concatenate(c) if c else empty for c in (self.lead, self.when, self.kind, self.detail, self.machine)
        )
        return lead, when, kind, detail, machine


@dataclass(frozen=True)
class Beliefs:
    """What the history of an open lead says at an age, before anything of that day: one row an observation."""

    lead: Ints
    age: Ints
    mood: Floats
    """Posterior over the moods (n x 4)."""
    worked: Flags
    raised: Flags


@dataclass(frozen=True)
class Decisions:
    """What sales chose on each lead's first Monday: whether to work it, and how likely that was before lots were drawn."""

    lead: Ints
    as_of_us: Ints
    worked: Flags
    propensity: Floats


@dataclass(frozen=True)
class Work:
    """Whom sales took on and let go of, and how often it chose a lead like that (quarter x band of points x raised hand)."""

    taken: tuple[Ints, Ints]
    """Lead and instant."""
    let_go: tuple[Ints, Ints]
    chance: Floats
    band: Ints
    """Band of points of each lead."""
    decided: Decisions
    """None without a share to explore."""


@dataclass(frozen=True)
class Life:
    events: Events
    ended_us: Ints
    """0 while open."""
    won: Flags
    beliefs: Beliefs
    work: Work
    temper: Temper
    laws: Laws


def weekly_capacity(leads: int, week: int) -> int:
    """How many leads a sales team of that size takes on in a week; the first weeks are slower."""

    # The team grows with the business: by 40 % over the span, as arrivals do.
    trained = np.minimum((np.arange(SPAN_DAYS // 7 + 1) + 1) / _LEARNING_WEEKS, 1.0)
    team = trained * (1.0 + 0.4 * np.arange(len(trained)) / len(trained)) / 1.2
    total = np.r_[0.0, np.cumsum(team)] * CAPACITY * leads * 7 / SPAN_DAYS
    return int(total[week + 1]) - int(total[week])


def live(people: Population, rng: np.random.Generator, explore: float = 0.0) -> Life:
    """`explore` is the share of new leads about which sales draws lots on their first Monday."""
    return _Territory(people, rng, explore).run()


class _Territory:
    """The state of a running simulation; arrays have one entry a lead."""

    def __init__(self, people: Population, rng: np.random.Generator, explore: float) -> None:
        count = len(people)
        self.people, self.rng = people, rng
        (self.noise,) = rng.spawn(1)
        self.explore, self.lots = explore, rng.spawn(1)[0] if explore else rng
        self.decided: list[tuple[Ints, Ints, Flags, Floats]] = []
        self.kept = np.zeros(count, dtype=bool)
        self.temper, self.laws = temper(people), laws()
        self.topic_edges = np.cumsum(self.laws.topics, axis=1)
        self.topic_surprise = np.log(self.laws.topics / self.laws.topics.mean(axis=0))
        self.day0 = (people.created_us - WORLD_START) // DAY
        self.tod = (people.created_us - WORLD_START) % DAY
        formless = np.isin(people.source, FORMLESS_SOURCES)
        lead_in = np.where(formless | (rng.random(count) < 0.35), 0, rng.geometric(0.22, count))
        self.born = self.day0 - np.minimum(lead_in, 14)
        self.formless = formless
        self.mood = np.minimum((rng.random(count)[:, None] > np.cumsum(self.temper.birth, axis=1)).sum(axis=1), 3)
        self.belief = self.temper.birth.copy()
        self.worked = np.zeros(count, dtype=bool)
        self.raised = np.zeros(count, dtype=bool)
        self.ended = np.zeros(count, dtype=np.int64)
        self.won = np.zeros(count, dtype=bool)
        self.events = Events()
        self.seen: list[tuple[Ints, Ints, Floats, Flags, Flags]] = []
        self.taken: list[tuple[Ints, Ints]] = []
        self.let_go: list[tuple[Ints, Ints]] = []
        self.band = np.searchsorted(np.quantile(self.temper.points, [0.2, 0.4, 0.6, 0.8]), self.temper.points).astype(np.int64)
        quarters = SPAN_DAYS // 91 + 1
        self.considered = np.zeros((quarters, 5, 2))
        self.chosen = np.zeros((quarters, 5, 2))

    def run(self) -> Life:
        by_birth = np.argsort(self.born, kind="stable")
        births = np.searchsorted(self.born[by_birth], np.arange(-14, SPAN_DAYS + 1))
        active = by_birth[: births[0]]
        for day in range(-14, SPAN_DAYS):
            active = np.concatenate([active, by_birth[births[day + 14] : births[day + 15]]])
            age = day - self.day0[active]
            active = active[(self.ended[active] == 0) & (age < OLDEST)]
            if len(active):
                self._one_day(day, active, day - self.day0[active])
        lead, ages, mood, worked, raised = (np.concatenate(c) for c in zip(*self.seen, strict=True))
        return Life(
            events=self.events,
            ended_us=self.ended,
            won=self.won,
            beliefs=Beliefs(lead, ages, mood, worked, raised),
            work=Work(_joined(self.taken), _joined(self.let_go), self._chances(), self.band, self._decisions()),
            temper=self.temper,
            laws=self.laws,
        )

    def _one_day(self, day: int, active: Ints, age: Ints) -> None:
        self._arrive(active[age == 0])
        self._observe(active, age)
        if day % 7 == 3:  # the 1st of November 2024 was a Friday: three days on, it is Monday
            self._sales_picks(day, active[(age >= 1) & ~self.worked[active]])
        likelihood = self._act(day, active, age)
        self._mail(active, age, likelihood)
        self._machines(day, active[age >= 0])
        likelihood -= likelihood.max(axis=1, keepdims=True)
        belief = self.belief[active] * np.exp(likelihood)
        self._move(day, active, age, belief / belief.sum(axis=1, keepdims=True))

    def _arrive(self, new: Ints) -> None:
        """The form that makes a visitor a lead, minutes before the lead is created."""
        new = new[~self.formless[new]]
        if len(new) == 0:
            return
        edges = np.cumsum(self.laws.arrival, axis=1)[self.mood[new]]
        how = np.minimum((self.rng.random(len(new))[:, None] > edges).sum(axis=1), len(ARRIVALS) - 1)
        self.belief[new] *= self.laws.arrival[:, how].T
        when = self.people.created_us[new] - self.rng.integers(2_000_000, 600_000_000, len(new))
        kind = np.where(how < 3, FORM, np.array([0, 0, 0, 6, 4, 5])[how])
        self.events.add(new, when, kind, np.where(how < 3, how, -1))
        hand = how >= 3
        self.raised[new[hand]] = True
        for which in range(4):
            asked = new[hand & (self.rng.random(len(new)) < 0.3)]
            self._answer(asked, np.full(len(asked), which), self.people.created_us[asked] - 1_500_000, None, None)
        self.belief[new] /= self.belief[new].sum(axis=1, keepdims=True)

    def _observe(self, active: Ints, age: Ints) -> None:
        at = np.isin(age, AGES)
        who = active[at]
        self.seen.append((who, age[at], self.belief[who], self.worked[who], self.raised[who]))

    def _sales_picks(self, day: int, open_leads: Ints) -> None:
        """The point rule of the house, with some luck: fit, a raised hand, and how the week's list was read."""
        capacity = min(weekly_capacity(len(self.people), max(day // 7, 0)), len(open_leads))
        raised = self.raised[open_leads]
        points = self.temper.points[open_leads] + _RAISED_POINTS * raised + self.rng.gumbel(0.0, _LUCK, len(open_leads))
        new = day - self.day0[open_leads] <= 7
        taken_by_lot = round(self.explore * _COIN * new.sum())
        picked = np.argsort(-points, kind="stable")[: max(capacity - taken_by_lot, 0)]
        if self.explore:
            picked = self._by_lot(day, open_leads, new, picked)
        band, hand = self.band[open_leads], raised.astype(np.int64)
        np.add.at(self.considered[day // 91], (band, hand), 1.0)
        np.add.at(self.chosen[day // 91], (band[picked], hand[picked]), 1.0)
        taken = open_leads[picked]
        self.worked[taken], self.raised[taken] = True, False
        when = WORLD_START + day * DAY + self.tod[taken] + self.rng.integers(60_000_000, 3_600_000_000, len(taken))
        self.taken.append((taken, when))

    def _by_lot(self, day: int, open_leads: Ints, new: Flags, picked: Ints) -> Ints:
        """For a share of the new leads a coin decides instead of the list; each new lead is written down with its chance.

        Those taken up are worked until they end, as `p_if_worked` means it: a trial is carried through.
        """
        listed = np.zeros(len(open_leads), dtype=bool)
        listed[picked] = True
        by_lot = new & (self.lots.random(len(new)) < self.explore)
        worked = np.where(by_lot, self.lots.random(len(new)) < _COIN, listed)
        chance = self.explore * _COIN + (1.0 - self.explore) * listed
        when = WORLD_START + day * DAY + self.tod[open_leads]
        self.decided.append((open_leads[new], when[new], worked[new], chance[new]))
        self.kept[open_leads[new & worked]] = True
        return np.flatnonzero(worked)

    def _decisions(self) -> Decisions:
        if not self.decided:
            empty = np.zeros(0, dtype=np.int64)
            return Decisions(empty, empty, empty.astype(bool), empty.astype(np.float64))
        lead, when, worked, chance = (np.concatenate(column) for column in zip(*self.decided, strict=True))
        return Decisions(lead, when, worked, chance)

    def _act(self, day: int, active: Ints, age: Ints) -> Floats:
        """What people do today; returns what it says about their mood."""
        weekend = (day + 4) % 7 >= 5
        setting = self.temper.source[active] * 4 + (2 if weekend else 0) + self.worked[active]
        hits = self.rng.random((len(active), len(CHANNELS))) < self.laws.hit[setting, self.mood[active]]
        before = age < 0
        hits[before, 1:] = False
        likelihood = np.where(before[:, None], self.laws.quiet_before[setting], self.laws.quiet[setting])
        row, channel = np.nonzero(hits)
        np.add.at(likelihood, row, self.laws.surprise[setting[row], channel])
        self._visits(active, row[channel == 0], day, likelihood)
        for which, name in enumerate(CHANNELS[1 : ANSWERED[0]], start=1):
            at = row[channel == which]
            kind = KINDS.index({"form": "form_submit", "webinar": "webinar_attended", "demo": "demo_request", "contact": "contact_sales",
                                "trial": "trial_start", "missed call": "missed_call"}.get(name, name))  # fmt: skip
            self.events.add(active[at], self._today(day, active[at]), kind)
            if which in RAISES:
                hands = active[at]
                self.raised[hands[~self.worked[hands]]] = True
        for which, number in enumerate(ANSWERED):
            at = row[channel == number]
            self._answer(active[at], np.full(len(at), which), self._today(day, active[at]), likelihood, at)
        return likelihood

    def _answer(self, who: Ints, which: Ints, when: Ints, likelihood: Floats | None, at: Ints | None) -> None:
        if len(who) == 0:
            return
        senior = self.temper.senior[who].astype(np.int64)
        chances = self.laws.levels[which, senior]  # n x mood x level
        edges = np.cumsum(chances[np.arange(len(who)), self.mood[who]], axis=1)
        level = np.minimum((self.rng.random(len(who))[:, None] > edges).sum(axis=1), 2)
        weight = chances[np.arange(len(who)), :, level]
        if likelihood is None or at is None:
            self.belief[who] *= weight
        else:
            likelihood[at] += np.log(weight)
        self.events.add(who, when, ANSWER, which * 3 + level)

    def _visits(self, active: Ints, rows: Ints, day: int, likelihood: Floats) -> None:
        if len(rows) == 0:
            return
        pages = np.minimum(1 + np.floor(self.rng.lognormal(0.45, 0.9, len(rows))).astype(np.int64), 60)
        page_of = np.repeat(np.arange(len(rows)), pages)
        row = rows[page_of]
        who = active[row]
        topic = np.minimum((self.rng.random(len(row))[:, None] > self.topic_edges[self.mood[who]]).sum(axis=1), len(words.TOPICS) - 1)
        np.add.at(likelihood, row, self.topic_surprise.T[topic])
        start = self._today(day, active[rows])
        waits = (self.rng.lognormal(3.3, 0.9, len(row)) * 1_000_000).astype(np.int64) + 2_000_000
        first = np.r_[0, np.cumsum(pages)[:-1]]
        waits = machine_made.pauses(self.noise, page_of, np.arange(len(row)) - first[page_of], waits)
        elapsed = np.cumsum(waits) - waits
        self.events.add(who, start[page_of] + elapsed - elapsed[first][page_of], PAGE, topic)

    def _mail(self, active: Ints, age: Ints, likelihood: Floats) -> None:
        """Nurture mails thin out with age; some mailboxes and gateways read them by machine."""
        at = np.flatnonzero(np.isin(age, _MAIL_DAYS) & self.people.consent[active])
        who = active[at]
        if len(who) == 0:
            return
        day = age[at] + self.day0[who]
        sent = self._today(day, who)
        self.events.add(who, sent, DELIVERED)
        opens, clicks = self.laws.opens, self.laws.clicks
        mood = self.mood[who]
        opened = self.rng.random(len(who)) < opens[mood]
        clicked = opened & (self.rng.random(len(who)) < clicks[mood])
        likelihood[at] += np.where(
            clicked[:, None], np.log(opens * clicks), np.where(opened[:, None], np.log(opens * (1 - clicks)), np.log(1 - opens))
        )
        read = machine_made.opened_at(self.noise, sent)
        self.events.add(who[opened], read[opened], OPEN)
        on = np.flatnonzero(clicked)
        topic = np.minimum((self.rng.random(len(on))[:, None] > self.topic_edges[mood[on]]).sum(axis=1), len(words.TOPICS) - 1)
        likelihood[at[on]] += self.topic_surprise.T[topic]
        self.events.add(who[on], read[on] + self.rng.integers(5_000_000, 90_000_000, len(on)), CLICK, topic)
        self._machine_mail(who, sent)

    def _machine_mail(self, who: Ints, sent: Ints) -> None:
        proxied = self.people.behind_proxy[who]
        self.events.add(who[proxied], machine_made.proxied_at(self.noise, sent[proxied]), OPEN, -1, 1)
        scanned = self.people.behind_scanner[who] & (self.noise.random(len(who)) < 0.9)
        first, clicks = machine_made.swept_at(self.noise, sent[scanned], len(_LINKS))
        self.events.add(who[scanned], first, OPEN, -1, 2)
        for topic, when in zip(_LINKS, clicks, strict=True):
            self.events.add(who[scanned], when, CLICK, topic, 2)

    def _machines(self, day: int, known: Ints) -> None:
        hit = known[self.noise.random(len(known)) < _BURSTS]
        if len(hit) == 0:
            return
        start = WORLD_START + day * DAY + self.tod[hit] + self.noise.integers(0, DAY - 600_000_000, len(hit))
        of, when = machine_made.crawls(self.noise, start)
        self.events.add(hit[of], when, PAGE, self.noise.integers(0, len(words.TOPICS), len(of)), 3)

    def _move(self, day: int, active: Ints, age: Ints, belief: Floats) -> None:
        known = age >= 0
        worked = self.worked[active]
        step = steps(self.temper, active, day, worked.astype(np.int64))
        up, down = step.up, step.down
        win, lose = step.win * known[:, None], step.lose * known[:, None]
        at = np.arange(len(active))
        mood = self.mood[active]
        won, lost, rises, falls = (c[at, mood] for c in (win, lose, up, down))
        draw = self.rng.random(len(active))
        ends = won + lost
        moves = (draw >= ends) & (draw < ends + rises), (draw >= ends + rises) & (draw < ends + rises + falls)
        self.mood[active] = mood + moves[0] - moves[1]
        over = np.flatnonzero(draw < ends)
        self.ended[active[over]] = self._today(day, active[over])
        self.won[active[over]] = draw[over] < won[over]
        after = belief * (1.0 - up - down - win - lose)
        after[:, 1:] += (belief * up)[:, :-1]
        after[:, :-1] += (belief * down)[:, 1:]
        self.belief[active] = after / after.sum(axis=1, keepdims=True)
        drops = active[worked & (draw >= ends) & (self.rng.random(len(active)) < RELEASED) & ~self.kept[active]]
        self.worked[drops] = False
        self.let_go.append((drops, self._today(day, drops)))

    def _today(self, day: int | Ints, who: Ints) -> Ints:
        """An instant within the lead's own day, at an hour when people are about."""
        offset = (clock(self.rng, len(who)) * 1_000_000 + self.rng.integers(0, 1_000_000, len(who)) - self.tod[who]) % DAY
        instants: Ints = WORLD_START + np.asarray(day) * DAY + self.tod[who] + offset
        return instants

    def _chances(self) -> Floats:
        """How often sales chose a lead like that in a week, drawn to what holds for all quarters where few were considered."""
        pooled = (self.chosen.sum(axis=0, keepdims=True) + 0.05) / (self.considered.sum(axis=0, keepdims=True) + 1.0)
        chance: Floats = (self.chosen + 25.0 * pooled) / (self.considered + 25.0)
        return chance


def _joined(parts: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
