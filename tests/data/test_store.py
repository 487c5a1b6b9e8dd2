from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from data.crm import _query
from data.migrations.upgrade import configuration, upgrade
from data.quick import COLUMNS, Overtaken, StoreBusy
from data.schema import SCHEMA_VERSION, metadata
from data.store import (
    ApiKey,
    BadDatabaseUrl,
    NothingBefore,
    PolicyRow,
    PolicyUnknown,
    RowRefused,
    Store,
    StoreNewer,
    StoreUnavailable,
    VersionConflict,
)

if TYPE_CHECKING:
    from tests.postgres import Server

KEY = ApiKey("tmz_1", "00" * 32, frozenset({"score", "read"}), "CRM", 1_000, expires_at=9_000)


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    with closing(Store.open(tmp_path, database)) as store:
        yield store


def row(
    number: int, lead_id: str = "ana", decision: str = "mql", key: str | None = None, previous: str | None = None
) -> tuple[object, ...]:
    values = dict.fromkeys(COLUMNS) | {
        "decision_id": f"d{number}", "lead_id": lead_id, "scored_at": 2, "as_of": 1, "decision": decision, "previous_decision": previous,
        "probability": 0.3, "model_version": "m1", "policy_version": "1", "feature_set": "f1", "input_hash": "h1", "input": b"{}",
        "answer": b'{"n":%d}' % number, "runtime": "r1", "idempotency_key": key, "request_hash": "hash" if key else None,
    }  # fmt: skip
    return tuple(values.values())


class TestSchema:
    def test_a_newer_store_is_left_alone(self, store: Store) -> None:
        with store.writing() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StoreNewer, match="9999"):
            store.migrate()

    def test_a_file_that_is_no_database_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "tamiz.db").write_bytes(b"this is a diary, not a database" * 100)
        with pytest.raises(StoreUnavailable, match="not a database"):
            Store.open(tmp_path)

    @pytest.mark.parametrize(
        ("url", "why"),
        [("mysql://a@b/c", "mysql is not a database"), ("tamiz", "does not read"), ("postgresql://a@b/c?options=x", "`options`")],
    )
    def test_an_address_that_cannot_be_used_says_what_one_looks_like(self, tmp_path: Path, url: str, why: str) -> None:
        with pytest.raises(BadDatabaseUrl, match=why):
            Store.open(tmp_path, url)

    def test_a_server_that_is_not_there_is_named_without_its_password(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable, match="localhost:1/") as refusal:
            Store.open(tmp_path, "postgresql://tamiz:secret@localhost:1/tamiz")
        assert "secret" not in str(refusal.value)

    def test_opening_twice_changes_nothing(self, tmp_path: Path, database: str) -> None:
        with closing(Store.open(tmp_path, database)) as first:
            assert first.schema_version() == SCHEMA_VERSION
        with closing(Store.open(tmp_path, database)) as again:
            assert again.migrate() is None

    def test_two_that_open_an_empty_database_at_once_both_succeed(self, postgres: Server, tmp_path: Path) -> None:
        with postgres.database("template0") as url:
            self._open_together(tmp_path, url)

    def test_two_that_open_an_empty_folder_at_once_both_succeed(self, tmp_path: Path) -> None:
        self._open_together(tmp_path, "")

    @staticmethod
    def _open_together(tmp_path: Path, url: str) -> None:
        failures: list[BaseException] = []

        def open_it() -> None:
            try:
                Store.open(tmp_path, url).close()
            except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
                failures.append(error)

        together = [threading.Thread(target=open_it) for _ in range(6)]
        for one in together:
            one.start()
        for one in together:
            one.join()
        assert failures == []

    def test_the_migrations_build_what_the_code_declares(self, tmp_path: Path) -> None:
        migrated = Store(f"sqlite:///{tmp_path}/migrated.db", "migrated")
        upgrade(migrated.engine)
        assert migrated.schema_version() == SCHEMA_VERSION == ScriptDirectory.from_config(configuration()).get_current_head()
        with migrated.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []

    def test_the_migrations_build_the_same_in_postgresql(self, postgres: Server) -> None:
        with postgres.database("template0") as url, closing(Store(url, "migrated")) as migrated:
            upgrade(migrated.engine)
            with migrated.reading() as connection:
                assert compare_metadata(MigrationContext.configure(connection), metadata) == []

    def test_a_created_schema_is_the_migrated_one_to_the_letter(self, tmp_path: Path) -> None:
        store = Store.open(tmp_path)
        migrated = Store(f"sqlite:///{tmp_path}/migrated.db", "migrated")
        upgrade(migrated.engine)

        def shape(one: Store) -> set[str]:
            with one.reading() as connection:
                names = connection.exec_driver_sql("SELECT name, tbl_name, type FROM sqlite_master").fetchall()
                columns = connection.exec_driver_sql(
                    "SELECT m.name, c.name, c.type, c.[notnull], c.pk "
                    "FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
                ).fetchall()
            return {str(one) for one in [*names, *columns]}

        assert shape(migrated) == shape(store)

    def test_a_schema_created_in_postgresql_has_the_indices_of_the_migrated_one(self, tmp_path: Path, postgres: Server) -> None:
        with (
            postgres.database("template0") as one,
            postgres.database("template0") as other,
            closing(Store.open(tmp_path, one)) as store,
            closing(Store(other, "migrated")) as migrated,
        ):
            upgrade(migrated.engine)
            created, built = (_indices(store), _indices(migrated))
        assert created == built
        assert any(told.endswith("WHERE (owner IS NOT NULL)") for told in created)

    def test_what_was_committed_is_synchronised(self, tmp_path: Path) -> None:
        quick = Store.open(tmp_path).quick()
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        assert [quick.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked] == ["wal", 2, 1, 5000]

    def test_a_file_that_is_taken_away_is_missed_and_not_made_anew(self, tmp_path: Path) -> None:
        with closing(Store.open(tmp_path)) as store:
            store.engine.dispose()
            (tmp_path / "tamiz.db").rename(tmp_path / "elsewhere.db")
            with pytest.raises(StoreUnavailable, match="unable to open"):
                store.policy()
            assert not (tmp_path / "tamiz.db").exists()
            (tmp_path / "elsewhere.db").rename(tmp_path / "tamiz.db")
            assert store.policy() is None


