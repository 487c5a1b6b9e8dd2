"""Golden leads reach what a model reads, so that a damaged model cannot hide."""

from __future__ import annotations

import json

import numpy as np
import pytest

from features.catalogue import catalogue
from features.engine import evaluate
from features.signal import Attribute, FeatureSet
from models.bundle import Bundle
from models.encoder import Encoder
from models.golden import invent, read_golden
from models.inputs import InputSpec
from models.request import ScoreRequest
from models.request_columns import RequestColumns
from models.scorer import Scorer
from models.scoring import score_columns


def matrix(bundle: Bundle, requests: list[ScoreRequest]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    batch = RequestColumns(bundle.scorer)
    for request in requests:
        batch.add(request)
    leads, log, observations, colleagues = batch.columns()
    return score_columns(bundle, leads, log, observations, colleagues).X


def test_they_reach_every_category_at_both_ends_the_unknown_and_the_missing(flat_bundle: Bundle) -> None:
    X = matrix(flat_bundle, read_golden(invent(flat_bundle.encoder, reads_activities=False)))
    for i, one in enumerate(flat_bundle.encoder.inputs):
        assert np.isnan(X[:, i]).any(), one.name
        assert len(np.unique(X[~np.isnan(X[:, i]), i])) > 1, one.name
        if one.kind == "category":
            assert {0.0, float(len(one.categories))} <= set(X[:, i].tolist())


def test_they_move_every_declared_signal() -> None:
    """What no golden lead moves could be damaged without anybody noticing."""
    signals = tuple(catalogue().values())
    encoder = Encoder(FeatureSet(signals, ("nps survey",)), ())
    batch = RequestColumns(Scorer.of(encoder))
    for request in read_golden(invent(encoder, reads_activities=True)):
        batch.add(request)
    table = evaluate(Scorer.of(encoder).plan, *batch.columns())
    assert [name for name in table.names if len(np.unique(table.column(name)[~np.isnan(table.column(name))])) < 2] == []


@pytest.mark.parametrize("kind", ["number", "boolean", "category"])
def test_an_odd_column_alone(kind: str) -> None:
    features = FeatureSet((), (), (Attribute("{odd} 100 %s", kind),))
    encoder = Encoder(features, (InputSpec("{odd} 100 %s", "fit", "category" if kind == "category" else "number"),))
    leads = invent(encoder, reads_activities=False)
    assert json.loads(json.dumps(leads)) == leads
    assert len(read_golden(leads)) == len(leads)


def test_they_never_change() -> None:
    """No clock, no chance: the same encoder invents the same people."""
    encoder = Encoder(FeatureSet(tuple(catalogue().values())), ())
    assert invent(encoder, reads_activities=True) == invent(encoder, reads_activities=True)
