"""The policy that turns a probability into a decision: `disqualified`, `nurture`, `mql` or `sql`.

In: a `Policy` (validated, frozen, stored as JSON by `data/store.py`), a probability, and the `Facts` known beside it: the
previous decision and its age, BANT, consent, when a hand was raised, how long there was silence, places left this week.
Out: a `Ruling`: the decision, the names of the rules that made it, the arm and the segment, and with which probability the
lead is passed on where chance has a part. Pure functions; no clock, no store: chance is a digest of the lead's id, so that the
same lead meets the same luck every time. What is not known (None) sets no rule off; a probability that is NaN is below every
threshold. Without a previous decision there is no hysteresis and no cool-down, which is how files are scored.

`decide` and `decide_many` are the same rule, and a property test holds them equal: the array one is for many leads under a
plain policy, one that asks for nothing but thresholds, BANT and consent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from operator import attrgetter
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from data.errors import BadData
from models.decision import DECISIONS, BantStatus, Outcome

__all__ = [
    "CONTROL",
    "Arm",
    "Band",
    "Capacity",
    "Change",
    "Experiment",
    "Exploration",
    "Facts",
    "HandOff",
    "HandRaise",
    "Policy",
    "PolicyInvalid",
    "Ruling",
    "Segment",
    "SqlBand",
    "Stages",
    "Suppression",
    "WorkingHours",
    "arm_of",
    "decide",
    "decide_many",
    "diff",
    "draw",
]

Dimension = Literal["budget", "authority", "need", "timeline"]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Domain = Annotated[str, Field(min_length=1, max_length=253)]
CONTROL = "control"
"""The arm of the leads that go by the policy's own thresholds."""
_EXTRAS = ("suppress", "hand_raise", "cool_down_days", "silence_days", "recycle_days", "capacity", "segments", "experiment", "explore")
_extras_of = attrgetter(*_EXTRAS)
_AFTERWARDS = ("hand_off", "stages")
"""What says nothing of how a lead is decided, only of what becomes of it then."""
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Change = dict[str, Any]
"""One difference between two policies: `{"path": "mql.enter", "before": 0.2, "after": 0.25}`."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
_WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
_HOUR = 3_600_000_000

NURTURE, MQL, SQL = DECISIONS.index("nurture"), DECISIONS.index("mql"), DECISIONS.index("sql")


class PolicyInvalid(BadData):
    """The policy is not valid: {problems}.
    Thresholds are probabilities between 0 and 1, exit is at most enter, and SQL enters no lower than MQL."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Band(_Strict):
    """Where a lead enters a queue, and the lower probability at which it leaves again."""

    enter: Share
    exit: Share

    @model_validator(mode="after")
    def _exit_is_not_above_enter(self) -> Self:
        if self.exit > self.enter:
            raise ValueError(f"exit {self.exit:g} is above enter {self.enter:g}: a lead would leave before it is in")
        return self


class SqlBand(Band):
    """The same for SQL, which may also ask for BANT: how many dimensions met, and which must not be unmet."""

    bant_met: Annotated[int, Field(ge=0, le=4)] = 0
    bant_required: tuple[Dimension, ...] = ()


class HandRaise(_Strict):
    """A lead that asks for sales is passed on at once, whatever its probability, if it reaches `at_least`."""

    to: Literal["mql", "sql"] = "mql"
    within_days: Annotated[float, Field(gt=0, le=365, allow_inf_nan=False)] = 7.0
    at_least: Share = 0.0


class Suppression(_Strict):
    """Who is never passed on. Companies are named by their domain; each list's name is the rule's."""

    customers: tuple[Domain, ...] = ()
    competitors: tuple[Domain, ...] = ()
    students: bool = False
    unsubscribed: bool = False


class Capacity(_Strict):
    """How many leads a week may enter each queue; None: as many as reach it."""

    mql: Annotated[int, Field(ge=0)] | None = None
    sql: Annotated[int, Field(ge=0)] | None = None


class Thresholds(_Strict):
    """Both bands."""

    mql: Band
    sql: SqlBand

    @model_validator(mode="after")
    def _sql_is_not_below_mql(self) -> Self:
        if self.sql.enter < self.mql.enter:
            raise ValueError(f"sql.enter {self.sql.enter:g} is below mql.enter {self.mql.enter:g}: every SQL is an MQL first")
        return self


