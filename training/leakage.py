"""The leakage audit: which inputs know the outcome rather than foretell it.

In: inputs by name (numbers as float64 with NaN for missing, categories and booleans as integer codes with -1 or NaN
for missing), labels 0/1, leads, and the rows of the fit and tune blocks; no other row is looked at. Out: a `Verdict`
per input, in the order given, with a sentence a person can check and the figures behind it.

Strong is not leaked: one more strong input among strong ones stays `ok`. What gives a leak away, and where it is looked for:

- `leakage_timing`: values whose history shows that they were written after the outcome, times after it → `blocked`;
  undated current state on event data → `suspect`;
- `leakage_dates`: columns of dates, looked at as days after the row's own date, or after another column's;
- `leakage_shape`: near-copies of the label, values (or missingness) that occur for one class only at real support → `blocked`;
  missingness that follows the label; identifiers → `suspect`;
- `leakage_joint`: one input, or two together, that alone beat everything else taken together, on all rows or where it has
  a value; one that stands apart from all others in power and goes with none of them → `suspect`;
- `leakage_names`: names that speak of outcomes, never alone: they only lower the bar for power out of proportion → `suspect`;
- `leakage_power`: power that is gone in later rows, alone → `drift`.

Power is the AUC of binned target rates, fitted and measured on different leads of the same period; power forward in
time is fitted on the fit block and measured on the tune block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from training.leakage_joint import Joint, may_be_accused, pair_signs, power_signs
from training.leakage_power import Power, corrected, power_of
from training.leakage_rows import Column, Floats, Ints, Sample
from training.leakage_shape import shape_signs
from training.leakage_timing import Late, timing_signs
from training.leakage_verdict import Judgement, Sign, Verdict, verdict_of

__all__ = ["Judgement", "Verdict", "audit"]


def audit(
    inputs: Mapping[str, npt.NDArray[Any]],
    kinds: Mapping[str, str],
    y: Floats,
    fit: Ints,
    tune: Ints,
    lead: Ints,
    *,
    forward: bool,
    undated: Mapping[str, tuple[str, ...]] | None = None,
    timed: Collection[str] = (),
    late: Mapping[str, Late] | None = None,
    lags: Mapping[str, Mapping[str, Floats]] | None = None,
    seed: int = 0,
) -> dict[str, Verdict]:
    """A verdict for each input.

    `kinds` says `number`, `category` or `boolean`. `forward` tells that tune lies later in time than fit; otherwise
    both are one period. `undated` are inputs made from current-state columns of event data that nobody declared true since
    creation, and those columns. `timed` are inputs that the engine computed from dated rows: a missing value there says only that
    nothing happened yet. `late` says of inputs how many of their values came after the outcome (`leakage_timing.late_inputs`).
    `lags` are the days of columns of dates after other dates (`leakage_dates.date_lags`).
    """
    sample = Sample.of(y, fit, tune, lead, forward=forward, seed=seed)
    columns = {name: Column.of(values, kinds[name], sample) for name, values in inputs.items()}
    powers = corrected({name: power_of(column, sample) for name, column in columns.items()})
    accused = {name for name, power in powers.items() if may_be_accused(name, power)}
    rest = Joint.of({name: column for name, column in columns.items() if name not in accused and not column.identifier}, sample, seed)
    pairs = pair_signs(columns, powers, rest, sample, seed)
    verdicts = {}
    for name, column in columns.items():
        signs = [
            *timing_signs((undated or {}).get(name, ()), (late or {}).get(name)),
            *shape_signs(column, sample, powers[name], timed=name in timed),
            *power_signs(name, columns, powers, rest, sample),
            *pairs.get(name, []),
            *_lag_signs((lags or {}).get(name, {}), columns, powers, rest, sample),
        ]
        verdicts[name] = verdict_of(signs, _figures(powers[name], column), _plainly(powers[name], column))
    return verdicts


def _lag_signs(
    lags: Mapping[str, Floats], columns: Mapping[str, Column], powers: Mapping[str, Power], rest: Joint, sample: Sample
) -> Iterable[Sign]:
    """What a column of dates gives away as a number of days; one accusation is enough."""
    for since, days in lags.items():
        column = Column.of(days, "number", sample)
        power, name = power_of(column, sample), f"days after {since}"
        signs = [
            *shape_signs(column, sample, power, timed=True),
            *power_signs(name, {**columns, name: column}, {**powers, name: power}, rest, sample),
        ]
        for sign in signs:
            # Later than the date it is measured from: the other one of the two is not accused of having come first.
            if sign.judgement in ("blocked", "suspect") and not column.identifier and np.nanmedian(days) > 0:
                yield Sign(sign.judgement, f"In days after {since}: {sign.sentence}")
                return


def _figures(power: Power, column: Column) -> dict[str, float]:
    return {
        "auc": power.within, "auc_error": power.error, "auc_where_filled": power.filled, "auc_of_missingness": power.missing,
        "auc_later": power.ahead, "p_chance": power.p_chance, "missing": float(column.missing.mean()),
    }  # fmt: skip


def _plainly(power: Power, column: Column) -> str:
    """What there is to say of an input that nothing is held against."""
    if not np.ptp(column.cells):
        return "It has the same value throughout."
    if power.p_chance >= 0.05:
        return "Alone no better than chance."
    return f"AUC {power.within:.2f} alone" + (f", {power.ahead:.2f} on later leads." if np.isfinite(power.ahead) else ".")
