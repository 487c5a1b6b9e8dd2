from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.inputs import InputSpec, NotTrainable, WrongWidth
from models.naive_bayes import BadNaiveBayes, NaiveBayes, fit_naive_bayes

INPUTS = [
    InputSpec("visits", "engagement", monotone=1),
    InputSpec("noise", "fit"),
    InputSpec("country", "fit", kind="category", categories=tuple("abcde")),
    InputSpec("rarely known"),
    InputSpec("constant"),
]


def leads(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = np.column_stack(
        [
            random.poisson(2, rows),
            random.normal(size=rows),
            random.integers(0, 5, rows),
            np.where(random.random(rows) < 0.5, np.nan, random.normal(size=rows)),
            np.full(rows, 7.0),
        ]
    )
    X[random.random(rows) < 0.1, 2] = np.nan
    margin = -2 + 0.5 * X[:, 0] + (X[:, 2] == 2) + np.isnan(X[:, 3])
    return X, (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(float)


@pytest.fixture(scope="module")
def model() -> NaiveBayes:
    return fit_naive_bayes(*leads(3000, 1), INPUTS)


class TestWhatCannotBeFitted:
    def test_one_class(self) -> None:
        with pytest.raises(NotTrainable, match="one class"):
            fit_naive_bayes(leads(50, 1)[0], np.ones(50), INPUTS)

    def test_another_width(self, model: NaiveBayes) -> None:
        with pytest.raises(WrongWidth):
            model.margin(np.zeros((2, 3)))


@pytest.mark.parametrize("rows", [2, 15])
def test_a_handful_of_leads_gives_a_model_all_the_same(rows: int) -> None:
    X, _ = leads(rows, 1)
    assert np.isfinite(fit_naive_bayes(X, (np.arange(rows) % 2).astype(float), INPUTS).margin(X)).all()


class TestEvidence:
    def test_one_input_alone_says_the_rate_of_its_bin(self) -> None:
        """With one input and no smoothing, its odds are those of the bin."""
        X, y = leads(4000, 2)
        one = fit_naive_bayes(X[:, 2:3], y, INPUTS[2:3], pull=0.0)
        for code in (1.0, 2.0, 3.0):
            rate = y[X[:, 2] == code].mean()
            assert one.margin(np.array([[code]]))[0] == pytest.approx(math.log(rate / (1 - rate)), abs=1e-3)

    def test_a_rare_value_is_believed_less(self) -> None:
        X = np.repeat([[1.0], [2.0], [3.0]], [500, 6, 494], axis=0)
        y = np.concatenate([np.arange(500) % 2, np.ones(6), np.arange(494) % 2]).astype(float)
        plain, pulled = (fit_naive_bayes(X, y, [InputSpec("kind", kind="category", categories=tuple("abc"))], pull=p) for p in (0.1, 20.0))
        rare = np.array([[2.0]])
        assert plain.margin(rare)[0] > pulled.margin(rare)[0] > 0

    def test_the_same_input_twice_is_not_believed_twice(self) -> None:
        X, y = leads(3000, 3)
        once = fit_naive_bayes(X[:, :1], y, INPUTS[:1]).margin(X[:, :1])
        twice = fit_naive_bayes(X[:, [0, 0]], y, [INPUTS[0], InputSpec("again", monotone=1)]).margin(X[:, [0, 0]])
        np.testing.assert_allclose(twice, once, atol=1e-9)

    def test_being_unknown_may_itself_be_evidence(self, model: NaiveBayes) -> None:
        rows = np.repeat(leads(1, 2)[0], 2, axis=0)
        rows[:, 3] = [np.nan, 0.0]
        unknown, known = model.margin(rows)
        assert unknown > known + 0.5

    def test_unseen_and_impossible_categories_score_alike(self, model: NaiveBayes) -> None:
        rows = np.repeat(leads(1, 2)[0], 4, axis=0)
        rows[:, 2] = [0, 5, 99, -5]
        assert len(set(model.margin(rows).tolist())) == 1

    @given(st.integers(0, 10_000))
    def test_more_of_what_can_only_help_never_hurts(self, seed: int) -> None:
        """Whatever the labels say by chance."""
        random = np.random.default_rng(seed)
        X, _ = leads(200, seed)
        y = (random.random(200) < 0.4).astype(float)
        fitted = fit_naive_bayes(X, y, INPUTS)
        rows = np.repeat(X[:1], 12, axis=0)
        rows[:, 0] = np.arange(12)
        assert (np.diff(fitted.margin(rows)) >= -1e-12).all()


class TestReasons:
    def test_base_and_contributions_add_up_to_the_margin(self, model: NaiveBayes) -> None:
        X, _ = leads(1000, 2)
        contributions, base = model.contributions(X)
        np.testing.assert_allclose(contributions.sum(axis=1) + base, model.margin(X), atol=1e-9, rtol=0)

    def test_the_base_is_the_average_training_lead(self, model: NaiveBayes) -> None:
        contributions, _ = model.contributions(leads(3000, 1)[0])
        assert contributions.mean(axis=0) == pytest.approx(np.zeros(len(INPUTS)), abs=1e-9)

    def test_one_lead_alone_has_the_bits_of_the_batch(self, model: NaiveBayes) -> None:
        X, _ = leads(300, 3)
        contributions, base, margin = model.explain(X)
        for place in range(len(X)):
            one, same, alone = model.explain(X[place : place + 1])
            assert (one[0].tolist(), same, alone[0]) == (contributions[place].tolist(), base, margin[place])

    def test_what_never_varies_counts_for_nothing(self, model: NaiveBayes) -> None:
        importance = dict(zip(model.names, model.importance().tolist(), strict=True))
        assert importance["constant"] == 0
        assert importance["visits"] > importance["noise"]


class TestTheFile:
    def test_it_comes_back_with_the_same_bits(self, model: NaiveBayes, tmp_path: Path) -> None:
        assert model.save(tmp_path) == ["naive_bayes.json"]
        X, _ = leads(300, 6)
        for ours, theirs in zip(NaiveBayes.load(tmp_path).explain(X), model.explain(X), strict=True):
            assert np.array_equal(ours, theirs)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"inputs": 3, "base": 0}', '{"inputs": [{}], "base": 0}'])
    def test_a_broken_file_says_so(self, content: str, tmp_path: Path) -> None:
        (tmp_path / "naive_bayes.json").write_text(content)
        with pytest.raises(BadNaiveBayes, match=r"naive_bayes\.json"):
            NaiveBayes.load(tmp_path)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("missing", math.nan), ("edges", [3.0, 1.0]), ("values", [1.0]), ("codes", {"-1": 0.0}), ("other", math.inf), ("kind", "text")],
    )
    def test_a_table_that_is_none_says_so(self, model: NaiveBayes, key: str, value: object, tmp_path: Path) -> None:
        model.save(tmp_path)
        document = json.loads((tmp_path / "naive_bayes.json").read_text())
        next(item for item in document["inputs"] if key in item)[key] = value
        (tmp_path / "naive_bayes.json").write_text(json.dumps(document))
        with pytest.raises(BadNaiveBayes):
            NaiveBayes.load(tmp_path)
