"""Whether a preview keeps its promise: what it said of the coming eight weeks, and what came.

    python -m benchmarks.promise [--leads 3000] [--seeds 1 2 3] [--weeks 8] [--hours 6] [--keep DIR]
    python -m benchmarks.promise --kept DIR [--keep INTO]

For each seed: simulate a CRM, train on what was known 146 days before its end, publish the model's own thresholds, ask
`POST /v1/policy/preview`, and live on through the API: leads, activities and outcomes are sent in the order of time, and changed leads
are scored every few hours (four weeks before publishing already, so that queues are as full as they would be). Then the outcomes
of 90 days more are taken, and volume, precision, conversions and revenue of those who entered a queue for the first time are
held against the promise: the average of the weeks, and each single week. Prints what was promised and what came, and how often it lay
inside the intervals of 95 % and of 90 %. The clock of the service is the simulated one. `--keep` keeps what each promise was made from
and what came, a folder a seed; `--kept` compares all of them by today's formulas, in seconds, and pools what the backtest says of leads
that came in its time and of those that were there before; with `--keep` as well, models are trained anew first, and worlds whose thresholds
stay the same are compared with what came then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DAY = 86_400_000_000
WEEK = 7 * DAY
HORIZON_DAYS = 90
BEFORE_WEEKS = 4
LEVELS = (0.95, 0.90)
KINDS = ("volume", "precision", "conversions", "revenue")
_TABLES = {"activities": "recorded_at", "lead_changes": "changed_at", "stage_changes": "entered_at", "outcomes": "converted_at"}


@dataclass
class Tally:
    """How often what came lay inside, by level, span and kind."""

    inside: dict[tuple[float, str, str], list[bool]] = field(default_factory=dict)
    ratio: dict[str, list[float]] = field(default_factory=dict)
    counted: dict[str, list[float]] = field(default_factory=dict)
    """Leads, conversions and what was said of them, by queue and by whom it is about."""

    def share(self, level: float, span: str, kind: str) -> float:
        found = self.inside.get((level, span, kind), [])
        return float(np.mean(found)) if found else float("nan")

    def count(self, who: str, leads: float, won: float, said: float) -> None:
        self.counted[who] = [a + b for a, b in zip(self.counted.get(who, [0.0] * 3), (leads, won, said), strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leads", type=int, default=3_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--keep", type=Path, help="keep what was promised from and what came there")
    parser.add_argument("--kept", type=Path, help="compare what was kept, instead of living it again")
    arguments = parser.parse_args()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    tally = Tally()
    if arguments.kept:
        for folder in sorted(arguments.kept.iterdir(), key=lambda path: int(path.name)):
            if arguments.keep:
                with tempfile.TemporaryDirectory() as temporary:
                    if not again(folder, Path(temporary), arguments.leads, arguments.keep / folder.name):
                        print(f"seed {folder.name}: thresholds are others now; not compared", flush=True)
                        continue
            compare_kept(arguments.keep / folder.name if arguments.keep else folder, tally)
    else:
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as temporary:
                one(Path(temporary), arguments.leads, seed, arguments.weeks, arguments.hours, tally, arguments.keep)
    report(tally)


def report(tally: Tally) -> None:
    for span in ("average", "week"):
        for kind in KINDS:
            counted = len(tally.inside.get((LEVELS[0], span, kind), []))
            said = "   ".join(f"{tally.share(level, span, kind):6.1%} inside {level:.0%}" for level in LEVELS)
            print(f"{span:8} {kind:12} {said}   of {counted}")
    for kind, ratios in tally.ratio.items():
        print(f"came / promised, {kind:12} median {np.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    for who, (leads, won, said) in sorted(tally.counted.items()):
        print(f"{who:32} {won / max(leads, 1):6.1%} of {leads:5.0f} leads; the model said {said / max(leads, 1):6.1%}")


def one(folder: Path, leads: int, seed: int, weeks: int, hours: float, tally: Tally, keep: Path | None = None) -> None:
    """One seed."""
    bundle, tables, published = _trained(folder, leads, seed, weeks)
    (bundle.parent / "champion.json").write_text(json.dumps({"bundle": bundle.name}))
    promised, came = asyncio.run(_live(bundle.parent.parent, tables, published, weeks, hours))
    _compare(seed, promised, came, weeks, tally)
    if keep is not None:
        _keep(bundle, came, weeks, keep / str(seed))


def again(kept: Path, folder: Path, leads: int, into: Path) -> bool:
    """Trains a kept world's model anew, and keeps it with what came then; False where it would publish other thresholds than then."""
    weeks = json.loads((kept / "weeks.json").read_bytes())
    bundle, _, _ = _trained(folder, leads, int(kept.name), weeks)
    if (bundle / "policy.json").read_bytes() != (kept / "policy.json").read_bytes():
        return False
    _keep(bundle, {queue: pd.read_parquet(kept / f"{queue}.parquet") for queue in ("mql", "sql")}, weeks, into)
    return True


