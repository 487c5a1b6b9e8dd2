from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibration import (
    BadCalibration,
    BaseRate,
    Calibration,
    NotCalibratable,
    ScoreScale,
    Sigmoid,
    VennAbers,
    calibration_from_json,
    estimate_offset,
    fit_base_rate,
    fit_calibration,
)
from models.logit import logit, sigmoid


def block(rows: int, seed: int, slope: float = 0.6, level: float = -1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins of a model that is too sure of itself, what came of the leads, and three rows per lead."""
    random = np.random.default_rng(seed)
    margin = random.normal(-0.5, 1.5, rows)
    return margin, (random.random(rows) < sigmoid(slope * margin + level)).astype(float), np.arange(rows) // 3


def all_kinds() -> list[Calibration]:
    large, small = block(3000, 1), block(300, 2)
    return [fit_calibration(*large, seed=0), fit_calibration(*small, seed=0), fit_base_rate(small[1], small[2], seed=0)]


KINDS = pytest.mark.parametrize("calibration", all_kinds(), ids=lambda c: c.kind)
ODD = np.array([np.nan, -np.inf, -1e6, -3.0, 0.0, 0.25, 3.0, 1e6, np.inf, np.nan])


class TestWhatCannotBeCalibrated:
    @pytest.mark.parametrize("label", [0.0, 1.0])
    def test_one_class(self, label: float) -> None:
        with pytest.raises(NotCalibratable, match="one class"):
            fit_calibration(np.arange(5.0), np.full(5, label), np.arange(5), seed=0)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_margin_that_is_no_number(self, value: float) -> None:
        with pytest.raises(NotCalibratable, match="1 of 3 margins"):
            fit_calibration([0.0, value, 1.0], [0, 1, 0], [0, 1, 2], seed=0)

    def test_lengths_that_differ(self) -> None:
        with pytest.raises(NotCalibratable, match="labels of shape"):
            fit_calibration([0.0, 1.0, 1.0], [0, 1], [0, 1, 2], seed=0)
        with pytest.raises(NotCalibratable, match="leads of shape"):
            fit_calibration([0.0, 1.0, 1.0], [0, 1, 1], [0, 1], seed=0)

    def test_labels_that_are_none(self) -> None:
        with pytest.raises(NotCalibratable, match="0 or 1"):
            fit_calibration([0.0, 1.0, 1.0], [0, 1, 2], [0, 1, 2], seed=0)

    def test_nothing_at_all(self) -> None:
        with pytest.raises(NotCalibratable):
            fit_calibration([], [], [], seed=0)
        with pytest.raises(NotCalibratable):
            fit_base_rate([], [], seed=0)
        with pytest.raises(NotCalibratable):
            ScoreScale.from_margins([np.nan])

    def test_an_offset_of_no_probabilities(self) -> None:
        with pytest.raises(NotCalibratable, match="0 to 1"):
            estimate_offset([0.5, 1.5], [0, 1], [0, 1])


class TestEveryKind:
    @KINDS
    @pytest.mark.parametrize("shifted", [False, True])
    def test_the_interval_holds_the_probability(self, calibration: Calibration, shifted: bool) -> None:
        p, low, high = (calibration.with_offset(0.4, 0.2) if shifted else calibration).apply(ODD[1:-1])
        assert ((low >= 0) & (low <= p) & (p <= high) & (high <= 1)).all()

    @KINDS
    def test_an_unscored_lead_stays_unscored(self, calibration: Calibration) -> None:
        for shifted in (calibration, calibration.with_offset(0.4, 0.2)):
            for values in shifted.apply(ODD):
                assert np.isnan(values).tolist() == np.isnan(ODD).tolist()

    @KINDS
    @settings(deadline=None, max_examples=40)
    @given(margins=st.lists(st.floats(-8, 8), min_size=1, max_size=50))
    def test_one_lead_alone_has_the_bits_of_the_batch(self, calibration: Calibration, margins: list[float]) -> None:
        for shifted in (calibration, calibration.with_offset(-0.7, 0.1)):
            together = np.array(shifted.apply(margins))
            assert together.T.tolist() == [[values[0] for values in shifted.apply([m])] for m in margins]

    @KINDS
    @settings(deadline=None, max_examples=40)
    @given(margins=st.lists(st.floats(-50, 50), min_size=2, max_size=50))
    def test_a_higher_margin_is_never_less_likely(self, calibration: Calibration, margins: list[float]) -> None:
        p, _, _ = calibration.with_offset(0.3, 0.0).apply(sorted(margins))
        assert (np.diff(p) >= 0).all()

    @KINDS
    @pytest.mark.parametrize("offset", [None, (0.1 + 0.2, 1 / 3)])
    def test_it_comes_back_from_json_with_the_same_bits(self, calibration: Calibration, offset: tuple[float, float] | None) -> None:
        kept = calibration.with_offset(*offset) if offset else calibration
        document = json.loads(json.dumps(kept.to_json(), allow_nan=False))
        back = calibration_from_json(document)
        margins = np.random.default_rng(0).normal(0, 3, 500)
        assert np.array(back.apply(margins)).tolist() == np.array(kept.apply(margins)).tolist()
        assert back.to_json() == kept.to_json()

    @KINDS
    def test_no_leads(self, calibration: Calibration) -> None:
        assert [values.shape for values in calibration.apply([])] == [(0,)] * 3

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"kind": "oracle"},
            {"kind": "venn_abers"},
            {"kind": "venn_abers", "low_at": [0], "low": [0], "high_at": [0], "high": [0.5, 1]},
            {"kind": "venn_abers", "low_at": [0], "low": [0, 2], "high_at": [0], "high": [0.5, 1]},
            {"kind": "venn_abers", "low_at": [1, 0], "low": [0, 0.1, 0.2], "high_at": [0], "high": [0.5, 1]},
            {"kind": "sigmoid", "slope": -1, "intercept": 0, "at": [0, 1], "below": [0, 0], "above": [0, 0]},
            {"kind": "sigmoid", "slope": 1, "intercept": 0, "at": [0, 1], "below": [0], "above": [0, 0]},
            {"kind": "base_rate", "p": 0.5, "low": 0.6, "high": 0.7},
            {"kind": "base_rate", "p": 0.5, "low": 0.4, "high": 0.7, "offset": {"delta": "x"}},
            [],
        ],
    )
    def test_a_broken_file_says_so(self, document: Any) -> None:
        with pytest.raises(BadCalibration, match=r"calibration\.json"):
            calibration_from_json(document)


class TestVennAbers:
    @pytest.mark.parametrize("seed", range(6))
    def test_it_is_two_isotonic_fits_per_lead_whatever_the_ties(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(40):
            rows = int(random.integers(1, 40))
            margin = random.integers(0, random.integers(1, 25) + 1, rows).astype(float)
            y = (random.random(rows) < random.random()).astype(float)
            asked = np.concatenate([np.unique(margin), np.unique(margin) + 0.5, [-1.0]])
            p, low, high = VennAbers.fit(margin, y).apply(asked)
            p0, p1 = by_hand(margin, y, asked)
            np.testing.assert_allclose(low, p0, atol=1e-12)
            np.testing.assert_allclose(high, p1, atol=1e-12)
            np.testing.assert_allclose(p, p1 / (1 - p0 + p1), atol=1e-12)

    @pytest.mark.parametrize("y", [[1, 0], [0, 1], [1, 1, 0, 0], [0, 0, 1, 1], [1], [0], [0, 0, 0], [1, 1, 1]])
    def test_the_extremes(self, y: list[int]) -> None:
        margin, asked = np.arange(len(y), dtype=float), np.arange(-1, len(y) + 1, 0.5)
        _, low, high = VennAbers.fit(margin, np.array(y, dtype=float)).apply(asked)
        p0, p1 = by_hand(margin, np.array(y, dtype=float), asked)
        assert (low.tolist(), high.tolist()) == (pytest.approx(p0.tolist()), pytest.approx(p1.tolist()))

    def test_many_margins_leave_a_small_table(self) -> None:
        margin, y, lead = block(20_000, 3)
        calibration = fit_calibration(margin, y, lead, seed=0)
        assert isinstance(calibration, VennAbers)
        assert len(calibration.low) + len(calibration.high) < 4000
        assert (np.diff(calibration.low) > 0).all()
        assert (np.diff(calibration.high) > 0).all()

    def test_it_mends_a_model_that_is_too_sure_of_itself(self) -> None:
        calibration = fit_calibration(*block(8000, 4), seed=0)
        margin, _, _ = block(8000, 5)
        p, low, high = calibration.apply(margin)
        truth = sigmoid(0.6 * margin - 1.0)
        assert np.abs(p - truth).mean() < 0.02 < 0.1 < np.abs(sigmoid(margin) - truth).mean()
        assert (high - low).mean() < 0.02


def by_hand(margin: np.ndarray, y: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The definition: isotonic regression once with the lead as a non-conversion and once as a conversion."""
    from sklearn.isotonic import isotonic_regression

    def fitted(m: float, label: float) -> float:
        at, place = np.unique(np.append(margin, m), return_inverse=True)
        rows, positives = np.bincount(place), np.bincount(place, weights=np.append(y, label))
        return float(isotonic_regression(positives / rows, sample_weight=rows.astype(float))[np.searchsorted(at, m)])

    return np.array([fitted(m, 0.0) for m in asked]), np.array([fitted(m, 1.0) for m in asked])


class TestFewRows:
    @pytest.mark.parametrize(
        ("rows", "positives", "kind"), [(1000, 50, "venn_abers"), (999, 100, "sigmoid"), (1000, 49, "sigmoid"), (1000, 951, "sigmoid")]
    )
    def test_when_the_sigmoid_takes_over(self, rows: int, positives: int, kind: str) -> None:
        margin = np.linspace(-2, 2, rows)
        y = np.zeros(rows)
        y[np.random.default_rng(0).choice(rows, positives, replace=False)] = 1
        assert fit_calibration(margin, y, np.arange(rows), seed=0).kind == kind

    @pytest.mark.parametrize("y", [[0, 1, 0], [1, 0, 1]])
    def test_three_leads(self, y: list[int]) -> None:
        p, low, high = fit_calibration([-1.0, 0.0, 1.0], y, [0, 1, 2], seed=0).apply([-1.0, 0.0, 1.0])
        assert ((p > 0.05) & (p < 0.95)).all()
        assert (high - low > 0.1).all()

    def test_separated_classes_do_not_run_away(self) -> None:
        margin = np.r_[np.linspace(-2, -1, 40), np.linspace(1, 2, 40)]
        p, low, high = fit_calibration(margin, margin > 0, np.arange(80), seed=0).apply(margin)
        assert np.isfinite(np.array([p, low, high])).all()
        assert 0.001 < p.min() < p.max() < 0.999

    def test_margins_that_rank_the_wrong_way_are_not_turned_round(self) -> None:
        margin, y, lead = block(300, 1)
        flat = fit_calibration(-margin, y, lead, seed=0)
        p, _, _ = flat.apply([-3.0, 3.0])
        assert p[0] == p[1] == pytest.approx(y.mean(), abs=0.01)

    def test_margins_all_alike(self) -> None:
        p, low, high = fit_calibration(np.full(60, 2.0), np.arange(60) % 4 == 0, np.arange(60), seed=0).apply([2.0])
        assert low[0] < p[0] < high[0]
        assert p[0] == pytest.approx(0.25, abs=0.03)

    def test_huge_margins_are_scaled_not_broken(self) -> None:
        margin, y, lead = block(300, 1)
        ours, theirs = (fit_calibration(margin * scale, y, lead, seed=0).apply(margin * scale)[0] for scale in (1.0, 1e6))
        np.testing.assert_allclose(ours, theirs, atol=1e-9)

    def test_it_finds_the_line(self) -> None:
        margin, y, _ = block(900, 6)
        calibration = fit_calibration(margin, y, np.arange(900), seed=0)
        assert isinstance(calibration, Sigmoid)
        assert calibration.slope == pytest.approx(0.6, abs=0.15)
        assert calibration.intercept == pytest.approx(-1.0, abs=0.3)

    def test_the_interval_covers_the_truth_about_as_often_as_it_says(self) -> None:
        asked = np.array([-2.0, 0.0, 2.0])
        covered = []
        for seed in range(40):
            margin, y, _ = block(250, 100 + seed)
            _, low, high = fit_calibration(margin, y, np.arange(250), seed=seed).apply(asked)
            truth = sigmoid(0.6 * asked - 1.0)
            covered.append((low <= truth) & (truth <= high))
        assert 0.85 < np.mean(covered) <= 1.0

    def test_rows_of_one_lead_do_not_count_as_many_leads(self) -> None:
        margin, y, _ = block(100, 7)
        narrow = fit_calibration(np.repeat(margin, 5), np.repeat(y, 5), np.arange(500), seed=0)
        honest = fit_calibration(np.repeat(margin, 5), np.repeat(y, 5), np.repeat(np.arange(100), 5), seed=0)
        width = [high - low for _, low, high in (c.apply([0.0]) for c in (narrow, honest))]
        assert width[1] > 1.6 * width[0]

    def test_the_seed_is_the_only_chance(self) -> None:
        small = block(200, 8)
        assert fit_calibration(*small, seed=1).to_json() == fit_calibration(*small, seed=1).to_json()
        assert fit_calibration(*small, seed=1).to_json() != fit_calibration(*small, seed=2).to_json()


class TestNoSignal:
    def test_everyone_gets_the_share_that_converted(self) -> None:
        flat = fit_base_rate(np.arange(400) % 10 == 0, np.arange(400), seed=0)
        p, low, high = flat.apply([-9.0, 9.0])
        assert p[0] == p[1] == pytest.approx(0.1, abs=0.005)
        assert 0.05 < low[0] < 0.1 < high[0] < 0.16

    def test_no_conversion_so_far_is_not_never(self) -> None:
        flat = fit_base_rate(np.zeros(30), np.arange(30), seed=0)
        assert 0 < flat.low <= flat.p < 0.1


class TestADriftedBaseRate:
    def test_the_shift_is_found_with_an_honest_error(self) -> None:
        found = []
        for seed in range(40):
            margin, y, _ = block(1500, seed, slope=1.0, level=0.8)
            found.append(estimate_offset(sigmoid(margin), y, np.arange(1500)))
        deltas, errors = np.array(found).T
        assert deltas.mean() == pytest.approx(0.8, abs=0.05)
        assert errors.mean() == pytest.approx(deltas.std(), rel=0.35)

    def test_rows_of_one_lead_do_not_count_as_many_leads(self) -> None:
        margin, y, _ = block(200, 1)
        _, narrow = estimate_offset(np.repeat(sigmoid(margin), 4), np.repeat(y, 4), np.arange(800))
        delta, honest = estimate_offset(np.repeat(sigmoid(margin), 4), np.repeat(y, 4), np.repeat(np.arange(200), 4))
        assert honest == pytest.approx(2 * narrow, rel=0.02)
        assert delta == pytest.approx(estimate_offset(sigmoid(margin), y, np.arange(200))[0])

    def test_certain_probabilities_do_not_break_it(self) -> None:
        delta, se = estimate_offset([0.0, 1.0, 0.2, 0.3], [1, 0, 0, 1], [0, 1, 2, 3])
        assert math.isfinite(delta)
        assert math.isfinite(se)

    @KINDS
    def test_all_three_figures_move_and_the_interval_widens(self, calibration: Calibration) -> None:
        margins = np.linspace(-1, 1, 9)
        before, after = calibration.apply(margins), calibration.with_offset(0.5, 0.2).apply(margins)
        for (old, new), shift in zip(zip(before, after, strict=True), (0.5, 0.5 - 1.96 * 0.2, 0.5 + 1.96 * 0.2), strict=True):
            inside = (old > 0) & (old < 1)
            np.testing.assert_allclose(logit(new[inside]) - logit(old[inside]), shift, atol=1e-9)

    @KINDS
    def test_it_says_that_the_guarantee_is_gone(self, calibration: Calibration) -> None:
        assert calibration.to_json()["offset"] is None
        assert calibration.with_offset(0.5, 0.2).to_json()["offset"] == {"delta": 0.5, "se": 0.2, "corrected": "no coverage guarantee"}

    @KINDS
    def test_no_shift_changes_no_bit(self, calibration: Calibration) -> None:
        margins = np.linspace(-4, 4, 101)
        if isinstance(calibration, BaseRate):
            np.testing.assert_allclose(calibration.with_offset(0.0, 0.0).apply(margins), calibration.apply(margins), rtol=1e-12)
        else:
            np.testing.assert_allclose(calibration.with_offset(0.0, 0.0).apply(margins)[0], calibration.apply(margins)[0], rtol=1e-12)


class TestScore:
    def test_it_is_the_percentile_with_ties_in_their_middle(self) -> None:
        scale = ScoreScale.from_margins([1.0, 2.0, 2.0, 2.0, 5.0])
        assert scale.apply([1.0, 2.0, 5.0]).tolist() == [10.0, 50.0, 90.0]
        assert scale.apply([0.9, 5.1, -np.inf, np.inf]).tolist() == [0.0, 100.0, 0.0, 100.0]
        assert math.isnan(scale.apply([np.nan])[0])

    def test_a_single_reference_margin(self) -> None:
        assert ScoreScale.from_margins([3.0]).apply([2.0, 3.0, 4.0]).tolist() == [0.0, 50.0, 100.0]

    @pytest.mark.parametrize("atom", [0.0, 0.3, 0.95])
    def test_few_knots_are_exact_to_a_third_of_a_percentile(self, atom: float) -> None:
        random = np.random.default_rng(1)
        margins = random.normal(size=20_000)
        margins[random.random(20_000) < atom] = 0.123
        margins[random.random(20_000) < 0.05] = -0.5
        scale = ScoreScale.from_margins(margins)
        assert len(scale.at) <= 1001
        ordered = np.sort(margins)
        exact = 50 * (np.searchsorted(ordered, margins, "left") + np.searchsorted(ordered, margins, "right")) / 20_000
        assert np.abs(scale.apply(margins) - exact).max() < 1 / 3

    def test_many_atoms_stay_within_the_knots(self) -> None:
        margins = np.repeat(np.arange(900.0), np.random.default_rng(0).integers(1, 60, 900))
        assert len(ScoreScale.from_margins(margins).at) <= 1001

    @settings(deadline=None, max_examples=60)
    @given(reference=st.lists(st.floats(-9, 9), min_size=1, max_size=60), asked=st.lists(st.floats(-12, 12), min_size=1, max_size=30))
    def test_a_higher_margin_never_scores_less_and_alone_scores_the_same(self, reference: list[float], asked: list[float]) -> None:
        scale = ScoreScale.from_margins(reference)
        score = scale.apply(sorted(asked))
        assert (np.diff(score) >= 0).all()
        assert ((score >= 0) & (score <= 100)).all()
        assert score.tolist() == [scale.apply([m])[0] for m in sorted(asked)]

    def test_grades_have_cut_offs_that_can_be_edited(self) -> None:
        scale = ScoreScale.from_margins(np.arange(100.0))
        assert scale.grade([100.0, 90.0, 89.9, 70.0, 40.0, 39.9, 0.0, np.nan]) == ["A", "A", "B", "B", "C", "D", "D", None]
        strict = ScoreScale.from_margins(np.arange(100.0), cuts=[("hot", 99.0), ("cold", 0.0)])
        assert strict.grade([99.5, 98.0]) == ["hot", "cold"]

    def test_it_comes_back_from_json_with_the_same_bits(self) -> None:
        margins = np.random.default_rng(2).normal(size=5000)
        scale = ScoreScale.from_margins(margins, cuts=[("A", 95.5), ("B", 1.0)])
        back = ScoreScale.from_json(json.loads(json.dumps(scale.to_json(), allow_nan=False)))
        assert back.apply(margins).tolist() == scale.apply(margins).tolist()
        assert back.grade(back.apply(margins)) == scale.grade(scale.apply(margins))

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"at": [1, 0], "percentile": [0, 1], "cuts": [["A", 1]]},
            {"at": [], "percentile": [], "cuts": [["A", 1]]},
            {"at": [1], "percentile": [1], "cuts": []},
            {"at": [1], "percentile": [1], "cuts": [["A", 1], ["B", 2]]},
            {"at": [1], "percentile": [1], "cuts": [["A"]]},
        ],
    )
    def test_a_broken_scale_says_so(self, document: dict[str, Any]) -> None:
        with pytest.raises(BadCalibration):
            ScoreScale.from_json(document)
