"""Which columns and answers are evidence on a dimension of BANT: as declared, else guessed from their names.

In: `[bant]` and `[topics]` of a project, the columns of its leads and their kinds, and which of them are dated. Out:
`Evidence`: the `Declarations` that signals go by, and what was guessed, as a section of TOML to be pasted and corrected.
Names are in English and Spanish, whole or shortened (`Budgt_alloc`, `fecha_compra`); the lexicon is data.

A dimension that `[bant]` names has exactly the columns that it names; for the others, names are guessed from. On event
tables a column that was only guessed must be dated: what it says today may have been written after the outcome.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from data.files import nearest
from data.project import Declared
from features.declarations import DIMENSIONS, Declarations, Dimension, EvidenceColumn, Topics, tidy

__all__ = ["Evidence", "dimension_of", "evidence_of"]

_LEXICON: Mapping[Dimension, tuple[str, ...]] = {
    "budget": ("price_range", "rango_de_precio", "rango_precio", "how_much", "cuanto"),
    "authority": ("role_in_decision", "role_in_purchase", "buying_role", "rol_de_compra", "rol_en_la_compra", "economic_buyer"),
    "need": ("use_case", "caso_de_uso", "caso_uso"),
    "timeline": ("when", "cuando", "time_frame"),
}
_PHRASES = {name: dimension for dimension, names in _LEXICON.items() for name in names}
_WORDS: tuple[tuple[Dimension, tuple[str, ...]], ...] = (
    ("timeline", ("timeline", "timeframe", "timing", "plazo*", "urgen*", "compra_fecha", "calendario")),
    ("budget", ("budg*", "bdgt*", "presup*", "ppto", "funding", "funds", "fondos", "inversion", "investment")),
    ("authority", ("authority", "autoridad", "decisor*", "decision", "decide*", "decid*", "signatory", "firmante")),
    ("need", ("need", "needs", "neces*", "pain", "pains", "problem", "problems", "problema*", "reto", "retos", "challenge*")),
    ("need", ("goal", "goals", "objetivo*", "requirement*", "requisito*", "scope", "alcance")),
)
"""Words of a name, tried in order; `*` is any ending."""
_WHAT = ("purchase", "buy*", "compra", "decision", "start", "launch", "inicio", "implementation", "implantacion", "golive")
_WHEN = ("date", "fecha", "when", "cuando", "month", "months", "mes", "meses", "days", "dias", "weeks", "semanas", "time", "timing")
"""One of each makes a timeline: `purchase_date`, `meses_hasta_compra`."""
_NO_EVIDENCE = (
    *("id", "ids", "code", "codigo", "owner", "by", "por", "count", "number", "numero", "source", "fuente", "name", "nombre", "score"),
    *("updated", "created", "modified", "changed", "currency", "moneda", "year", "ano", "payment", "pago", "page", "url", "region"),
)
"""With one of these words a name is about something else: `budget_owner`, `plazo_de_pago`, `need_by_region`."""
_READ_ANYWAY: Mapping[str, Dimension] = {"job_title": "authority", "annual_revenue": "budget"}
"""Columns that are evidence on their dimension without being declared."""
_GUESSED_KINDS: Mapping[Dimension, tuple[str, ...]] = {
    "budget": ("boolean", "category", "number"),
    "authority": ("boolean", "category"),
    "need": ("boolean", "category"),
    "timeline": ("boolean", "category", "number", "time"),
}


@dataclass(frozen=True)
class Evidence:
    """What is evidence, and how that came to be."""

    declared: Declarations
    guessed: tuple[EvidenceColumn, ...]
    """Of the columns that are evidence, those that nobody declared."""
    undated: tuple[EvidenceColumn, ...]
    """Columns whose names say that they are evidence, but which are not taken for it: nobody knows when they were written."""
    unknown: tuple[tuple[str, str], ...]
    """Names in `[bant]` that are no column, with their dimension; they can be answers."""
    columns: tuple[str, ...] = ()
    """All columns there are."""

    def section(self) -> str | None:
        """`[bant]` as it is now, ready to be pasted into the TOML file; None where no column is evidence."""
        if not self.declared.columns and not self.undated:
            return None
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield "[bant]"
        for dimension in DIMENSIONS:
            names = [one.name for one in self.declared.columns if one.dimension == dimension]
            guessed = any(one.dimension == dimension for one in self.guessed)
            if names:
                yield f"{dimension} = [{', '.join(_quoted(name) for name in names)}]" + ("  # guessed from the name" if guessed else "")
            for one in self.undated:
                if one.dimension == dimension:
                    yield f"# {dimension} = [{_quoted(one.name)}]  # not taken: nobody knows when it was written"

    def strangers(self, answers: Collection[str]) -> tuple[str, ...]:
        """Of the names in `[bant]`, those that are neither a column nor one of these answers, as sentences."""
        said = {tidy(one) for one in answers}
        found = []
        for name, dimension in self.unknown:
            if tidy(name) not in said:
                near = nearest(name, [*self.columns, *sorted(answers)])
                meant = f": did you mean {near}?" if near else "."
                found.append(f"[bant] {dimension} names {name}, which is no column of leads and no answer in the data{meant}")
        return tuple(found)


def evidence_of(project: Declared, kinds: Mapping[str, str], *, dated: Collection[str] | None) -> Evidence:
    """`dated` are the columns with a history or true since creation; None on a flat table, which has no dates at all."""
    flat = dated is None
    refused = {tidy(name) for name in project.not_evidence}
    columns: list[EvidenceColumn] = []
    guessed: list[EvidenceColumn] = []
    undated: list[EvidenceColumn] = []
    unknown: list[tuple[str, str]] = []
    taken = {name for names in project.bant.values() for name in names}
    for dimension in DIMENSIONS:
        for name in dict.fromkeys(project.bant.get(dimension, ())):
            if name not in kinds:
                unknown.append((name, dimension))
            elif _READ_ANYWAY.get(name) != dimension and not (flat and kinds[name] == "time"):
                columns.append(EvidenceColumn(dimension, name, kinds[name]))
        if dimension in project.bant:
            continue
        for name, kind in kinds.items():
            named = name not in taken and name not in _READ_ANYWAY and tidy(name) not in refused and dimension_of(name) == dimension
            if not named or kind not in _GUESSED_KINDS[dimension] or (flat and kind == "time"):
                continue
            one = EvidenceColumn(dimension, name, kind)
            if dated is None or name in dated:
                columns.append(one)
                guessed.append(one)
            else:
                undated.append(one)
    answers = {tidy(name): dimension for dimension, names in project.bant.items() for name in names}
    answers |= dict.fromkeys(refused, "")
    own = tuple((name, dimension) for name, dimension in sorted(answers.items()) if (dimension_of(name) or "") != dimension)
    topics = Topics(tuple(project.topics.items()), project.default_topics)
    declared = Declarations(tuple(columns), own, topics, not (flat and columns))
    return Evidence(declared, tuple(guessed), tuple(undated), tuple(unknown), tuple(kinds))


@lru_cache(maxsize=4096)
def dimension_of(name: str) -> Dimension | None:
    """The dimension that the name of a column or an answer speaks of, if any.

    >>> dimension_of("Budgt_alloc"), dimension_of("¿Quién decide?"), dimension_of("fecha de compra"), dimension_of("budget_owner")
    ('budget', 'authority', 'timeline', None)
    """
    known = tidy(name)
    if known in _PHRASES:
        return _PHRASES[known]
    words = known.split("_")
    if any(word in _NO_EVIDENCE for word in words):
        return None
    if _any(words, _WHAT) and _any(words, _WHEN):
        return "timeline"
    return next((dimension for dimension, lexicon in _WORDS if _any(words, lexicon)), None)


def _any(words: Sequence[str], lexicon: Sequence[str]) -> bool:
    return any(word == one or (one.endswith("*") and word.startswith(one[:-1])) for word in words for one in lexicon)


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
