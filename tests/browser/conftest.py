"""A service and a browser in front of it, for what people do on the console's pages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Declared points over every signal, with a backtest of half a year."""
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
    folder = tmp_path_factory.mktemp("bundles") / "first"
    write_bundle(
        folder,
        model=declared_scorecard(encoder.inputs),
        encoder=encoder,
        calibration=calibration,
        scale=ScoreScale.from_margins(margin),
        policy=Policy.at(0.2, 0.5),
        manifest={"model_version": "1", "horizon_days": 90, "no_signal": False},
        tables={
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
    """Starts services of an installation, and ends them afterwards."""
    running: list[subprocess.Popen[bytes]] = []

    def start(auth: str) -> str:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{one.getsockname()[1]}"
        environment = os.environ | {"TAMIZ_HOME": str(home), "TAMIZ_AUTH": auth}
        command = [sys.executable, "-m", "tamiz", "serve", "--port", address.rpartition(":")[2]]
        running.append(subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{address}/livez", timeout=1).close()
                return address
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the service did not start")

    try:
        yield start
    finally:
        for one in running:
            one.terminate()
            one.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install the package `chromium`")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], ignore_default_args=["--hide-scrollbars"])
        yield running
        running.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    complaints: list[str] = []
    contexts: list[Any] = []

    def open_page(address: str, *, width: int = 1280, language: str = "en", scheme: str = "light") -> Any:
        origin = "/".join(address.split("/")[:3])
        context = browser.new_context(viewport={"width": width, "height": 900}, locale=language, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(origin) else complaints.append(f"loaded {request.url}"))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    unexpected = [text for text in complaints if not any(f"status of {status}" in text for status in (401, 403, 404, 412, 503))]
    assert unexpected == []
