"""What scoring needs beside a bundle's numbers, made ready once: the plans, the words for reasons, and which columns are read.

In: an encoder, and what training knew of its columns. Out: `Scorer`. No request and no lead is looked at here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from data.columns import MISSING_WORDS
from data.contracts import LEADS
from features import bant
from features.catalogue import catalogue
from features.engine import Plan
from features.own_types import declared_types
from models.encoder import Encoder
from models.reasons import Reasons

__all__ = ["TEXTUAL", "Scorer"]

TEXTUAL = ("category", "text")
"""Kinds of columns whose texts are what they say."""
_HELD_AS = {"number": "number", "boolean": "number", "time": "time"}


@dataclass(frozen=True)
class Scorer:
    """Made once a bundle, and kept."""

    encoder: Encoder
    reasons: Reasons
    plan: Plan
    evidence_plan: Plan
    """The plan with what BANT evidence asks for beside it."""
    kinds: Mapping[str, str]
    """Columns of `lead` that are read, and what each holds. What training did not have is not read: no skew that way."""
    missing: frozenset[str] = frozenset(MISSING_WORDS)
    """Texts that stand for missing, as in training."""
    expected: frozenset[str] = field(init=False)
    """Keys of `lead` that need no mention: what is read, and what Tamiz knows but no model reads."""
    named: frozenset[str] = field(init=False)
    """Activity types that need no mention: some signal names them."""
    numbers: tuple[str, ...] = field(init=False)
    times: tuple[str, ...] = field(init=False)
    texts: tuple[str, ...] = field(init=False)
    """The columns of `kinds` that are held as each."""
    textual: frozenset[str] = field(init=False)
    """Those of `texts` whose texts are what they say."""

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen dataclass derives its fields once, here
        put(self, "named", self.plan.own.types | declared_types(catalogue().values()))
        put(self, "expected", frozenset(self.kinds.keys() | (LEADS.columns.keys() - self.evidence_plan.columns)))
        put(self, "textual", frozenset(name for name, kind in self.kinds.items() if kind in TEXTUAL))
        for fields, held in (("numbers", "number"), ("times", "time"), ("texts", "text")):
            put(self, fields, tuple(name for name, kind in self.kinds.items() if _HELD_AS.get(kind, "text") == held))

    @classmethod
    def of(cls, encoder: Encoder, trained: Mapping[str, str] | None = None, missing: Collection[str] = ()) -> Scorer:
        """`trained` are the columns that training had and their kinds, where that is known."""
        features = encoder.feature_set
        plan = Plan(features)
        with_evidence = Plan(features, also=bant.prepare)
        kinds: dict[str, str] = {name: LEADS.columns.get(name, "text") for name in with_evidence.columns}
        kinds |= {one.name: one.kind for one in features.declared.columns}
        kinds |= {one.name: one.kind for one in features.attributes}
        if trained:
            kinds = {name: kind for name, kind in kinds.items() if name in trained}
        return cls(encoder, Reasons(encoder), plan, with_evidence, kinds, frozenset((*MISSING_WORDS, *missing)))
