"""Tamiz by its one default command against seven alternatives, on four public data sets and rows that nobody has seen.

    TAMIZ_DATASETS=DIR python -m benchmarks.quality [--repeats 20] [--sets bank-forward,b2b] [--peers-on-all] [--json FILE]

DIR holds the files as published (see `benchmarks/real.py`). Splits: bank marketing, rows 1–27,972 → the last 8,239, twelve
inputs known at the call, rows between for tuning and calibration; the same at random, 70/30, all inputs but `duration`;
online shoppers up to October → November and December, without `PageValues` and `Month`; B2B sales without duplicates, at
random 70/30. Random splits are repeated.

The alternatives, with default-to-good settings: a binned naive Bayes as an open-source CRM has it (its formula, written
anew), logistic regression (one-hot, C 0.5), HistGradientBoosting (early stopping), LightGBM, XGBoost, CatBoost (600 rounds,
early stopping), and the constant: the base rate of the newest rows before test. XGBoost and CatBoost are extras:
`pip install xgboost-cpu catboost`; without them their columns stay empty. Tamiz is what `tamiz train` does without
any option on all rows before test, in one process; probabilities and margins are those of the bundle that it
leaves behind. In time the alternatives do without the rows for tuning and calibration, except to stop early;
`--peers-on-all` fits them on these too.

Printed per set: AUC and log loss, means over the repeats; rank; the difference from the best with its paired 95 %
interval, which resamples rows, the same ones in every repeat; then everybody's mean rank and mean gap.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Answer = tuple[Floats, Floats]
"""Probabilities, and what ranks: the margin where there is one."""
_RESAMPLES = 400
_CALL_TIME = ["age", "job", "marital", "education", "default", "housing", "loan", "contact", "day_of_week", "pdays", "previous", "poutcome"]
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class Task:
    """One split: inputs, labels, who trains, who stops early, who tests; `order` is None where nothing is ordered."""

    X: pd.DataFrame
    y: Floats
    fit: NDArray[np.intp]
    tune: NDArray[np.intp]
    test: NDArray[np.intp]
    order: Floats | None
    seed: int

    @property
    def before(self) -> NDArray[np.intp]:
        return np.concatenate([self.fit, self.tune])

    def constant(self) -> float:
        """The base rate known before test: of the newest sixth where there is an order."""
        rows = self.before
        if self.order is not None:
            rows = rows[np.argsort(self.order[rows], kind="stable")][-(len(rows) * 15 // 100) :]
        return float(self.y[rows].mean())


def bank_forward(folder: Path, repeats: int) -> Iterator[Task]:
    frame = pd.read_csv(folder / "bank_marketing.csv.gz", sep=";")
    rows = np.arange(len(frame))
    y = (frame["y"] == "yes").to_numpy(np.float64)
    yield Task(frame[_CALL_TIME], y, rows[:27_972], rows[27_972:-8_239], rows[-8_239:], rows.astype(np.float64), 0)


def bank_random(folder: Path, repeats: int) -> Iterator[Task]:
    frame = pd.read_csv(folder / "bank_marketing.csv.gz", sep=";")
    yield from _random(frame.drop(columns=["y", "duration"]), (frame["y"] == "yes").to_numpy(np.float64), repeats)


def shoppers_forward(folder: Path, repeats: int) -> Iterator[Task]:
    frame = pd.read_csv(folder / "online_shoppers.csv.gz", sep=";")
    month = frame["Month"].map({name: place for place, name in enumerate(_MONTHS, start=1)}).to_numpy(np.float64)
    rows = np.arange(len(frame))
    none = rows[:0]
    y = frame["Revenue"].to_numpy(np.float64)
    yield Task(frame.drop(columns=["Revenue", "PageValues", "Month"]), y, rows[month <= 10], none, rows[month > 10], month, 0)


def b2b_random(folder: Path, repeats: int) -> Iterator[Task]:
    frame = pd.read_csv(folder / "b2b_sales.csv.gz", sep=";").drop_duplicates(ignore_index=True)
    yield from _random(frame.drop(columns="Status"), (frame["Status"] == "Won").to_numpy(np.float64), repeats)


SETS: Mapping[str, Callable[[Path, int], Iterator[Task]]] = {
    "bank-forward": bank_forward,
    "bank-random": bank_random,
    "shoppers-forward": shoppers_forward,
    "b2b": b2b_random,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--peers-on-all", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = os.environ.get("TAMIZ_DATASETS")
    if not folder or not Path(folder).is_dir():
        print("TAMIZ_DATASETS names no folder: see the first lines of benchmarks/real.py", file=sys.stderr)
        return 2
    results = {}
    with tempfile.TemporaryDirectory() as home:
        for name in given.sets.split(","):
            began = time.perf_counter()
            answers = [(task, answer(task, Path(home), on_all=given.peers_on_all)) for task in SETS[name](Path(folder), given.repeats)]
            results[name] = compared(answers)
            show(name, results[name], len(answers), time.perf_counter() - began)
    summary(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def answer(task: Task, home: Path, *, on_all: bool) -> dict[str, Answer]:
    """Everybody's probabilities on test."""
    found: dict[str, Answer] = {"tamiz": tamiz(task, home)}
    fit = task.before if on_all else task.fit
    constant = np.full(len(task.test), task.constant())
    found["constant"] = (constant, constant)
    for name, peer in PEERS.items():
        try:
            p = peer(task, fit)
        except ImportError as missing:
            print(f"{name} is absent ({missing.name}): pip install xgboost-cpu catboost", file=sys.stderr)
            continue
        found[name] = (p, p)
    return found


