"""What the service carries: `POST /v1/score` beside an empty FastAPI endpoint, in one run, on this machine.

    python -m benchmarks.serve [--rounds 5] [--seconds 2] [--connections 1 16] [--body FILE] [--bundle DIR] [--mlflow] [--save FILE]
    python -m benchmarks.serve --mlflow --more [--bentoml PYTHON]      everything
    python -m benchmarks.serve --batch [--rounds 5]                    batches alone

Each request brings one lead with 30 activities; the answer holds probability, interval, reasons, BANT and decision, and
is in the ledger (SQLite, synchronous=FULL) before it is sent. Model: 300 trees × 31 leaves over every declared signal, or
`--bundle`. Rounds alternate between the services, and medians are compared: ratios are to be trusted, requests a second
only as far as the machine was idle. Load comes from `wrk`, or from our own generator where there is none. With one connection a
durable ledger waits for the disk, so the disk's median fsync is measured beside it and the ratio is given net of it too.
`--mlflow` adds `mlflow models serve` on the same trees, which is given ready-made features and explains nothing; `--bentoml` a
BentoML service on them, run by the named Python, in whose environment somebody has installed bentoml and lightgbm. `--more` adds, in the
same interleaved rounds: two workers; one lead with 200 activities by id and by body, on SQLite and on PostgreSQL; what both databases
take of activities; and batches of 1,000 against `Booster.predict` on 1,000 rows of ready-made signals. `--batch` measures these alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
TITLES = ("Directora de Operaciones", "CEO", "Head of IT", "Logistics Manager", "CTO", "Analyst", "Jefe de compras")
ROOT = Path(__file__).resolve().parents[1]
EMPTY = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
async def empty():
    return {"status": "ok"}
"""
BENTO = """
import os
import bentoml
import lightgbm
import numpy

@bentoml.service(workers=1)
class Scorer:
    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file=os.environ["TREES"])

    @bentoml.api
    def predict(self, rows: list[list[float]]) -> list[float]:
        return self.booster.predict(numpy.array(rows)).tolist()
"""