class TestPolicies:
    def test_there_is_none_at_first(self, store: Store) -> None:
        assert store.policy() is None
        assert store.policy_history() == []

    def test_going_back_from_nothing_is_refused(self, store: Store) -> None:
        with pytest.raises(NothingBefore, match="no policy has been published yet"):
            store.roll_back(None, author="ana")

    def test_going_back_from_the_first_is_refused_in_words(self, store: Store) -> None:
        store.publish('{"a":1}', author="ana", note="")
        with pytest.raises(NothingBefore, match="version 1 says what the first published policy said"):
            store.roll_back(None, author="ana")
        assert len(store.policy_history()) == 1

    def test_going_back_to_what_never_was_is_refused(self, store: Store) -> None:
        store.publish('{"a":1}', author="ana", note="")
        with pytest.raises(PolicyUnknown, match="version 7"):
            store.roll_back(7, author="ana")

    def test_what_says_the_same_is_not_published_again(self, store: Store) -> None:
        first = store.publish('{"a":1,"b":2}', author="ana", note="one")
        assert store.publish('{"b": 2, "a": 1}', author="bea", note="again", expected=1) == first
        assert store.roll_back(1, author="bea") == first
        assert store.policy_history() == [first]

    def test_two_that_publish_on_the_same_version_do_not_both_succeed(self, store: Store) -> None:
        store.publish("{}", author="ana", note="first", expected=None)
        with pytest.raises(VersionConflict):
            store.publish("{}", author="bea", note="did not see it", expected=None)

    def test_versions_count_up_and_going_back_is_a_new_version(self, store: Store) -> None:
        store.publish('{"a":1}', author="ana", note="one")
        store.publish('{"a":2}', author="bea", note="two", expected=1)
        back = store.roll_back(None, author="cleo", expected=2)
        assert (back.version, back.json, back.note) == (3, '{"a":1}', "Back to version 1.")
        assert [one.author for one in store.policy_history()] == ["cleo", "bea", "ana"]

    def test_going_back_again_goes_further_back(self, store: Store) -> None:
        for number in (1, 2, 3):
            store.publish(f'{{"a":{number}}}', author="ana", note="")
        back = [store.roll_back(None, author="cleo") for _ in range(2)]
        assert [(one.version, one.restores, one.json) for one in back] == [(4, 2, '{"a":2}'), (5, 1, '{"a":1}')]
        with pytest.raises(NothingBefore):
            store.roll_back(None, author="cleo")

    def test_what_was_left_by_going_back_is_not_returned_to(self, store: Store) -> None:
        store.publish('{"a":1}', author="ana", note="")
        store.publish('{"a":2}', author="ana", note="a mistake")
        store.roll_back(None, author="ana")
        store.publish('{"a":4}', author="ana", note="better")
        back = store.roll_back(None, author="ana")
        assert (back.version, back.restores, back.json) == (5, 1, '{"a":1}')

    @settings(max_examples=25)  # each makes a database
    @given(st.lists(st.integers(1, 4) | st.none(), max_size=12))
    def test_going_back_ends_at_the_first_whatever_happened_before(self, deeds: list[int | None]) -> None:
        with TemporaryDirectory() as folder, closing(Store.open(Path(folder))) as store:
            store.publish('{"a":0}', author="ana", note="")
            for deed in deeds:
                with suppress(NothingBefore):
                    store.roll_back(None, author="ana") if deed is None else store.publish(f'{{"a":{deed}}}', author="ana", note="")
            contents = [one.content for one in iter(lambda: _back(store), None)]
            assert contents == sorted(contents, reverse=True)
            assert store.policy_history()[0].json == '{"a":0}'

    def test_a_store_of_the_first_schema_keeps_its_policies(self, tmp_path: Path) -> None:
        old = Store(f"sqlite:///{tmp_path}/tamiz.db", "old")
        upgrade(old.engine, "0001")
        with old.writing() as connection:
            connection.exec_driver_sql("INSERT INTO policies VALUES (1, '{\"a\":1}', 'ana', '', 5), (2, '{\"a\":2}', 'ana', '', 6)")
        old.close()
        store = Store.open(tmp_path)
        assert [(one.version, one.restores) for one in store.policy_history()] == [(2, None), (1, None)]
        assert store.roll_back(None, author="bea").restores == 1

    def test_the_scoring_path_sees_a_publication_at_once(self, store: Store) -> None:
        quick = store.quick()
        assert quick.policy_version() is None
        store.publish("{}", author="ana", note="")
        assert quick.policy_version() == 1


