"""From requests to decisions that are in the ledger; knows nothing of HTTP.

In: decoded requests and when they were received. Out: one encoded answer per request, or the error with it. Between
them: the model and the policy in force, one look at each lead's previous decision, the one scoring function, and the
ledger, which is waited for.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from random import Random

import msgspec

from data.errors import BadData, TamizError
from data.store import Store, now
from models.decision import Decision
from models.scoring import score_requests
from serving.ledger import Ledger, Row
from serving.model_store import LoadedModel, ModelStore
from serving.policies import InForce, Policies
from serving.problems import ModelNotReady
from serving.schemas import ScoreRequest, instant, microseconds, utc

__all__ = ["Decider", "LeadIdMissing", "runtime_versions"]

REASONS = 3
_encoder = msgspec.json.Encoder()
_canonical = msgspec.json.Encoder(order="deterministic")


class LeadIdMissing(BadData):
    """`lead.lead_id` has to be a text or a whole number that names the lead, of at most 200 characters."""


class TimeOutOfRange(BadData):
    """`as_of` lies outside the years 1 to 9999 in UTC."""


class Decider:
    """Scores, decides, and enters into the ledger."""

    def __init__(self, models: ModelStore, policies: Policies, ledger: Ledger, runtime: str) -> None:
        self._models = models
        self._policies = policies
        self._ledger = ledger
        self._runtime = runtime
        # Not os.urandom for each: a system call that gives the interpreter lock away costs more than the rest of the id.
        self._random = Random(os.urandom(32))

    async def one(self, request: ScoreRequest, received: int, idempotency: tuple[str, str] | None = None) -> tuple[bytes, Decision]:
        """The encoded decision on one lead, durable; raises what kept it from being made."""
        loaded = self._models.current()
        scored, latest = self._score([request], received, loaded)
        decision = scored[0]
        if isinstance(decision, TamizError):
            raise decision
        answer = _encoder.encode(decision)
        row = self._row(request, decision, answer, received, idempotency)
        await self._ledger.enter((row,), latest)
        return answer, decision

    async def many(self, requests: Sequence[ScoreRequest], received: int) -> list[Decision | TamizError]:
        """The decisions on several leads, durable together; one that cannot be made is answered by its error."""
        loaded = self._models.current()
        scored, latest = self._score(requests, received, loaded)
        rows = [
            self._row(request, decision, _encoder.encode(decision), received, None)
            for request, decision in zip(requests, scored, strict=True)
            if isinstance(decision, Decision)
        ]
        if rows:
            await self._ledger.enter(rows, latest)
        return scored

    def _score(
        self, requests: Sequence[ScoreRequest], received: int, loaded: LoadedModel
    ) -> tuple[list[Decision | TamizError], dict[str, str]]:
        in_force = self._policies.in_force(loaded)
        if in_force is None:
            raise ModelNotReady
        answers: list[Decision | TamizError | None] = [None] * len(requests)
        latest: dict[str, str] = {}
        for places in _rounds(requests, answers, received):
            group = [requests[place] for place in places]
            previous = [self._previous(request, latest) for request in group]
            for place, answer in zip(places, self._score_group(group, previous, loaded, in_force), strict=True):
                answers[place] = answer
                if isinstance(answer, Decision):
                    latest[answer.lead_id] = answer.decision
        return [answer for answer in answers if answer is not None], latest

    def _previous(self, request: ScoreRequest, latest: dict[str, str]) -> str | None:
        lead_id: str = request.lead["lead_id"]
        return latest.get(lead_id) or self._ledger.latest(lead_id)

    def _score_group(
        self, group: Sequence[ScoreRequest], previous: Sequence[str | None], loaded: LoadedModel, in_force: InForce
    ) -> list[Decision | TamizError]:
        """One call for all that want the same explanation."""
        answers: list[Decision | TamizError | None] = [None] * len(group)
        for explain in {request.explain for request in group}:
            places = [place for place, request in enumerate(group) if request.explain == explain]
            scored = score_requests(
                loaded.bundle,
                [group[place] for place in places],
                in_force.policy,
                reasons=0 if explain == "none" else REASONS,
                explain="path" if explain == "none" else explain,
                previous=[previous[place] for place in places],
            )
            at = instant(now())
            for place, answer in zip(places, scored, strict=True):
                answers[place] = answer
                if isinstance(answer, Decision):
                    receipt = answer.receipt
                    receipt.decision_id = self._decision_id()
                    receipt.policy_version = in_force.version
                    receipt.scored_at = at
        return [answer for answer in answers if answer is not None]

    def _decision_id(self) -> str:
        """A UUID of version 7: ordered by time, so that the ledger's index grows at its end."""
        stamp = time.time_ns() // 1_000_000
        drawn = self._random.getrandbits(74)
        value = (stamp << 80) | (0x7 << 76) | ((drawn >> 62) << 64) | (0b10 << 62) | (drawn & ((1 << 62) - 1))
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _row(self, request: ScoreRequest, decision: Decision, answer: bytes, received: int, idempotency: tuple[str, str] | None) -> Row:
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
            _canonical.encode(request),
            answer,
            self._runtime,
            key,
            request_hash,
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


def _rounds(requests: Sequence[ScoreRequest], answers: list[Decision | TamizError | None], received: int) -> list[list[int]]:
    """Groups without any lead twice, in order: the second mention of a lead has to see the first one's decision."""
    rounds: list[list[int]] = []
    times: dict[str, int] = {}
    as_of = instant(received)
    for place, request in enumerate(requests):
        lead_id = request.lead.get("lead_id")
        if type(lead_id) is int:
            lead_id = request.lead["lead_id"] = str(lead_id)
        if not isinstance(lead_id, str) or not 0 < len(lead_id) <= 200:
            answers[place] = LeadIdMissing()
            continue
        try:
            request.as_of = as_of if request.as_of is None else utc(request.as_of)
        except OverflowError:
            answers[place] = TimeOutOfRange()
            continue
        turn = times.get(lead_id, 0)
        times[lead_id] = turn + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(place)
    return rounds
