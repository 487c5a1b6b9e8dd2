"""From requests to decisions that are in the ledger; knows nothing of HTTP.

In: decoded requests and when they were received. Out: one encoded answer per request, or the error with it. Between
them: the model and the policy in force, one look at each lead's previous decision, the one scoring function, and the
ledger, which is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import platform
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from random import Random
from time import perf_counter
from typing import TypeVar, cast

import msgspec

from data.crm import ActivityRow, Held, Override
from data.errors import BadData, TamizError
from data.quick import Overtaken
from data.store import Store, now
from models.decision import Decision, Outcome, Overridden
from models.lifecycle import taken_back
from models.qualification import Policy
from models.request import Activity, ScoreRequest
from models.scoring import score_requests
from serving.ledger import Also, Ledger, Row
from serving.model_store import LoadedModel, ModelStore
from serving.policies import Policies
from serving.schemas import instant, microseconds, utc

__all__ = ["Decider", "LeadIdMissing", "Made", "Stood", "overrule", "rejected_days", "request_of", "runtime_versions", "week_of"]

REASONS = 3
TOGETHER = 64
"""Requests that are scored in one go: more would make the first of them wait."""
PATIENCE = 100e-6
"""For how many seconds without a newcomer more are waited for: what is scored together costs a fraction, but not worth more waiting."""
TRIES = 5
"""How often a decision is made anew because another process has decided on the lead meanwhile."""
_DAY = 86_400_000_000
_WEEK = 7 * _DAY
_THURSDAY = 3 * _DAY
"""1 January 1970 was a Thursday, three days after a Monday."""
_T = TypeVar("_T")
_encoder = msgspec.json.Encoder()
_canonical = msgspec.json.Encoder(order="deterministic")


class LeadIdMissing(BadData):
    """`lead.lead_id` has to be a text or a whole number that names the lead, of at most 200 characters."""


class TimeOutOfRange(BadData):
    """`as_of` lies outside the years 1 to 9999 in UTC."""


@dataclass(eq=False)
class _Waiting:
    """A request between being read and being scored."""

    request: ScoreRequest
    received: int
    idempotency: tuple[str, str] | None
    durable: asyncio.Future[None]
    answer: bytes = b""
    decision: Decision | None = None


@dataclass(frozen=True)
class Made:
    """A decision and how it is answered."""

    decision: Decision
    answer: bytes


@dataclass(frozen=True)
class Stood:
    """A lead's decision from the store, as it is answered, and whether it went into the ledger."""

    decision: Decision
    answer: bytes
    entered: bool


