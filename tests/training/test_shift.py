"""A base rate that moves, told from buyers who change."""

from __future__ import annotations

import numpy as np
import pytest

from models.inputs import Floats
from models.logit import sigmoid
from training.shift import compare_periods

ROWS = 8_000
OLD, NEW = np.arange(0, 4_000), np.arange(4_000, ROWS)
LEAD = np.arange(ROWS)


def leads(seed: int, *, shift: float = 0.0, slope: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """Margins, what was promised, and labels; the newer half moves by `shift` and follows the margin `slope` times."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.2, 1.0, ROWS)
    newer = np.arange(ROWS) >= 4_000
    truth = np.where(newer, slope * (margin + 1.2) - 1.2 + shift, margin)
    return margin, sigmoid(margin), (rng.random(ROWS) < sigmoid(truth)).astype(np.float64)


def test_one_class_has_no_shift_to_tell() -> None:
    margin, p, y = leads(0)
    assert compare_periods(margin, p, np.zeros(ROWS), LEAD, OLD, NEW) is None
    assert compare_periods(margin, p, np.where(np.arange(ROWS) < 4_000, y, 1.0), LEAD, OLD, NEW) is None


def test_where_nothing_moves_nothing_is_said() -> None:
    verdicts = [compare_periods(*leads(seed), LEAD, OLD, NEW) for seed in range(40)]
    assert sum(found is not None and found.verdict == "none" for found in verdicts) >= 37


def test_a_base_rate_that_moves_alone_is_called_so_and_measured() -> None:
    found = [compare_periods(*leads(seed, shift=1.0), LEAD, OLD, NEW) for seed in range(20)]
    assert sum(one is not None and one.verdict == "base rate only" for one in found) >= 18
    first = found[0]
    assert first is not None
    assert first.delta == pytest.approx(1.0, abs=3 * first.se)
    assert first.new_rate > first.old_rate


def test_buyers_who_change_are_more_than_a_base_rate() -> None:
    for shift in (0.0, 1.0):
        found = compare_periods(*leads(3, shift=shift, slope=0.3), LEAD, OLD, NEW)
        assert found is not None
        assert found.verdict == "more than the base rate"
        assert found.new_auc < found.old_auc


def test_a_lead_that_is_looked_at_eight_times_is_one_witness() -> None:
    """The same rows as 500 leads say less than as 4,000."""
    margin, p, y = leads(5, slope=0.75)
    as_rows, as_leads = (compare_periods(margin, p, y, lead, OLD, NEW) for lead in (LEAD, LEAD // 8))
    assert as_rows is not None
    assert as_leads is not None
    assert as_rows.p_more is not None
    assert as_leads.p_more is None or as_leads.p_more > as_rows.p_more


def test_on_few_conversions_it_cannot_be_told_whether_more_moved() -> None:
    margin, p, y = leads(2)
    few = np.where(np.cumsum(y) % 60 == 1, y, 0.0)
    found = compare_periods(margin, p, few, LEAD, OLD, NEW)
    assert found is not None
    assert found.p_more is None
