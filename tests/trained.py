"""Small tables with something to learn in them, and what is trained on them, for the tests of scoring and training."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from data.home import Home
from models.bundle import Bundle
from training.dataset import FlatOptions, from_flat, from_project
from training.train import Options, Trained, train

BY_DAY = FlatOptions("won", order_by="day")


def flat_table(rows: int = 1_500, seed: int = 3) -> pd.DataFrame:
    """Leads as a CRM exports them: ids with leading zeros, gaps, a category with accents, a label in words."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(0, 500, rows))
    size, visits = rng.lognormal(3, 1, rows).round(2), rng.poisson(2, rows)
    origin = rng.choice(["web", "feria", "socio, S.L.", "llamada fría"], rows, p=[0.5, 0.2, 0.2, 0.1])
    margin = 0.6 * visits - 2.6 + 0.9 * (origin == "socio, S.L.") - 0.9 * (origin == "llamada fría") + 0.25 * np.log(size)
    won = rng.random(rows) < 1 / (1 + np.exp(-margin))
    return pd.DataFrame(
        {
            "lead_id": [f"{i:05d}" for i in range(rows)],
            "day": (pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")).strftime("%Y-%m-%d"),
            "size": np.where(rng.random(rows) < 0.1, np.nan, size),
            "origin": np.where(rng.random(rows) < 0.05, None, origin),
            "visits": visits,
            "member": rng.choice(["yes", "no"], rows),
            "{odd} 100 %s": rng.normal(size=rows).round(3),
            "won": np.where(won, "yes", "no"),
        }
    )


def write_events(folder: Path, leads: int = 500, seed: int = 5) -> Path:
    """A project of event tables as CSV: companies with several leads, late recorded calls, an activity type of their own."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01", tz="UTC")
    created = start + pd.to_timedelta(np.sort(rng.uniform(0, 400, leads)), unit="D").round("s")
    keen = rng.random(leads) < 0.3
    people = pd.DataFrame(
        {
            "lead_id": [f"{i:04d}" for i in range(leads)],
            "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "company_domain": [None if i % 5 == 0 else f"company{i % 90}.example" for i in range(leads)],
            "job_title": rng.choice(["Directora Comercial", "CTO", "analyst", "Jefe de compras", ""], leads),
            "employees": np.where(rng.random(leads) < 0.2, np.nan, rng.integers(3, 3_000, leads)),
            "source": rng.choice(["web", "feria", "socio"], leads),
            "plan code": rng.choice(["7", "12", "x"], leads, p=[0.6, 0.3, 0.1]),
        }
    )
    rows: list[dict[str, Any]] = []
    for i in range(leads):
        for _ in range(rng.poisson(6 if keen[i] else 3)):
            kind = rng.choice(["page_view", "email_open", "email_click", "call", "nps_survey"], p=[0.5, 0.2, 0.1, 0.1, 0.1])
            when = created[i] + pd.Timedelta(float(rng.exponential(5)), "D").round("ms")
            late = when + pd.Timedelta(hours=int(rng.integers(1, 30))) if kind == "call" else when
            page = str(rng.choice(["/pricing", "/blog/a", "/docs", "/demo"], p=[0.4, 0.3, 0.2, 0.1])) if keen[i] else "/blog/a"
            rows.append({"lead_id": f"{i:04d}", "type": kind, "occurred_at": when, "recorded_at": late, "url": page})
        if keen[i] and rng.random() < 0.5:
            asked = created[i] + pd.Timedelta(hours=30)
            said = {"lead_id": f"{i:04d}", "occurred_at": asked, "recorded_at": asked}
            rows.append(said | {"type": "demo_request", "url": "/demo"})
            rows.append(said | {"type": "answer", "content": "budget", "value": "approved"})
    activities = pd.DataFrame(rows)
    activities["activity_id"] = [f"a{i}" for i in range(len(activities))]
    for name in ("occurred_at", "recorded_at"):
        activities[name] = pd.DatetimeIndex(activities[name]).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    won = np.flatnonzero(rng.random(leads) < np.where(keen, 0.75, 0.06))
    converted = (created[won] + pd.Timedelta(days=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    outcomes = pd.DataFrame({"lead_id": people["lead_id"].to_numpy()[won], "converted_at": converted})
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in {"leads": people, "activities": activities, "outcomes": outcomes}.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    path = folder / "tamiz.toml"
    path.write_text(
        "[data]\n"
        "leads = \"SELECT * FROM read_csv('leads.csv', all_varchar = true)\"\n"
        "activities = \"SELECT * FROM read_csv('activities.csv', all_varchar = true)\"\n"
        "outcomes = \"SELECT * FROM read_csv('outcomes.csv', all_varchar = true)\"\n"
        "until = 2025-04-30T00:00:00Z\n"
        '[leads]\nstatic = ["company_domain", "job_title", "employees", "source", "plan code"]\n'
        "[label]\nhorizon_days = 30\n[observations]\nages_days = [1, 3]\n"
    )
    return path


def train_flat(
    path: Path, home: Home, flat: FlatOptions = BY_DAY, *, quick: bool = True, register: bool = False, say: Any = None, **options: Any
) -> Trained:
    return _train(lambda say: from_flat(path, flat, say), home, Options(quick=quick, **options), register, say)


def train_events(path: Path, home: Home, *, drop: Sequence[str] = (), register: bool = False, say: Any = None, **options: Any) -> Trained:
    return _train(
        lambda say: from_project(path, seed=7, drop=drop, say=say), home, Options(quick=True, drop=tuple(drop), **options), register, say
    )


def _train(read: Any, home: Home, options: Options, register: bool, say: Any) -> Trained:
    """Training without MLflow unless asked for: it takes most of the seconds of a small run."""
    home.create()
    if register:
        return train(read, home, options, say or (lambda text: None))
    with mock.patch("training.train.register", return_value=(None, None)):
        return train(read, home, options, say or (lambda text: None))


def home_with_store(folder: Path, store: Path) -> Home:
    home = Home(folder).create()
    shutil.copy(store, home.mlflow_db)
    return home


def environment(home: Path, **more: str) -> dict[str, str]:
    """For a command in a process of its own: this installation, and no setting of the person who runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TAMIZ_", "MLFLOW_"))}
    return clean | {"TAMIZ_HOME": str(home), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"} | more


def copied(bundle: Bundle, folder: Path) -> Path:
    return Path(shutil.copytree(bundle.folder, folder))