@dataclass(frozen=True)
class Target:
    """A service under load."""

    name: str
    port: int
    path: str
    pid: int
    body: bytes | None = None

    def cpu_seconds(self) -> float:
        """What its process has used so far; 0 where the system does not say."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Round:
    """What one service did in one round: requests a second, and milliseconds that half and 99 of 100 of them took."""

    rate: float
    p50: float
    p99: float
    cpu: float = 0.0
    """Seconds of processor a request."""


Figures = dict[str, dict[str, list[Round]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--body", type=Path, help="a request to send instead of the built-in one")
    parser.add_argument("--bundle", type=Path, help="a bundle to serve instead of the built-in one")
    parser.add_argument("--mlflow", action="store_true", help="measure `mlflow models serve` too")
    parser.add_argument("--bentoml", type=Path, help="a Python that has bentoml and lightgbm, to measure BentoML too")
    parser.add_argument("--batch", action="store_true", help="only batches")
    parser.add_argument("--more", action="store_true", help="also two workers, by id, ingest and batch, on both databases")
    parser.add_argument("--save", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as running:
        folder = Path(temporary)
        body = given.body.read_bytes() if given.body else thirty_activities()
        trees, width = install(folder / "home", given.bundle)
        if given.batch:
            measure_batch(start_ours(folder / "home", body, running), body, trees, width, given.rounds)
            return
        targets = [start_empty(folder, running), start_ours(folder / "home", body, running)]
        if given.mlflow:
            targets.append(start_mlflow(folder, trees, width, running))
        if given.bentoml:
            targets.append(start_bentoml(folder, trees, width, given.bentoml.absolute(), running))
        pairs: list[tuple[Target, Target]] = []
        if given.more:
            shutil.copytree(folder / "home" / "bundles", folder / "two" / "bundles")
            targets.append(start_ours(folder / "two", body, running, "tamiz, two workers", "--workers", "2"))
            shutil.copytree(folder / "home" / "bundles", folder / "postgresql" / "bundles")
            url = running.enter_context(postgresql())
            other = start_ours(folder / "postgresql", body, running, "tamiz on PostgreSQL", TAMIZ_DATABASE_URL=url)
            pairs = [by_id_and_body("SQLite", targets[1]), by_id_and_body("PostgreSQL", other)]
        fsync = median_fsync(folder)
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
        generator = "wrk" if shutil.which("wrk") else "our own generator"
        print(f"request {len(body):,} bytes; median fsync of the disk {fsync * 1e6:,.0f} µs; load by {generator}\n")
        figures = measure(targets, given.connections, given.rounds, given.seconds)
        report(figures, fsync)
        more: dict[str, float] = {}
        if given.more:
            more |= measure_pairs(pairs, given.rounds, given.seconds)
            more |= measure_ingest({"SQLite": targets[1], "PostgreSQL": other}, given.rounds)
            more |= measure_batch(targets[1], body, trees, width, given.rounds)
        if given.save:
            given.save.write_text(json.dumps({"fsync_us": fsync * 1e6, "figures": figures, "more": more}, indent=1, default=asdict))


def measure(targets: list[Target], connections: list[int], rounds: int, seconds: int) -> Figures:
    """By service and connections, in turns."""
    load = by_wrk if shutil.which("wrk") else by_us
    figures: Figures = {target.name: {str(c): [] for c in connections} for target in targets}
    for target in targets:
        load(target, 1, 1)  # the first second fills caches and the write-ahead log
    for _ in range(rounds):
        for c in connections:
            for target in targets:
                before, found = target.cpu_seconds(), load(target, c, seconds)
                cpu = (target.cpu_seconds() - before) / (found.rate * seconds)
                figures[target.name][str(c)].append(replace(found, cpu=cpu))
    return figures


def report(figures: Figures, fsync: float) -> None:
    limit = figures["empty FastAPI"]
    print(
        f"{'':24}{'connections':>12}{'requests/s':>12}{'of empty':>10}{'net of fsync':>14}{'CPU µs/request':>16}{'of empty':>10}"
        f"{'p50 ms':>9}{'p99 ms':>9}{'×':>6}"
    )
    for name, by_connections in figures.items():
        for c, rounds in by_connections.items():
            rate, cpu = median(one.rate for one in rounds), median(one.cpu for one in rounds)
            fastest, least = median(one.rate for one in limit[c]), median(one.cpu for one in limit[c])
            net = 1 / max(1 / rate - fsync, 1e-9) / fastest if c == "1" and name.startswith("tamiz") else None
            shares = f"{f'{net:.0%}' if net else '':>14}"
            # A server of several processes works in its children.
            shares += f"{cpu * 1e6:>16,.0f}{least / cpu:>10.0%}" if cpu > 1e-6 else " " * 26
            p50, p99 = median(one.p50 for one in rounds), median(one.p99 for one in rounds)
            print(f"{name:24}{c:>12}{rate:>12,.0f}{rate / fastest:>10.0%}{shares}{p50:>9.2f}{p99:>9.2f}{p99 / p50:>6.1f}")


def measure_pairs(pairs: list[tuple[Target, Target]], rounds: int, seconds: int) -> dict[str, float]:
    """By id against by body, one connection, in turns: how many times as long it takes."""
    load = by_wrk if shutil.which("wrk") else by_us
    figures: dict[str, float] = {}
    for by_id, by_body in pairs:
        taken = [(load(by_id, 1, seconds).rate, load(by_body, 1, seconds).rate) for _ in range(rounds)]
        one, other = median(a for a, _ in taken), median(b for _, b in taken)
        print(f"{by_id.name}: {one:,.0f} requests/s, by body {other:,.0f}: {other / one:.2f} × the time (aim 2)")
        figures[by_id.name] = other / one
    return figures


def measure_ingest(targets: dict[str, Target], rounds: int, orders: int = 8, each: int = 5_000) -> dict[str, float]:
    """Activities a second that are durable, in orders of 5,000 on two connections, in turns."""
    rates: dict[str, list[float]] = {name: [] for name in targets}
    for turn in range(rounds):
        for name, target in targets.items():
            bodies = [activities(f"{turn}-{order}", each) for order in range(orders)]
            begun = time.perf_counter()
            with ThreadPoolExecutor(2) as pool:
                answers = list(pool.map(lambda body: post(target.port, "/v1/activities", body), bodies))  # noqa: B023 - used up here
            rates[name].append(orders * each / (time.perf_counter() - begun))
            if any(answer["new"] != each for answer in answers):
                raise SystemExit(f"error: {name} did not take every activity")
    for name, found in rates.items():
        print(f"ingest into {name}: {median(found):,.0f} activities/s (aim 20,000)")
    return {f"ingest {name}": median(found) for name, found in rates.items()}


def measure_batch(target: Target, body: bytes, trees: str, width: int, rounds: int, items: int = 1_000) -> dict[str, float]:
    """Leads a second in batches of 1,000, against bare prediction of as many rows whose signals are there already, in turns."""
    import lightgbm
    import numpy as np

    booster, rows = lightgbm.Booster(model_str=trees), np.random.default_rng(0).exponential(2.0, (items, width))
    one = json.loads(body)
    few = one | {"activities": one["activities"][:3]}
    kinds = {"one lead under other ids": (one, False), "different leads": (one, True), "different leads, 3 activities": (few, True)}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for turn in range(rounds):
        for name, (lead, differ) in kinds.items():
            batch = json.dumps({"items": [another(lead, f"{turn}-{n}", differ) for n in range(items)]}).encode()
            begun = time.perf_counter()
            answer = sent(target.port, "/v1/score/batch", batch)
            between = time.perf_counter()
            booster.predict(rows, num_threads=1)
            taken[name].append((between - begun, time.perf_counter() - between))
            if json.loads(answer)["failed"]:  # not timed: what a client makes of the answer is its own affair
                raise SystemExit("error: the batch has items that failed")
    found: dict[str, float] = {}
    for name, times in taken.items():
        ours, bare = median(a for a, _ in times), median(b for _, b in times)
        shown = f"{items / ours:,.0f} leads/s; bare predict {items / bare:,.0f} rows/s: {bare / ours:.0%} (aim 40 %)"
        print(f"batch of {items:,}, {name}: {shown}")
        found[f"batch of bare predict, {name}"] = bare / ours
    return found


def another(one: dict[str, Any], name: str, differ: bool) -> dict[str, Any]:
    """The same lead under another id; a different one has texts, numbers and times that are nobody else's, too."""
    if not differ:
        return one | {"lead": one["lead"] | {"lead_id": f"same-{name}"}}
    random = Random(name)
    domain, number = f"c{random.randrange(10**8)}.example", random.randrange(1, 10**6)
    told = {"email": f"p{number}@{domain}", "company_domain": domain, "company": f"Company {number}", "employees": number % 5_000 + 1}
    told |= {"annual_revenue": number * 100, "phone": f"+34 {random.randrange(10**8, 10**9)}", "job_title": random.choice(TITLES)}
    acts = [each | {"occurred_at": earlier(each["occurred_at"], random.randrange(10**12))} for each in one["activities"]]
    return one | {"lead": one["lead"] | told | {"lead_id": f"other-{len(acts)}-{name}"}, "activities": acts}


