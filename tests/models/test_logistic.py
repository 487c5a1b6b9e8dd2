from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from models.inputs import InputSpec, NotTrainable, WrongWidth
from models.logistic import GRID, BadLogistic, Logistic, fit_logistic

INPUTS = [
    InputSpec("visits", "engagement"),
    InputSpec("revenue", "fit"),
    InputSpec("country", "fit", kind="category", categories=tuple("abcdefgh")),
    InputSpec("always missing"),
    InputSpec("constant"),
    InputSpec("rarely known"),
]


def leads(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = np.column_stack(
        [
            random.poisson(2, rows),
            np.exp(random.normal(12, 2, rows)),
            random.integers(0, 7, rows),  # codes 7 and 8 are known to the encoder and never seen
            np.full(rows, np.nan),
            np.full(rows, 7.0),
            np.where(random.random(rows) < 0.5, np.nan, random.normal(size=rows)),
        ]
    )
    X[random.random(rows) < 0.1, 2] = np.nan
    margin = -3 + 0.5 * X[:, 0] + 0.3 * (np.log(X[:, 1]) - 12) + (X[:, 2] == 2) + 1.0 * np.isnan(X[:, 5])
    return X, (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(float)


@pytest.fixture(scope="module")
def model() -> Logistic:
    X, y = leads(3000, 1)
    return fit_logistic(X[:2000], y[:2000], INPUTS, X_tune=X[2000:], y_tune=y[2000:])


class TestWhatCannotBeFitted:
    def test_one_class(self) -> None:
        X, _ = leads(50, 1)
        with pytest.raises(NotTrainable, match="one class"):
            fit_logistic(X, np.ones(50), INPUTS, C=1.0)

    def test_neither_tune_block_nor_strength(self) -> None:
        X, y = leads(50, 1)
        with pytest.raises(NotTrainable, match="tune block"):
            fit_logistic(X, y, INPUTS)

    @pytest.mark.parametrize("C", [0.0, -1.0, math.nan])
    def test_a_strength_that_is_none(self, C: float) -> None:
        X, y = leads(50, 1)
        with pytest.raises(NotTrainable, match="C is"):
            fit_logistic(X, y, INPUTS, C=C)

    def test_another_width(self, model: Logistic) -> None:
        with pytest.raises(WrongWidth):
            model.margin(np.zeros((2, 3)))


@pytest.mark.parametrize("rows", [3, 15])
def test_a_handful_of_leads_gives_a_model_all_the_same(rows: int) -> None:
    X, _ = leads(rows, 1)
    y = (np.arange(rows) % 3 == 0).astype(float)
    assert np.isfinite(fit_logistic(X, y, INPUTS, X_tune=X, y_tune=y).margin(X)).all()


def test_inputs_that_say_nothing_give_everyone_the_base_rate() -> None:
    X, y = leads(300, 1)
    flat = fit_logistic(X[:, 3:5], y, INPUTS[3:5], C=1.0)
    assert 1 / (1 + np.exp(-flat.margin(X[:, 3:5]))) == pytest.approx(np.full(300, y.mean()), abs=1e-3)


def test_categories_that_are_all_rare_give_everyone_the_base_rate() -> None:
    X, y = np.arange(1.0, 201.0)[:, None], (np.arange(200) % 4 == 0).astype(float)
    flat = fit_logistic(X, y, [InputSpec("id", kind="category", categories=tuple(map(str, range(200))))], C=1.0)
    assert 1 / (1 + np.exp(-flat.margin(X))) == pytest.approx(np.full(200, 0.25), abs=1e-9)


class TestOddValues:
    def test_infinity_scores_as_the_most_that_training_saw(self, model: Logistic) -> None:
        X = leads(3000, 1)[0][:2000]
        rows = np.repeat(X[:1], 4, axis=0)
        rows[:, 1] = [np.inf, X[:, 1].max(), -np.inf, X[:, 1].min()]
        margin = model.margin(rows)
        assert margin[0] == margin[1] > margin[2] == margin[3]

    def test_categories_rare_unseen_or_out_of_range_score_alike(self, model: Logistic) -> None:
        rows = np.repeat(leads(1, 2)[0], 6, axis=0)
        rows[:, 2] = [0, 7, 8, 99, -5, np.inf]
        assert len(set(model.margin(rows).tolist())) == 1
        rows[0, 2] = 2
        assert model.margin(rows)[0] > model.margin(rows)[1]

    def test_a_row_without_any_value_has_a_margin(self, model: Logistic) -> None:
        assert np.isfinite(model.margin(np.full((1, len(INPUTS)), np.nan))).all()

    def test_being_unknown_may_itself_be_evidence(self, model: Logistic) -> None:
        rows = np.repeat(leads(1, 2)[0], 2, axis=0)
        rows[:, 5] = [np.nan, 0.0]
        unknown, known = model.margin(rows)
        assert unknown > known + 0.5


class TestReasons:
    def test_base_and_contributions_add_up_to_the_margin(self, model: Logistic) -> None:
        X, _ = leads(1000, 2)
        contributions, base = model.contributions(X)
        np.testing.assert_allclose(contributions.sum(axis=1) + base, model.margin(X), atol=1e-9, rtol=0)

    def test_the_base_is_the_average_training_lead(self, model: Logistic) -> None:
        X, _ = leads(3000, 1)
        contributions, _ = model.contributions(X[:2000])
        assert contributions.mean(axis=0) == pytest.approx(np.zeros(len(INPUTS)), abs=1e-9)

    def test_one_lead_alone_has_the_bits_of_the_batch(self, model: Logistic) -> None:
        X, _ = leads(400, 3)
        contributions, base, margin = model.explain(X)
        for place in range(len(X)):
            one, same, alone = model.explain(X[place : place + 1])
            assert one[0].tolist() == contributions[place].tolist()
            assert (same, alone[0]) == (base, margin[place])
        assert model.margin(np.asfortranarray(X)).tolist() == margin.tolist()

    def test_no_leads(self, model: Logistic) -> None:
        assert model.margin(np.empty((0, len(INPUTS)))).shape == (0,)

    def test_it_reports_the_signs_that_it_found(self, model: Logistic) -> None:
        assert model.signs() == {
            "visits": 1,
            "revenue": 1,
            "always missing": 0,
            "constant": 0,
            "rarely known": model.signs()["rarely known"],
        }
        assert model.importance()[0] > model.importance()[4] == 0


class TestTheFit:
    def test_the_documented_expansion_is_what_is_scored(self, model: Logistic) -> None:
        import models.logistic as logistic

        X, y = leads(2000, 1)
        columns = [logistic._column(X[:, place], spec, np.ones(2000)) for place, spec in enumerate(INPUTS)]
        expanded = logistic._Expanded.of(X, columns)
        beta = logistic._regress(expanded, y, np.ones(2000), 0.1)
        fitted = fit_logistic(X, y, INPUTS, C=0.1)
        np.testing.assert_allclose(fitted.margin(X), expanded(0, 2000) @ beta[1:] + beta[0], atol=1e-9, rtol=0)

    def test_heavy_tails_are_brought_in(self, model: Logistic) -> None:
        by_name = {term.name: term for term in model.terms}
        assert by_name["revenue"].log
        assert not by_name["visits"].log

    def test_the_strength_comes_from_the_grid_and_noise_gets_the_strictest(self, model: Logistic) -> None:
        assert model.C in GRID
        random = np.random.default_rng(0)
        X, y = random.normal(size=(120, 40)), (random.random(120) < 0.5).astype(float)
        noise = fit_logistic(X[:60], y[:60], [InputSpec(str(i)) for i in range(40)], X_tune=X[60:], y_tune=y[60:])
        strictest = min(GRID)
        assert strictest == noise.C

    def test_a_drifted_base_rate_does_not_choose_the_strength(self) -> None:
        X, y = leads(6000, 1)
        tune, label = X[3000:], y[3000:]
        keep = (label == 1) | (np.arange(3000) % 8 == 0)
        chosen = fit_logistic(X[:3000], y[:3000], INPUTS, X_tune=tune[keep], y_tune=label[keep])
        strictest = min(GRID)
        assert strictest < chosen.C

    def test_what_can_only_help_never_hurts_whatever_the_rows_say(self) -> None:
        random = np.random.default_rng(5)
        strength, other = random.normal(size=(2, 400))
        X = np.column_stack([strength, other, np.where(random.random(400) < 0.3, np.nan, strength)])
        y = (random.random(400) < 1 / (1 + np.exp(strength - other))).astype(float)  # a strength that hurts, by these rows
        inputs = [InputSpec("strength", monotone=1), InputSpec("other"), InputSpec("known strength", monotone=1)]
        free, bound = (fit_logistic(X, y, specs, C=1.0) for specs in ([InputSpec(spec.name) for spec in inputs], inputs))
        assert free.signs()["strength"] < 0
        assert bound.signs()["strength"] == bound.signs()["known strength"] == 0
        assert bound.signs()["other"] == 1

    def test_weights_count_as_repeated_rows(self) -> None:
        X, y = leads(500, 4)
        twice = fit_logistic(np.vstack([X, X[:100]]), np.append(y, y[:100]), INPUTS, C=0.1)
        weighted = fit_logistic(X, y, INPUTS, C=0.1, weights=1.0 + (np.arange(500) < 100))
        assert np.corrcoef(twice.margin(X), weighted.margin(X))[0, 1] > 0.999


class TestTheFile:
    def test_it_comes_back_with_the_same_bits(self, model: Logistic, tmp_path: Path) -> None:
        assert model.save(tmp_path) == ["logistic.json"]
        X, _ = leads(300, 6)
        for ours, theirs in zip(Logistic.load(tmp_path).explain(X), model.explain(X), strict=True):
            assert np.array_equal(ours, theirs)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"inputs": 3}', '{"inputs": [{}], "base": 0, "C": 1}'])
    def test_a_broken_file_says_so(self, content: str, tmp_path: Path) -> None:
        (tmp_path / "logistic.json").write_text(content)
        with pytest.raises(BadLogistic, match=r"logistic\.json"):
            Logistic.load(tmp_path)

    @pytest.mark.parametrize("key", ["slope", "missing", "low", "codes"])
    def test_a_coefficient_that_is_no_number_says_so(self, model: Logistic, key: str, tmp_path: Path) -> None:
        model.save(tmp_path)
        document = json.loads((tmp_path / "logistic.json").read_text())
        item = next(item for item in document["inputs"] if key in item)
        item[key] = [math.nan] if key == "codes" else math.nan
        (tmp_path / "logistic.json").write_text(json.dumps(document))
        with pytest.raises(BadLogistic):
            Logistic.load(tmp_path)
