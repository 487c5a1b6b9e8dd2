"""What an installation declares about its signals: its own BANT evidence and its own topics of pages.

In: `[bant]` and `[topics]` of a `tamiz.toml`, held against the columns that there are (`features/evidence_names.py`). Out:
`Declarations`, a frozen value. It is part of the feature set and of its fingerprint, is saved in the bundle, and every
signal finds it as `history.declared`: training, files and requests go by the same one. Nothing declared is `NOTHING`,
which leaves the fingerprint as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from features.words import plain

__all__ = ["DIMENSIONS", "NOTHING", "Declarations", "Dimension", "EvidenceColumn", "Topics", "tidy"]

Dimension = Literal["budget", "authority", "need", "timeline"]
DIMENSIONS: tuple[Dimension, ...] = ("budget", "authority", "need", "timeline")


@dataclass(frozen=True)
class EvidenceColumn:
    """A column of `leads` that says something about a dimension, and what it holds."""

    dimension: Dimension
    name: str
    kind: str


@dataclass(frozen=True)
class Topics:
    """Topics of pages as declared: path patterns by topic, tried in this order before the defaults."""

    patterns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """`*` stands for any letters; a pattern is held against the whole path, of which it may leave out the end after a `/`."""
    defaults: bool = True
    """Whether pages that fit no pattern are looked up among the topics that Tamiz knows."""


@dataclass(frozen=True)
class Declarations:
    """What is declared, or was guessed from names and printed."""

    columns: tuple[EvidenceColumn, ...] = ()
    """Those that are evidence, grouped by dimension in the order of DIMENSIONS."""
    answers: tuple[tuple[str, str], ...] = ()
    """Names of answers as `tidy` writes them, each with its dimension; "" where it is declared to be no evidence."""
    topics: Topics = Topics()
    instants: bool = True
    """Whether observations have an instant. On a flat table they have none, so a date in a column says nothing of when."""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Caches are asked with this value for every lead.
        object.__setattr__(self, "_hash", hash((self.columns, self.answers, self.topics, self.instants)))

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def dimension_of_answer(self) -> Mapping[str, str]:
        """`answers`, to look names up in."""
        return dict(self.answers)

    @cached_property
    def dimension_of_column(self) -> Mapping[str, Dimension]:
        return {one.name: one.dimension for one in self.columns}

    def to_json(self) -> dict[str, Any]:
        """Only what is declared: nothing is {}."""
        found: dict[str, Any] = {}
        if self.columns:
            found["columns"] = [[one.dimension, one.name, one.kind] for one in self.columns]
        if self.answers:
            found["answers"] = [list(one) for one in self.answers]
        if self.topics != Topics():
            found["topics"] = {"patterns": [[name, list(own)] for name, own in self.topics.patterns], "defaults": self.topics.defaults}
        if not self.instants:
            found["instants"] = False
        return found

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Declarations:
        topics = document.get("topics", {"patterns": [], "defaults": True})
        return cls(
            tuple(EvidenceColumn(*one) for one in document.get("columns", ())),
            tuple((name, dimension) for name, dimension in document.get("answers", ())),
            Topics(tuple((name, tuple(own)) for name, own in topics["patterns"]), bool(topics["defaults"])),
            bool(document.get("instants", True)),
        )


NOTHING = Declarations()
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_LONGEST = 200


def tidy(name: str) -> str:
    """The name of a column or of an answer, made comparable.

    >>> tidy("¿Quién decide?"), tidy("Budget-Range "), tidy("purchaseDate")
    ('quien_decide', 'budget_range', 'purchase_date')
    """
    return "_".join(plain(_CAMEL.sub("_", name[:_LONGEST])).strip(" ¿?¡!:.").replace("-", " ").replace("_", " ").split())