def _back(store: Store) -> PolicyRow | None:
    try:
        return store.roll_back(None, author="cleo")
    except NothingBefore:
        return None


class TestKeys:
    def test_an_unknown_key_is_none(self, store: Store) -> None:
        assert store.quick().key("tmz_1") is None

    def test_a_key_is_kept_as_it_was_made(self, store: Store) -> None:
        store.add_key(KEY)
        assert store.keys() == [KEY]
        assert store.quick().key("tmz_1") == ("00" * 32, "read score", 9_000, None, None)

    def test_revoking_works_once_and_at_once(self, store: Store) -> None:
        quick = store.quick()
        store.add_key(KEY)
        assert store.revoke_key("tmz_1")
        assert not store.revoke_key("tmz_1")
        found = quick.key("tmz_1")
        assert found is not None
        assert found[3] is not None

    def test_the_last_use_is_noted(self, store: Store) -> None:
        store.add_key(KEY)
        store.keys_used({"tmz_1": 5_000})
        assert store.keys()[0].last_used_at == 5_000


class TestLedgerRows:
    @pytest.fixture
    def store(self, tmp_path: Path, database: str) -> Iterator[Store]:
        with closing(Store.open(tmp_path, database)) as store:
            store.note_runtime("r1", {"numpy": "2"})
            store.note_runtime("r1", {"numpy": "2"})
            yield store

    def test_a_decision_without_its_runtime_is_refused(self, tmp_path: Path, database: str) -> None:
        with closing(Store.open(tmp_path / "other", database)) as store, pytest.raises(RowRefused):
            store.quick().append([row(1)])

    def test_one_bad_row_keeps_the_others_of_its_transaction_out(self, store: Store) -> None:
        quick = store.quick()
        with pytest.raises(RowRefused):
            quick.append([row(1), row(2), row(1)])
        assert store.decision("d2") is None
        quick.append([row(2)])
        assert store.decision("d2") is not None

    def test_a_full_disk_leaves_nothing_and_says_so(self, tmp_path: Path) -> None:
        store = Store.open(tmp_path)
        store.note_runtime("r1", {"numpy": "2"})
        quick = store.quick()
        pages = quick.connection.execute("PRAGMA page_count").fetchone()[0]
        quick.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreUnavailable, match="full"):
            quick.append([row(number) for number in range(500)])
        assert store.decision("d0") is None
        quick.connection.execute("PRAGMA max_page_count = 1000000")
        quick.append([row(0)])
        assert store.decision("d0") is not None

    def test_the_latest_decision_is_the_one_entered_last(self, store: Store) -> None:
        quick = store.quick()
        assert quick.latest_decisions(["ana"]) == {}
        quick.append([row(1, decision="nurture"), row(2, "bea", "mql"), row(3, decision="sql")])
        assert quick.latest_decisions(["ana", "bea", "cleo"]) == {"ana": "sql", "bea": "mql"}

    def test_a_decision_on_top_of_what_another_process_has_replaced_is_not_entered(self, store: Store) -> None:
        one, other = store.quick(), store.quick()
        one.append([row(1, decision="nurture")])
        with pytest.raises(Overtaken):
            other.append([row(2), row(3, "bea")])
        assert one.latest_decisions(["ana", "bea"]) == {"ana": "nurture"}
        other.append([row(2, previous="nurture"), row(3, "bea")])
        assert one.latest_decisions(["ana", "bea"]) == {"ana": "mql", "bea": "mql"}

    def test_many_who_decide_on_one_lead_at_the_same_moment_build_on_each_other(self, store: Store) -> None:
        def decide(who: int) -> None:
            quick = store.quick()
            for turn in range(10):
                while True:
                    previous = quick.latest_decisions(["ana"]).get("ana")
                    with suppress(Overtaken):
                        quick.append([row(100 * who + turn, decision="sql" if previous == "mql" else "mql", previous=previous)])
                        break

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(decide, range(4)))
        with store.reading() as connection:
            rows = connection.exec_driver_sql("SELECT previous_decision, decision FROM decisions ORDER BY sequence").fetchall()
        assert [before for before, _ in rows] == [None, *(decision for _, decision in rows[:-1])]
        assert len(rows) == 40

    def test_who_does_not_wait_is_told_that_somebody_writes(self, tmp_path: Path) -> None:
        with closing(Store.open(tmp_path)) as store:
            store.note_runtime("r1", {})
            hurried = store.quick(waits=False)
            with store.writing(), pytest.raises(StoreBusy):
                hurried.append([row(1)])
            hurried.append([row(1)])

    def test_a_server_that_was_restarted_is_asked_again(self, store: Store) -> None:
        if store.is_sqlite:
            return  # a file has no server
        quick = store.quick()
        quick.append([row(1)])
        with store.writing() as connection:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert quick.latest_decisions(["ana"]) == {"ana": "mql"}
        quick.append([row(2, previous="mql")])
        assert store.decision("d2") is not None

    def test_the_latest_decision_is_found_without_reading_the_row(self, tmp_path: Path) -> None:
        store = Store.open(tmp_path)
        quick = store.quick()
        plan = quick.connection.execute("EXPLAIN QUERY PLAN " + quick._latest, ('["ana"]',)).fetchall()
        assert "COVERING INDEX" in str(plan)

    def test_what_moved_a_lead_is_found_among_however_many_decisions_on_it(self, tmp_path: Path) -> None:
        quick = Store.open(tmp_path).quick()
        plan = quick.connection.execute("EXPLAIN QUERY PLAN " + _query("course", True), ("[]", '["ana"]')).fetchall()
        assert "ix_decisions_moved" in str(plan)

    def test_an_answer_is_found_by_its_key(self, store: Store) -> None:
        quick = store.quick()
        quick.append([row(1, key="local:k1")])
        assert quick.answered(["local:k1", "local:k2"]) == {"local:k1": ("hash", b'{"n":1}')}


