"""Where a lead is on its way from stranger to customer, and who may move it: worked out from what happened, never kept twice.

In: events of one lead in any order (decisions of the policy, verdicts of sales, what a CRM says of its pipeline), when a rejected
lead has rested, and the instant at which one looks. Out: a `Course`: every move with its instant, who made it and why, and the
hand-off with the instant at which somebody first took care. Instants are microseconds since 1970 UTC. Events after that instant
do not count. Nothing known is the state `new`.

    new → nurture → mql → accepted → sql → opportunity → customer,  rejected → recycled,  disqualified

The policy hands over (`mql`), takes back (`recycled`), disqualifies, and calls what sales has accepted `sql` once its decision says so.
Sales accepts and rejects. A CRM's stages and outcomes make opportunities and customers. What an event would move against these
rights moves nothing; a caller asks `refused` first. The order in which rows came to be known does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

__all__ = [
    "CLOCKS",
    "MOVES",
    "STATES",
    "Actor",
    "Clock",
    "Course",
    "Event",
    "EventKind",
    "HandedOver",
    "Move",
    "State",
    "clock",
    "course",
    "refused",
    "taken_back",
]

State = Literal["new", "nurture", "mql", "accepted", "sql", "opportunity", "customer", "rejected", "recycled", "disqualified"]
Actor = Literal["policy", "sales", "crm"]
EventKind = Literal["decision", "verdict", "crm", "touch"]
Clock = Literal["running", "met", "late", "breached"]
STATES: tuple[State, ...] = get_args(State)
CLOCKS: tuple[Clock, ...] = get_args(Clock)

_POLICY, _SALES, _CRM = (frozenset[Actor]({one}) for one in get_args(Actor))
MOVES: dict[tuple[State, State], frozenset[Actor]] = {
    **{(one, "nurture"): _POLICY for one in ("new", "disqualified")},
    **{(one, "mql"): _POLICY for one in ("new", "nurture", "recycled", "disqualified")},
    **{(one, "disqualified"): _POLICY for one in ("new", "nurture", "mql", "accepted", "sql", "rejected", "recycled")},
    ("accepted", "sql"): _POLICY,
    **{(one, "recycled"): _POLICY for one in ("rejected", "disqualified")},
    **{(one, "recycled"): _POLICY | _CRM for one in ("mql", "accepted", "sql")},
    ("opportunity", "recycled"): _CRM,
    **{(one, "accepted"): _SALES for one in ("nurture", "mql", "rejected", "recycled")},
    **{(one, "rejected"): _SALES for one in ("nurture", "mql", "accepted", "sql", "rejected", "recycled")},
    **{(one, "opportunity"): _CRM for one in STATES if one not in ("opportunity", "customer")},
    **{(one, "customer"): _CRM for one in STATES if one != "customer"},
}
"""Each move that there is, and who makes it. The CRM recycles what was lost."""

_WITH_SALES: frozenset[State] = frozenset({"mql", "accepted", "sql", "opportunity"})
_TAKES_BACK = ("override", "silent", "rejected")
"""Rules by which the policy takes back what sales has accepted, or lets rest what it has rejected: a probability that falls is none."""
_RANK: dict[EventKind, int] = {"crm": 0, "decision": 1, "verdict": 2, "touch": 3}
"""Which of several events of one instant comes first: whoever reacts to something comes after it."""


class Event(NamedTuple):
    """Something that may move a lead, or that shows that sales takes care of it."""

    at: int
    kind: EventKind
    value: str
    """`disqualified|nurture|mql|sql`; `accepted|rejected`; `opportunity|won|lost`; a touch's own name."""
    reason: str = ""
    """Why sales rejected, or why a deal was lost, as they call it."""
    before: str = ""
    """Of a decision, the one before it."""
    taken_back: str = ""
    """Of a decision, as `taken_back` says."""
    by: str = ""
    policy: str = ""
    """Of a decision, the version of the policy that made it."""


class Move(NamedTuple):
    """A lead went from one state to another, or was rejected for another reason."""

    at: int
    before: State
    state: State
    actor: Actor
    reason: str = ""
    by: str = ""


class HandedOver(NamedTuple):
    """A lead was handed to sales, by which policy, and when somebody first took care; None: nobody has."""

    at: int
    policy: str
    touched_at: int | None = None


@dataclass(frozen=True)
class Course:
    """How a lead came to be where it is."""

    moves: tuple[Move, ...] = ()
    handed: HandedOver | None = None
    """The newest hand-over, if it was not taken back before anybody took care of it."""
    wakes_at: int | None = None
    """When time alone moves it next: its rest after a rejection is over."""

    @property
    def state(self) -> State:
        return self.moves[-1].state if self.moves else "new"

    @property
    def since(self) -> int | None:
        return self.moves[-1].at if self.moves else None


def course(events: Iterable[Event], now: int, *, rest: int | None = None) -> Course:
    """The lead's way up to `now`; `rest`: for how long a rejected lead rests before it is recycled, None: until the policy says so.

    >>> handed = [Event(1, "decision", "nurture"), Event(5, "decision", "mql", before="nurture")]
    >>> course(handed, 9).state, course([*handed, Event(7, "verdict", "rejected", "no_budget")], 9, rest=30).wakes_at
    ('mql', 37)
    """
    way = _Way(rest)
    for event in sorted(_by_then(events, now), key=_order):
        way.rest_until(event.at)
        way.meet(event)
    way.rest_until(now)
    wakes = way.rejected_at + rest if way.state == "rejected" and rest is not None else None
    return Course(tuple(way.moves), way.handed, wakes)