def tamiz(task: Task, home: Path) -> Answer:
    """The default command on the rows before test; then its bundle on the test rows."""
    from data.home import Home
    from models.bundle import Bundle
    from models.score_file import open_scan
    from training.dataset import FlatOptions, from_flat
    from training.evaluate import _scored
    from training.search import DEFAULT_TRIALS
    from training.train import Options, train

    before, test = home / "before.csv", home / "test.csv"
    frame = task.X.assign(converted=task.y.astype(int))
    ordered = task.order is not None
    if ordered:
        frame = frame.assign(place_in_time=task.order)
    frame.iloc[task.before].to_csv(before, index=False)
    task.X.iloc[task.test].to_csv(test, index=False)
    here = Home(home / "tamiz")
    here.create()
    how = FlatOptions("converted", order_by="place_in_time" if ordered else None)
    done = train(lambda say: from_flat(before, how, say), here, Options(trials=DEFAULT_TRIALS))
    metrics = done.result.metrics
    print(f"  tamiz: {metrics['best']}, {sum(metrics['seconds'].values()):.1f} s", file=sys.stderr, flush=True)
    bundle = Bundle.load(done.folder)
    p, margin, _ = _scored(bundle, open_scan(bundle, test, None))
    return p, margin


def naive_bayes(task: Task, fit: NDArray[np.intp]) -> Floats:
    """Categories and ten quantile bins; 0.1 added once to each cell seen; unseen and missing values left out; no calibration."""
    y = task.y[fit]
    won, lost = y.sum() + 0.1, (1 - y).sum() + 0.1
    margin = np.full(len(task.test), np.log(won / lost))
    for name in task.X:
        column = task.X[name]
        if column.dtype.kind in "if":
            values = column.to_numpy(np.float64)
            edges = np.unique(np.quantile(values[fit][~np.isnan(values[fit])], np.arange(1, 10) / 10))
            cells = pd.Series(np.where(np.isnan(values), None, np.searchsorted(edges, values, side="right").astype(object)))
        else:
            cells = column.astype(object).reset_index(drop=True)
        table = pd.DataFrame({"cell": cells.iloc[fit].to_numpy(), "y": y}).dropna().groupby("cell")["y"].agg(["sum", "count"])
        n1, n0 = table["sum"] + 0.1, table["count"] - table["sum"] + 0.1
        evidence = np.log(n1 / n1.sum()) - np.log(n0 / n0.sum())
        margin += cells.iloc[task.test].map(evidence).fillna(0.0).to_numpy(np.float64)
    return _sigmoid(margin)


