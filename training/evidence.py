"""Two models on the same later rows: what both say of leads that neither was fitted or calibrated on.

In: two bundles and, where they can be had, raw rows. Out: `Evidence`: labels, both sides' probabilities and margins,
leads and segments of the same rows, and in words what was compared. The best that there is, in this order:

1. `served`: both models as they serve, on leads that came after the last label that either was trained with;
2. `retrained`: a challenger that was trained today has no such leads, but the champion may: the champion as it serves,
   against the challenger's recipe (kind, inputs, tuning) learnt on what was known before those leads came;
3. `recipes`: where the champion is too young for that, both recipes learnt again on the same older rows;
4. `backtests`: without raw rows, the measured models on the test rows that both bundles hold;
5. None: nothing in common.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadData
from models.bundle import Bundle
from models.inputs import Floats
from training.candidates import BLEND, KINDS
from training.dataset import Dataset
from training.raw import Raw
from training.splits import Split
from training.train import Options, Watch, learn, split_data

__all__ = ["ENOUGH_LEADS", "Evidence", "Side", "from_backtests", "from_rows"]

Ints = NDArray[np.int64]
Say = Callable[[str], None]
Side = tuple[Floats, Floats]
"""Probability and margin."""

ENOUGH_LEADS = 200
ENOUGH_OF_A_CLASS = 20
"""With fewer common later leads, or fewer of a class among them, a paired comparison says nothing."""
_SIZES = ((10, "under 10"), (50, "10–49"), (250, "50–249"), (1000, "250–999"))
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Evidence:
    """Aligned: one entry a row."""

    kind: Literal["served", "retrained", "recipes", "backtests"]
    y: Floats
    lead: Ints
    new: Side
    old: Side
    segments: pd.DataFrame
    said: str

    @property
    def counted(self) -> str:
        leads = len(np.unique(self.lead))
        rows = f"{len(self.y):,} looks at {leads:,} leads" if leads < len(self.y) else f"{leads:,} leads"
        return f"{rows}, of which {_converted(self.y, self.lead):,} converted"


def from_rows(raw: Raw, challenger: Bundle, champion: Bundle, *, seed: int, unseen: bool, say: Say) -> Evidence | None:
    """From raw rows, each model through its own feature set; None where the rows are too few for either way."""
    datasets = [raw.dataset(bundle) for bundle in (challenger, champion)]
    data = datasets[0]
    rows, since = (np.arange(len(data)), "nobody was fitted on them, as was said") if unseen else _later(data, challenger, champion)
    segments = _segments(raw, data)
    if _enough(data.y[rows], data.lead[rows]):
        new, old = (_served(bundle, one, rows) for bundle, one in zip((challenger, champion), datasets, strict=True))
        said = f"both models as they serve, on leads that are new to both ({since})"
        return Evidence("served", data.y[rows], data.lead[rows], new, old, segments.iloc[rows], said)
    split = split_data(data, seed)
    since_champion, since = _later(data, champion)
    later = np.intersect1d(split.test, since_champion)
    if _enough(data.y[later], data.lead[later]):
        said = (
            "no leads are new to the challenger, so its recipe was learnt again on what was known before the test rows; the champion "
            f"is as it serves, on leads that are new to it ({since})"
        )
        one = _relearnt(challenger, data, split, later, seed, say)
        if one is not None:
            other = _served(champion, datasets[1], later)
            return Evidence("retrained", data.y[later], data.lead[later], one, other, segments.iloc[later], said)
    rows = split.test
    if not _enough(data.y[rows], data.lead[rows]):
        return None
    said = (
        "too few leads are new to the champion, so both recipes were learnt again on the same older rows and measured on the newer"
        if split.description["kind"] != "random"
        else "nothing orders these rows, so both recipes were learnt again on a part of them and measured on the rest, which flatters both"
    )
    sides = [_relearnt(bundle, known, split, rows, seed, say) for bundle, known in zip((challenger, champion), datasets, strict=True)]
    if sides[0] is None or sides[1] is None:
        return None
    return Evidence("recipes", data.y[rows], data.lead[rows], sides[0], sides[1], segments.iloc[rows], said)


def from_backtests(challenger: Path, champion: Path) -> Evidence | None:
    """The test rows that both bundles hold: later, by construction, than what either measured model was fitted or calibrated on.

    None where `backtest.parquet` (lead, y, probability, margin, on event data as_of) is missing, where too few rows are common,
    or where leads go by number and the data differ: a number means the same lead in the same data only.
    """
    files = [folder / "backtest.parquet" for folder in (challenger, champion)]
    if not all(path.is_file() for path in files):
        return None
    new, old = (pd.read_parquet(path) for path in files)
    needed, keys = {"lead", "y", "probability", "margin"}, ["lead"] + ["as_of"] * ("as_of" in new.columns)
    if not {*needed, *keys} <= set(old.columns) or not needed <= set(new.columns):
        return None
    numbered = [pd.api.types.is_numeric_dtype(frame["lead"]) for frame in (new, old)]
    if numbered[0] != numbered[1] or (all(numbered) and _digest_of(challenger) != _digest_of(champion)):
        return None
    both = new.merge(old, on=keys, suffixes=("", "_old"))
    both = both[both["y"] == both["y_old"]]
    y, lead = both["y"].to_numpy(np.float64), pd.factorize(both["lead"])[0].astype(np.int64)
    if not _enough(y, lead):
        return None
    one, other = ((both[f"probability{end}"].to_numpy(np.float64), both[f"margin{end}"].to_numpy(np.float64)) for end in ("", "_old"))
    names = [name for name in both.columns if name.startswith("segment_") and not name.endswith("_old")]
    segments = both[names].rename(columns=lambda name: name.removeprefix("segment_"))
    said = "no rows were given, so the measured models are compared on the test rows that both had; `--project` or `--leads` gives more"
    return Evidence("backtests", y, lead, one, other, segments.reset_index(drop=True), said)


def _later(data: Dataset, *bundles: Bundle) -> tuple[Ints, str]:
    """Rows of leads that came after the last label that any of the models was trained with."""
    known = [bundle.manifest.get("fitted_until") for bundle in bundles]
    none = np.zeros(0, dtype=np.int64)
    if any(one is None for one in known):
        return none, ""
    last = max(float(one) for one in known if one is not None)
    if data.created is not None:
        return np.flatnonzero(data.created >= last), f"created since {np.datetime64(int(last), 'us').astype('datetime64[D]')}"
    orders = {bundle.manifest.get("reading", {}).get("order_by") for bundle in bundles}
    if data.order is None or len(orders) > 1 or None in orders:  # row numbers of two files are not one order
        return none, ""
    return np.flatnonzero(data.order > last), f"after the last {next(iter(orders))} of training"


def _served(bundle: Bundle, data: Dataset, rows: Ints) -> Side:
    margin = bundle.model.margin(bundle.encoder.encode(data.table)[rows])
    return bundle.calibration.apply(margin)[0], margin


def _relearnt(bundle: Bundle, data: Dataset, split: Split, rows: Ints, seed: int, say: Say) -> Side | None:
    """The model's recipe on the blocks before test, looked at on `rows`; None where these blocks cannot teach it."""
    kind = str(bundle.manifest["kind"])
    trials = _trials(bundle.manifest.get("recipe") or {})
    kinds = KINDS if kind == BLEND else (kind,)
    names = [one.name for one in bundle.encoder.inputs]
    say(f"learning the recipe of {bundle.model_version} again: {kind} on {len(names)} inputs")
    try:
        learned = learn(data, Options(seed=seed, trials=trials), Watch(lambda text: None), kinds, names=names, split=split)
    except BadData as problem:
        say(f"that cannot be done on these rows: {problem}")
        return None
    margin = learned.candidates[kind].margin[rows]
    return learned.calibrations[kind].apply(margin)[0], margin


def _trials(recipe: Mapping[str, Any]) -> int:
    """How many settings were tried for this recipe, or for the member of it that was searched longest."""
    return max([len(recipe.get("trials") or ()), *(_trials(one) for one in recipe.get("members") or ())])


def _enough(y: Floats, lead: Ints) -> bool:
    leads, converted = len(np.unique(lead)), _converted(y, lead)
    return leads >= ENOUGH_LEADS and min(converted, leads - converted) >= ENOUGH_OF_A_CLASS


def _converted(y: Floats, lead: Ints) -> int:
    return len(np.unique(lead[y > 0]))


def _segments(raw: Raw, data: Dataset) -> pd.DataFrame:
    """The columns by which people cut their leads, and the size band where sizes are known."""
    if "employees" not in data.table.names:
        return data.segments
    size = data.table.column("employees")
    names = np.array([label for _, label in _SIZES] + ["1,000 and more"], dtype=object)
    band = names[np.searchsorted([limit for limit, _ in _SIZES], np.nan_to_num(size), side="right")]
    band[np.isnan(size)] = None
    return data.segments.assign(size=band)


def _digest_of(folder: Path) -> object:
    manifest: Mapping[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return manifest.get("data_digest")
