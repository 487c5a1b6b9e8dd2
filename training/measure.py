"""What the candidates are worth on the test block: figures with intervals, curves, importance, and honest comparisons.

In: candidates with margins, their calibrations, the split. Out: the dictionaries and curves that the report shows.
Nothing here chooses anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.signal import Signal
from models.blend import Model
from models.calibration import Calibration
from models.encoder import Encoder, signals_by_name
from models.inputs import Floats
from models.logit import sigmoid
from training.calibrate import calibrate, on_test, rehearse
from training.candidates import Candidate, fit_candidates
from training.dataset import Dataset
from training.metrics import brier, ece, evaluate, gain_curve, log_loss, paired_differences, reliability
from training.result import Curves, Importance, ReliabilityBin
from training.segments import kept_by_segment
from training.splits import Fold, Split

__all__ = ["against", "baseline", "curves", "importance", "meaning_of", "measure", "promises_kept", "unseen_accounts", "with_left_out"]

Figures = dict[str, Any]
Ints = NDArray[np.int64]
_FEWEST_UNSEEN = 100
_BLOCK = 2048


def measure(
    data: Dataset, split: Split, candidates: Mapping[str, Candidate], calibrations: Mapping[str, Calibration], *, seed: int, resamples: int
) -> dict[str, Figures]:
    """Each candidate's figures on test, under its calibration."""
    rows = split.test
    figures = {}
    for name, one in candidates.items():
        p, low, high = calibrations[name].apply(one.margin[rows])
        figures[name] = evaluate(data.y[rows], p, one.margin[rows], data.lead[rows], seed=seed, resamples=resamples)
        figures[name]["uncalibrated_ece"] = ece(data.y[rows], sigmoid(one.margin[rows]))
        figures[name]["mean_interval_width"] = float(np.mean(high - low))
    return figures


def against(
    data: Dataset, split: Split, candidates: Mapping[str, Candidate], calibrations: Mapping[str, Calibration], one: str, other: str, *,
    seed: int, resamples: int
) -> Figures:  # fmt: skip
    """`one` minus `other` on the same test rows and the same resampled leads, with intervals."""
    rows = split.test
    sides = [(calibrations[name].apply(candidates[name].margin[rows])[0], candidates[name].margin[rows]) for name in (one, other)]
    found = paired_differences(data.y[rows], sides[0], sides[1], data.lead[rows], seed=seed, resamples=resamples)
    return {"of": one, "against": other, **{name: found[name] for name in ("log_loss", "auc", "pr_auc")}}


def with_left_out(
    data: Dataset, split: Split, folds: Sequence[Fold], names: Sequence[str], kind: str, *, rows: Ints, seed: int, resamples: int
) -> Figures:
    """The chosen kind fitted with the accused inputs too, on the same test rows: what they would have pretended."""
    encoder = Encoder.fit(data.feature_set, data.table, split.fit, names)
    X = encoder.encode(data.table)
    candidate = fit_candidates(X, data.y, data.lead, encoder.inputs, split, folds, seed=seed, kinds=(kind,), weights=data.weight)[kind]
    when = data.order if data.as_of is None else data.as_of.astype(np.float64)
    calibration = calibrate(candidate.margin, data.y, data.lead, when, rows, seed, data.weight)
    return measure(data, split, {kind: candidate}, {kind: calibration}, seed=seed, resamples=resamples)[kind]


def curves(data: Dataset, split: Split, candidates: Mapping[str, Candidate], calibrations: Mapping[str, Calibration]) -> dict[str, Curves]:
    """Calibration plot and gain curve of each candidate."""
    found = {}
    rows = split.test
    for name, one in candidates.items():
        p = calibrations[name].apply(one.margin[rows])[0]
        bins = tuple(
            ReliabilityBin(int(b["rows"]), b["predicted"], b["observed"], b["low"], b["high"]) for b in reliability(data.y[rows], p)
        )
        gain = tuple((point["share"] or 0.0, point["gain"] or 0.0) for point in gain_curve(data.y[rows], p, one.margin[rows]))
        found[name] = Curves(bins, gain, ece(data.y[rows], sigmoid(one.margin[rows])))
    return found