def logistic(task: Task, fit: NDArray[np.intp]) -> Floats:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    X = _typed(task.X)
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    words = OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist")
    split = make_column_transformer(
        (numbers, make_column_selector(dtype_include=["number"])), (words, make_column_selector(dtype_include=["category"]))
    )
    model = make_pipeline(split, LogisticRegression(C=0.5, max_iter=2_000)).fit(X.iloc[fit], task.y[fit])
    return _second(model.predict_proba(X.iloc[task.test]))


def hist_gradient_boosting(task: Task, fit: NDArray[np.intp]) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier

    X = _typed(task.X)
    model = HistGradientBoostingClassifier(early_stopping=True, categorical_features="from_dtype", random_state=task.seed)
    return _second(model.fit(X.iloc[fit], task.y[fit]).predict_proba(X.iloc[task.test]))


def lightgbm(task: Task, fit: NDArray[np.intp]) -> Floats:
    import lightgbm as lgb

    X = _coded(task.X)
    words = [place for place, name in enumerate(task.X) if task.X[name].dtype.kind not in "if"]
    model = lgb.LGBMClassifier(verbosity=-1, random_state=task.seed)
    model.fit(X[fit], task.y[fit], categorical_feature=words)
    return _second(model.predict_proba(X[task.test]))


def xgboost(task: Task, fit: NDArray[np.intp]) -> Floats:
    import xgboost as xgb

    X = _typed(task.X)
    model = xgb.XGBClassifier(enable_categorical=True, random_state=task.seed)
    return _second(model.fit(X.iloc[fit], task.y[fit]).predict_proba(X.iloc[task.test]))