def earlier(when: str, microseconds: int) -> str:
    return (datetime.fromisoformat(when) - timedelta(microseconds=microseconds)).isoformat()


def by_id_and_body(name: str, target: Target) -> tuple[Target, Target]:
    """A lead with 200 activities, held by the service and as one request."""
    held = json.loads(activities("held", 200, leads=1))["activities"]
    attributes = json.loads(thirty_activities())["lead"]
    lead_id = held[0]["lead_id"]
    post(target.port, f"/v1/leads/{lead_id}", json.dumps(attributes | {"lead_id": lead_id}).encode(), "PUT")
    post(target.port, "/v1/activities?import=true", json.dumps(held).encode())
    body = json.dumps({"lead": attributes | {"lead_id": "by-body"}, "activities": [one | {"lead_id": "by-body"} for one in held]}).encode()
    return (
        Target(f"by id from {name}, 200 activities", target.port, f"/v1/leads/{lead_id}/score", target.pid, b""),
        Target("by body", target.port, "/v1/score", target.pid, body),
    )


def activities(name: str, count: int, leads: int = 500) -> bytes:
    rows = [
        {"lead_id": f"i{n % leads}", "activity_id": f"{name}-{n}", "type": "page_view", "occurred_at": f"2026-10-{1 + n % 28:02}T08:12:31Z"}
        for n in range(count)
    ]
    return json.dumps({"activities": rows}).encode()


def post(port: int, path: str, body: bytes, method: str = "POST") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sent(port, path, body, method))
    return found


