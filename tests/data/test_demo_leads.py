from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.crm import Crm
from data.demo_leads import DAY, NEWEST_DAYS, keep_newest
from data.schema import activities, leads, outcomes, stage_changes
from data.store import Store, now
from data.synthetic import simulate


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("it's a world")
    simulate(folder, leads=500, seed=3)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def test_a_store_that_has_leads_is_left_as_it_is(world: Path, store: Store) -> None:
    assert keep_newest(world, store, now()) > 0
    count = sa.select(sa.func.count()).select_from(activities)
    with store.reading() as connection:
        before = connection.execute(count).scalar_one()
    assert keep_newest(world, store, now() + 40 * DAY) == 0
    with store.reading() as connection:
        assert connection.execute(count).scalar_one() == before


def test_what_the_newest_leads_did_ends_today_and_nothing_lies_ahead(world: Path, store: Store) -> None:
    at = now()
    kept = keep_newest(world, store, at)
    with store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(leads)).scalar_one() == kept
        for table, column in ((activities, "occurred_at"), (stage_changes, "entered_at"), (outcomes, "converted_at")):
            first, last = connection.execute(sa.select(sa.func.min(table.c[column]), sa.func.max(table.c[column]))).one()
            assert at - (NEWEST_DAYS + 8) * DAY < first < last <= at
        newest = connection.execute(sa.select(sa.func.max(activities.c.recorded_at))).scalar_one()
    assert at - DAY < newest <= at


def test_they_wait_to_be_scored_with_what_is_known_of_them(world: Path, store: Store) -> None:
    kept = keep_newest(world, store, now())
    crm = Crm(store)
    assert crm.waiting()[0] == kept
    with store.reading() as connection:
        some = connection.execute(sa.select(leads.c.lead_id).limit(5)).scalars().all()
    for held in crm.held(list(some), now()):
        assert held is not None
        assert {"email", "source"} <= held.attributes.keys()
        assert "lead_id" not in held.attributes