def clock(handed: HandedOver | None, due_at: int | None, now: int) -> Clock | None:
    """How a hand-over stands against its promise; None without either.

    >>> clock(HandedOver(1, ""), 9, 5), clock(HandedOver(1, ""), 9, 9)
    ('running', 'breached')
    >>> clock(HandedOver(1, "", 8), 9, 20), clock(HandedOver(1, "", 12), 9, 20)
    ('met', 'late')
    """
    if handed is None or due_at is None:
        return None
    if handed.touched_at is not None:
        return "met" if handed.touched_at <= due_at else "late"
    return "running" if now < due_at else "breached"


def refused(state: State, verdict: str) -> str | None:
    """Why sales cannot accept or reject a lead in a state; None: it can.

    >>> refused("mql", "accepted") is None, refused("customer", "rejected")
    (True, 'it is a customer, and only the CRM moves it')
    """
    if (state, verdict) in MOVES or (verdict == "accepted" and state in ("accepted", "sql")):
        return None
    if state in ("opportunity", "customer"):
        return f"it is {'an opportunity' if state == 'opportunity' else 'a customer'}, and only the CRM moves it"
    if state == "disqualified":
        return "the policy has disqualified it, and only the policy or an override takes that back"
    return "nothing has been decided about it yet"


def taken_back(decision: str, rules: Sequence[str]) -> str | None:
    """The rule by which a decision takes from sales what it has accepted; None where it does not.

    >>> taken_back("nurture", ["silent"]), taken_back("nurture", ["below_mql"]), taken_back("mql", ["mql_enter", "override"])
    ('silent', None, None)
    """
    return next((rule for rule in _TAKES_BACK if rule in rules), None) if decision == "nurture" else None


def _falls(state: State, taken_back: str) -> bool:
    """Whether a decision to nurture takes the lead back from where it is."""
    if state == "rejected":
        return taken_back != "rejected"
    return state == "mql" or (state in ("accepted", "sql") and taken_back in ("override", "silent"))


def _by_then(events: Iterable[Event], now: int) -> Sequence[Event]:
    return [event for event in events if event.at <= now]


def _order(event: Event) -> tuple[object, ...]:
    return (event.at, _RANK[event.kind], *event[2:])


@dataclass
class _Way:
    """The lead while its events are told."""

    rest: int | None
    moves: list[Move] = field(default_factory=list)
    handed: HandedOver | None = None
    decision: str = ""
    was_with_sales: bool = False
    rejected_at: int = 0

    @property
    def state(self) -> State:
        return self.moves[-1].state if self.moves else "new"

    def go(self, at: int, to: State, actor: Actor, event: Event | None = None) -> None:
        before = self.state
        reason, by = ("", "") if event is None else (event.reason, event.by)
        self.moves.append(Move(at, before, to, actor, reason, by))
        if to in _WITH_SALES:
            self.was_with_sales = True
        if to == "rejected":
            self.rejected_at = at
        if to == "mql":
            self.handed = HandedOver(at, event.policy if event is not None else "")
        elif actor == "policy" and to in ("recycled", "disqualified") and self.handed is not None and self.handed.touched_at is None:
            self.handed = None  # taken back before anybody took care: there is nothing left to be late for

    def touch(self, at: int) -> None:
        if self.handed is not None and self.handed.touched_at is None and at >= self.handed.at:
            self.handed = self.handed._replace(touched_at=at)

    def rest_until(self, now: int) -> None:
        if self.rest is not None and self.state == "rejected" and self.rejected_at + self.rest <= now:
            self.go(self.rejected_at + self.rest, "recycled", "policy")

    def meet(self, event: Event) -> None:
        if event.kind == "decision":
            self._decided(event)
        else:
            self.touch(event.at)
            if event.kind == "verdict":
                self._judged(event)
            elif event.kind == "crm":
                self._sold(event)

    def _decided(self, event: Event) -> None:
        self.decision, state, at = event.value, self.state, event.at
        if state in ("opportunity", "customer"):
            return
        if event.value == "disqualified":
            if state != "disqualified":
                self.go(at, "disqualified", "policy", event)
        elif event.value == "nurture":
            if state in ("new", "disqualified"):
                self.go(at, "recycled" if self.was_with_sales else "nurture", "policy", event)
            elif _falls(state, event.taken_back):
                self.go(at, "recycled", "policy", event)
        elif state == "rejected":
            if event.before not in ("mql", "sql"):  # it came up to the threshold once more
                self.go(at, "recycled", "policy", event)
                self.go(at, "mql", "policy", event)
        elif (state, "mql") in MOVES:
            self.go(at, "mql", "policy", event)
        elif state == "accepted" and event.value == "sql":
            self.go(at, "sql", "policy", event)

    def _judged(self, event: Event) -> None:
        to: State = "accepted" if event.value == "accepted" else "rejected"
        if (self.state, to) in MOVES:
            self.go(event.at, to, "sales", event)
            if to == "accepted" and self.decision == "sql":
                self.go(event.at, "sql", "policy")

    def _sold(self, event: Event) -> None:
        if event.value == "lost":
            if self.state in _WITH_SALES:
                self.go(event.at, "recycled", "crm", event)
            return
        to: State = "opportunity" if event.value == "opportunity" else "customer"
        if (self.state, to) in MOVES:
            self.go(event.at, to, "crm", event)
