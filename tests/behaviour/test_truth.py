"""The whole path against the planted truth: simulate, train, and come close to what can be known."""

from __future__ import annotations

import pytest

from benchmarks.simulated import one


@pytest.mark.slow
def test_a_model_trained_on_fifty_thousand_leads_ranks_and_promises_almost_as_the_truth_does(capsys: pytest.CaptureFixture[str]) -> None:
    reached = one(50_000, seed=1)
    assert reached, f"AUC gap, ECE, or ECE against uncalibrated is out of bounds:\n{capsys.readouterr().out}"