class Decider:
    """Scores, decides, and enters into the ledger."""

    def __init__(self, models: ModelStore, policies: Policies, ledger: Ledger, runtime: str) -> None:
        self._models = models
        self._policies = policies
        self._ledger = ledger
        self._runtime = runtime
        self._waiting: list[_Waiting] = []
        self._company = 0
        """How many were scored together last."""
        # Not os.urandom for each: a system call that gives the interpreter lock away costs more than the rest of the id.
        self._random = Random(os.urandom(32))

    async def one(self, request: ScoreRequest, received: int, idempotency: tuple[str, str] | None = None) -> tuple[bytes, Decision]:
        """The encoded decision on one lead, durable; raises what kept it from being made.

        Requests that the event loop reads in one go are scored in one go: signals of sixteen leads cost hardly more
        than those of one, and a lead gets the same bits in any company.
        """
        return await _not_overtaken(lambda: self._one(request, received, idempotency))

    async def _one(self, request: ScoreRequest, received: int, idempotency: tuple[str, str] | None) -> tuple[bytes, Decision]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, received, idempotency, loop.create_future())
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            loop.call_soon(self._gather, 0, 0.0)
        await waiting.durable
        assert waiting.decision is not None
        return waiting.answer, waiting.decision

    def _gather(self, before: int, since: float) -> None:
        """Scores what waits once no more of it comes: looks once where the last request was alone, for a moment where it had company.

        Callers who are answered together come back together, but one after the other: without the moment they would fall into
        ever smaller groups.
        """
        waiting, at = len(self._waiting), perf_counter()
        if waiting > before:
            since = at
        if waiting < TOGETHER and (waiting > before or (self._company > 1 and at - since < PATIENCE)):
            asyncio.get_running_loop().call_soon(self._gather, waiting, since)
        else:
            self._company = waiting
            self._score_waiting()

    def _score_waiting(self) -> None:
        """Scores everything that waits and hands it to the ledger, before anything else can ask for these leads."""
        everyone, self._waiting = self._waiting, []
        for start in range(0, len(everyone), TOGETHER):
            self._score_group([one for one in everyone[start : start + TOGETHER] if not one.durable.done()])

    def _score_group(self, group: list[_Waiting]) -> None:
        try:
            loaded = self._models.current()
            scored, inputs = self._score([one.request for one in group], [one.received for one in group], loaded)
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait have to hear of it
            if len(group) > 1 and not isinstance(error, TamizError):  # a bug that one of them meets is not the others' fault
                for one in group:
                    self._score_group([one])
                return
            for one in group:
                one.durable.set_exception(error)
            return
        for one, decision, held in zip(group, scored, inputs, strict=True):
            try:
                if isinstance(decision, TamizError):
                    raise decision
                one.answer, one.decision = _encoder.encode(decision), decision
                row = self._row(held, decision, one.answer, one.received, one.idempotency)
                self._ledger.enter((row,), {decision.lead_id: decision.decision}, one.durable)
            except Exception as error:  # noqa: BLE001 - likewise, each to its own
                one.durable.set_exception(error)

    async def many(
        self, requests: Sequence[ScoreRequest], received: int, idempotency: Sequence[tuple[str, str]] | None = None
    ) -> list[Made | TamizError]:
        """The decisions on several leads, durable together; one that cannot be made is answered by its error."""
        return await _not_overtaken(lambda: self._many(requests, received, idempotency or [None] * len(requests)))

    async def of_store(
        self,
        leads: Sequence[Held],
        received: int,
        *,
        stand: Callable[[Sequence[Stood]], Also],
        always: bool = False,
        idempotency: tuple[str, str] | None = None,
    ) -> list[Stood | TamizError]:
        """Scores leads from what the store held of them at `received`, and enters what was decided into the ledger.

        A decision that is the one before again is entered only with `always`; the lead's figures are new all the same. What was
        entered takes along where those leads stand, as `stand` writes it. `idempotency` goes with a single lead.
        """
        return await _not_overtaken(lambda: self._of_store(leads, received, stand, always, idempotency))

    async def _many(
        self, requests: Sequence[ScoreRequest], received: int, idempotency: Sequence[tuple[str, str] | None]
    ) -> list[Made | TamizError]:
        loaded = self._models.current()
        answers: list[Made | TamizError] = []
        rows: list[Row] = []
        latest: dict[str, Outcome] = {}
        scored, inputs = self._score(requests, [received] * len(requests), loaded)
        for held, decision, key in zip(inputs, scored, idempotency, strict=True):
            if isinstance(decision, TamizError):
                answers.append(decision)
                continue
            answer = _encoder.encode(decision)
            rows.append(self._row(held, decision, answer, received, key))
            latest[decision.lead_id] = decision.decision
            answers.append(Made(decision, answer))
        if rows:
            await self._ledger.enter(rows, latest)
        return answers

    async def _of_store(
        self,
        leads: Sequence[Held],
        received: int,
        stand: Callable[[Sequence[Stood]], Also],
        always: bool,
        idempotency: tuple[str, str] | None,
    ) -> list[Stood | TamizError]:
        loaded = self._models.current()
        requests = [request_of(one, received) for one in leads]
        scored, inputs = self._score(requests, [received] * len(requests), loaded, rejected_days(leads, received))
        answers: list[Stood | TamizError] = []
        rows: list[Row] = []
        latest: dict[str, Outcome] = {}
        for held, written, decision in zip(leads, inputs, scored, strict=True):
            if isinstance(decision, TamizError):
                answers.append(decision)
                continue
            decision.receipt.merged = held.merged
            if held.override is not None:
                overrule(decision, held.override)
            if held.cut:
                decision.missing.append("the account is too large: only its newest leads and activities were looked at")
            entered = always or decision.changed or decision.previous_decision is None
            answer = _encoder.encode(decision)
            if entered:
                rows.append(self._row(written, decision, answer, received, idempotency, "store"))
                latest[decision.lead_id] = decision.decision
            answers.append(Stood(decision, answer, entered))
        if rows:
            await self._ledger.enter(rows, latest, also=stand([one for one in answers if isinstance(one, Stood) and one.entered]))
        return answers

    def _score(
        self, requests: Sequence[ScoreRequest], received: Sequence[int], loaded: LoadedModel, rejected: Mapping[str, float] | None = None
    ) -> tuple[list[Decision | TamizError], list[bytes]]:
        """The answer to each request, in order; and its canonical bytes, where that is a decision."""
        in_force = self._policies.in_force(loaded)
        if in_force is None:
            raise self._models.absence()
        answers: list[Decision | TamizError | None] = [_flaw(request, at) for request, at in zip(requests, received, strict=True)]
        inputs = [b""] * len(requests)
        sound = [place for place, flaw in enumerate(answers) if flaw is None]
        latest = self._ledger.latest({requests[place].lead["lead_id"] for place in sound})
        policy = in_force.policy
        room = self._places(policy, min(received, default=0))
        since = self._since(policy, latest, received)
        # Requests that want the same explanation are scored together, without changing the order in which leads are decided.
        for explain, run in groupby(sound, key=lambda place: requests[place].explain):
            places, written = list(run), list[bytes]()
            scored = score_requests(
                loaded.bundle,
                [requests[place] for place in places],
                in_force.policy,
                reasons=0 if explain == "none" else REASONS,
                explain="path" if explain == "none" else explain,
                previous=latest,
                since=since,
                places=room,
                rejected=rejected,
                inputs=written,
            )
            taken = iter(written)
            at = instant(now())
            for place, answer in zip(places, scored, strict=True):
                answers[place] = answer
                if isinstance(answer, Decision):
                    inputs[place] = next(taken)
                    receipt = answer.receipt
                    receipt.decision_id = self._decision_id()
                    receipt.policy_version = in_force.version
                    receipt.scored_at = at
        return [answer for answer in answers if answer is not None], inputs

    def _places(self, policy: Policy, at: int) -> dict[str, int]:
        """How many more leads may enter each bounded queue in the week (from Monday, UTC) of an instant."""
        bounds = {queue: bound for queue, bound in (("mql", policy.capacity.mql), ("sql", policy.capacity.sql)) if bound is not None}
        return {queue: bound - self._ledger.entered_since(queue, week_of(at)) for queue, bound in bounds.items()}

    def _since(self, policy: Policy, latest: Mapping[str, Outcome], received: Sequence[int]) -> dict[str, float]:
        """For how many days each lead's latest decision has stood, where the policy asks."""
        if not policy.cool_down_days or not received:
            return {}
        at = max(received)
        stood = {lead_id: self._ledger.stands_since(lead_id) for lead_id in latest}
        return {lead_id: 0.0 if since is None else max(at - since, 0) / _DAY for lead_id, since in stood.items()}

    def _decision_id(self) -> str:
        """A UUID of version 7: ordered by time, so that the ledger's index grows at its end."""
        stamp = time.time_ns() // 1_000_000
        drawn = self._random.getrandbits(74)
        value = (stamp << 80) | (0x7 << 76) | ((drawn >> 62) << 64) | (0b10 << 62) | (drawn & ((1 << 62) - 1))
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _row(
        self,
        held: bytes,
        decision: Decision,
        answer: bytes,
        received: int,
        idempotency: tuple[str, str] | None,
        origin: str | None = None,
    ) -> Row:
        receipt = decision.receipt
        assert receipt.scored_at is not None
        key, request_hash = idempotency or (None, None)
        return (
            receipt.decision_id,
            decision.lead_id,
            microseconds(receipt.scored_at),
            microseconds(decision.as_of),
            decision.decision,
            decision.previous_decision,
            decision.probability,
            receipt.model_version,
            receipt.policy_version,
            receipt.feature_set,
            receipt.input_hash,
            held,
            answer,
            self._runtime,
            key,
            request_hash,
            origin,
            None if receipt.propensity is msgspec.UNSET else receipt.propensity,
            taken_back(decision.decision, decision.rules),
        )


