from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.times import MISSING, AmbiguousDates, in_zone, parse_times, to_utc

SECOND = 1_000_000


@pytest.mark.parametrize(
    "text", ["soon", "2026-13-01", "2026-02-30", "20260101", "2026", "17", "2026-01-01T25:00", "2026-01-01 10:00 o'clock", "32/01/2026"]
)
def test_what_is_no_instant_is_bad_and_not_merely_missing(text: str) -> None:
    parsed = parse_times(pa.array([text, None, " "]))
    assert parsed.micros.tolist() == [MISSING] * 3
    assert parsed.bad.tolist() == [True, False, False]


def test_numbers_are_not_instants() -> None:
    assert parse_times(pa.array([1_700_000_000, None])).bad.tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T02:00:01+02:00", 1),
        ("1970-01-01T02:00:01+0200", 1),
        ("1969-12-31 19:00:01 -05", 1),
        ("1970-01-01 00:00:01", 1),
        ("1970-01-01T00:01", 60),
        ("1970-01-02", 86_400),
        ("13.01.1970", 12 * 86_400),
        ("01.02.1970 00:00:01", 31 * 86_400 + 1),
        ("13/01/1970 00:01", 12 * 86_400 + 60),
        ("1/13/1970", 12 * 86_400),
    ],
)
def test_the_ways_to_write_an_instant(text: str, seconds: int) -> None:
    assert parse_times(pa.array([text])).micros.tolist() == [seconds * SECOND]


@pytest.mark.parametrize("text", ["1970-01-01T02+02:00", "1970-01-01T0200+0200", "1970-01-01T02:00:00,000+02", "1970-01-01T00Z"])
def test_what_says_its_offset_is_never_moved_again(text: str) -> None:
    parsed = parse_times(pa.array([text]), "Europe/Madrid")
    assert (parsed.micros.tolist(), parsed.naive) == ([0], 0)


# Europe/Madrid goes forward at 2026-03-29T01:00Z and back at 2026-10-25T01:00Z.
CHANGES = [
    ("Europe/Madrid", "2026-03-29T01:59:59", "2026-03-29T00:59:59", (0, 0)),
    ("Europe/Madrid", "2026-03-29T02:00:00", "2026-03-29T01:00:00", (0, 1)),
    ("Europe/Madrid", "2026-03-29T02:59:59", "2026-03-29T01:00:00", (0, 1)),
    ("Europe/Madrid", "2026-03-29T03:00:00", "2026-03-29T01:00:00", (0, 0)),
    ("Europe/Madrid", "2026-10-25T01:59:59", "2026-10-24T23:59:59", (0, 0)),
    ("Europe/Madrid", "2026-10-25T02:00:00", "2026-10-25T00:00:00", (1, 0)),
    ("Europe/Madrid", "2026-10-25T02:59:59", "2026-10-25T00:59:59", (1, 0)),
    ("Europe/Madrid", "2026-10-25T03:00:00", "2026-10-25T02:00:00", (0, 0)),
    ("Europe/Dublin", "2026-10-25T01:30:00", "2026-10-25T00:30:00", (1, 0)),  # where winter is the exception in the tables
    ("Africa/Casablanca", "2026-02-15T02:30:00", "2026-02-15T01:30:00", (1, 0)),  # back for Ramadan
    ("Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04T14:45:00", (1, 0)),  # by half an hour
    ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00", (0, 1)),  # midnight itself
]


@pytest.mark.parametrize(("zone", "local", "utc", "doubts"), CHANGES)
def test_where_the_clocks_change(zone: str, local: str, utc: str, doubts: tuple[int, int]) -> None:
    for array in (pa.array([local]), pa.array([np.datetime64(local, "us")])):
        parsed = parse_times(array, zone)
        assert [str(to_utc(parsed.micros)[0].tz_localize(None).isoformat()), parsed.naive] == [utc, 1]
        assert (parsed.ambiguous, parsed.nonexistent) == doubts
    assert in_zone(datetime.fromisoformat(local), zone) == to_utc(parsed.micros)[0]


def test_a_column_with_both_orders_of_day_and_month_is_refused() -> None:
    with pytest.raises(AmbiguousDates):
        parse_times(pa.array(["25/03/2026", "03/25/2026"]))


def test_typed_columns_keep_their_instants() -> None:
    naive = pa.array([0], pa.timestamp("ns"))
    assert parse_times(naive, "Europe/Madrid").micros.tolist() == [-3600 * SECOND]
    assert parse_times(pa.array([0], pa.timestamp("ms", tz="Europe/Madrid"))).micros.tolist() == [0]
    assert parse_times(pa.array([1], pa.date32())).micros.tolist() == [86_400 * SECOND]


@given(st.lists(st.integers(631_152_000 * SECOND, 4_102_444_800 * SECOND), min_size=1, max_size=5))
def test_instants_come_back_to_the_microsecond(micros: list[int]) -> None:
    texts = [str(np.datetime64(instant, "us")) + "Z" for instant in micros]
    assert parse_times(pa.array(texts)).micros.tolist() == micros
    assert to_utc(np.array(micros))[0].isoformat().startswith(texts[0][:19])
