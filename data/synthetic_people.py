"""Who lives in the simulated world: accounts, the colleagues on them, and what the CRM has written down about each.

In: a random generator and a number of leads. Out: a `Population` of aligned columns, one entry a lead, ordered by
account. Codes are integers into the tuples of `synthetic_words`; -1 is a gap in the CRM, and so is None in a text.
What a gap hides is hidden from nature too, so that the planted truth is what can be known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from data import synthetic_words as words

__all__ = ["DAY", "SPAN_DAYS", "WORLD_START", "Population", "arrivals", "populate"]

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Texts: TypeAlias = list[str | None]

DAY = 86_400_000_000
"""Microseconds."""
SPAN_DAYS = 730
WORLD_START = int(np.datetime64("2024-11-01", "us").astype(np.int64))
UNKNOWN_TITLE = 5

_SOURCE_SHARES = np.array([0.24, 0.15, 0.16, 0.08, 0.06, 0.09, 0.08, 0.14, 0.0])
_SOURCE_SHARES_LATE = np.array([0.20, 0.15, 0.20, 0.08, 0.06, 0.07, 0.07, 0.12, 0.05])
LATE_FROM_DAY = 305
"""From here on the mix of sources is another one (and so are the odds: see `synthetic_nature`)."""

_TYPICAL_SIZE = np.array([1.7, 2.4, 2.2, 1.8, 2.6, 2.3, 2.0, 1.5])
"""Log10 of employees, by industry."""


@dataclass(frozen=True)
class Population:
    """Leads of one sales territory, ordered by account."""

    account: Ints
    created_us: Ints
    industry: Ints
    country: Ints
    place: Ints
    employees: Floats
    employees_first: Floats
    """What the CRM said at first, before a correction."""
    corrected_us: Ints
    revenue: Floats
    source: Ints
    medium: Ints
    campaign: Texts
    seniority: Ints
    function: Ints
    title: Texts
    title_first: Texts
    promoted_us: Ints
    """When the job title changed; 0 where it never did."""
    email: Texts
    email_kind: Ints
    company: Texts
    domain: Texts
    phone: Texts
    spanish: Flags
    consent: Flags
    crm: Ints
    interest: Ints
    behind_proxy: Flags
    """The mailbox opens every mail by machine."""
    behind_scanner: Flags
    """The company's mail gateway clicks every link."""
    colleagues: Ints
    """Leads of the account that the CRM knew in the 60 days before this one."""

    def __len__(self) -> int:
        return len(self.account)


@dataclass(frozen=True)
class _Accounts:
    """Companies, one entry each."""

    base_day: Floats
    industry: Ints
    country: Ints
    place: Ints
    employees: Floats
    revenue: Floats
    scanner: Flags
    crm: Ints
    name: list[str]
    domain: list[str]