def sent(port: int, path: str, body: bytes, method: str = "POST") -> bytes:
    """The answer as it comes."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        whole: bytes = answer.read()
    return whole


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database on a server of our own, with all its promises kept."""
    from tests.postgres import Server

    server = Server(durable=True)
    try:
        with server.database() as url:
            yield url
    finally:
        server.stop()


def install(home: Path, bundle: Path | None, rounds: int = 300) -> tuple[str, int]:
    """A home with a champion; the trees as text, and how many inputs they have, for peers."""
    (home / "bundles").mkdir(parents=True)
    name = "benchmark"
    if bundle is not None:
        shutil.copytree(bundle, home / "bundles" / name)
        text = home / "bundles" / name / "model.txt"
        trees = text.read_text() if text.exists() else ""
        width = len(json.loads((home / "bundles" / name / "encoder.json").read_text())["inputs"])
    else:
        trees, width = invented_bundle(home / "bundles" / name, rounds)
    (home / "bundles" / "champion.json").write_text(json.dumps({"bundle": name, "model_version": name}))
    return trees, width


def invented_bundle(folder: Path, rounds: int = 300) -> tuple[str, int]:
    """Trees of the usual size on invented outcomes; what they say means nothing, what they cost does."""
    import numpy as np

    from features.catalogue import catalogue
    from features.signal import FeatureSet
    from models.boosted import fit_boosted
    from models.bundle import write_bundle
    from models.calibration import ScoreScale, fit_calibration
    from models.encoder import Encoder
    from models.inputs import InputSpec
    from models.qualification import Policy

    signals = tuple(catalogue().values())
    encoder = Encoder(FeatureSet(signals), tuple(InputSpec(one.name, one.family, "number", one.monotone) for one in signals))
    rng = np.random.default_rng(0)
    X = rng.exponential(2.0, (20_000, len(encoder.inputs))).round(1)
    X[rng.random(X.shape) < 0.2] = np.nan
    y = (rng.random(len(X)) < 1 / (1 + np.exp(3 - np.nan_to_num(X[:, :20]).mean(axis=1)))).astype(float)
    model = fit_boosted(X, y, None, None, encoder.inputs, seed=0, rounds=rounds, overrides={"num_leaves": 31, "learning_rate": 0.02})
    margin = model.margin(X[:5_000])
    write_bundle(
        folder,
        model=model,
        encoder=encoder,
        calibration=fit_calibration(margin, y[:5_000], np.arange(5_000), seed=0),
        scale=ScoreScale.from_margins(margin),
        policy=Policy.at(0.3, 0.6),
        manifest={"model_version": "benchmark", "horizon_days": 90, "no_signal": False},
        tables={},
    )
    return (folder / "model.txt").read_text(), len(encoder.inputs)


def thirty_activities() -> bytes:
    """The documented example lead after two busy months."""
    from serving.examples import LEAD

    types = ("page_view", "email_open", "email_click", "page_view", "form_submit", "webinar_attended")
    pages = ("/pricing", "/docs/integrations", "/blog/pipeline", "/demo", "/customers")
    more: list[dict[str, Any]] = [
        {
            "activity_id": f"b-{n:03}",
            "type": types[n % len(types)],
            "occurred_at": f"2026-{9 + n // 20:02}-{1 + n % 20:02}T{n % 24:02}:17:2{n % 10}.{n:06}Z",
            "channel": "email" if "email" in types[n % len(types)] else "web",
            "url": pages[n % len(pages)],
        }
        for n in range(30 - len(LEAD["activities"]))
    ]
    return json.dumps(LEAD | {"activities": [*LEAD["activities"], *more]}).encode()


def start_empty(folder: Path, running: contextlib.ExitStack) -> Target:
    (folder / "empty_app.py").write_text(EMPTY)
    port = free_port()
    uvicorn = [
        sys.executable,
        "-m",
        "uvicorn",
        "empty_app:app",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--no-server-header",
    ]
    one = running.enter_context(process([*uvicorn, "--no-date-header", "--port", str(port)], folder, port, "/"))
    return Target("empty FastAPI", port, "/", one.pid)


