from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.blend import SINGLES, BadBlend, Blend, fit_weights, load_model
from models.boosted import fit_boosted
from models.inputs import Floats, InputSpec
from models.logistic import fit_logistic
from models.logit import log_loss, sigmoid
from models.naive_bayes import fit_naive_bayes
from models.scorecard import fit_scorecard

INPUTS = [InputSpec("visits"), InputSpec("age"), InputSpec("country", kind="category", categories=("a", "b"))]


def leads(rows: int, seed: int) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    X = np.column_stack([random.normal(size=rows), random.normal(size=rows), random.integers(0, 3, rows)])
    X[random.random(X.shape) < 0.05] = np.nan
    margin = np.nan_to_num(X[:, 0]) - 0.5 * (X[:, 2] == 1) - 1
    return X, (random.random(rows) < sigmoid(margin)).astype(float)


@pytest.fixture(scope="module")
def blend() -> Blend:
    X, y = leads(800, 1)
    members = (
        fit_scorecard(X, y, INPUTS),
        fit_naive_bayes(X, y, INPUTS),
        fit_logistic(X, y, INPUTS, C=0.1),
        fit_boosted(X, y, None, None, INPUTS, seed=1, rounds=20),
    )
    return Blend(tuple(zip(members, (0.4, 0.3, 0.2, 0.25), strict=True)), -0.1)


class TestWeights:
    def test_who_knows_more_weighs_more(self) -> None:
        random = np.random.default_rng(0)
        truth = random.normal(-1, 1.5, 4_000)
        y = (random.random(4_000) < sigmoid(truth)).astype(float)
        found = fit_weights({"good": truth + random.normal(0, 0.3, 4_000), "bad": truth + random.normal(0, 3, 4_000)}, y)
        assert found.of["good"] > 3 * found.of.get("bad", 0.0)

    def test_two_halves_of_the_truth_are_worth_more_than_one(self) -> None:
        random = np.random.default_rng(1)
        one, other = random.normal(size=(2, 4_000))
        y = (random.random(4_000) < sigmoid(one + other)).astype(float)
        blended = fit_weights({"one": one, "other": other}, y).margin({"one": one, "other": other})
        assert log_loss(blended, y) < min(log_loss(one, y), log_loss(other, y)) - 0.02

    def test_a_member_too_bold_is_brought_to_scale(self) -> None:
        random = np.random.default_rng(2)
        truth = random.normal(-1, 1, 4_000)
        y = (random.random(4_000) < sigmoid(truth)).astype(float)
        found = fit_weights({"bold": 5 * truth + 3}, y, towards_equal=1.0)
        assert found.of["bold"] == pytest.approx(0.2, abs=0.03)
        assert abs(float(sigmoid(found.margin({"bold": 5 * truth + 3})).mean() - y.mean())) < 0.005

    def test_few_rows_cannot_choose_wildly(self) -> None:
        random = np.random.default_rng(3)
        truth = random.normal(size=60)
        y = (random.random(60) < sigmoid(truth)).astype(float)
        margins = {name: truth + random.normal(0, 0.5, 60) for name in "abc"}
        shares = fit_weights(margins, y).of
        assert len(shares) == 3
        assert max(shares.values()) < 4 * min(shares.values())

    def test_who_ranks_the_wrong_way_round_has_no_say(self) -> None:
        random = np.random.default_rng(4)
        truth = random.normal(size=1_000)
        y = (random.random(1_000) < sigmoid(truth)).astype(float)
        assert list(fit_weights({"right": truth, "wrong": -truth}, y).of) == ["right"]
        assert fit_weights({"wrong": -truth, "worse": -truth}, y).of == {"wrong": 0.5, "worse": 0.5}

    @given(st.integers(0, 10_000), st.integers(4, 60), st.integers(1, 4))
    def test_weights_are_finite_and_never_negative(self, seed: int, rows: int, members: int) -> None:
        random = np.random.default_rng(seed)
        margins = {str(i): random.normal(size=rows) * random.choice([0.0, 1.0, 50.0]) for i in range(members)}
        y = np.arange(rows) % 2.0
        found = fit_weights(margins, y)
        assert found.of
        assert all(0 <= weight < np.inf for weight in found.of.values())
        assert np.isfinite(found.margin(margins)).all()


class TestReasons:
    def test_base_and_contributions_add_up_to_the_margin(self, blend: Blend) -> None:
        X, _ = leads(500, 2)
        contributions, base, margin = blend.explain(X)
        np.testing.assert_allclose(contributions.sum(axis=1) + base, margin, atol=1e-9, rtol=0)
        assert margin.tolist() == blend.margin(X).tolist()

    def test_exact_contributions_add_up_too(self, blend: Blend) -> None:
        X, _ = leads(50, 2)
        contributions, base = blend.shap(X)
        np.testing.assert_allclose(contributions.sum(axis=1) + base, blend.margin(X), atol=1e-9, rtol=0)

    def test_a_reason_is_the_weighted_sum_of_the_members_reasons(self, blend: Blend) -> None:
        X, _ = leads(50, 2)
        expected = sum(weight * model.contributions(X)[0] for model, weight in blend.members)
        np.testing.assert_allclose(blend.contributions(X)[0], expected, atol=1e-12)

    def test_one_lead_alone_has_the_bits_of_the_batch(self, blend: Blend) -> None:
        X, _ = leads(200, 3)
        contributions, base, margin = blend.explain(X)
        for place in range(len(X)):
            one, same, alone = blend.explain(X[place : place + 1])
            assert (one[0].tolist(), same, alone[0]) == (contributions[place].tolist(), base, margin[place])

    def test_no_leads(self, blend: Blend) -> None:
        assert blend.margin(np.empty((0, len(INPUTS)))).shape == (0,)

    def test_what_the_members_lean_on_is_what_it_leans_on(self, blend: Blend) -> None:
        importance = blend.importance()
        assert importance.shape == (len(INPUTS),)
        assert int(importance.argmax()) == 0


class TestTheFile:
    def test_it_comes_back_with_the_same_bits(self, blend: Blend, tmp_path: Path) -> None:
        assert set(blend.save(tmp_path)) == {"scorecard.json", "naive_bayes.json", "logistic.json", "model.txt", "blend.json"}
        X, _ = leads(300, 6)
        for ours, theirs in zip(load_model("blend", tmp_path).explain(X), blend.explain(X), strict=True):
            assert np.array_equal(ours, theirs)

    @pytest.mark.parametrize("kind", sorted(SINGLES))
    def test_a_member_can_be_read_alone(self, blend: Blend, kind: str, tmp_path: Path) -> None:
        blend.save(tmp_path)
        assert load_model(kind, tmp_path).kind == kind

    @pytest.mark.parametrize(
        "members",
        [[], [{"kind": "oracle", "weight": 1}], [{"kind": "logistic", "weight": 1}] * 2, [{"kind": "logistic", "weight": -1}], 3],
    )
    def test_members_that_cannot_be_say_so(self, members: object, tmp_path: Path) -> None:
        (tmp_path / "blend.json").write_text(json.dumps({"offset": 0, "members": members}))
        with pytest.raises(BadBlend, match=r"blend\.json"):
            Blend.load(tmp_path)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"offset": NaN, "members": [{"kind": "logistic", "weight": 1}]}'])
    def test_a_broken_file_says_so(self, content: str, tmp_path: Path) -> None:
        (tmp_path / "blend.json").write_text(content)
        with pytest.raises(BadBlend):
            Blend.load(tmp_path)
