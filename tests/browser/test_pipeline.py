"""What marketing sees on the pages of the pipeline and of health, in a real browser: nothing yet, then leads that move."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Serve = Callable[[str], str]
Visit = Callable[..., Any]


def send(address: str, path: str, body: object, method: str = "POST") -> None:
    request = urllib.request.Request(f"{address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        answer.read()


def tell(address: str) -> None:
    """Twenty leads a hundred days long; every second gets a proposal, every fourth is won."""
    changes, outcomes = [], []
    for i in range(20):
        at = datetime.now(UTC) - timedelta(days=100 - 5 * i + 0.5)
        changes.append({"lead_id": f"lead-{i}", "stage": "new", "entered_at": at.isoformat()})
        if i % 2 == 0:
            changes.append({"lead_id": f"lead-{i}", "stage": "proposal", "entered_at": (at + timedelta(hours=20)).isoformat()})
        if i % 4 == 0:
            outcomes.append({"lead_id": f"lead-{i}", "converted_at": (at + timedelta(days=1)).isoformat(), "amount": 1234.5})
    send(address, "/v1/stage-changes", changes)
    send(address, "/v1/outcomes", outcomes)


def opened(visit: Visit, address: str, path: str, **how: Any) -> Any:
    page = visit(f"{address}{path}", **how)
    page.wait_for_selector("#work:not([hidden])")
    return page


def test_where_nothing_was_sent_the_pages_say_what_is_missing(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    page = opened(visit, address, "/pipeline")
    assert "/v1/stage-changes" in page.locator("#no-stages").inner_text()
    assert "Leads still to come are not counted" in page.locator("#unsaid").inner_text()
    health = opened(visit, address, "/health")
    assert health.locator("#well").is_visible()
    assert "train again" in health.locator("#no-signals").inner_text()


def test_stages_wins_and_the_next_weeks_can_be_read_and_downloaded(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    tell(address)
    page = opened(visit, address, "/pipeline", width=390)
    page.locator("#stages tbody tr").first.wait_for()
    assert [name.split()[0] for name in page.locator("#stages tbody th").all_inner_texts()] == ["new", "proposal"]
    assert "1,235" in page.locator("#tiles").inner_text()
    before = page.locator("#stages tbody tr").first.inner_text()
    page.select_option("#days", "365")
    page.wait_for_function("was => document.querySelector('#stages tbody tr').innerText !== was", arg=before)
    with page.expect_download() as downloading:
        page.locator("#stages-csv").click()
    assert downloading.value.suggested_filename == "pipeline-stages.csv"


def test_in_spanish_everything_but_names_is_spanish(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    tell(address)
    page = opened(visit, address, "/pipeline", language="es")
    text = page.locator("main").inner_text()
    assert "De etapa en etapa" in text
    assert "1.235" in text
    assert "Download" not in text
    assert "Todo va bien" in opened(visit, address, "/health", language="es").locator("main").inner_text()