def rejected_days(leads: Sequence[Held], at: int) -> dict[str, float]:
    """How many days before an instant sales rejected those leads of which it has said nothing else since."""
    return {one.lead_id: (at - one.rejected_at) / _DAY for one in leads if one.rejected_at is not None}


def week_of(at: int) -> int:
    """When the week of an instant began: Monday, UTC."""
    return (at + _THURSDAY) // _WEEK * _WEEK - _THURSDAY


def overrule(decision: Decision, held: Override) -> None:
    """What a person decided holds instead of what was decided, and says so."""
    ends = None if held.expires_at is None else instant(held.expires_at)
    decision.override = Overridden(held.override_id, decision.decision, held.author, held.reason, instant(held.given_at), ends)
    decision.decision = cast("Outcome", held.decision)  # nothing else is let in
    decision.rules = [*decision.rules, "override"]
    decision.changed = decision.previous_decision is not None and decision.previous_decision != decision.decision


def request_of(held: Held, as_of: int) -> ScoreRequest:
    """What a caller would have sent of a lead that the store holds."""
    colleagues = None if held.colleagues is None else [_activity(one) for one in held.colleagues]
    lead = held.attributes | {"lead_id": held.lead_id}
    return ScoreRequest(lead, [_activity(one) for one in held.activities], colleagues, instant(as_of))