def _trained(folder: Path, leads: int, seed: int, weeks: int) -> tuple[Path, dict[str, pd.DataFrame], int]:
    """A world's model of what was known when it is published: its bundle, the world's tables, and that instant."""
    from data.home import Home
    from data.synthetic import simulate
    from training.dataset import from_project
    from training.train import Options, train

    world = folder / "world"
    simulate(world, leads=leads, seed=seed)
    tables = {name: pd.read_parquet(world / f"{name}.parquet") for name in ("leads", *_TABLES)}
    end = int(tables["leads"]["created_at"].max().timestamp() * 1e6)
    published = (end - (weeks * 7 + HORIZON_DAYS) * DAY) // DAY * DAY
    past = _past(world, tables, published, folder / "past")
    home = Home(folder / "home")
    home.create()
    trained = train(lambda say: from_project(past, seed=seed, say=say), home, Options(seed=seed, quick=True))
    return trained.folder, tables, published


def compare_kept(folder: Path, tally: Tally) -> None:
    """One seed again, as today's formulas promise from the same tables."""
    from models.preview import QUEUES, Preview
    from models.qualification import Policy

    preview, policy = Preview.read(folder), Policy.read((folder / "policy.json").read_bytes())
    promised = {level: {queue: preview.queue(policy, queue, level=level) for queue in QUEUES} for level in LEVELS}
    came = {queue: pd.read_parquet(folder / f"{queue}.parquet") for queue in QUEUES}
    backtest = preview.tables.backtest
    assert backtest.y is not None
    for queue in QUEUES:
        enter = getattr(policy, queue).enter
        entered = came[queue]
        tally.count(f"{queue}, came in the eight weeks", len(entered), entered["won"].sum(), entered["probability"].sum())
        rate = promised[LEVELS[0]][queue]["precision"]
        tally.count(f"{queue}, promised", len(entered), 0.0 if rate is None else rate["value"] * len(entered), entered["probability"].sum())
        first = backtest.first_entries(float(preview.as_deep(np.array([enter]))[0]))
        for who, chosen in (("new in the backtest", True), ("old in the backtest", False)):
            rows = first[backtest.born[backtest.lead[first]] == chosen]
            tally.count(f"{queue}, {who}", len(rows), backtest.y[rows].sum(), backtest.probability[rows].sum())
    _compare(int(folder.name), promised, came, json.loads((folder / "weeks.json").read_bytes()), tally)


