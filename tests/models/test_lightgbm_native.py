from __future__ import annotations

import gc
import importlib.machinery
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from models import lightgbm_native
from models.inputs import WrongWidth
from models.lightgbm_native import BadModelText, LightGBMFailed, LightGBMMissing, NativeBooster, read_trees

INPUTS, CATEGORY = 12, 4


def leads(rows: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, INPUTS))
    X[random.random(X.shape) < 0.1] = np.nan
    X[:, CATEGORY] = random.integers(0, 9, rows)
    return X


@pytest.fixture(scope="module")
def text() -> str:
    import lightgbm as lgb

    X = leads(3000, 1)
    y = (np.nan_to_num(X[:, 0]) + (X[:, CATEGORY] % 3 == 0) + np.random.default_rng(2).normal(size=3000) > 1).astype(float)
    settings = {"objective": "binary", "num_leaves": 15, "verbosity": -1, "num_threads": 1}
    return str(lgb.train(settings, lgb.Dataset(X, y, categorical_feature=[CATEGORY]), 40).model_to_string())


@pytest.fixture(scope="module")
def native(text: str) -> NativeBooster:
    return NativeBooster.from_string(text)


class TestWhenTheLibraryCannotBeHad:
    @pytest.fixture(autouse=True)
    def _unloaded(self) -> None:
        lightgbm_native._library.cache_clear()

    def test_the_package_is_not_installed(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(LightGBMMissing, match="not installed"):
            NativeBooster.from_string(text)

    @pytest.mark.parametrize("content", [None, b"no library"])
    def test_the_package_is_broken(self, text: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ending = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
        if content:
            (tmp_path / "lib").mkdir()
            (tmp_path / "lib" / f"lib_lightgbm{ending}").write_bytes(content)
        spec = importlib.machinery.ModuleSpec("lightgbm", None, is_package=True)
        spec.submodule_search_locations = [str(tmp_path)]
        monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
        with pytest.raises(LightGBMMissing, match="lib_lightgbm") as caught:
            NativeBooster.from_string(text)
        assert caught.value.exit_code == 3


class TestADamagedModelIsRefusedBeforeTheLibrarySeesIt:
    @pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.3, 0.7])
    def test_cut_short(self, text: str, share: float) -> None:
        with pytest.raises(BadModelText):
            NativeBooster.from_string(text[: int(len(text) * share)])

    def test_cut_at_every_line_of_the_trees(self, text: str) -> None:
        head, end = text.index("Tree=39"), text.index("end of trees")
        cuts = [match.start() for match in re.finditer("\n", text[head:end])]
        assert len(cuts) > 15
        for cut in cuts:
            with pytest.raises(BadModelText):
                read_trees(text[: head + cut])

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("left_child", "99"),  # out of the tree
            ("left_child", "0"),  # the root again: a path without end
            ("right_child", "-99"),
            ("split_feature", "12"),  # one input too far
            ("split_feature", "-1"),
            ("leaf_value", "nan"),
            ("leaf_value", "inf"),
            ("leaf_value", "word"),
            ("leaf_count", "-1"),
            ("threshold", "1e"),
            ("decision_type", "x"),
            ("num_leaves", "16"),
            ("num_leaves", "-1"),
            ("num_cat", "7"),
        ],
    )
    def test_a_number_in_a_tree_is_wrong(self, text: str, field: str, value: str) -> None:
        with pytest.raises(BadModelText, match="tree 0"):
            read_trees(with_first(text, field, value))

    @pytest.mark.parametrize("field", ["cat_boundaries", "cat_threshold"])
    def test_the_sets_of_categories_are_cut(self, text: str, field: str) -> None:
        broken = re.sub(rf"\n{field}=\S+ ?", lambda found: f"\n{field}=" + " " * (len(found[0]) - len(field) - 2), text, count=1)
        assert broken != text
        with pytest.raises(BadModelText):
            read_trees(broken)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("version=v4", "version=v3"),
            ("num_class=1", "num_class=3"),
            ("objective=binary sigmoid:1", "objective=regression       "),
            ("max_feature_idx=11", "max_feature_idx=99"),
            ("max_feature_idx=11", "max_feature_idx=-1"),
            ("max_feature_idx=11", "max_feature_idx=x"),
            ("tree_sizes=", "tree_sizes=\nx="),
            ("Tree=7\n", "Tree=8\n"),
            ("end of trees", "end of treez"),
            ("\nshrinkage", "\nshrinkäge"),
        ],
    )
    def test_the_frame_is_wrong(self, text: str, before: str, after: str) -> None:
        assert before in text
        with pytest.raises(BadModelText):
            read_trees(text.replace(before, after, 1))