class TestWriteAheadLog:
    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
        monkeypatch.setattr("data.quick.LONG_LOG", 20)
        with closing(Store.open(tmp_path)) as store:
            store.note_runtime("r1", {})
            yield store

    def test_somebody_who_writes_is_not_waited_for(self, store: Store) -> None:
        quick = store.quick(waits=False)
        quick.append([row(number, f"l{number}") for number in range(200)])
        with store.writing():
            begun = time.monotonic()
            quick.shorten_log()
        assert time.monotonic() - begun < 4, "busy_timeout is five seconds"

    def test_a_long_one_begins_anew_and_nothing_is_lost(self, store: Store) -> None:
        quick, reader = store.quick(waits=False), store.quick()
        for number in range(300):
            quick.append([row(number, f"l{number}")])
            if number % 100 == 50:
                quick.shorten_log()
        size = Path(f"{store.place}-wal").stat().st_size
        assert size < 200 * 4_096 * 7, "as if it had never begun anew"
        assert len(reader.latest_decisions([f"l{number}" for number in range(300)])) == 300

    def test_a_short_one_is_copied_home_all_the_same(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("data.quick.LONG_LOG", 1_000_000)
        quick = store.quick(waits=False)
        quick.append([row(1, "somebody-or-other")])
        assert b"somebody-or-other" not in Path(store.place).read_bytes()
        quick.shorten_log()
        assert b"somebody-or-other" in Path(store.place).read_bytes()


def _indices(store: Store) -> set[str]:
    with store.reading() as connection:
        return set(
            connection.exec_driver_sql(
                "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            ).scalars()
        )