class Segment(Thresholds):
    """Leads whose attribute has one of some values go by thresholds of their own; the first segment that fits counts."""

    name: Name
    column: Name
    values: Annotated[tuple[str, ...], Field(min_length=1, max_length=500)]


class Arm(Thresholds):
    """A share of the leads, drawn by their ids, for which other thresholds are tried."""

    name: Name
    share: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class Experiment(_Strict):
    """Arms beside the policy's own thresholds, which the leads that are in no arm go by; segments stand outside."""

    name: Name
    arms: Annotated[tuple[Arm, ...], Field(min_length=1, max_length=10)]

    @model_validator(mode="after")
    def _shares_leave_a_control(self) -> Self:
        if sum(one.share for one in self.arms) >= 1:
            raise ValueError("the arms' shares come to 1 or more: some leads have to go by the policy's own thresholds")
        if len({one.name for one in self.arms} | {CONTROL}) <= len(self.arms):
            raise ValueError(f"arms need different names, and none may be called {CONTROL}")
        return self


class Exploration(_Strict):
    """A small share of the leads under the cut-off is passed on all the same, so that what becomes of them is known."""

    share: Annotated[float, Field(gt=0, le=0.2, allow_inf_nan=False)]
    at_least: Share = 0.0
    salt: Name = "1"
    """Another one draws other leads."""