def promises_kept(
    data: Dataset, split: Split, one: Candidate, calibration: Calibration, *, calibrating: Ints, when: Floats | None, seed: int
) -> Figures:
    """For `metrics.json`: how the base rate moved before test and up to it, what was done about it, and promises by segment."""
    known = np.isfinite(one.margin)
    margin, rows = np.where(known, one.margin, 0.0), split.test
    rehearsed = rehearse(margin, data.y, data.lead, when, calibrating, seed)
    p = calibration.apply(margin[rows])[0]
    segments = kept_by_segment(data.y[rows], p, data.lead[rows], data.segments.iloc[rows])
    return {
        "shift": {
            "before_test": rehearsed and rehearsed.to_json(calibration.offset),
            "on_test": on_test(calibration, margin, data.y, data.lead, calibrating, rows),
        },
        "segments": [segment.to_json() for segment in segments],
    }


def importance(model: Model, encoder: Encoder, X: Floats) -> tuple[Importance, ...]:
    """Each input's share of the mean absolute contribution on test, the largest first."""
    if not len(X):
        return ()
    sample = X[:: max(1, len(X) // 20_000)]
    size = np.zeros(X.shape[1])
    for start in range(0, len(sample), _BLOCK):  # those of a blend are several times as large as its rows
        size += np.abs(model.contributions(np.ascontiguousarray(sample[start : start + _BLOCK]))[0]).sum(axis=0)
    share = size / size.sum() if size.sum() > 0 else size
    signals = signals_by_name(encoder.feature_set)
    order = np.argsort(-share, kind="stable").tolist()
    inputs = encoder.inputs
    meanings = {name: meaning_of(one) for name, one in signals.items()}
    return tuple(Importance(inputs[i].name, inputs[i].family, float(share[i]), meanings.get(inputs[i].name, "")) for i in order)


def meaning_of(signal: Signal) -> str:
    """The signal's sentence as a reader of a table understands it: N for a number, the words it chooses among."""
    first, last = (signal.words[0], signal.words[-1]) if signal.words else ("", "")
    choices = f"{first} / {last}" if len(signal.words) <= 2 else f"{first} … {last}"
    sentence = re.sub(r"\{value[^}]*%\}", "N\N{NO-BREAK SPACE}%", signal.sentence)
    return re.sub(r"\{word[^}]*\}", f"[{choices}]", re.sub(r"\{value[^}]*\}", "N", sentence))


def baseline(data: Dataset, split: Split) -> Figures:
    """The constant that was known before test: the base rate of the newest block before it."""
    newest = split.calibrate if len(split.calibrate) else split.fit
    rate = float(data.y[newest].mean())
    y = data.y[split.test]
    constant = np.full(len(y), rate)
    return {"base_rate": rate, "log_loss": log_loss(y, constant), "brier": brier(y, constant)}


def unseen_accounts(data: Dataset, split: Split, one: Candidate, calibration: Calibration, *, seed: int, resamples: int) -> Figures | None:
    """Figures on test leads of accounts that no earlier block holds; None where that is everybody, or hardly anybody."""
    known = np.unique(data.account[split.development])
    rows = split.test[~np.isin(data.account[split.test], known)]
    y = data.y[rows]
    if (
        data.mode == "flat"
        or len(rows) in (0, len(split.test))
        or min(y.sum(), len(y) - y.sum()) < _FEWEST_UNSEEN / 10
        or len(rows) < _FEWEST_UNSEEN
    ):
        return None
    p = calibration.apply(one.margin[rows])[0]
    return evaluate(y, p, one.margin[rows], data.lead[rows], seed=seed, resamples=resamples)