def with_first(text: str, field: str, value: str) -> str:
    """The text with the first item of a field of the first tree replaced, and the tree's size put right."""
    block_start, block_end = text.index("Tree=0\n"), text.index("Tree=1\n")
    block = text[block_start:block_end]
    broken = re.sub(rf"\n{field}=\S+", f"\n{field}={value}", block, count=1)
    assert broken != block
    sizes = re.search(r"tree_sizes=(\d+)", text)
    assert sizes
    out = text[:block_start] + broken + text[block_end:]
    return out.replace(sizes[0], f"tree_sizes={int(sizes[1]) + len(broken) - len(block)}", 1)


class TestScoring:
    def test_a_matrix_of_another_width_never_reaches_the_library(self, native: NativeBooster) -> None:
        for call in (native.margin, native.leaves, native.shap):
            with pytest.raises(WrongWidth, match="11 columns"):
                call(np.zeros((3, INPUTS - 1)))
        for row in (np.zeros(INPUTS + 1), np.zeros(1), np.zeros((1, INPUTS))):
            with pytest.raises(WrongWidth):
                native.margin_one(row)

    def test_no_rows_give_no_margins(self, native: NativeBooster) -> None:
        assert native.margin(np.empty((0, INPUTS))).shape == (0,)
        assert native.leaves(np.empty((0, INPUTS))).shape == (0, 40)

    def test_a_failure_carries_the_librarys_words(self, native: NativeBooster) -> None:
        with pytest.raises(LightGBMFailed, match="could not score"):
            native._booster.check(-1, "score")

    def test_all_missing_infinite_and_huge_values_have_a_margin(self, native: NativeBooster) -> None:
        rows = np.repeat([[np.nan], [np.inf], [-np.inf], [1e300], [1e-300]], INPUTS, axis=1)
        assert np.isfinite(native.margin(rows)).all()

    def test_it_agrees_with_the_package(self, text: str, native: NativeBooster) -> None:
        import lightgbm as lgb

        X = leads(500, 3)
        booster = lgb.Booster(model_str=text)
        assert native.margin(X).tolist() == booster.predict(X, raw_score=True, num_threads=1).tolist()
        assert native.leaves(X).tolist() == booster.predict(X, pred_leaf=True, num_threads=1).tolist()
        shap, base = native.shap(X)
        np.testing.assert_allclose(shap.sum(axis=1) + base, native.margin(X), atol=1e-9)

    def test_one_row_alone_has_the_bits_of_the_batch(self, native: NativeBooster) -> None:
        X = leads(700, 4)
        for threads in (0, 1, 2):
            assert [native.margin_one(row) for row in X] == native.margin(X, threads).tolist()
        assert np.array([native.leaves_one(row).copy() for row in X]).tolist() == native.leaves(X).tolist()

    def test_leaf_blocks_meet_without_a_seam(self, native: NativeBooster, monkeypatch: pytest.MonkeyPatch) -> None:
        X = leads(25, 5)
        whole = native.leaves(X)
        monkeypatch.setattr(lightgbm_native, "_LEAF_BLOCK", 8)
        assert (native.leaves(X) == whole).all()

    def test_a_view_into_a_larger_table_is_read_as_it_looks(self, native: NativeBooster) -> None:
        X = leads(50, 6)
        wide = np.hstack([X, X])[::2, :INPUTS]
        assert native.margin(wide).tolist() == native.margin(X[::2].copy()).tolist()
        assert native.margin_one(wide[3]) == native.margin_one(X[6])

    def test_threads_do_not_write_into_each_others_rows(self, native: NativeBooster) -> None:
        X = leads(400, 7)
        expected = native.margin(X).tolist()
        found: dict[int, list[float]] = {}

        def work(number: int) -> None:
            found[number] = [native.margin_one(row) for row in X]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(found[number] == expected for number in range(6))


def test_handles_are_freed_with_the_booster_and_with_the_thread(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[str] = []
    library = lightgbm_native._library()

    class Counting:
        def __getattr__(self, name: str) -> object:
            call = getattr(library, name)
            if not name.endswith("Free"):
                return call
            return lambda handle: (freed.append(name), call(handle))

    monkeypatch.setattr(lightgbm_native, "_library", Counting)
    booster = NativeBooster.from_string(text)
    row = np.zeros(INPUTS)
    thread = threading.Thread(target=booster.margin_one, args=(row,))
    thread.start()
    thread.join()
    gc.collect()
    assert freed == ["LGBM_FastConfigFree"]
    booster.margin_one(row)
    booster.leaves_one(row)
    del booster
    gc.collect()
    assert sorted(freed) == ["LGBM_BoosterFree"] + ["LGBM_FastConfigFree"] * 3
    assert freed[-1] == "LGBM_BoosterFree"  # the prepared calls point into it


def test_scoring_imports_neither_lightgbm_nor_what_it_drags_in(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text(text)
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from models.boosted import Boosted; import models.logistic, models.scorecard, models.calibration\n"
        f"Boosted.load(Path({str(tmp_path)!r})).explain(np.zeros((2, {INPUTS})))\n"
        "print([name for name in ('lightgbm', 'sklearn', 'pandas', 'scipy', 'mlflow') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    assert run.stdout.strip() == "[]"