def start_ours(
    home: Path, body: bytes, running: contextlib.ExitStack, name: str = "tamiz POST /v1/score", *options: str, **environment: str
) -> Target:
    port = free_port()
    begun = time.perf_counter()
    one = running.enter_context(
        process(
            [sys.executable, "-m", "tamiz", "serve", "--port", str(port), *options],
            ROOT,
            port,
            "/readyz",
            **{"TAMIZ_HOME": str(home), "TAMIZ_AUTH": "dev"} | environment,
        )
    )
    resident = Path(f"/proc/{one.pid}/status")
    memory = re.search(r"VmRSS:\s+(\d+)", resident.read_text()) if resident.exists() else None
    print(f"{name}: ready after {time.perf_counter() - begun:.2f} s{f', {int(memory[1]) / 1024:.0f} MB' if memory else ''}")
    return Target(name, port, "/v1/score", one.pid, body)


def start_mlflow(folder: Path, trees: str, width: int, running: contextlib.ExitStack) -> Target:
    import lightgbm
    import mlflow.lightgbm
    import numpy as np
    import pandas as pd
    from mlflow.models import infer_signature

    booster = lightgbm.Booster(model_str=trees)
    row = pd.DataFrame([np.arange(width, dtype=float)], columns=[f"f{n}" for n in range(width)])
    signature = infer_signature(row, booster.predict(row.to_numpy()))
    mlflow.lightgbm.save_model(booster, str(folder / "mlflow"), signature=signature, pip_requirements=["lightgbm"])
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        str(folder / "mlflow"),
        "--env-manager",
        "local",
        "--port",
        str(port),
    ]
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    one = running.enter_context(process(command, folder, port, "/ping", PATH=path, MLFLOW_DISABLE_TELEMETRY="true"))
    body = json.dumps({"dataframe_split": {"columns": list(row.columns), "data": row.to_numpy().tolist()}}).encode()
    return Target("mlflow models serve", port, "/invocations", one.pid, body)


def start_bentoml(folder: Path, trees: str, width: int, python: Path, running: contextlib.ExitStack) -> Target:
    (folder / "trees.txt").write_text(trees)
    (folder / "bento_app.py").write_text(BENTO)
    port = free_port()
    command = [str(python), "-m", "bentoml", "serve", "bento_app:Scorer", "--port", str(port)]
    one = running.enter_context(process(command, folder, port, "/livez", BENTOML_DO_NOT_TRACK="true", TREES=str(folder / "trees.txt")))
    return Target("BentoML", port, "/predict", one.pid, json.dumps({"rows": [[float(n) for n in range(width)]]}).encode())


@contextlib.contextmanager
def process(command: list[str], folder: Path, port: int, path: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    one = subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        end = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).close()
                break
            except OSError:
                if one.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"error: {' '.join(command[:5])} … did not start") from None
                time.sleep(0.01)
        yield one
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGTERM)
        one.wait(20)


def by_wrk(target: Target, connections: int, seconds: int) -> Round:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if target.body is not None:
            script.write(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = {lua(target.body)}\n')
        script.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--latency",
            "-s",
            script.name,
            f"http://127.0.0.1:{target.port}{target.path}",
        ]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"error: {target.name} failed requests:\n{said}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None
    took = {share: float(number) * _MILLISECONDS[unit] for share, number, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)\b", said)}
    return Round(float(found[1]), took["50"], took["99"])


def by_us(target: Target, connections: int, seconds: int) -> Round:
    """By as many keep-alive connections, each waiting for its answer."""
    return asyncio.run(_load(target, connections, seconds))


async def _load(target: Target, connections: int, seconds: int) -> Round:
    body = target.body or b""
    head = f"{'GET' if target.body is None else 'POST'} {target.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    end = time.perf_counter() + seconds
    took: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        while (sent := time.perf_counter()) < end:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"error: {target.name} answered {answer[:40]!r}")
            length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            took.append(time.perf_counter() - sent)
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    rate = len(took) / (time.perf_counter() - begun)
    took.sort()
    return Round(rate, took[len(took) // 2] * 1e3, took[int(len(took) * 0.99)] * 1e3)


def median_fsync(folder: Path, repeats: int = 200) -> float:
    """Seconds that the disk takes to make an append of one ledger entry durable."""
    taken: list[float] = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(repeats):
            file.write(b"x" * 8_192)
            begun = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return median(taken)


def lua(body: bytes) -> str:
    """Bytes as a Lua string."""
    return '"' + "".join(f"\\{byte:03d}" for byte in body) + '"'


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    main()
