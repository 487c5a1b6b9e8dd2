from __future__ import annotations

import json
from dataclasses import replace

import pytest

from features.catalogue import catalogue
from features.declarations import NOTHING, Declarations, EvidenceColumn, Topics
from features.history import Column, History
from features.rehearsal import needs_of
from features.signal import FeatureSet, Signal
from features.testing import history

OURS = Declarations(
    columns=(EvidenceColumn("budget", "spend", "number"), EvidenceColumn("need", "pain", "category")),
    answers=(("gasto", "budget"), ("need_by_region", "")),
    topics=Topics((("pricing", ("/precios", "/tarifas/*")), ("stores", ("*/tiendas",))), False),
    instants=False,
)


def test_nothing_declared_leaves_the_fingerprint_as_it_was() -> None:
    signals = tuple(catalogue().values())
    assert NOTHING.to_json() == {}
    assert "declared" not in FeatureSet(signals).to_json()
    assert FeatureSet(signals, declared=Declarations()).fingerprint == FeatureSet(signals).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"columns": OURS.columns[:1]},
        {"columns": OURS.columns[::-1]},
        {"answers": ()},
        {"topics": Topics(OURS.topics.patterns[::-1], False)},
        {"topics": Topics(OURS.topics.patterns)},
        {"instants": True},
    ],
)
def test_every_part_of_a_declaration_is_part_of_the_fingerprint(change: dict[str, object]) -> None:
    signals = tuple(catalogue().values())
    other = replace(OURS, **change)  # type: ignore[arg-type]  # as the cases give them
    assert FeatureSet(signals, declared=other).fingerprint != FeatureSet(signals, declared=OURS).fingerprint


def test_declarations_survive_the_json_of_a_bundle() -> None:
    whole = FeatureSet(tuple(catalogue().values()), declared=OURS)
    again = FeatureSet.from_json(json.loads(json.dumps(whole.to_json())), catalogue())
    assert again.declared == OURS
    assert hash(again.declared) == hash(OURS)
    assert (again, again.fingerprint) == (whole, whole.fingerprint)


def test_a_signal_asks_its_history_for_them_in_rehearsal_and_in_earnest() -> None:
    def own_columns(history: History) -> Column:
        return sum((history.number(one.name) for one in history.declared.columns), history.number("employees"))

    one = Signal("own_columns", "fit", "x", None, 0.0, 0, "x", own_columns)
    assert needs_of(one).columns == {"employees"}
    assert needs_of(one, OURS).columns == {"employees", "spend", "pain"}
    assert one(history("ana", as_of="2026-03-31", employees=2.0, spend=3.0, pain=4.0, declared=OURS)) == [9.0]