def _activity(row: ActivityRow) -> Activity:
    # By position, in the order of the fields: there are hundreds of them.
    return Activity(
        row.type,
        instant(row.occurred_at),
        row.activity_id,
        None if row.recorded_at == row.occurred_at else instant(row.recorded_at),
        row.channel,
        row.url,
        row.content,
        row.campaign,
        row.duration_seconds,
        row.value,
        None if row.automated is None else bool(row.automated),
        row.user_agent,
        row.lead_id,
    )


def note_runtime(store: Store) -> str:
    """Enters this process's library versions into the store; the fingerprint that decisions name."""
    versions = runtime_versions()
    fingerprint = hashlib.sha256(_canonical.encode(versions)).hexdigest()[:16]
    store.note_runtime(fingerprint, versions)
    return fingerprint


@lru_cache(maxsize=1)
def runtime_versions() -> dict[str, str]:
    """What a score's last digits may depend on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("tamiz", "numpy", "lightgbm", "msgspec"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


async def _not_overtaken(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """What comes of it, on top of whatever other processes have decided meanwhile."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(Overtaken):
            return await attempt()
    return await attempt()


def _flaw(request: ScoreRequest, received: int) -> TamizError | None:
    """What keeps a request from being scored; its lead_id becomes text and its as_of an instant in UTC."""
    lead_id = request.lead.get("lead_id")
    if type(lead_id) is int:
        lead_id = request.lead["lead_id"] = str(lead_id)
    if not isinstance(lead_id, str) or not 0 < len(lead_id) <= 200:
        return LeadIdMissing()
    try:
        request.as_of = instant(received) if request.as_of is None else utc(request.as_of)
    except OverflowError:
        return TimeOutOfRange()
    return None
