from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import boosted as boosted_module
from models.boosted import FEWEST_ROUNDS, Boosted, fit_boosted
from models.inputs import InputSpec, NotTrainable, WrongWidth
from models.lightgbm_native import BadModelText

INPUTS = [
    InputSpec("budget", "budget", monotone=1),
    InputSpec("visits", "engagement"),
    InputSpec("silence", "timeline", monotone=-1),
    InputSpec("country", "fit", kind="category", categories=tuple("abcdefgh")),
    InputSpec("always missing", "fit"),
    InputSpec("constant", "fit"),
    InputSpec("noise", "fit"),
]


def leads(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Leads whose conversion falls with part of the budget although it may not: the constraint has work to do."""
    random = np.random.default_rng(seed)
    X = np.column_stack(
        [
            random.random(rows),
            random.poisson(2, rows),
            random.exponential(10, rows),
            random.integers(0, 9, rows),
            np.full(rows, np.nan),
            np.full(rows, 7.0),
            random.normal(size=rows),
        ]
    )
    X[random.random(rows) < 0.2, 0] = np.nan
    X[random.random(rows) < 0.1, 3] = np.nan
    budget = np.nan_to_num(X[:, 0], nan=0.5)
    margin = -2 + 2 * budget - 3 * (budget > 0.8) + 0.4 * X[:, 1] - 0.05 * X[:, 2] + 0.8 * (X[:, 3] % 3 == 1)
    return X, (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(float)


@pytest.fixture(scope="module")
def model() -> Boosted:
    X, y = leads(4000, 1)
    return fit_boosted(X[:3000], y[:3000], X[3000:], y[3000:], INPUTS, seed=5)


class TestWhatCannotBeFitted:
    def test_one_class(self) -> None:
        X, _ = leads(50, 1)
        with pytest.raises(NotTrainable, match="one class"):
            fit_boosted(X, np.zeros(50), None, None, INPUTS, seed=1, rounds=3)

    def test_one_class_in_the_tune_block(self) -> None:
        X, y = leads(200, 1)
        with pytest.raises(NotTrainable, match="one class"):
            fit_boosted(X, y, X[:20], np.zeros(20), INPUTS, seed=1)

    def test_infinity(self) -> None:
        X, y = leads(50, 1)
        X[3, 1] = np.inf
        with pytest.raises(NotTrainable, match="visits"):
            fit_boosted(X, y, None, None, INPUTS, seed=1, rounds=3)

    def test_neither_tune_block_nor_rounds(self) -> None:
        X, y = leads(50, 1)
        with pytest.raises(NotTrainable, match="tune block"):
            fit_boosted(X, y, None, None, INPUTS, seed=1)
        with pytest.raises(NotTrainable, match="0 rounds"):
            fit_boosted(X, y, None, None, INPUTS, seed=1, rounds=0)

    def test_a_tune_block_of_another_width(self) -> None:
        X, y = leads(50, 1)
        with pytest.raises(WrongWidth):
            fit_boosted(X, y, X[:, :3], y, INPUTS, seed=1)


class TestTooLittleToLearnFrom:
    @pytest.mark.parametrize("rows", [3, 12, 60])
    def test_a_handful_of_leads_gives_a_model_all_the_same(self, rows: int) -> None:
        X, _ = leads(rows, 1)
        y = (np.arange(rows) % 3 == 0).astype(float)
        small = fit_boosted(X, y, X, y, INPUTS, seed=1)
        assert np.isfinite(small.margin(X)).all()
        assert_additive(small, X)

    def test_inputs_that_say_nothing_give_everyone_the_base_rate(self) -> None:
        _, y = leads(300, 1)
        X = np.column_stack([np.full(300, np.nan), np.full(300, 3.0)])
        flat = fit_boosted(X, y, None, None, INPUTS[4:6], seed=1, rounds=5)
        contributions, base = flat.contributions(X)
        assert (contributions == 0).all()
        assert 1 / (1 + math.exp(-base)) == pytest.approx(y.mean(), abs=1e-6)
        assert flat.margin(X[:1]).tolist() == flat.margin(X)[:1].tolist()
        assert_additive(flat, X)

    def test_a_tune_block_unlike_the_rest_leaves_more_than_one_tree(self) -> None:
        X, y = leads(2000, 1)
        odd = fit_boosted(X, y, X[:500], 1 - y[:500], INPUTS, seed=1)
        assert odd.rounds == FEWEST_ROUNDS


class TestReasons:
    def test_base_and_contributions_add_up_to_the_margin(self, model: Boosted) -> None:
        X, _ = leads(1500, 2)
        assert_additive(model, X)
        contributions, base = model.shap(X[:200])
        np.testing.assert_allclose(contributions.sum(axis=1) + base, model.margin(X[:200]), atol=1e-9, rtol=0)

    def test_the_base_is_that_of_the_exact_values(self, model: Boosted) -> None:
        X, _ = leads(10, 2)
        assert model.contributions(X)[1] == pytest.approx(model.shap(X)[1], abs=1e-9)

    def test_inputs_without_a_split_have_no_part(self, model: Boosted) -> None:
        X, _ = leads(200, 2)
        contributions, _ = model.contributions(X)
        assert (contributions[:, [4, 5]] == 0).all()
        assert (contributions[:, [0, 1, 3]] != 0).any(axis=0).all()
        assert model.importance()[[4, 5]].tolist() == [0, 0]
        assert model.importance()[1] > model.importance()[6]

    def test_one_lead_alone_has_the_bits_of_the_batch(self, model: Boosted, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(boosted_module, "_BLOCK", 64)  # so that the batch has seams, also between threads
        monkeypatch.setattr(boosted_module, "_TASK", 100)
        X, _ = leads(300, 3)
        contributions, base, margin = model.explain(X)
        assert margin.tolist() == model.margin(X).tolist()
        for place in range(len(X)):
            one, same, alone = model.explain(X[place : place + 1])
            assert one[0].tolist() == contributions[place].tolist()
            assert (same, alone[0]) == (base, margin[place])

    def test_no_leads(self, model: Boosted) -> None:
        contributions, _, margin = model.explain(np.empty((0, len(INPUTS))))
        assert contributions.shape == (0, len(INPUTS))
        assert margin.shape == (0,)

    def test_another_width(self, model: Boosted) -> None:
        with pytest.raises(WrongWidth):
            model.contributions(np.zeros((2, len(INPUTS) + 1)))


def assert_additive(model: Boosted, X: np.ndarray) -> None:
    contributions, base = model.contributions(X)
    np.testing.assert_allclose(contributions.sum(axis=1) + base, model.margin(X), atol=1e-9, rtol=0)


class TestMeaning:
    @settings(deadline=None, max_examples=60)
    @given(seed=st.integers(0, 10_000), place=st.sampled_from([0, 2]), values=st.lists(st.floats(-1, 60), min_size=2, max_size=30))
    def test_more_evidence_never_lowers_the_margin(self, model: Boosted, seed: int, place: int, values: list[float]) -> None:
        X, _ = leads(1, seed)
        rows = np.repeat(X, len(values), axis=0)
        rows[:, place] = sorted(values)
        steps = np.diff(model.margin(rows)) * INPUTS[place].monotone
        assert (steps >= 0).all()

    def test_the_constraint_is_what_does_it(self) -> None:
        X, y = leads(4000, 1)
        free = fit_boosted(X, y, None, None, [InputSpec(spec.name, kind=spec.kind) for spec in INPUTS], seed=5, rounds=60)
        rows = np.repeat(X[:1], 50, axis=0)
        rows[:, 0] = np.linspace(0, 1, 50)
        assert (np.diff(free.margin(rows)) < 0).any()

    def test_it_ranks_leads_that_it_never_saw(self, model: Boosted) -> None:
        X, y = leads(3000, 9)
        margin = model.margin(X)
        converted, others = margin[y == 1], margin[y == 0]
        assert (converted[:, None] > others).mean() > 0.65

    def test_a_category_never_seen_is_scored_and_does_not_depend_on_its_number(self, model: Boosted) -> None:
        X, _ = leads(2, 3)
        X[1] = X[0]
        X[0, 3], X[1, 3] = 40, 41
        assert model.margin(X)[0] == model.margin(X)[1]


class TestTheRecipe:
    def test_the_same_seed_gives_the_same_text_whatever_the_threads(self) -> None:
        X, y = leads(800, 4)
        texts = {
            fit_boosted(X, y, None, None, INPUTS, seed=3, rounds=20, threads=threads).text.split("parameters:")[0] for threads in (1, 1, 2)
        }
        assert len(texts) == 1
        assert fit_boosted(X, y, None, None, INPUTS, seed=4, rounds=20).text not in texts

    def test_the_number_of_rounds_is_kept_for_the_refit(self, model: Boosted) -> None:
        X, y = leads(4000, 1)
        again = fit_boosted(X, y, None, None, INPUTS, seed=5, rounds=model.rounds)
        assert again.rounds == model.rounds > FEWEST_ROUNDS

    def test_progress_is_told_after_each_round(self) -> None:
        X, y = leads(400, 4)
        told: list[tuple[int, int, float]] = []
        fit_boosted(X[:300], y[:300], X[300:], y[300:], INPUTS, seed=1, on_progress=lambda *now: told.append(now))
        assert [now[0] for now in told] == list(range(1, len(told) + 1))
        assert all(0 < loss < 2 for _, _, loss in told)
        told.clear()
        fit_boosted(X, y, None, None, INPUTS, seed=1, rounds=4, on_progress=lambda *now: told.append(now))
        assert [now[:2] for now in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def test_weights_count_as_repeated_rows(self) -> None:
        X, y = leads(600, 4)
        light = fit_boosted(X, y, None, None, INPUTS, seed=1, rounds=10)
        heavy = fit_boosted(X, y, None, None, INPUTS, seed=1, rounds=10, weights=1 + 9 * y)
        assert (heavy.margin(X) > light.margin(X)).mean() > 0.95


class TestTheFile:
    def test_it_comes_back_with_the_same_bits(self, model: Boosted, tmp_path: Path) -> None:
        assert model.save(tmp_path) == ["model.txt"]
        assert [path.name for path in tmp_path.iterdir()] == ["model.txt"]
        X, _ = leads(200, 6)
        back = Boosted.load(tmp_path)
        assert back.text == model.text
        for ours, theirs in zip(back.explain(X), model.explain(X), strict=True):
            assert np.array_equal(ours, theirs)

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"tree\n", None])
    def test_a_broken_file_says_so(self, model: Boosted, tmp_path: Path, content: bytes | None) -> None:
        whole = model.text.encode()
        (tmp_path / "model.txt").write_bytes(whole[: len(whole) // 2] if content is None else content)
        with pytest.raises(BadModelText, match=r"model\.txt"):
            Boosted.load(tmp_path)
