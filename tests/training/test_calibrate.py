"""The one offset for a base rate that moves: there when it helps later rows, absent when nothing moves."""

from __future__ import annotations

import numpy as np
import pytest

from models.inputs import Floats
from models.logit import sigmoid
from training.calibrate import calibrate
from training.metrics import log_loss

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
ROWS = 6_000


def drifting(seed: int, drift: float, rows: int = ROWS) -> tuple[Floats, Floats, Ints, Floats]:
    """Margins, labels, leads and instants; the true log-odds rise by `drift` from the first row to the last."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.2, 1.0, rows)
    when = np.arange(rows, dtype=np.float64)
    y = (rng.random(rows) < sigmoid(margin + drift * when / rows)).astype(np.float64)
    return margin, y, np.arange(rows), when


def test_a_base_rate_that_rises_is_followed() -> None:
    margin, y, lead, when = drifting(1, drift=2.0)
    early, late = np.arange(0, 4_500), np.arange(4_500, ROWS)
    corrected = calibrate(margin, y, lead, when, early, 7)
    plain = calibrate(margin, y, lead, None, early, 7)
    assert corrected.offset is not None
    assert corrected.offset.delta > 0.1
    assert plain.offset is None
    assert log_loss(y[late], corrected.apply(margin[late])[0]) < log_loss(y[late], plain.apply(margin[late])[0]) - 0.002


def test_the_interval_of_a_corrected_probability_is_wider() -> None:
    margin, y, lead, when = drifting(1, drift=2.0)
    rows = np.arange(4_500)
    (p, low, high), (_, a, b) = (calibrate(margin, y, lead, order, rows, 7).apply(margin[:200]) for order in (when, None))
    assert np.mean(high - low) > np.mean(b - a)
    assert ((low <= p) & (p <= high)).all()


def test_where_nothing_moves_there_is_none() -> None:
    used = [calibrate(*drifting(seed, 0.0, 3_000), np.arange(3_000), 7).offset is not None for seed in range(40)]
    assert sum(used) <= 4


@pytest.mark.parametrize(("rows", "positives"), [(500, 0.3), (3_000, 0.02)])
def test_too_few_rows_or_conversions_for_a_rehearsal(rows: int, positives: float) -> None:
    margin, y, lead, when = drifting(1, 3.0, rows)
    y = np.where(np.random.default_rng(0).random(rows) < positives, y, 0.0) if positives < 0.1 else y
    assert calibrate(margin, y, lead, when, np.arange(rows), 7).offset is None


def test_the_order_of_rows_in_the_table_does_not_matter() -> None:
    margin, y, lead, when = drifting(3, 2.0)
    rows = np.arange(4_500)
    mixed = np.random.default_rng(0).permutation(ROWS)
    place = np.argsort(mixed)
    one = calibrate(margin, y, lead, when, rows, 7)
    other = calibrate(margin[mixed], y[mixed], lead[mixed], when[mixed], np.sort(place[rows]), 7)
    assert (one.offset is None) == (other.offset is None)
    assert np.allclose(one.apply(margin[:50])[0], other.apply(margin[:50])[0])
