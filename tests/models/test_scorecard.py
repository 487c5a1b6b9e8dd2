from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import catalogue
from models.inputs import InputSpec, NotTrainable, WrongWidth
from models.scorecard import (
    DECLARED,
    DECLARED_RATE,
    FACTOR,
    MOST_BINS,
    MOST_INPUTS,
    BadScorecard,
    Scorecard,
    declared_scorecard,
    fit_scorecard,
)

INPUTS = [
    InputSpec("budget", "budget", monotone=1),
    InputSpec("visits", "engagement"),
    InputSpec("silence", "timeline", monotone=-1),
    InputSpec("country", "fit", kind="category", categories=tuple("abcdefghijkl")),
    InputSpec("always missing"),
    InputSpec("constant"),
    InputSpec("noise"),
]


def leads(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Leads whose conversion falls with part of the budget although it may not: the direction has work to do."""
    random = np.random.default_rng(seed)
    X = np.column_stack(
        [
            random.random(rows),
            random.poisson(0.7, rows),
            random.exponential(10, rows),
            random.integers(0, 13, rows),
            np.full(rows, np.nan),
            np.full(rows, 7.0),
            random.normal(size=rows),
        ]
    )
    X[random.random(rows) < 0.2, 0] = np.nan
    X[random.random(rows) < 0.1, 3] = np.nan
    budget = np.nan_to_num(X[:, 0], nan=0.3)
    margin = -2 + 3 * budget - 2 * (budget > 0.8) + 0.6 * X[:, 1] - 0.05 * X[:, 2] + 0.9 * (X[:, 3] % 3 == 1)
    return X, (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(float)


@pytest.fixture(scope="module")
def card() -> Scorecard:
    return fit_scorecard(*leads(4000, 1), INPUTS)


class TestWhatCannotBeFitted:
    def test_one_class(self) -> None:
        X, _ = leads(50, 1)
        with pytest.raises(NotTrainable, match="one class"):
            fit_scorecard(X, np.zeros(50), INPUTS)

    def test_infinity(self) -> None:
        X, y = leads(50, 1)
        X[3, 1] = -np.inf
        with pytest.raises(NotTrainable, match="visits"):
            fit_scorecard(X, y, INPUTS)

    def test_another_width(self, card: Scorecard) -> None:
        with pytest.raises(WrongWidth):
            card.margin(np.zeros((2, 3)))


class TestTooLittleToLearnFrom:
    @pytest.mark.parametrize("rows", [3, 12])
    def test_a_handful_of_leads_gives_a_card_all_the_same(self, rows: int) -> None:
        X, _ = leads(rows, 1)
        y = (np.arange(rows) % 3 == 0).astype(float)
        assert np.isfinite(fit_scorecard(X, y, INPUTS).margin(X)).all()

    def test_inputs_that_say_nothing_give_everyone_the_base_rate(self) -> None:
        X, y = leads(400, 1)
        flat = fit_scorecard(X[:, 4:6], y, INPUTS[4:6])
        assert flat.cards == (None, None)
        assert 1 / (1 + np.exp(-flat.margin(X[:, 4:6]))) == pytest.approx(np.full(400, y.mean()), abs=1e-9)


class TestThePointsAreATableThatAPersonCanAddUp:
    def test_points_are_whole_and_make_the_margin(self, card: Scorecard) -> None:
        X, _ = leads(500, 2)
        points = card.points(X)
        assert (points == np.rint(points)).all()
        assert card.margin(X).tolist() == (points.sum(axis=1) * FACTOR + card.offset).tolist()
        assert math.exp(20 * FACTOR) == pytest.approx(2)

    def test_a_lead_gets_the_points_of_the_bins_it_is_in(self, card: Scorecard) -> None:
        X, _ = leads(200, 2)
        points = card.points(X)
        for place, part in enumerate(card.cards):
            for row in range(200):
                value = X[row, place]
                if part is None:
                    expected = 0
                elif math.isnan(value):
                    expected = part.missing.points
                elif part.kind == "number":
                    expected = next(b.points for b in part.bins if value <= b.upper)
                else:
                    expected = next((b.points for b in part.bins if value in b.codes), part.bins[-1].points)
                assert points[row, place] == expected

    def test_bins_are_few_and_hold_every_training_row_once(self, card: Scorecard) -> None:
        for part in filter(None, card.cards):
            assert 1 < len(part.bins) <= MOST_BINS + 1
            assert sum(b.rows for b in part.bins) + part.missing.rows == 4000
            assert all(b.rate is None or 0 <= b.rate <= 1 for b in part.bins)
        labels = {part.name: [b.label for b in part.bins] for part in card.cards if part}
        assert labels["visits"][0] == "up to 0"
        assert any("b" in label.split(", ") for label in labels["country"])

    def test_what_says_nothing_has_no_points(self, card: Scorecard) -> None:
        assert [part is None for part in card.cards] == [False, False, False, False, True, True, True]
        assert card.importance()[4:].tolist() == [0, 0, 0]

    def test_the_mean_probability_is_the_base_rate(self, card: Scorecard) -> None:
        X, y = leads(4000, 1)
        assert (1 / (1 + np.exp(-card.margin(X)))).mean() == pytest.approx(y.mean(), abs=1e-9)

    def test_a_long_list_of_inputs_is_cut_to_a_readable_card(self) -> None:
        random = np.random.default_rng(0)
        X = random.normal(size=(3000, 40))
        y = (random.random(3000) < 1 / (1 + np.exp(-X.sum(axis=1) * 0.3))).astype(float)
        long = fit_scorecard(X, y, [InputSpec(str(i)) for i in range(40)])
        assert 5 < sum(part is not None for part in long.cards) <= MOST_INPUTS

    def test_a_tiny_bin_is_pulled_towards_no_evidence(self) -> None:
        X, y = leads(2000, 1)
        X = np.column_stack([X[:, 1], np.where(np.arange(2000) < 11, 1.0, 2.0)])
        y[:11] = 1.0
        pulled = fit_scorecard(X, y, [INPUTS[1], InputSpec("source", kind="category", categories=("rare", "usual"))])
        part = pulled.cards[1]
        assert part is None or max(b.points for b in part.bins) < 40


class TestOddValues:
    def test_beyond_what_training_saw_counts_as_the_last_bin(self, card: Scorecard) -> None:
        rows = np.repeat(leads(1, 2)[0], 4, axis=0)
        rows[:, 2] = [np.inf, 1e9, -np.inf, -1e9]
        margin = card.margin(rows)
        assert margin[0] == margin[1] < margin[2] == margin[3]

    def test_categories_rare_unseen_or_out_of_range_score_alike(self, card: Scorecard) -> None:
        rows = np.repeat(leads(1, 2)[0], 4, axis=0)
        rows[:, 3] = [99, -5, np.inf, 14]
        assert len(set(card.margin(rows).tolist())) == 1

    def test_missing_where_training_saw_none_is_no_evidence(self, card: Scorecard) -> None:
        row = leads(1, 2)[0]
        row[0, 1] = np.nan
        assert card.points(row)[0, 1] == 0


class TestReasons:
    def test_base_and_contributions_add_up_to_the_margin(self, card: Scorecard) -> None:
        X, _ = leads(1000, 2)
        contributions, base = card.contributions(X)
        np.testing.assert_allclose(contributions.sum(axis=1) + base, card.margin(X), atol=1e-9, rtol=0)
        X, _ = leads(4000, 1)
        assert card.contributions(X)[0].mean(axis=0) == pytest.approx(np.zeros(len(INPUTS)), abs=1e-9)

    def test_one_lead_alone_has_the_bits_of_the_batch(self, card: Scorecard, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("models.binned._BLOCK", 64)
        X, _ = leads(300, 3)
        contributions, base, margin = card.explain(X)
        for place in range(len(X)):
            one, same, alone = card.explain(X[place : place + 1])
            assert one[0].tolist() == contributions[place].tolist()
            assert (same, alone[0]) == (base, margin[place])

    def test_no_leads(self, card: Scorecard) -> None:
        assert card.margin(np.empty((0, len(INPUTS)))).shape == (0,)


class TestMeaning:
    @settings(deadline=None, max_examples=60)
    @given(seed=st.integers(0, 10_000), place=st.sampled_from([0, 2]), values=st.lists(st.floats(-1, 60), min_size=2, max_size=30))
    def test_more_evidence_never_lowers_the_margin(self, card: Scorecard, seed: int, place: int, values: list[float]) -> None:
        rows = np.repeat(leads(1, seed)[0], len(values), axis=0)
        rows[:, place] = sorted(values)
        assert (np.diff(card.margin(rows)) * INPUTS[place].monotone >= 0).all()

    @settings(deadline=None, max_examples=25)
    @given(seed=st.integers(0, 10_000), rows=st.integers(20, 400), direction=st.sampled_from([1, -1]))
    def test_not_even_on_small_and_contrary_data(self, seed: int, rows: int, direction: int) -> None:
        random = np.random.default_rng(seed)
        X = np.column_stack([random.integers(0, 6, rows), random.normal(size=rows)]).astype(float)
        y = (random.random(rows) < random.random(6)[X[:, 0].astype(int)]).astype(float)
        y[:2] = [0, 1]
        small = fit_scorecard(X, y, [InputSpec("evidence", monotone=direction), InputSpec("other", monotone=-direction)])
        ladder = np.column_stack([np.arange(-1, 8), np.zeros(9)])
        assert (np.diff(small.margin(ladder)) * direction >= 0).all()

    def test_the_direction_is_what_does_it(self) -> None:
        X, y = leads(4000, 1)
        free = fit_scorecard(X, y, [InputSpec(spec.name, kind=spec.kind, categories=spec.categories) for spec in INPUTS])
        rows = np.repeat(X[:1], 50, axis=0)
        rows[:, 0] = np.linspace(0, 1, 50)
        assert (np.diff(free.margin(rows)) < 0).any()

    def test_it_ranks_leads_that_it_never_saw(self, card: Scorecard) -> None:
        X, y = leads(3000, 9)
        margin = card.margin(X)
        assert (margin[y == 1][:, None] > margin[y == 0]).mean() > 0.65


SIGNALS = [InputSpec(str(entry["input"])) for entry in DECLARED]


class TestBeforeAnyHistory:
    def test_the_points_are_an_opinion_and_say_so(self, card: Scorecard) -> None:
        assert declared_scorecard(SIGNALS).calibrated is False
        assert card.calibrated is True

    def test_a_lead_without_evidence_gets_the_declared_rate(self) -> None:
        margin = declared_scorecard(SIGNALS).margin(np.full((1, len(SIGNALS)), np.nan))
        assert 1 / (1 + math.exp(-margin[0])) == pytest.approx(DECLARED_RATE)

    def test_unknown_is_not_zero(self) -> None:
        declared = declared_scorecard([InputSpec("need_strength")])
        unmet, unknown, met = declared.margin(np.array([[0.0], [np.nan], [1.0]]))
        assert unmet < unknown < met

    def test_evidence_raises_and_its_direction_holds(self) -> None:
        for entry in DECLARED:
            points = entry["points"]
            assert len(points) == len(entry["up_to"]) + 1
            assert list(entry["up_to"]) == sorted(entry["up_to"])
            assert points in (sorted(points), sorted(points, reverse=True))

    def test_every_input_it_has_an_opinion_on_is_a_signal(self) -> None:
        assert {spec.name for spec in SIGNALS} <= set(catalogue())

    def test_inputs_it_has_no_opinion_on_give_nothing(self) -> None:
        declared = declared_scorecard([InputSpec("shoe_size"), InputSpec("budget_strength", kind="category")])
        assert declared.cards == (None, None)
        assert np.ptp(declared.margin(np.array([[1.0, 1.0], [50.0, 0.0]]))) == 0

    def test_it_comes_back_from_its_file(self, tmp_path: Path) -> None:
        declared = declared_scorecard(SIGNALS)
        declared.save(tmp_path)
        assert Scorecard.load(tmp_path).cards == declared.cards
        assert Scorecard.load(tmp_path).calibrated is False


class TestTheFile:
    def test_it_comes_back_with_the_same_bits(self, card: Scorecard, tmp_path: Path) -> None:
        assert card.save(tmp_path) == ["scorecard.json"]
        X, _ = leads(300, 6)
        back = Scorecard.load(tmp_path)
        assert back.cards == card.cards
        for ours, theirs in zip(back.explain(X), card.explain(X), strict=True):
            assert np.array_equal(ours, theirs)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"points_to_double_the_odds": 10}'])
    def test_a_broken_file_says_so(self, content: str, tmp_path: Path) -> None:
        (tmp_path / "scorecard.json").write_text(content)
        with pytest.raises(BadScorecard, match=r"scorecard\.json"):
            Scorecard.load(tmp_path)

    @pytest.mark.parametrize("damage", ["bins swapped", "no last bin", "unknown input", "no points", "negative code"])
    def test_a_table_that_does_not_follow_says_so(self, card: Scorecard, damage: str, tmp_path: Path) -> None:
        card.save(tmp_path)
        document = json.loads((tmp_path / "scorecard.json").read_text())
        first = document["cards"][0]
        if damage == "bins swapped":
            first["bins"][0], first["bins"][1] = first["bins"][1], first["bins"][0]
        elif damage == "no last bin":
            first["bins"].pop()
        elif damage == "unknown input":
            first["input"] = "someone else"
        elif damage == "no points":
            del first["bins"][0]["points"]
        else:
            document["cards"][-1]["bins"][0]["codes"] = [-3]
        (tmp_path / "scorecard.json").write_text(json.dumps(document))
        with pytest.raises(BadScorecard):
            Scorecard.load(tmp_path)
