"""The one offset for a base rate that moves: there when it helps later rows, absent when nothing moves."""

from __future__ import annotations

import numpy as np
import pytest

from models.inputs import Floats
from models.logit import sigmoid
from training.calibrate import calibrate, on_test, rehearse
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


def test_the_rehearsal_says_why_there_is_no_correction() -> None:
    """Up, then down: what the middle third teaches would make the newest worse, as on bank marketing."""
    rng = np.random.default_rng(2)
    margin, when = rng.normal(-1.5, 1.0, 6_000), np.arange(6_000.0)
    moved = np.select([when < 2_000, when < 4_000], [0.0, 1.0], -0.8)
    y = (rng.random(6_000) < sigmoid(margin + moved)).astype(np.float64)
    lead = np.arange(6_000)
    assert calibrate(margin, y, lead, when, lead, 7).offset is None
    found = rehearse(margin, y, lead, when, lead, 7)
    assert found is not None
    assert found.shift is not None
    said = found.to_json(None)
    assert (said["corrected"], said["gain"] < 0, said["new_rate"] < said["old_rate"], said["verdict"]) == (
        False,
        True,
        True,
        "base rate only",
    )


def test_without_an_order_nothing_can_be_rehearsed() -> None:
    margin, y, lead, _ = drifting(1, 2.0)
    assert rehearse(margin, y, lead, None, np.arange(ROWS), 7) is None


def test_test_rows_tell_what_one_offset_would_have_mended_in_hindsight() -> None:
    rng = np.random.default_rng(4)
    margin, lead = rng.normal(-1.2, 1.0, ROWS), np.arange(ROWS)
    early, late = lead[:3_000], lead[3_000:]
    y = (rng.random(ROWS) < sigmoid(margin + np.where(lead < 3_000, 0.0, 1.5))).astype(np.float64)
    found = on_test(calibrate(margin, y, lead, None, early, 7), margin, y, lead, early, late)
    assert found is not None
    assert found["verdict"] == "base rate only"
    assert found["ece"] > 0.15
    assert found["ece_in_hindsight"] < 0.05
