"""Event tables whose leaks are in the dates: a project on disk, read and audited as training does.

In: a seed and a kind of leak. Out: for each input what it is, whether it was planted, and its verdict.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from training.dataset import from_project
from training.leakage import Verdict, audit
from training.leakage_timing import late_inputs
from training.splits import split_forward

__all__ = ["EVENT_LEAKS", "audited_events"]

EVENT_LEAKS = (
    "written after the outcome, all",
    "written after the outcome, 30 %",
    "written after the outcome, both classes",
    "time after the outcome, a number",
    "time after the outcome, as 20260331",
    "undated current state",
)
_PROJECT = """
[data]
leads = "SELECT * FROM 'leads.parquet'"
lead_changes = "SELECT * FROM 'changes.parquet'"
activities = "SELECT * FROM 'activities.parquet'"
outcomes = "SELECT * FROM 'outcomes.parquet'"
until = 2026-06-30T00:00:00Z
[leads]
static = ["country", "industry", "planned", "leak_time"]
[label]
horizon_days = 30
[observations]
ages_days = [0, 3, 10]
activity_instants = 1
"""
_HONEST = {
    "country": "dated, static", "industry": "dated, static", "employees": "dated, history from the start",
    "tier": "dated, enriched late for everybody", "planned": "a planned date",
}  # fmt: skip


def audited_events(seed: int, leak: str, leads: int = 1_500) -> dict[str, tuple[str, bool, Verdict]]:
    """Name → (nature, planted, verdict) of the attributes of one table."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), seed, leak, leads)
        data = from_project(Path(folder) / "tamiz.toml", seed=seed)
    assert data.as_of is not None
    assert data.created is not None
    split = split_forward(data.as_of, data.created, data.lead, 30 * 86_400_000_000, y=data.y)
    arrays, kinds = data.audit_inputs()
    seen = data.lead[np.concatenate([split.fit, split.tune])]
    verdicts = audit(
        arrays, kinds, data.y, split.fit, split.tune, data.lead, forward=True, undated=data.undated, timed=data.timed,
        late=late_inputs(data.dated, data.reads, seen), seed=seed,
    )  # fmt: skip
    natures = {**_HONEST, "leak": leak, "leak_time": leak}
    return {name: (natures[name], name.startswith("leak"), verdicts[name]) for name in natures if name in verdicts}


def _write(folder: Path, seed: int, leak: str, leads: int) -> None:
    rng = np.random.default_rng([seed, 78])
    ids = [f"L{i:05d}" for i in range(leads)]
    created = pd.Timestamp("2025-07-01", tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, 330, leads)), unit="D")
    won = rng.random(leads) < rng.uniform(0.15, 0.35)
    ended = created + pd.to_timedelta(rng.exponential(9, leads) + 0.5, unit="D")
    y = won.astype(float)
    frame = pd.DataFrame({"lead_id": ids, "created_at": created})
    frame["country"] = rng.choice(["ES", "FR", "DE", "MX"], leads)
    frame["industry"] = np.where(rng.random(leads) < 0.3 + 0.2 * y, "software", rng.choice(["retail", "health"], leads))
    frame["employees"] = np.round(np.exp(rng.normal(4 + 0.4 * y, 1))).astype(float)
    frame["tier"] = rng.choice(["a", "b", "c"], leads)
    planned = created + pd.to_timedelta(rng.uniform(0, 40, leads), unit="D")
    frame["planned"] = planned.as_unit("s").astype(np.int64)
    enriched = created + pd.to_timedelta(rng.exponential(4, leads), unit="D")
    changes = [_changes(ids, "employees", frame["employees"], created), _changes(ids, "tier", frame["tier"], enriched)]
    if leak.startswith("written"):
        shown = won if leak.endswith("all") else (won & (rng.random(leads) < 0.3) if leak.endswith("30 %") else np.ones(leads, bool))
        given = ~won & (rng.random(leads) < 0.5) & (not leak.endswith("classes"))
        frame["leak"] = np.where(shown | given, rng.choice(["x", "y", "z"], leads), None)
        stamp = np.where(shown, ended + pd.Timedelta(hours=5), created + pd.Timedelta(hours=1))
        kept = shown | given
        changes.append(_changes(np.array(ids)[kept], "leak", frame["leak"][kept], pd.DatetimeIndex(stamp[kept])))
    elif leak.startswith("time"):
        after = ended + pd.to_timedelta(rng.uniform(0, 2, leads), unit="D")
        number = after.as_unit("s").astype(np.int64) if leak.endswith("number") else after.strftime("%Y%m%d").astype(np.int64)
        frame["leak_time"] = np.where(won | (rng.random(leads) < 0.6), number, np.nan)
    else:
        frame["leak"] = np.where(rng.random(leads) < 0.2 + 0.1 * y, "x", "y")
    seen = rng.integers(0, leads, 3 * leads)
    visits = pd.DataFrame(
        {"lead_id": np.array(ids)[seen], "occurred_at": created[seen] + pd.to_timedelta(rng.uniform(0, 20, len(seen)), unit="D")}
    )
    visits["type"] = "page_view"
    frame.to_parquet(folder / "leads.parquet", index=False)
    pd.concat(changes).to_parquet(folder / "changes.parquet", index=False)
    visits.to_parquet(folder / "activities.parquet", index=False)
    outcome = pd.DataFrame({"lead_id": ids, "converted_at": ended, "kind": np.where(won, "won", "lost")})
    outcome[won | (rng.random(leads) < 0.5)].to_parquet(folder / "outcomes.parquet", index=False)
    (folder / "tamiz.toml").write_text(_PROJECT, encoding="utf-8")


def _changes(ids: object, name: str, values: object, when: pd.DatetimeIndex) -> pd.DataFrame:
    told = pd.DataFrame({"lead_id": ids, "field": name, "value": np.asarray(values).astype(str), "changed_at": when})
    told["changed_at"] = pd.to_datetime(told["changed_at"], utc=True)
    return told
