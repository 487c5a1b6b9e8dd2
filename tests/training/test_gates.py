"""The gates: what holds a promotion back, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.gates import Decision, decide


def figures(log_loss: float = 0.30, auc: float = 0.80, pr_auc: float = 0.40, ece: float = 0.01) -> dict[str, Any]:
    return {
        "log_loss": log_loss, "auc": auc, "pr_auc": pr_auc, "ece": ece,
        "auc_ci": [auc - 0.02, auc + 0.02], "log_loss_ci": [log_loss - 0.01, log_loss + 0.01], "ece_ci": [0.0, ece * 2],
    }  # fmt: skip


def metrics(chosen: str = "boosted", positives: int = 400, **candidates: dict[str, Any]) -> dict[str, Any]:
    return {
        "rows": 4000, "positives": positives, "base_rate": positives / 4000, "chosen": chosen, "no_signal": False,
        "candidates": {"boosted": figures(), "scorecard": figures(0.32, 0.76)} | candidates,
        "split": {"base_rates": {"fit": 0.1, "tune": None, "calibrate": 0.115, "test": 0.11}},
    }  # fmt: skip


def change(new: float, old: float, low: float, high: float) -> dict[str, Any]:
    return {"new": new, "old": old, "difference": new - old, "ci": [low, high], "relative_ci": [low / old, high / old]}


def paired(log_loss: dict[str, Any] | None = None, **others: dict[str, Any]) -> dict[str, Any]:
    same = change(0.40, 0.40, -0.02, 0.02)
    return {"log_loss": log_loss or change(0.30, 0.31, -0.015, -0.005), "pr_auc": same, "lift_at_10": same, "ece": same} | others


def failed(decision: Decision) -> list[str]:
    return [gate.name for gate in decision.gates if gate.verdict == "fail"]


class TestFirstPromotion:
    def test_no_signal_holds_for_good(self) -> None:
        decision = decide(metrics() | {"no_signal": True, "chosen": None})
        assert (decision.word, decision.final) == ("HOLD", True)

    def test_a_model_that_loses_to_always_answering_the_base_rate_holds(self) -> None:
        assert failed(decide(metrics(boosted=figures(log_loss=0.37), scorecard=figures(log_loss=0.40)))) == ["beats the base rate"]

    def test_without_the_blocks_rates_the_constant_is_not_measured_and_not_passed(self) -> None:
        gate = next(gate for gate in decide(metrics() | {"split": {}}).gates if gate.name == "beats the base rate")
        assert gate.verdict == "note"

    def test_a_model_that_may_be_chance_holds(self) -> None:
        assert "ranks better than chance" in failed(decide(metrics(boosted=figures(auc=0.51))))

    def test_a_model_that_ranks_only_faintly_is_promoted_but_not_in_silence(self) -> None:
        faint = figures(auc=0.53) | {"auc_ci": [0.505, 0.555]}
        decision = decide(metrics(boosted=faint))
        assert decision.promote
        (gate,) = [gate for gate in decision.gates if gate.name == "ranks only faintly"]
        assert gate.verdict == "note"
        assert "53 of 100 pairs" in gate.figures
        assert "ranks only faintly" not in [gate.name for gate in decide(metrics()).gates]

    def test_a_model_that_the_scorecard_surely_beats_holds(self) -> None:
        behind = {"against_scorecard": {"log_loss": change(0.34, 0.32, 0.004, 0.036)}}
        assert failed(decide(metrics(boosted=figures(0.34, 0.75)) | behind)) == ["no worse than the scorecard"]

    def test_behind_the_scorecard_within_the_noise_of_the_same_leads_is_no_reason(self) -> None:
        behind = {"against_scorecard": {"log_loss": change(0.325, 0.32, -0.004, 0.014)}}
        decision = decide(metrics(boosted=figures(0.325, 0.80)) | behind)
        assert decision.promote
        assert "-0.0040 to +0.0140" in next(gate for gate in decision.gates if gate.name == "no worse than the scorecard").figures

    def test_without_a_paired_difference_the_scorecard_is_a_note(self) -> None:
        gate = next(gate for gate in decide(metrics()).gates if gate.name == "no worse than the scorecard")
        assert gate.verdict == "note"

    def test_thirty_conversions_are_too_few_and_it_says_how_many_are_missing(self) -> None:
        decision = decide(metrics(positives=30))
        assert failed(decision) == ["enough data"]
        assert "10 are missing" in decision.gates[0].figures

    def test_a_scorecard_may_serve_on_few_conversions(self) -> None:
        assert decide(metrics(chosen="scorecard", positives=30)).promote

    def test_bad_calibration_alone_does_not_stop_a_first_promotion(self) -> None:
        assert decide(metrics(boosted=figures(ece=0.2))).promote

    def test_a_good_model_is_promoted_with_every_number_shown(self) -> None:
        decision = decide(metrics())
        assert decision.word == "PROMOTE"
        assert all(gate.figures for gate in decision.gates)


class TestAgainstTheChampion:
    def test_better_on_the_same_rows_is_promoted(self) -> None:
        assert decide(metrics(), metrics(), paired()).promote

    @pytest.mark.parametrize(
        ("low", "high", "difference"), [(-0.01, 0.004, -0.001), (0.001, 0.002, 0.0015)], ids=["may be 1 % worse", "a bit worse for sure"]
    )
    def test_a_log_loss_that_may_be_worse_holds(self, low: float, high: float, difference: float) -> None:
        decision = decide(metrics(), metrics(), paired(change(0.31 + difference, 0.31, low, high)))
        assert failed(decision) == ["log loss against the champion"]

    def test_a_lower_lift_for_sure_holds(self) -> None:
        assert failed(decide(metrics(), metrics(), paired(lift_at_10=change(2.0, 3.0, -1.5, -0.5)))) == [
            "lift in the top 10 % against the champion"
        ]

    def test_calibration_that_got_worse_holds(self) -> None:
        assert failed(decide(metrics(), metrics(), paired(ece=change(0.05, 0.01, 0.03, 0.05)))) == ["calibration against the champion"]

    def test_without_common_rows_it_says_that_the_evidence_is_weak(self) -> None:
        decision = decide(metrics(), metrics())
        assert decision.promote
        assert "weak evidence" in decision.gates[-1].figures

    def test_without_common_rows_a_ranking_that_fell_for_sure_holds(self) -> None:
        assert failed(decide(metrics(boosted=figures(auc=0.70)), metrics())) == ["against the champion"]


@given(st.floats(0.05, 0.6), st.floats(0.51, 0.99))
def test_a_lower_log_loss_never_turns_promote_into_hold(log_loss: float, auc: float) -> None:
    worse, better = (decide(metrics(boosted=figures(value, auc))) for value in (log_loss, log_loss * 0.9))
    assert better.promote >= worse.promote
