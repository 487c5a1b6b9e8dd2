from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BadData
from features.history import NEVER, ActivityLog, FieldHistory, TextColumn, instant, instants, select

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
rows = st.lists(st.tuples(st.integers(0, 4), st.integers(-5, 5), st.integers(-9, 9)), max_size=30)


def texts(n: int) -> TextColumn:
    return TextColumn.of([str(i) for i in range(n)])


zones = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))])
of_any_kind = st.datetimes(timezones=zones)
whole_seconds = of_any_kind.map(lambda one: one.replace(microsecond=0))
lately = st.integers(1, 4_000_000_000_000_000).filter(lambda one: one % 1_000_000).map(lambda one: EPOCH + timedelta(microseconds=one))


@given(st.one_of(*(st.lists(kind, max_size=8) for kind in (of_any_kind, whole_seconds, lately))), st.sampled_from([1, 40]))
def test_many_times_are_the_instants_that_each_of_them_is(times: list[datetime], copies: int) -> None:
    assert instants(times * copies).tolist() == [instant(one) for one in times] * copies


@given(st.lists(st.lists(st.one_of(st.none(), st.text(max_size=2)), min_size=3, max_size=3), min_size=1, max_size=4))
def test_texts_of_several_columns_are_coded_in_order_of_appearance(told: list[list[str | None]]) -> None:
    for texts_given, column in zip(told, TextColumn.many({str(i): one for i, one in enumerate(told)}).values(), strict=True):
        assert column.texts() == texts_given
        assert list(column.values) == list(dict.fromkeys(one for one in texts_given if one is not None))


@given(rows)
def test_a_log_is_clustered_by_lead_in_order_of_time_and_keeps_rows_together(told: list[tuple[int, int, int]]) -> None:
    lead, occurred, recorded = (np.array([row[k] for row in told], dtype=np.int64) for k in range(3))
    log = ActivityLog.build(5, lead, occurred, texts(len(told)), recorded=recorded, url=texts(len(told)))

    assert log.starts.tolist() == [sum(row[0] < i for row in told) for i in range(6)]
    for i in range(5):
        part = slice(log.starts[i], log.starts[i + 1])
        names = [log.type.values[code] for code in log.type.codes[part]]
        mine = [told[int(name)] for name in names]
        assert all(row[0] == i for row in mine)
        assert [row[1] for row in mine] == sorted(row[1] for row in mine) == log.occurred[part].tolist()
        assert log.recorded[part].tolist() == [max(row[1], row[2]) for row in mine]
        assert [log.url.values[code] for code in log.url.codes[part]] == names
    assert log.late == any(row[2] > row[1] for row in told)


@given(rows)
def test_one_lead_is_ordered_as_many_are(told: list[tuple[int, int, int]]) -> None:
    occurred = np.array([row[1] for row in told], dtype=np.int64)
    zeros = np.zeros(len(told), dtype=np.int64)
    alone, among = (ActivityLog.build(n, zeros, occurred, texts(len(told))) for n in (1, 2))
    assert alone.occurred.tolist() == among.occurred.tolist()
    assert alone.type.texts() == among.type.texts()
    assert [*alone.starts.tolist(), len(told)] == among.starts.tolist()


def test_rows_in_order_are_not_copied() -> None:
    occurred = np.array([1, 2, 3])
    assert ActivityLog.build(1, np.zeros(3, dtype=np.int64), occurred, texts(3)).occurred is occurred


def test_an_activity_without_a_time_is_refused() -> None:
    with pytest.raises(BadData, match="occurred_at"):
        ActivityLog.build(1, np.zeros(2, dtype=np.int64), np.array([5, NEVER]), texts(2))


def test_a_missing_time_of_recording_is_the_time_itself() -> None:
    log = ActivityLog.build(1, np.zeros(2, dtype=np.int64), np.array([5, 6]), texts(2), recorded=np.array([NEVER, 9]))
    assert log.recorded.tolist() == [5, 9]


@given(st.lists(st.none() | st.sampled_from(["", "a", "ñ", "🙂"]), max_size=20))
def test_text_survives_its_coding(words: list[str | None]) -> None:
    column = TextColumn.of(words)
    assert column.texts() == words
    assert column.map(lambda text: float(len(text))).tolist() == pytest.approx(
        [np.nan if one is None else len(one) for one in words], nan_ok=True
    )


def test_naive_times_are_utc_and_zones_are_heeded_across_a_change_of_clocks() -> None:
    madrid_summer, madrid_winter = timezone(timedelta(hours=2)), timezone(timedelta(hours=1))
    assert instant(datetime.fromisoformat("2026-03-29T01:00")) == instant(datetime(2026, 3, 29, 3, tzinfo=madrid_summer))
    assert instant(datetime(2026, 3, 29, 2, tzinfo=madrid_winter)) == instant(datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert instant(datetime(1, 1, 1, tzinfo=UTC)) < 0 < instant(datetime(9999, 12, 31, tzinfo=UTC))


def test_of_changes_at_one_instant_the_order_of_rows_decides_nothing() -> None:
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        words = [["a", "b", None][i] for i in order]
        history = FieldHistory.build(1, np.zeros(3, dtype=np.int64), np.array([7, 7, 7]), texts=TextColumn.of(words))
        assert history.texts is not None
        assert history.texts.texts() == [None, "a", "b"]


def test_selectors_are_one_object_each_and_say_what_they_take() -> None:
    one = select(("call",), "pricing", "web", None, True)
    assert one is select(("call",), "pricing", "web", None, True)
    assert repr(one) == "(call, topic=pricing, channel=web, people and machines, colleagues)"