def populate(rng: np.random.Generator, leads: int, first_account: int) -> Population:
    """A territory of `leads` leads whose companies are numbered from `first_account`."""
    account = _account_of_lead(rng, leads)
    accounts = _found_companies(rng, int(account[-1]) + 1, first_account)
    created = _created(rng, accounts, account)
    # Within an account, leads are in order of arrival.
    order = np.lexsort((created, account))
    created = created[order]
    day = (created - WORLD_START) // DAY

    source = np.where(day < LATE_FROM_DAY, _choose(rng, _SOURCE_SHARES, leads), _choose(rng, _SOURCE_SHARES_LATE, leads))
    medium = np.where(rng.random(leads) < 0.03, -1, source)
    choices = [words.CAMPAIGNS[s] for s in source.tolist()]
    campaign: Texts = [names[int(u * len(names))] for names, u in zip(choices, rng.random(leads).tolist(), strict=True)]

    country = accounts.country[account]
    spanish = (country < words.SPANISH_COUNTRIES) ^ (rng.random(leads) < 0.06)
    first, last = rng.integers(0, len(words.FIRST_NAMES), leads), rng.integers(0, len(words.LAST_NAMES), leads)
    first = _prefer_language(rng, first, spanish)
    seniority, function, title = _titles(rng, first, spanish)
    promoted, title_first = _promotions(rng, created, seniority, title)
    email_kind = _choose(rng, np.array([0.72, 0.20, 0.025, 0.055]), leads)
    email, domain = _emails(rng, accounts, account, first, last, email_kind)
    twin = _duplicate_some(rng, account, seniority, function, title, title_first, email, email_kind, domain, spanish, promoted)

    employees, employees_first, corrected = _sizes(rng, accounts.employees[account], created)
    revenue = np.where(rng.random(leads) < 0.30, np.nan, accounts.revenue[account])
    revenue = np.where(rng.random(leads) < 0.02, revenue / 1000.0, revenue)  # somebody typed thousands
    phones = rng.integers(10_000_000, 99_999_999, leads)
    return Population(
        account=account + first_account,
        created_us=created,
        industry=np.where(rng.random(leads) < 0.04, -1, accounts.industry[account]),
        country=np.where(rng.random(leads) < 0.03, -1, country),
        place=np.where(rng.random(leads) < 0.25, -1, accounts.place[account]),
        employees=employees,
        employees_first=employees_first,
        corrected_us=corrected,
        revenue=revenue,
        source=source,
        medium=medium,
        campaign=campaign,
        seniority=seniority,
        function=function,
        title=title,
        title_first=title_first,
        promoted_us=promoted,
        email=email,
        email_kind=email_kind,
        company=[accounts.name[a] if u > 0.04 else None for a, u in zip(account.tolist(), rng.random(leads), strict=True)],
        domain=domain,
        phone=[
            f"{words.PHONE_PREFIXES[c]}{number}" if u < 0.6 else None
            for c, number, u in zip(country.tolist(), phones.tolist(), rng.random(leads), strict=True)
        ],
        spanish=spanish,
        consent=rng.random(leads) < 0.86,
        crm=np.where(rng.random(leads) < 0.12, -1, accounts.crm[account]),
        interest=np.where(rng.random(leads) < 0.15, -1, rng.integers(0, len(words.INTERESTS), leads)),
        behind_proxy=rng.random(leads) < np.where(email_kind == 1, 0.45, 0.2),
        behind_scanner=accounts.scanner[account] & ((email_kind == 0) | (email_kind == 3)),
        colleagues=np.where(twin, 0, _known_colleagues(account, created, domain)),
    )


def arrivals(day: Floats | Ints) -> Floats:
    """How busy a day of the world is with new leads: growth, slow Augusts and Decembers."""
    day = np.asarray(day, dtype=np.float64)
    phase = (day + 305.0) % 365.25  # the world starts on the 1st of November
    slow = 0.40 * np.exp(-(((phase - 225.0) / 16.0) ** 2)) + 0.35 * np.exp(-(((phase - 358.0) / 10.0) ** 2))
    rate: Floats = (1.0 + 0.4 * day / SPAN_DAYS) * (1.0 - slow)
    return rate


def _account_of_lead(rng: np.random.Generator, leads: int) -> Ints:
    sizes = np.minimum(rng.zipf(2.4, leads), 15)
    ends = np.cumsum(sizes)
    account: Ints = np.searchsorted(ends, np.arange(leads), side="right").astype(np.int64)
    return account


def _found_companies(rng: np.random.Generator, count: int, first: int) -> _Accounts:
    industry = _choose(rng, np.array([0.2, 0.16, 0.12, 0.13, 0.1, 0.09, 0.06, 0.14]), count)
    country = _choose(rng, np.array(words.COUNTRY_SHARES), count)
    employees = np.clip(np.round(10 ** (_TYPICAL_SIZE[industry] + rng.normal(0.0, 0.75, count))), 1, 120_000)
    employees = np.where(rng.random(count) < 0.07, np.nan, employees)
    per_head = rng.lognormal(np.log(110_000), 0.5, count)
    revenue: Floats = np.round(employees * per_head, -3)
    names = [_company_name(first + i) for i in range(count)]
    legal = rng.integers(0, 5, count).tolist()
    kinds = rng.integers(0, len(words.COMPANY_KINDS), count).tolist()
    spanish = (country < words.SPANISH_COUNTRIES).tolist()
    full = [
        f"{name} {words.COMPANY_KINDS[k].title()} {(words.LEGAL_FORMS_ES if es else words.LEGAL_FORMS_EN)[form]}".strip()
        for name, k, form, es in zip(names, kinds, legal, spanish, strict=True)
    ]
    return _Accounts(
        base_day=_draw_day(rng, count),
        industry=industry,
        country=country,
        place=(rng.random(count) * np.array([len(p) for p in words.PLACES])[country]).astype(np.int64),
        employees=employees,
        revenue=revenue,
        scanner=rng.random(count) < 0.15,
        crm=_choose(rng, np.array([0.18, 0.2, 0.15, 0.12, 0.2, 0.15]), count),
        name=full,
        domain=[f"{name.lower()}-{words.COMPANY_KINDS[k]}.example" for name, k in zip(names, kinds, strict=True)],
    )