def _keep(bundle: Path, came: Mapping[str, pd.DataFrame], weeks: int, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for path in [*bundle.glob("*.parquet"), bundle / "manifest.json", bundle / "policy.json"]:
        shutil.copy(path, into)
    (into / "weeks.json").write_text(json.dumps(weeks))
    for queue, entered in came.items():
        entered.to_parquet(into / f"{queue}.parquet", index=False)


def _past(world: Path, tables: Mapping[str, pd.DataFrame], until: int, folder: Path) -> Path:
    """The project as it was at an instant."""
    folder.mkdir()
    then = pd.Timestamp(until, unit="us", tz="UTC")
    for name, frame in tables.items():
        frame[frame[_TABLES.get(name, "created_at")] < then].to_parquet(folder / f"{name}.parquet", index=False)
    text = (world / "tamiz.toml").read_text()
    lines = [f"until         = {then:%Y-%m-%dT%H:%M:%SZ}" if line.startswith("until") else line for line in text.splitlines()]
    (folder / "tamiz.toml").write_text("\n".join(lines) + "\n")
    return folder / "tamiz.toml"


class Clock:
    """Stands in for the module `time` where the service reads the clock."""

    def __init__(self, at: int) -> None:
        self.at = at

    def time_ns(self) -> int:
        self.at += 1  # a microsecond a look: two decisions are never made at once
        return self.at * 1000

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else the module has
        return getattr(time, name)


async def _live(
    home: Path, tables: Mapping[str, pd.DataFrame], published: int, weeks: int, hours: float
) -> tuple[dict[float, Any], dict[str, pd.DataFrame]]:
    """The promise at each level, and who entered each queue in the weeks after it, with what became of them."""
    from httpx import ASGITransport, AsyncClient

    import data.store
    from serving.app import create_app
    from serving.rescoring import rescore_some
    from serving.service import Service
    from serving.settings import Settings

    start, end, step = published - BEFORE_WEEKS * WEEK, published + weeks * WEEK, round(hours * 3_600_000_000)
    clock = Clock(start)
    app = create_app(Settings(home, auth="dev", worker="beside", batch_bytes=256 << 20))
    promised: dict[float, Any] = {}
    with patch.object(data.store, "time", clock):
        async with app.router.lifespan_context(app), AsyncClient(transport=ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
            service: Service = app.state.service
            policy = service.models.current().default_policy
            await _call(client, "PUT", "/v1/policy", {"policy": json.loads(policy.to_json())}, headers={"If-Match": "*"})
            for at, rows in _steps(tables, start, end, step):
                if at > published and not promised:
                    for level in LEVELS:
                        asked = {"policy": json.loads(policy.to_json()), "level": level}
                        promised[level] = await _call(client, "POST", "/v1/policy/preview", asked)
                clock.at = max(clock.at, at)
                await _send(client, rows)
                while await rescore_some(service):
                    pass
            came = _entered(service, tables["outcomes"], published, end)
    return promised, came


def _steps(tables: Mapping[str, pd.DataFrame], start: int, end: int, step: int) -> Iterator[tuple[int, dict[str, pd.DataFrame]]]:
    """What became known in each stretch of time; everything before the start at once."""
    edges = [start, *range(start + step, end + 1, step)]
    stamps = {name: micros(frame[_TABLES.get(name, "created_at")]) for name, frame in tables.items()}
    began = 0
    for at in edges:
        yield at, {name: frame[(stamps[name] >= began) & (stamps[name] < at)] for name, frame in tables.items()}
        began = at


async def _send(client: Any, rows: Mapping[str, pd.DataFrame]) -> None:  # noqa: ANN401 - httpx is imported only here
    dated = {"employees", "job_title", "status"}
    for lead in _records(rows["leads"]):
        values = {name: value for name, value in lead.items() if name not in dated}
        await _call(client, "PUT", f"/v1/leads/{lead['lead_id']}", {"lead": values, "changed_at": lead["created_at"]})
    for change in _records(rows["lead_changes"]):
        value = change.get("value")
        if change["field"] == "employees" and value is not None:
            value = float(value)
        await _call(client, "PUT", f"/v1/leads/{change['lead_id']}", {"lead": {change["field"]: value}, "changed_at": change["changed_at"]})
    for name in ("activities", "outcomes"):
        records = _records(rows[name])
        for begin in range(0, len(records), 5_000):
            body = {name: records[begin : begin + 5_000]}
            answer = await _call(client, "POST", f"/v1/{name}?import=true", body)
            assert answer["refused"] == 0 if "refused" in answer else True


async def _call(client: Any, method: str, path: str, body: object, **more: Any) -> Any:  # noqa: ANN401 - httpx is imported only here
    answer = await client.request(method, path, json=body, **more)
    assert answer.status_code < 300, answer.text
    return answer.json()


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON, without what is missing."""
    return [
        {name: value for name, value in row.items() if value is not None}
        for row in json.loads(frame.to_json(orient="records", date_format="iso", date_unit="us"))
    ]


def _entered(service: Any, outcomes: pd.DataFrame, since: int, until: int) -> dict[str, pd.DataFrame]:  # noqa: ANN401 - imported only here
    """Who was in each queue for the first time in these weeks: the week, and what they brought within the horizon."""
    import sqlalchemy as sa

    from data.schema import decisions

    with service.store.reading() as connection:
        rows = connection.execute(
            sa.select(decisions.c.lead_id, decisions.c.scored_at, decisions.c.decision, decisions.c.probability)
        ).all()
    ledger = pd.DataFrame(rows, columns=["lead_id", "at", "decision", "probability"])
    won = outcomes[outcomes["kind"] == "won"].assign(won_at=lambda frame: micros(frame["converted_at"]))
    won = won.sort_values("won_at").drop_duplicates("lead_id")[["lead_id", "won_at", "amount"]]
    found = {}
    for queue, among in (("mql", ("mql", "sql")), ("sql", ("sql",))):
        first = ledger[ledger["decision"].isin(among)].sort_values("at").drop_duplicates("lead_id")
        first = first[(first["at"] >= since) & (first["at"] < until)].merge(won, on="lead_id", how="left")
        inside = (first["won_at"] > first["at"]) & (first["won_at"] <= first["at"] + HORIZON_DAYS * DAY)
        found[queue] = pd.DataFrame(
            {
                "week": (first["at"] - since) // WEEK,
                "won": inside.astype(float),
                "revenue": first["amount"].where(inside, 0.0).fillna(0.0),
                "probability": first["probability"],
            }
        )
    return found


def _compare(seed: int, promised: Mapping[float, Any], came: Mapping[str, pd.DataFrame], weeks: int, tally: Tally) -> None:
    for queue, entered in came.items():
        by_week = entered.groupby("week")[["won", "revenue"]].sum().reindex(range(weeks), fill_value=0.0)
        volume = entered.groupby("week").size().reindex(range(weeks), fill_value=0).to_numpy(float)
        won, revenue = by_week["won"].to_numpy(), by_week["revenue"].to_numpy()
        average = {
            "volume": volume.mean(),
            "precision": won.sum() / max(volume.sum(), 1),
            "conversions": won.mean(),
            "revenue": revenue.mean(),
        }
        single = {"volume": volume, "precision": won[volume > 0] / volume[volume > 0], "conversions": won, "revenue": revenue}
        said = []
        for level, answer in promised.items():
            for kind in KINDS:
                estimate = answer[queue][kind]
                if estimate is None:
                    continue
                tally.inside.setdefault((level, "average", kind), []).append(_within(average[kind], estimate["low"], estimate["high"]))
                singles = [_within(value, *estimate["one_week"]) for value in single[kind]]
                tally.inside.setdefault((level, "week", kind), []).extend(singles)
                if level == LEVELS[0]:
                    tally.ratio.setdefault(f"{queue} {kind}", []).append(average[kind] / max(estimate["value"], 1e-9))
                    said.append(
                        f"{kind} {estimate['value']:.4g} ({estimate['low']:.4g} to {estimate['high']:.4g}), came {average[kind]:.4g}"
                    )
        print(f"seed {seed} {queue}: " + "; ".join(said) + f"; mean probability at entry {entered['probability'].mean():.3f}", flush=True)


def _within(value: float, low: float, high: float) -> bool:
    return bool(low - 1e-9 <= value <= high + 1e-9)


def micros(times: pd.Series[Any]) -> NDArray[np.int64]:
    micros: NDArray[np.int64] = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    return micros


if __name__ == "__main__":
    main()
