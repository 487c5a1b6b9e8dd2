"""A copy of the database is whole and of one instant, whoever writes meanwhile."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from data.backup import NotAFile, back_up
from data.crm import ActivityRow, Crm
from data.errors import TamizError
from data.store import Store

AT = 1_790_000_000_000_000


def visit(number: int) -> ActivityRow:
    return ActivityRow("ana", AT + number, AT + number, "page_view", f"a{number:05}")


def test_postgresql_is_backed_up_by_its_own_tools(tmp_path: Path, postgres: object) -> None:
    with postgres.database() as url:  # type: ignore[attr-defined]  # the server of tests/postgres.py
        store = Store.open(tmp_path, url)
        with pytest.raises(NotAFile, match="pg_dump"):
            back_up(store, tmp_path / "copy.db")
        store.close()


def test_where_nothing_can_be_written_the_copy_before_stays(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    (tmp_path / "copy.db").mkdir()
    with pytest.raises(TamizError, match=r"copy\.db"):
        back_up(store, tmp_path / "copy.db")
    store.close()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_copy_made_under_load_holds_all_that_was_acknowledged_before_and_nothing_twice(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "var")
    crm = Crm(store)
    crm.add_activities([visit(number) for number in range(500)])
    acknowledged, over = 500, threading.Event()

    def write() -> None:
        nonlocal acknowledged
        while not over.is_set():
            crm.add_activities([visit(acknowledged + n) for n in range(20)])
            acknowledged += 20

    writer = threading.Thread(target=write)
    writer.start()
    copies = []
    for number in range(3):
        before = acknowledged
        back_up(store, tmp_path / f"copy{number}.db")
        copies.append((before, acknowledged + 20))
    over.set()
    writer.join()
    store.close()

    for number, (least, most) in enumerate(copies):
        home = tmp_path / f"restored{number}"
        home.mkdir()
        shutil.copy(tmp_path / f"copy{number}.db", home / "tamiz.db")
        restored = Store.open(home)
        (held,) = Crm(restored).held(["ana"], AT * 2)
        restored.close()
        assert held is not None
        names = sorted(one.activity_id for one in held.activities)
        assert names == [f"a{n:05}" for n in range(len(names))], "a whole prefix of what was written"
        assert least <= len(names) <= most