def _company_name(number: int) -> str:
    """Four syllables that only this number has; neighbours in number are not neighbours in name."""
    base = len(words.SYLLABLES)
    scrambled = (number + 977) * 2_654_435_761 % base**4  # an odd factor that shares none with 44: a bijection
    parts = []
    for _ in range(4):
        scrambled, digit = divmod(scrambled, base)
        parts.append(words.SYLLABLES[digit])
    return "".join(parts).title()


def _draw_day(rng: np.random.Generator, count: int) -> Floats:
    weights = np.cumsum(arrivals(np.arange(SPAN_DAYS)))
    whole = np.searchsorted(weights, rng.random(count) * weights[-1], side="right")
    day: Floats = whole + rng.random(count)
    return day


def _created(rng: np.random.Generator, accounts: _Accounts, account: Ints) -> Ints:
    """Colleagues turn up in the weeks after the first of them; weekends are quiet."""
    later = np.r_[False, account[1:] == account[:-1]]
    exact = accounts.base_day[account] + np.where(later, rng.exponential(50.0, len(account)), 0.0)
    day = np.floor(np.where(exact < SPAN_DAYS, exact, _draw_day(rng, len(account)))).astype(np.int64)
    saturday = (day + 4) % 7 >= 5  # the 1st of November 2024 was a Friday
    day = np.where(saturday & (rng.random(len(day)) < 0.6), np.maximum(day - 2, 0), day)
    seconds = clock(rng, len(day))
    micros = rng.integers(0, 1_000_000, len(day))
    created: Ints = WORLD_START + day * DAY + seconds * 1_000_000 + micros
    return created


def clock(rng: np.random.Generator, count: int) -> Ints:
    """Seconds since midnight (UTC) at which people are about: mostly office hours."""
    office = np.clip(rng.normal(12.0, 3.0, count), 0.0, 23.99)
    hours = np.where(rng.random(count) < 0.85, office, rng.random(count) * 24.0)
    seconds: Ints = (hours * 3600.0).astype(np.int64)
    return seconds


def _prefer_language(rng: np.random.Generator, first: Ints, spanish: Flags) -> Ints:
    is_spanish = np.array([name[2] == "es" for name in words.FIRST_NAMES])
    swap = (is_spanish[first] != spanish) & (rng.random(len(first)) < 0.85)
    chosen: Ints = np.where(swap, (first + 16) % 32, first)
    return chosen


def _titles(rng: np.random.Generator, first: Ints, spanish: Flags) -> tuple[Ints, Ints, Texts]:
    count = len(first)
    seniority = _choose(rng, np.array([0.07, 0.29, 0.30, 0.16, 0.09, 0.09]), count)
    function = rng.integers(0, len(words.FUNCTIONS), count)
    form = np.where(spanish, np.where([words.FIRST_NAMES[f][1] == "f" for f in first.tolist()], 1, 2), 0)
    style, slip = rng.random(count).tolist(), rng.random(count).tolist()
    jobs = zip(seniority.tolist(), function.tolist(), form.tolist(), style, slip, strict=True)
    titles: Texts = [None if s == UNKNOWN_TITLE else _write_title(words.TITLES[s][f][g], how, at) for s, f, g, how, at in jobs]
    return seniority, function, titles


def _write_title(title: str, style: float, u: float) -> str:
    """As people type it into a form: abbreviated, shouted, in lower case, or with two letters swapped."""
    if style < 0.10:
        for long, short in words.ABBREVIATIONS:
            title = title.replace(long, short)
        return title
    if style < 0.15:
        return title.upper()
    if style < 0.23:
        return title.lower()
    if style < 0.245:
        at = 1 + int(u * (len(title) - 3))
        return title[:at] + title[at + 1] + title[at] + title[at + 2 :]
    return title


