"""A service and a browser in front of it, for what people do on the console's pages."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from serving.app import create_app
from serving.connections import Connection
from serving.settings import Settings

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Declared points over every signal, with a backtest of half a year."""
    return trained(tmp_path_factory.mktemp("bundles") / "first")


def trained(folder: Path, *, backtest: bool = True) -> Path:
    """A bundle in this folder."""
    import numpy as np
    import pandas as pd

    from features.catalogue import catalogue
    from features.signal import FeatureSet
    from models.bundle import write_bundle
    from models.calibration import ScoreScale, fit_calibration
    from models.encoder import Encoder
    from models.inputs import InputSpec
    from models.qualification import Policy
    from models.scorecard import declared_scorecard

    signals = tuple(catalogue().values())
    encoder = Encoder(FeatureSet(signals), tuple(InputSpec(one.name, one.family, "number", one.monotone) for one in signals))
    rng = np.random.default_rng(7)
    margin = rng.normal(-1.0, 1.2, 4_000)
    y = (rng.random(4_000) < 1 / (1 + np.exp(1.5 - margin))).astype(float)
    calibration = fit_calibration(margin, y, np.arange(4_000), seed=7)
    as_of = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(rng.uniform(0, 182, 4_000), unit="D").round("us")
    write_bundle(
        folder,
        model=declared_scorecard(encoder.inputs),
        encoder=encoder,
        calibration=calibration,
        scale=ScoreScale.from_margins(margin),
        policy=Policy.at(0.2, 0.5),
        manifest={"model_version": "1", "horizon_days": 90, "no_signal": False},
        tables={}
        if not backtest
        else {
            "backtest": pd.DataFrame(
                {
                    "as_of": as_of,
                    "probability": calibration.apply(margin)[0],
                    "margin": margin,
                    "y": y,
                    "segment_source": np.array(["web", "fair"])[np.arange(4_000) % 2],
                }
            )
        },
    )
    return folder


@pytest.fixture
def home(tmp_path: Path, bundle: Path) -> Path:
    return installed(tmp_path, bundle)


def installed(root: Path, bundle: Path) -> Path:
    """An installation in this folder, in which that bundle serves."""
    (root / "bundles").mkdir()
    (root / "bundles" / "first").symlink_to(bundle)
    (root / "bundles" / "champion.json").write_text('{"bundle": "first"}')
    return root


@pytest.fixture
def serve(home: Path) -> Iterator[Callable[[str], str]]:
    with serving(home) as start:
        yield start


@contextmanager
def serving(home: Path) -> Iterator[Callable[[str], str]]:
    """Starts services of an installation, and ends them afterwards.

    Each is a thread of this process: an interpreter for each test, with all that it imports, would take longer than the test. What
    `tamiz serve` does beyond that is told in tests/serving/test_commands.py.
    """
    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def start(auth: str) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        app = create_app(Settings(home, auth="required" if auth == "required" else "dev", poll_seconds=0.1))
        config = uvicorn.Config(app, http=Connection, ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        running.append((server, thread, listener))
        end = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive(), "the service ended while it started"
            assert time.monotonic() < end, "the service did not start"
            time.sleep(0.01)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    try:
        yield start
    finally:
        for server, thread, listener in running:
            server.should_exit = True
            thread.join(30)
            listener.close()


@pytest.fixture(scope="module")  # no longer: while it is open no other test of this process can run an event loop
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install the package `chromium`")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], ignore_default_args=["--hide-scrollbars"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[str]:
    """The address of a service with a few leads, for all tests that only look."""
    with serving(installed(tmp_path_factory.mktemp("looked-at"), bundle)) as start:
        there = start("dev")
        feed(there, 4)
        yield there


@pytest.fixture(scope="module")
def readers(browser: Any) -> Iterator[Callable[[str], Any]]:
    """A browser's memory for each language: what a page loads is loaded once for all tests. Cookies are each test's own."""
    there: dict[str, Any] = {}

    def reader(language: str) -> Any:
        if language not in there:
            there[language] = browser.new_context(locale=language)
        return there[language]

    yield reader
    for context in there.values():
        context.close()


@pytest.fixture
def visit(readers: Callable[[str], Any]) -> Iterator[Callable[..., Any]]:
    complaints: list[str] = []
    pages: list[Any] = []

    def open_page(address: str, *, width: int = 1280, language: str = "en", scheme: str = "light") -> Any:
        origin = "/".join(address.split("/")[:3])
        page = readers(language).new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.set_default_timeout(30_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(origin) else complaints.append(f"loaded {request.url}"))
        page.goto(address)
        return page

    yield open_page
    for page in pages:
        page.close()
        page.context.clear_cookies()
    unexpected = [text for text in complaints if not any(f"status of {status}" in text for status in (401, 403, 404, 409, 412, 422, 503))]
    assert unexpected == []


def ask(address: str, path: str, body: object = None, method: str = "GET", key: str | None = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"{address}{path}", None if body is None else json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=15) as answer:
        return json.loads(answer.read())


def feed(address: str, leads: int, key: str | None = None) -> None:
    """So many leads; the first asked for a demo, has a mailbox that a scanner reads, and contradicts itself on its authority."""
    for i in range(leads):
        attributes = {"job_title": ["Head of Sales", "Developer", "Student"][i % 3], "company": f"Acme {i}", "country": "ES"}
        ask(address, f"/v1/leads/lead-{i:02d}", attributes, "PUT", key)
    at = datetime.now(UTC) - timedelta(days=2)
    scanned = at.replace(second=7, microsecond=13)
    rows = [
        {"type": "demo_request", "occurred_at": at.isoformat(), "activity_id": "d"},
        {"type": "email_delivered", "occurred_at": scanned.isoformat(), "activity_id": "e-1", "campaign": "spring"},
        {"type": "email_open", "occurred_at": (scanned + timedelta(seconds=1)).isoformat(), "activity_id": "e-2", "campaign": "spring"},
        {"type": "answer", "content": "authority", "value": "my boss decides", "occurred_at": at.isoformat(), "activity_id": "a"},
    ]
    ask(address, "/v1/activities?import=true", {"activities": [{"lead_id": "lead-00", **row} for row in rows]}, "POST", key)
    end = time.monotonic() + 20
    while len(ask(address, "/v1/leads?limit=500", key=key)["leads"]) < leads and time.monotonic() < end:
        time.sleep(0.1)
