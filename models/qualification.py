"""The policy that turns a probability into a decision: `disqualified`, `nurture`, `mql` or `sql`.

In: a `Policy` (validated, frozen, stored as JSON by `data/store.py`), a probability or an array of them, and what
is known beside it: the previous decision, BANT, consent. Out: the decision and the names of the rules that made it.
Pure functions; no clock, no store. Without a previous decision there is no hysteresis, which is how files are scored.
A probability that is NaN is below every threshold; unknown consent (None) is not refused consent.

`decide` and `decide_many` are the same rule: the scalar one calls the array one's twin step by step, and a property
test holds them equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data.errors import BadData
from models.decision import DECISIONS, BantStatus, Outcome

__all__ = ["Band", "Change", "Policy", "PolicyInvalid", "SqlBand", "decide", "decide_many", "diff"]

Dimension = Literal["budget", "authority", "need", "timeline"]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Change = dict[str, Any]
"""One difference between two policies: `{"path": "mql.enter", "before": 0.2, "after": 0.25}`."""

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


class Policy(_Strict):
    """The rules in force. Another shape of policy would carry another `format`."""

    format: Literal[1] = 1
    mql: Band
    sql: SqlBand
    require_consent: bool = False
    """Whether a lead that refused consent is disqualified."""

    @model_validator(mode="after")
    def _sql_is_not_below_mql(self) -> Self:
        if self.sql.enter < self.mql.enter:
            raise ValueError(f"sql.enter {self.sql.enter:g} is below mql.enter {self.mql.enter:g}: every SQL is an MQL first")
        return self

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


def decide(
    policy: Policy,
    probability: float,
    *,
    previous: Outcome | None = None,
    bant: Mapping[str, BantStatus] | None = None,
    consent: bool | None = None,
    no_signal: bool = False,
) -> tuple[Outcome, list[str]]:
    """What should happen with one lead, and the rules that said so.

    >>> decide(Policy.at(0.2, 0.5), 0.3)
    ('mql', ['mql_enter'])
    >>> decide(Policy.at(0.2, 0.5), 0.19, previous="mql")
    ('mql', ['mql_stay'])
    """
    if policy.require_consent and consent is False:
        return "disqualified", ["no_consent"]
    if no_signal:
        return "nurture", ["no_signal"]
    held: list[str] = []
    sql, mql = policy.sql, policy.mql
    entered = probability >= sql.enter
    if entered or (previous == "sql" and probability >= sql.exit):
        if _bant_allows(sql, bant):
            return "sql", ["sql_enter" if entered else "sql_stay"]
        held.append("sql_bant_missing")
    if probability >= mql.enter:
        return "mql", ["mql_enter", *held]
    if previous in ("mql", "sql") and probability >= mql.exit:
        return "mql", ["mql_stay", *held]
    return "nurture", ["below_mql", *held]


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
    """The decisions of many leads as positions in DECISIONS; `previous` uses the same codes, -1 for none."""
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