def _promotions(rng: np.random.Generator, created: Ints, seniority: Ints, title: Texts) -> tuple[Ints, Texts]:
    """A few correct or change their job title later: the same job in other words."""
    when = created + (rng.uniform(5.0, 200.0, len(created)) * DAY).astype(np.int64)
    changes = (rng.random(len(created)) < 0.02) & (when < WORLD_START + SPAN_DAYS * DAY) & (seniority != UNKNOWN_TITLE)
    before: Texts = [t.upper() if c and t else t for t, c in zip(title, changes.tolist(), strict=True)]
    return np.where(changes, when, 0), before


def _emails(rng: np.random.Generator, accounts: _Accounts, account: Ints, first: Ints, last: Ints, kind: Ints) -> tuple[Texts, Texts]:
    plain = str.maketrans("áéíóúñüÁÉÍÓÚÑ", "aeiounuAEIOUN")
    heads = [n[0].translate(plain).lower() for n in words.FIRST_NAMES]
    tails = [n.translate(plain).lower() for n in words.LAST_NAMES]
    picks = rng.integers(0, 60, len(kind)).tolist()
    hides = rng.random(len(kind)).tolist()
    emails: Texts = []
    domains: Texts = []
    for a, f, t, k, pick, hide in zip(account.tolist(), first.tolist(), last.tolist(), kind.tolist(), picks, hides, strict=True):
        domain = accounts.domain[a]
        person = f"{heads[f]}.{tails[t]}"
        if k == 0:
            emails.append(f"{person}@{domain}")
        elif k == 1:
            emails.append(f"{person}{pick}@{words.FREE_MAIL[pick % len(words.FREE_MAIL)]}")
        elif k == 2:
            emails.append(f"{heads[f]}{pick}@{words.DISPOSABLE_MAIL[pick % len(words.DISPOSABLE_MAIL)]}")
        else:
            emails.append(f"{words.ROLE_BOXES[pick % len(words.ROLE_BOXES)]}@{domain}")
        domains.append(None if k in (1, 2) and hide < 0.7 else domain)
    return emails, domains


def _duplicate_some(
    rng: np.random.Generator,
    account: Ints,
    seniority: Ints,
    function: Ints,
    title: Texts,
    title_first: Texts,
    email: Texts,
    email_kind: Ints,
    domain: Texts,
    spanish: Flags,
    promoted: Ints,
) -> Flags:
    """Some colleagues are the same person entered twice, under another id and with the mail in capitals."""
    twin: Flags = np.r_[False, account[1:] == account[:-1]] & (rng.random(len(account)) < 0.03)
    for i in np.flatnonzero(twin).tolist():
        for column in (seniority, function, email_kind, spanish):
            column[i] = column[i - 1]
        promoted[i] = 0
        title[i] = title_first[i] = title[i - 1]
        email[i], domain[i] = (email[i - 1] or "").upper(), domain[i - 1]
    return twin


def _sizes(rng: np.random.Generator, employees: Floats, created: Ints) -> tuple[Floats, Floats, Ints]:
    """A few sizes were wrong by a factor of ten until somebody corrected them."""
    count = len(employees)
    corrected = created + (rng.uniform(1.0, 45.0, count) * DAY).astype(np.int64)
    wrong = (rng.random(count) < 0.025) & ~np.isnan(employees) & (corrected < WORLD_START + SPAN_DAYS * DAY)
    first = np.where(wrong, np.where(rng.random(count) < 0.5, employees * 10, np.maximum(1, employees // 10)), employees)
    return employees, first, np.where(wrong, corrected, 0)


def _known_colleagues(account: Ints, created: Ints, domain: Texts) -> Ints:
    """Leads of the same account, both with the company's domain on record, created up to 60 days earlier."""
    known = np.array([d is not None for d in domain])
    count = np.zeros(len(account), dtype=np.int64)
    for back in range(1, 15):
        same = (account[back:] == account[:-back]) & known[back:] & known[:-back]
        same &= created[back:] - created[:-back] <= 60 * DAY
        count[back:] += same
    return count


def _choose(rng: np.random.Generator, shares: Floats, count: int) -> Ints:
    edges = np.cumsum(shares / shares.sum())
    chosen: Ints = np.minimum(np.searchsorted(edges, rng.random(count), side="right"), len(shares) - 1).astype(np.int64)
    return chosen
