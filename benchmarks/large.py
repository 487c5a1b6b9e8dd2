"""Whether the console stays quick when the store is large, and how fast every lead of it is scored again.

    make bench-large
    python -m benchmarks.large [--leads 200000] [--activities 5000000] [--database sqlite postgresql] [--folder DIR]
                               [--no-job | --job-seconds 60] [--no-pages]

For each database: fills a store (`benchmarks/large_store.py`); has a job score every lead again with one worker, kills that worker once
in the middle, and lets another one go on; makes the reports that a worker makes once a day; then opens every page in a browser (Chromium),
notes what each asks of the API, and asks the same again by itself. Prints for each page how long it took until its last call was
answered, the first time and at best of two more, and its slowest call; and for each call the first answer, and the median and the slowest
of three more. The aim is a second. `--folder` keeps what was filled for the next run. Exit 1 where a page or a call misses the aim.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from benchmarks.large_store import COPIES, copied, made
from benchmarks.serve import ROOT, Target, free_port, post, process
from data.reports import Reports
from data.schema import decisions, standings
from data.store import Store, now

AIM = 1.0
AGAIN = 3
KILLED_AT = 0.4
"""Of a job, after which share its worker is killed."""


class Call(NamedTuple):
    """What a page asks of the API."""

    method: str
    path: str
    body: str | None = None

    def __str__(self) -> str:
        said = json.loads(self.body) if self.body else {}
        return f"{self.method} {self.path}" + (f" by {said['by']}" if "by" in said else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=200_000)
    parser.add_argument("--activities", type=int, default=5_000_000)
    parser.add_argument("--database", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument("--folder", type=Path, help="where to keep what was filled")
    parser.add_argument("--job-seconds", type=float, help="score leads again for so long, and kill nobody")
    parser.add_argument("--no-job", action="store_true", help="do not score every lead again")
    parser.add_argument("--no-pages", action="store_true", help="do not open the pages")
    given = parser.parse_args()
    slow = False
    with contextlib.ExitStack() as running:
        folder = given.folder or Path(running.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        small = made(folder, given.leads // COPIES, given.activities // COPIES, say)
        for database in given.database:
            print(f"\n{database}", flush=True)
            with filled(folder, small, database) as (home, environment):
                if given.job_seconds:
                    rescore_for(environment, given.job_seconds)
                elif not given.no_job:
                    rescore(home, environment)
                if not given.no_pages:
                    report(home, environment)
                    slow |= pages(environment)
    return int(slow)


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def filled(folder: Path, small: Path, database: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """The large installation, and the environment in which it serves."""
    home, done = folder / database, folder / f"{database}.done"
    with contextlib.ExitStack() as running:
        url = ""
        if database == "postgresql":
            from tests.postgres import Server

            server = Server(folder / "pg", durable=True)
            running.callback(server.stop)
            url = server.lasting("large")
        if not done.exists():
            begun = time.perf_counter()
            shutil.copytree(small / "bundles", home / "bundles", dirs_exist_ok=True)
            store = Store.open(home, url)
            counts = copied(small, store, say)
            store.close()
            done.write_text(json.dumps(counts))
            print(f"  filled in {time.perf_counter() - begun:.0f} s", flush=True)
        print("  " + ", ".join(f"{count:,} {name}" for name, count in json.loads(done.read_text()).items()), flush=True)
        environment = {"TAMIZ_HOME": str(home), "TAMIZ_AUTH": "dev", "TAMIZ_WORKER": "beside", "TAMIZ_DATABASE_URL": url}
        yield home, environment


# --------------------------------------------------------------------------------------------------------------- the job


def rescore(home: Path, environment: dict[str, str]) -> None:
    """Every lead again, the worker killed once in the middle."""
    with serving(environment) as port, contextlib.ExitStack() as running:
        publish(port)
        store = Store.open(home, environment["TAMIZ_DATABASE_URL"])
        running.callback(store.close)
        entries = counted(store, decisions)
        asked = time.time()
        job = post(port, "/v1/jobs", b'{"kind": "rescore"}')["job_id"]
        one = worker(environment)
        begun = time.perf_counter()
        while (seen := progress(port, job))["done"] < KILLED_AT * (seen["total"] or float("inf")):
            time.sleep(0.5)
        before, spent = seen["done"], time.perf_counter() - begun
        os.killpg(one.pid, signal.SIGKILL)
        one.wait()
        killed = time.perf_counter()
        one = worker(environment)
        while progress(port, job)["done"] == before:
            time.sleep(0.1)
        gap, resumed, at = time.perf_counter() - killed, time.perf_counter(), progress(port, job)["done"]
        while (seen := progress(port, job))["state"] in ("waiting", "running"):
            time.sleep(0.5)
        rest, cores = time.perf_counter() - resumed, Target("worker", 0, "", one.pid).cpu_seconds() / max(seen["done"] - before, 1)
        os.killpg(one.pid, signal.SIGTERM)
        one.wait(30)
        with store.reading() as connection:
            old = sa.select(sa.func.count()).select_from(standings).where(standings.c.as_of < round(asked * 1e6))
            left = connection.execute(old).scalar_one()
        print(
            f"  job over {seen['total']:,} leads: {before / spent:,.0f} leads/s with its start until the worker was killed at {before:,}, "
            f"gone on with {gap:.1f} s later, {(seen['done'] - at) / rest:,.0f} leads/s then; {cores * 1e3:.1f} ms of cores each\n"
            f"  {seen['state']}: {seen['done']:,} done, {seen['failed']:,} failed, {left:,} with an older score, "
            f"{counted(store, decisions) - entries:,} entries in the ledger",
            flush=True,
        )


def rescore_for(environment: dict[str, str], seconds: float) -> None:
    """The same for a while: how fast it goes, on a machine that is quiet for no longer."""
    with serving(environment) as port:
        job = post(port, "/v1/jobs", b'{"kind": "rescore"}')["job_id"]
        one = worker(environment)
        while not (at := progress(port, job)["done"]):
            time.sleep(0.1)
        watched, begun, spent = Target("worker", 0, "", one.pid), time.perf_counter(), Target("worker", 0, "", one.pid).cpu_seconds()
        time.sleep(seconds)
        done, took, spent = progress(port, job)["done"] - at, time.perf_counter() - begun, watched.cpu_seconds() - spent
        post(port, f"/v1/jobs/{job}/cancel", b"")
        os.killpg(one.pid, signal.SIGTERM)
        one.wait(30)
        print(
            f"  {done:,} leads in {took:.0f} s: {done / took:,.0f} leads/s, {spent / max(done, 1) * 1e3:.1f} ms of cores each", flush=True
        )


def publish(port: int) -> None:
    """A policy by which sales has two days for whoever is handed over, so that clocks run and some are late."""
    policy = json.loads(ask(port, Call("GET", "/v1/policy")))["policy"] | {"hand_off": {"within_hours": 48}}
    ask(port, Call("PUT", "/v1/policy", json.dumps({"policy": policy})), {"If-Match": "*"})


def worker(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tamiz", "worker"]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.DEVNULL, start_new_session=True)


def progress(port: int, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(port, Call("GET", f"/v1/jobs/{job}")))
    return found


def counted(store: Store, table: sa.Table) -> int:
    with store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


# ------------------------------------------------------------------------------------------------------------- the pages


def report(home: Path, environment: dict[str, str]) -> None:
    """Makes the reports that a worker makes every day before anybody asks, where this day has none yet."""
    from serving.report_makers import makers
    from serving.running import running
    from serving.settings import Settings
    from serving.worker import daily_reports

    async def make() -> None:
        async with running(Settings(home, environment["TAMIZ_DATABASE_URL"], auth="dev", worker="beside")) as service:
            while daily_reports(service, now()):
                pass
            kept = {name: found.seconds for name in makers(service) if (found := Reports(service.store).newest(name)) is not None}
            print("  made once a day, in seconds: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in kept.items()), flush=True)

    asyncio.run(make())


def pages(environment: dict[str, str]) -> bool:
    """Every page and what it asks; whether anything took longer than the aim."""
    slow = False
    with serving(environment) as port, browser() as chromium:
        leads = json.loads(ask(port, Call("GET", "/v1/leads?limit=3")))["leads"]
        print(f"  {'page':<34}{'first s':>9}{'again s':>9}   slowest call")
        asked: dict[Call, float] = {}
        for name, path in shown(leads[1]["lead_id"]).items():
            takes, calls = zip(*(visit(chromium, f"http://127.0.0.1:{port}{path}") for _ in range(3)), strict=True)
            for call, seconds in calls[0].items():
                asked.setdefault(call, seconds)
            slowest = max(calls[0], key=calls[0].__getitem__)
            slow |= takes[0] > AIM
            print(f"  {name:<34}{takes[0]:>9.2f}{min(takes[1:]):>9.2f}   {slowest} {calls[0][slowest]:.2f} s", flush=True)
        for call in more(leads[0]["lead_id"]):
            asked.setdefault(call, timed(port, call))
        print(f"\n  {'call':<80}{'first':>8}{'median':>8}{'slowest':>9}  s")
        for call, first in asked.items():
            taken = [timed(port, call) for _ in range(AGAIN)]
            slow |= max(first, *taken) > AIM
            print(f"  {call!s:<80}{first:>8.2f}{statistics.median(taken):>8.2f}{max(taken):>9.2f}", flush=True)
    return slow


def shown(lead: str) -> dict[str, str]:
    """The pages of the console."""
    ways = {
        "Queue, those who wait too long": "/queue?sla=breached&sort=due_at",
        "Queue, MQL by value": "/queue?decision=mql&sort=-expected_value",
    }
    return {
        "Thresholds": "/",
        "Queue": "/queue",
        **ways,
        "Lead": f"/leads/{lead}",
        "Model": "/model",
        "Pipeline": "/pipeline",
        "Health": "/health",
    }


def more(lead: str) -> list[Call]:
    """What the pages ask when somebody uses them: filters, orders, periods, and tables to take along."""
    queries = [f"sort={sign}{name}" for name in ("probability", "expected_value", "since", "as_of", "due_at") for sign in ("-", "")]
    queries += ["decision=mql", "decision=sql", "decision=mql,sql&sort=-since", "decision=nurture&sort=-expected_value", "state=accepted"]
    queries += [
        "state=rejected&sort=-since",
        "sla=running",
        "sla=late&sort=due_at",
        "sla=met,late",
        "owner=nobody",
        "min_probability=0.9999",
    ]
    queries += ["owner=nobody&sort=-as_of", "decision=disqualified"]
    gets = [f"/v1/leads?limit=50&{query}" for query in queries]
    gets += ["/v1/leads?limit=500&format=csv", "/v1/hand-offs?since_days=365", f"/v1/leads/{lead}?limit=500", f"/v1/leads/{lead}/decision"]
    gets += [f"/v1/pipeline?days={days}" for days in (30, 60, 180, 365)] + [f"/v1/forecast?weeks={weeks}" for weeks in (4, 8, 26)]
    gets += ["/v1/jobs", "/v1/policy/experiment", "/v1/monitor?format=csv", "/v1/pipeline?format=csv&table=cohorts"]
    return [Call("GET", path) for path in gets]


def visit(chromium: Any, address: str) -> tuple[float, dict[Call, float]]:  # noqa: ANN401 - Playwright is imported only where it is used
    """Seconds until the page's last call was answered, and those of each call."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    calls: dict[Call, float] = {}
    begun = last = time.perf_counter()

    def over(request: Any) -> None:  # noqa: ANN401 - as above
        nonlocal last
        path = request.url.partition("//")[2].partition("/")[2]
        if path.startswith("v1/"):
            last = time.perf_counter()
            calls[Call(request.method, f"/{path}", request.post_data)] = request.timing["responseEnd"] / 1000

    page.on("requestfinished", over)
    page.goto(address)
    page.wait_for_selector("#work:not([hidden])", timeout=120_000)
    while time.perf_counter() < last + 0.8:  # a page may ask once more when it has shown what it has
        page.evaluate("new Promise((done) => setTimeout(done, 200))")
        page.wait_for_load_state("networkidle", timeout=120_000)
    context.close()
    return last - begun, calls


def timed(port: int, call: Call) -> float:
    begun = time.perf_counter()
    ask(port, call)
    return time.perf_counter() - begun


def ask(port: int, call: Call, headers: Mapping[str, str] | None = None) -> bytes:
    headers = dict(headers or {}) | ({"Content-Type": "application/json"} if call.body else {})
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{call.path}", call.body.encode() if call.body else None, headers, method=call.method
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        found: bytes = answer.read()
    return found


@contextlib.contextmanager
def serving(environment: dict[str, str]) -> Iterator[int]:
    port = free_port()
    with process([sys.executable, "-m", "tamiz", "serve", "--port", str(port)], ROOT, port, "/readyz", **environment):
        yield port


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    if path is None:
        raise SystemExit("error: no Chromium on this machine: install the package `chromium`, or give --no-pages")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = running.new_page()  # a visitor's browser has started before he comes
        page.goto("data:text/html,<p>here")
        yield running
        running.close()


if __name__ == "__main__":
    sys.exit(main())
