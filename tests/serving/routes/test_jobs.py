"""Scoring many leads again: asked for over HTTP, done by a worker, counted, cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from data.store import Store
from serving.app import create_app
from serving.running import running
from serving.settings import Settings
from serving.worker import work_once

Open = Callable[[Settings], AbstractContextManager[TestClient]]


@pytest.fixture
def settings(home: Path, database: str) -> Settings:
    """An installation whose work is done beside it, on either database."""
    return Settings(home, database, auth="dev", poll_seconds=0.05, worker="beside")


def opened(settings: Settings) -> TestClient:
    return TestClient(create_app(settings), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


def work(settings: Settings) -> None:
    """What `tamiz worker --once` does."""

    async def run() -> None:
        async with running(settings) as service:
            await work_once(service)

    asyncio.run(run())


def know(client: TestClient, count: int = 5) -> None:
    for i in range(count):
        client.put(f"/v1/leads/lead-{i}", json={"job_title": "CFO", "company_domain": f"acme{i % 2}.example"})


def decisions(settings: Settings) -> int:
    store = Store.open(settings.home, settings.database)
    with store.reading() as connection:
        count: int = connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar_one()
    store.close()
    return count


@pytest.mark.parametrize(
    ("method", "path", "wrong"),
    [
        ("POST", "/v1/jobs", "read"),
        ("GET", "/v1/jobs", "score"),
        ("GET", "/v1/jobs/x", "ingest"),
        ("POST", "/v1/jobs/x/cancel", "read"),
    ],
)
def test_a_stranger_is_refused(guarded: TestClient, key_for: Callable[..., dict[str, str]], method: str, path: str, wrong: str) -> None:
    assert guarded.request(method, path, json={"kind": "rescore"}).status_code == 401
    assert guarded.request(method, path, json={"kind": "rescore"}, headers=key_for(wrong)).status_code == 403


class TestAsking:
    def test_what_is_no_job_is_a_404(self, client: TestClient) -> None:
        assert client.get("/v1/jobs/job_x").status_code == 404
        assert client.post("/v1/jobs/job_x/cancel").status_code == 404

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({}, "kind"),
            ({"kind": "dance"}, "dance"),
            ({"kind": "rescore", "decision": ["maybe"]}, "maybe"),
            ({"kind": "rescore", "account": "gmail.com"}, "a company's domain"),
            ({"kind": "decay", "older_than_hours": -1}, "older_than_hours"),
            ({"kind": "rescore", "leads": []}, "the keys here are kind"),
        ],
    )
    def test_what_cannot_be_asked_is_named(self, client: TestClient, body: dict[str, Any], says: str) -> None:
        answer = client.post("/v1/jobs", json=body)
        assert answer.status_code == 422
        assert says in answer.json()["detail"]

    def test_the_same_key_is_the_same_job(self, settings: Settings) -> None:
        with opened(settings) as client:
            key = {"Idempotency-Key": "k1"}
            made = [client.post("/v1/jobs", json={"kind": "decay"}, headers=key) for _ in range(2)]
            other = client.post("/v1/jobs", json={"kind": "rescore"}, headers=key)
            assert [one.status_code for one in made] == [202, 202]
            assert made[0].headers["location"] == f"/v1/jobs/{made[1].json()['job_id']}"
            assert other.status_code == 422
            assert len(client.get("/v1/jobs").json()["jobs"]) == 1


class TestDoing:
    def test_every_lead_is_scored_and_nothing_is_entered_that_did_not_change(self, settings: Settings) -> None:
        with opened(settings) as client:
            know(client)
            first = client.post("/v1/jobs", json={"kind": "rescore"}).json()
            work(settings)
            again = client.post("/v1/jobs", json={"kind": "rescore"}).json()
            work(settings)
            for asked in (first, again):
                found = client.get(f"/v1/jobs/{asked['job_id']}").json()
                assert (found["state"], found["total"], found["done"], found["failed"]) == ("done", 5, 5, 0)
            listed = client.get("/v1/leads").json()["leads"]
        assert len(listed) == decisions(settings) == 5
        assert all(one["decision_id"] for one in listed)

    def test_only_what_is_old_decays(self, settings: Settings) -> None:
        with opened(settings) as client:
            know(client)
            work(settings)
            young = client.post("/v1/jobs", json={"kind": "decay"}).json()["job_id"]
            old = client.post("/v1/jobs", json={"kind": "decay", "older_than_hours": 0}).json()["job_id"]
            work(settings)
            assert client.get(f"/v1/jobs/{young}").json()["total"] == 0
            found = client.get(f"/v1/jobs/{old}").json()
            assert (found["total"], found["done"]) == (5, 5)
            assert found["scored_before"] is not None

    def test_one_that_cannot_be_scored_is_counted_with_its_reason(self, settings: Settings) -> None:
        with opened(settings) as client:
            know(client, 2)
            client.put("/v1/leads/lead-0", json={"created_at": "soon"})
            job = client.post("/v1/jobs", json={"kind": "rescore"}).json()["job_id"]
            work(settings)
            found = client.get(f"/v1/jobs/{job}").json()
            assert (found["state"], found["done"], found["failed"], found["reasons"]) == ("done", 1, 1, {"bad-value": 1})

    def test_one_that_is_cancelled_does_nothing(self, settings: Settings) -> None:
        with opened(settings) as client:
            know(client)
            job = client.post("/v1/jobs", json={"kind": "rescore"}).json()["job_id"]
            assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
            work(settings)
            assert client.get(f"/v1/jobs/{job}").json()["done"] == 0

    def test_without_a_model_a_job_waits(self, settings: Settings) -> None:
        (settings.home / "bundles" / "champion.json").unlink()
        with opened(settings) as client:
            know(client)
            job = client.post("/v1/jobs", json={"kind": "rescore"}).json()["job_id"]
            work(settings)
            assert client.get(f"/v1/jobs/{job}").json()["state"] == "waiting"


def test_the_service_does_jobs_by_itself_unless_told_otherwise(settings: Settings) -> None:
    with opened(replace(settings, worker="inside")) as client:
        know(client)
        job = client.post("/v1/jobs", json={"kind": "rescore"}).json()["job_id"]
        end = time.monotonic() + 30
        while (found := client.get(f"/v1/jobs/{job}").json())["state"] != "done" and time.monotonic() < end:
            time.sleep(0.05)
        assert (found["done"], found["failed"]) == (5, 0)
        assert len(client.get("/v1/jobs").json()["workers"]) == 1