class WorkingHours(_Strict):
    """When sales is at work: days of the week, and from when to when, in a zone."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = ("mon", "tue", "wed", "thu", "fri")
    begin: TimeOfDay = "09:00"
    end: TimeOfDay = "18:00"
    zone: Annotated[str, Field(min_length=1, max_length=100)] = "UTC"

    @model_validator(mode="after")
    def _are_hours(self) -> Self:
        if self.end <= self.begin:
            raise ValueError(f"work ends at {self.end}, which is not after it begins at {self.begin}")
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {self.zone!r}: it is one such as Europe/Madrid") from None
        return self


class HandOff(_Strict):
    """Sales' promise: within how many hours somebody takes care of a lead that was handed over."""

    within_hours: Annotated[float, Field(gt=0, le=720, allow_inf_nan=False)]
    working: WorkingHours | None = None
    """Only these hours count; None: all do."""
    touches: Annotated[tuple[Name, ...], Field(max_length=50)] = ("call", "call_attempt", "meeting")
    """Activities by which somebody takes care; accepting, rejecting and what the CRM says of a deal do so anyway."""

    def due(self, handed_at: int) -> int:
        """Until when, in microseconds since 1970 UTC, of a lead that was handed over then.

        >>> friday_at_five = 1_772_816_400_000_000
        >>> monday_at_noon = HandOff(within_hours=4, working=WorkingHours()).due(friday_at_five)
        >>> (monday_at_noon - friday_at_five) / _HOUR
        67.0
        """
        left = round(self.within_hours * _HOUR)
        if self.working is None:
            return handed_at + left
        zone = ZoneInfo(self.working.zone)
        day = datetime.fromtimestamp(handed_at // 1_000_000, zone).date()
        while True:
            if _WEEKDAYS[day.weekday()] in self.working.days:
                begin, end = (_instant(day, clock, zone) for clock in (self.working.begin, self.working.end))
                open_from = max(begin, handed_at)
                if end > open_from:
                    if left <= end - open_from:
                        return open_from + left
                    left -= end - open_from
            day += timedelta(days=1)


class Stages(_Strict):
    """What stages of the CRM's pipeline mean here, by their names in any case; other stages move nothing."""

    opportunity: tuple[Name, ...] = ("opportunity", "proposal", "negotiation", "quote", "demo done", "contract")
    won: tuple[Name, ...] = ("closed won", "won", "customer")
    lost: tuple[Name, ...] = ("closed lost", "lost")

    @model_validator(mode="after")
    def _mean_one_thing(self) -> Self:
        named = [one.strip().casefold() for one in (*self.opportunity, *self.won, *self.lost)]
        if len(set(named)) < len(named):
            raise ValueError(f"a stage means one thing: {', '.join(sorted({one for one in named if named.count(one) > 1}))}")
        return self

    def meaning(self, stage: str) -> Literal["opportunity", "won", "lost"] | None:
        """
        >>> Stages().meaning("Closed Won"), Stages().meaning("contacted")
        ('won', None)
        """
        name = stage.strip().casefold()
        kinds: tuple[Literal["opportunity", "won", "lost"], ...] = ("opportunity", "won", "lost")
        return next((kind for kind in kinds if any(name == one.strip().casefold() for one in getattr(self, kind))), None)


class Policy(Thresholds):
    """The rules in force. Another shape of policy would carry another `format`."""

    format: Literal[1] = 1
    require_consent: bool = False
    """Whether a lead that refused consent is disqualified."""
    suppress: Suppression = Suppression()
    hand_raise: HandRaise | None = None
    cool_down_days: Annotated[float, Field(ge=0, le=365, allow_inf_nan=False)] = 0.0
    """Days for which a decision stands before another one may follow; a raised hand and suppression do not wait."""
    silence_days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)] | None = None
    """Days without any activity after which a lead is recycled into nurture, and until its next one stays there."""
    recycle_days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)] | None = None
    """Days for which a lead that sales rejected rests in nurture, unless it raises its hand; None: a rejection changes no decision."""
    hand_off: HandOff | None = None
    stages: Stages = Stages()
    capacity: Capacity = Capacity()
    segments: Annotated[tuple[Segment, ...], Field(max_length=50)] = ()
    experiment: Experiment | None = None
    explore: Exploration | None = None

    @classmethod
    def at(cls, mql: float, sql: float) -> Policy:
        """The plain policy with these thresholds, left again a tenth below them."""
        return cls(mql=Band(enter=mql, exit=round(mql * 0.9, 6)), sql=SqlBand(enter=sql, exit=round(sql * 0.9, 6)))

    @classmethod
    def read(cls, value: str | bytes | Mapping[str, Any]) -> Policy:
        """A policy from JSON text or a parsed object; raises PolicyInvalid naming each fault."""
        try:
            return cls.model_validate_json(value) if isinstance(value, (str, bytes)) else cls.model_validate(dict(value))
        except ValidationError as error:
            raise PolicyInvalid(problems="; ".join(_faults(error))) from None

    def to_json(self) -> str:
        return self.model_dump_json()

    @model_serializer(mode="wrap")
    def _without_what_is_not_asked_for(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What a policy asks for beyond thresholds, BANT and consent stands in it only where it does ask."""
        written: dict[str, Any] = dump(self)
        for name in (*_EXTRAS, *_AFTERWARDS):
            if getattr(self, name) == type(self).model_fields[name].default:
                written.pop(name, None)
        return written

    @property  # not kept: a copy with other rules would keep it too
    def stateless(self) -> Policy:
        """The same for a file, whose decisions nobody acts on yet: nothing is drawn. Capacity and cool-down need facts it lacks."""
        return self if self.explore is None else self.model_copy(update={"explore": None})

    @property
    def plain(self) -> bool:
        """Whether it asks for nothing but thresholds, BANT and consent."""
        return bool(_extras_of(self) == _no_extras())


@lru_cache(maxsize=1)
def _no_extras() -> tuple[object, ...]:
    return tuple(Policy.model_fields[name].default for name in _EXTRAS)


class Facts(NamedTuple):
    """What is known of a lead beside its probability; None: not known."""

    lead_id: str = ""
    previous: Outcome | None = None
    previous_days: float | None = None
    """Days since the previous decision was another one than before."""
    bant: Mapping[str, BantStatus] | None = None
    consent: bool | None = None
    account: str | None = None
    """The company's domain."""
    student: bool | None = None
    unsubscribed: bool | None = None
    hand_raised_days: float | None = None
    rejected_days: float | None = None
    """Days since sales rejected it, if it has not accepted it since."""
    silent_days: float | None = None
    attributes: Mapping[str, object] = MappingProxyType({})
    """Values that segments go by."""
    places: Mapping[str, int] = MappingProxyType({})
    """How many more leads may enter each queue this week; a queue that is not named has no bound."""


class Ruling(NamedTuple):
    """What should happen with a lead, and why."""

    decision: Outcome
    rules: list[str]
    propensity: float | None = None
    """The probability with which a lead like this is passed on; None where no chance is involved."""
    arm: str | None = None
    segment: str | None = None

    @property
    def told(self) -> list[str]:
        """The rules, the segment and the arm among them, as a decision lists them."""
        if self.segment is None and self.arm is None:
            return self.rules
        named = {"segment": self.segment, "arm": self.arm}
        return [*self.rules, *(f"{kind}:{name}" for kind, name in named.items() if name is not None)]


def decide(policy: Policy, probability: float, facts: Facts | None = None, *, no_signal: bool = False) -> Ruling:
    """What should happen with one lead, and the rules that said so.

    >>> decide(Policy.at(0.2, 0.5), 0.3)[:2]
    ('mql', ['mql_enter'])
    >>> decide(Policy.at(0.2, 0.5), 0.19, Facts(previous="mql"))[:2]
    ('mql', ['mql_stay'])
    """
    known = facts or NOTHING
    if (rule := _suppressed(policy, known)) is not None:
        return Ruling("disqualified", [rule])
    if no_signal:
        return Ruling("nurture", ["no_signal"])
    bands, arm, segment = _thresholds(policy, known)
    decision, rules = _by_thresholds(bands, probability, known)
    raised = policy.hand_raise if _has_raised(policy, probability, known) else None
    if raised is not None and DECISIONS.index(decision) < DECISIONS.index(raised.to):
        decision, rules = _raise_to(raised.to, decision, bands.sql, known)
    if policy.silence_days is not None and known.silent_days is not None and known.silent_days >= policy.silence_days:
        decision, rules = "nurture", ["silent"]
    elif _rests(policy, known):
        decision, rules = "nurture", ["rejected"]
    elif raised is None and _cooling_down(policy, decision, known):
        assert known.previous is not None
        decision, rules = known.previous, ["cool_down"]
    propensity = None
    if policy.explore is not None and not {"silent", "rejected", "cool_down"} & set(rules):
        propensity = 1.0
        if decision == "nurture" and known.previous != "disqualified" and probability >= policy.explore.at_least:
            propensity = policy.explore.share
            if draw(f"explore:{policy.explore.salt}", known.lead_id) < propensity:
                decision, rules = "mql", ["explored"]
        elif decision == "nurture":
            propensity = 0.0
    placed, rules = _within_capacity(decision, rules, known)
    # Where the queue was full no luck would have helped: what chance did then is not known.
    return Ruling(placed, rules, propensity if placed == decision else None, arm, segment)


NOTHING = Facts()


def draw(purpose: str, lead_id: str) -> float:
    """A lead's luck for some purpose, uniform in [0, 1): the same every time, and independent between purposes."""
    digest = hashlib.blake2b(f"{purpose}\x1f{lead_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def _suppressed(policy: Policy, known: Facts) -> str | None:
    """The rule that keeps the lead from being passed on at all."""
    if policy.require_consent and known.consent is False:
        return "no_consent"
    lists = policy.suppress
    if known.account is not None:
        if known.account in lists.customers:
            return "customer"
        if known.account in lists.competitors:
            return "competitor"
    if lists.students and known.student:
        return "student"
    return "unsubscribed" if lists.unsubscribed and known.unsubscribed else None


def _thresholds(policy: Policy, known: Facts) -> tuple[Thresholds, str | None, str | None]:
    """The thresholds that a lead goes by, with the name of its arm and of its segment."""
    for segment in policy.segments:
        value = known.attributes.get(segment.column)
        if value is not None and str(value) in segment.values:
            return segment, None, segment.name
    if policy.experiment is None:
        return policy, None, None
    luck = draw(f"arm:{policy.experiment.name}", known.lead_id)
    for arm, upto in zip(policy.experiment.arms, accumulate(one.share for one in policy.experiment.arms), strict=True):
        if luck < upto:
            return arm, arm.name, None
    return policy, CONTROL, None


def arm_of(policy: Policy, known: Facts) -> str | None:
    """The arm of the policy's experiment that a lead is in; None for one that is in none, since a segment has it or nothing is tried."""
    return _thresholds(policy, known)[1]


def _by_thresholds(bands: Thresholds, probability: float, known: Facts) -> tuple[Outcome, list[str]]:
    held: list[str] = []
    sql, mql, previous = bands.sql, bands.mql, known.previous
    entered = probability >= sql.enter
    if entered or (previous == "sql" and probability >= sql.exit):
        if _bant_allows(sql, known.bant):
            return "sql", ["sql_enter" if entered else "sql_stay"]
        held.append("sql_bant_missing")
    if probability >= mql.enter:
        return "mql", ["mql_enter", *held]
    if previous in ("mql", "sql") and probability >= mql.exit:
        return "mql", ["mql_stay", *held]
    return "nurture", ["below_mql", *held]


def _has_raised(policy: Policy, probability: float, known: Facts) -> bool:
    rule, days = policy.hand_raise, known.hand_raised_days
    return rule is not None and days is not None and days <= rule.within_days and probability >= rule.at_least


def _rests(policy: Policy, known: Facts) -> bool:
    """Whether sales rejected it so recently that it rests; a hand that was raised after that ends it."""
    if policy.recycle_days is None or known.rejected_days is None or known.rejected_days >= policy.recycle_days:
        return False
    return known.hand_raised_days is None or known.hand_raised_days >= known.rejected_days


def _raise_to(to: Outcome, decision: Outcome, sql: SqlBand, known: Facts) -> tuple[Outcome, list[str]]:
    """As far up as BANT allows."""
    if to == "sql" and not _bant_allows(sql, known.bant):
        return "mql", ["hand_raise", "sql_bant_missing"] if decision != "mql" else ["mql_enter", "sql_bant_missing"]
    return to, ["hand_raise"]


def _cooling_down(policy: Policy, decision: Outcome, known: Facts) -> bool:
    """Whether the decision would change sooner than the policy allows. Who was disqualified may come back at once."""
    if known.previous in (None, "disqualified", decision) or known.previous_days is None:
        return False
    return known.previous_days < policy.cool_down_days


def _within_capacity(decision: Outcome, rules: list[str], known: Facts) -> tuple[Outcome, list[str]]:
    """The highest queue up to the decision that still has a place; who is in a queue already keeps it."""
    full: list[str] = []
    for queue in ("sql", "mql"):
        if DECISIONS.index(decision) < DECISIONS.index(queue):
            continue
        stays = known.previous is not None and DECISIONS.index(known.previous) >= DECISIONS.index(queue)
        if stays or known.places.get(queue, 1) > 0:
            return queue, ([*rules] if queue == decision else []) + full
        full.append(f"{queue}_full")
    return ("nurture", full) if full else (decision, rules)


def decide_many(
    policy: Policy,
    probability: NDArray[np.float64],
    *,
    previous: NDArray[np.int8] | None = None,
    bant_met: NDArray[np.int64] | None = None,
    required_unmet: NDArray[np.bool_] | None = None,
    refused: NDArray[np.bool_] | None = None,
    no_signal: bool = False,
) -> NDArray[np.int8]:
    """The decisions of many leads under a plain policy as positions in DECISIONS; `previous` uses the same codes, -1 for none.

    Raises ValueError for a policy that is not plain: its leads are decided one by one.
    """
    if not policy.plain:
        raise ValueError("only a plain policy decides on many leads at once")
    rows = len(probability)
    before = np.full(rows, -1, np.int8) if previous is None else previous
    code = np.full(rows, NURTURE, np.int8)
    if not no_signal:
        met = np.zeros(rows, np.int64) if bant_met is None else bant_met
        unmet = np.zeros(rows, np.bool_) if required_unmet is None else required_unmet
        allowed = (met >= policy.sql.bant_met) & ~unmet
        code[(probability >= policy.mql.enter) | ((before >= MQL) & (probability >= policy.mql.exit))] = MQL
        code[((probability >= policy.sql.enter) | ((before == SQL) & (probability >= policy.sql.exit))) & allowed] = SQL
    if policy.require_consent and refused is not None:
        code[refused] = DECISIONS.index("disqualified")
    return code


def diff(before: Policy, after: Policy) -> list[Change]:
    """What changed from one policy to the other, by dotted path."""
    old, new = dict(_leaves(before.model_dump())), dict(_leaves(after.model_dump()))
    return [
        {"path": path, "before": old.get(path), "after": new.get(path)}
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]


def _bant_allows(sql: SqlBand, bant: Mapping[str, BantStatus] | None) -> bool:
    """Enough dimensions met, and none of the required ones known to be unmet."""
    known = bant or {}
    met = sum(status == "met" for status in known.values())
    return met >= sql.bant_met and not any(known.get(dimension) == "unmet" for dimension in sql.bant_required)


def _instant(day: date, clock: str, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time.fromisoformat(clock), zone).timestamp()) * 1_000_000


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(inner) if isinstance(inner, tuple) else inner


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message