def catboost(task: Task, fit: NDArray[np.intp]) -> Floats:
    """Stopped early by the rows for tuning; where there are none by the newest sixth, or without an order by a random fifth."""
    import catboost as cat

    words = [name for name in task.X if task.X[name].dtype.kind not in "if"]
    X = task.X.assign(**{name: task.X[name].astype(str) for name in words})
    stop = task.tune
    if task.order is not None and (not len(stop) or len(fit) > len(task.fit)):
        inner = fit[np.argsort(task.order[fit], kind="stable")]
        fit, stop = np.split(inner, [len(inner) * 85 // 100])
    elif task.order is None:
        shuffled = np.random.default_rng(task.seed).permutation(fit)
        stop, fit = np.split(shuffled, [len(fit) // 5])
    model = cat.CatBoostClassifier(
        iterations=600, early_stopping_rounds=50, verbose=False, random_seed=task.seed, allow_writing_files=False, cat_features=words
    )
    model.fit(X.iloc[fit], task.y[fit], eval_set=(X.iloc[stop], task.y[stop]))
    return _second(model.predict_proba(X.iloc[task.test]))


PEERS: Mapping[str, Callable[[Task, NDArray[np.intp]], Floats]] = {
    "naive Bayes": naive_bayes,
    "logistic": logistic,
    "HistGradientBoosting": hist_gradient_boosting,
    "LightGBM": lightgbm,
    "XGBoost": xgboost,
    "CatBoost": catboost,
}


def compared(answers: list[tuple[Task, dict[str, Answer]]]) -> dict[str, Any]:
    """Per measure and competitor: the mean over repeats, its rank, and the paired difference from the best."""
    names = list(answers[0][1])
    rows = len(answers[0][0].y)
    draws = np.random.default_rng(0).multinomial(rows, np.full(rows, 1 / rows), size=_RESAMPLES)
    # First without resampling, then under each draw of rows, the same draw for everybody and in every repeat.
    every = np.vstack([np.ones(rows, np.int64), draws])
    out: dict[str, Any] = {}
    for measure, better in (("auc", -1), ("log_loss", 1)):
        values = {name: np.zeros(len(every)) for name in names}
        for task, given in answers:
            weights, y = every[:, task.test].astype(np.float64), task.y[task.test]
            for name in names:
                values[name] += _measured(measure, y, given[name], weights) / len(answers)
        order = sorted(names, key=lambda name: better * values[name][0])
        best = order[0]
        out[measure] = {
            name: {
                "value": values[name][0],
                "rank": order.index(name) + 1,
                "behind": better * (values[name][0] - values[best][0]),
                "ci": np.percentile(better * (values[name][1:] - values[best][1:]), [2.5, 97.5]).tolist(),
            }
            for name in names
        }
    return out


def _measured(measure: str, y: Floats, given: Answer, weights: Floats) -> Floats:
    p, ranking = given
    if measure == "log_loss":
        q = np.clip(p, 1e-15, 1 - 1e-15)
        losses = -(y * np.log(q) + (1 - y) * np.log1p(-q))
        return weights @ losses / weights.sum(axis=1)
    order = np.lexsort((ranking, p))
    changes = (np.diff(p[order]) != 0) | (np.diff(ranking[order]) != 0)
    starts = np.append(0, np.flatnonzero(changes) + 1)
    positives = np.add.reduceat(weights[:, order] * y[order], starts, axis=1)
    others = np.add.reduceat(weights[:, order] * (1 - y[order]), starts, axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    pairs = positives.sum(axis=1) * others.sum(axis=1)
    return (positives * below).sum(axis=1) / pairs


def show(name: str, result: dict[str, Any], repeats: int, seconds: float) -> None:
    print(f"\n{name}: {repeats} split{'s' if repeats > 1 else ''}, {seconds:.0f} s")
    print(f"  {'':22}{'AUC':>7} {'rank':>4}  {'behind the best':26}{'log loss':>9} {'rank':>4}  behind the best")
    for one in sorted(result["auc"], key=lambda one: sum(result[m][one]["rank"] for m in result)):
        cells = [f"{_cell(result[m][one], digits)}" for m, digits in (("auc", 3), ("log_loss", 4))]
        print(f"  {one:22}{cells[0]:41}{cells[1]}")
    sys.stdout.flush()


def _cell(one: dict[str, Any], digits: int) -> str:
    low, high = one["ci"]
    behind = "–" if one["rank"] == 1 else f"{one['behind']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{one['value']:7.{digits}f} {one['rank']:4d}  {behind}"


def summary(results: dict[str, Any]) -> None:
    cells = [(name, measure) for name in results for measure in results[name]]
    everyone = set.intersection(*(set(results[name][measure]) for name, measure in cells))
    rank = {one: float(np.mean([results[n][m][one]["rank"] for n, m in cells])) for one in everyone}
    print(
        f"\nmean rank of {len(everyone)} over {len(cells)} comparisons, mean gap to the best in AUC and log loss, and where clearly behind"
    )
    for one in sorted(rank, key=lambda one: rank[one]):
        gaps = [float(np.mean([results[n][m][one]["behind"] for n in results])) for m in ("auc", "log_loss")]
        clearly = [f"{n} {m}" for n, m in cells if results[n][m][one]["rank"] > 1 and results[n][m][one]["ci"][0] > 0]
        print(f"  {one:22}{rank[one]:5.2f}  {gaps[0]:.3f}  {gaps[1]:.4f}  {', '.join(clearly) or 'nowhere'}")


def _random(X: pd.DataFrame, y: Floats, repeats: int) -> Iterator[Task]:
    for seed in range(repeats):
        shuffled = np.random.default_rng(seed).permutation(len(y))
        cut = round(0.7 * len(y))
        yield Task(X, y, np.sort(shuffled[:cut]), shuffled[:0], np.sort(shuffled[cut:]), None, seed)


def _typed(X: pd.DataFrame) -> pd.DataFrame:
    """Numbers as floats, the rest as categories."""
    return X.apply(lambda column: column.astype(np.float64) if column.dtype.kind in "if" else column.astype(str).astype("category"))


def _coded(X: pd.DataFrame) -> Floats:
    columns = [column if column.dtype.kind in "if" else pd.Series(pd.factorize(column.astype(str))[0]) for _, column in X.items()]
    return np.column_stack([column.to_numpy(np.float64) for column in columns])


def _second(both: NDArray[Any]) -> Floats:
    return np.asarray(both, np.float64)[:, 1]


def _sigmoid(margin: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(margin, -700, 700)))


if __name__ == "__main__":
    sys.exit(main())
