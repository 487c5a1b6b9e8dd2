"""Machines are told apart by what was known when they acted, and by nothing else."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings

from features.machines import is_program, machine_activity
from features.testing import Told, log_of, told
from tests.features.oracle import is_machine
from tests.features.worlds import World, crowd, worlds


def machines(*lines: str) -> list[bool]:
    """Of the lines in the order of time."""
    return machine_activity(log_of([[told(line) for line in lines]])).tolist()


def test_an_open_within_seconds_of_the_delivery_is_a_proxy() -> None:
    assert machines("2026-03-30T10:00:01 email_delivered", "2026-03-30T10:00:05.9 email_open") == [False, True]
    assert machines("2026-03-30T10:00:01 email_delivered", "2026-03-30T10:00:06 email_open") == [False, False]
    assert machines("2026-03-30T10:00:01 email_delivered", "2026-03-30T10:00:03 call", "2026-03-30T10:00:04 email_click") == [
        False,
        False,
        True,
    ]


def test_the_order_of_rows_at_one_instant_does_not_matter() -> None:
    lines = ["2026-03-30T10:00:01 email_delivered", "2026-03-30T10:00:01 email_open", "2026-03-30T10:00:01 call"]
    for order in permutations(lines):
        log = log_of([[told(line) for line in order]])
        named = dict(zip([log.type.values[code] for code in log.type.codes], machine_activity(log).tolist(), strict=True))
        assert named == {"email_delivered": False, "email_open": True, "call": False}


def test_five_pages_within_two_seconds_are_a_scanner_and_four_are_not() -> None:
    at = [f"2026-03-30T10:00:01.{tenth} page_view /{tenth}" for tenth in range(5)]
    assert machines(*at) == [False, False, False, False, True]
    assert machines(*at[:4]) == [False] * 4


def test_a_row_recorded_later_neither_makes_a_label_nor_breaks_one() -> None:
    burst = [f"2026-03-30T10:00:01.{tenth} page_view /{tenth}" for tenth in range(0, 10, 2)]
    late = "2026-03-30T10:00:01.7 call recorded=2026-04-30"
    assert machines(*burst, late) == [False, False, False, False, False, True]
    delivered = ["2026-03-30T10:00:01 email_delivered", "2026-03-30T10:00:04 email_open"]
    assert machines(*delivered, "2026-03-30T10:00:02 email_delivered recorded=2026-04-30") == [False, False, True]
    assert machines("2026-03-30T10:00:01 email_delivered recorded=2026-04-30", delivered[1]) == [False, False]


def test_dates_without_a_time_of_day_tell_nothing_about_seconds() -> None:
    assert machines("2026-03-30 email_delivered", "2026-03-30 email_open", *["2026-03-30 page_view /"] * 6) == [False] * 8


def test_a_clock_without_seconds_tells_nothing_about_seconds() -> None:
    at = "2026-03-30T10:07"
    assert machines(f"{at} email_delivered", f"{at} email_open", *[f"{at} page_view / seconds=0"] * 6) == [False] * 8


def test_a_mailbox_that_was_too_fast_once_is_given_a_minute() -> None:
    first = ["2026-03-20T10:00:01 email_delivered", "2026-03-20T10:00:03 email_open"]
    second = ["2026-03-30T10:00:01 email_delivered", "2026-03-30T10:00:40 email_open", "2026-03-30T10:01:02 email_click"]
    assert machines(*first, *second) == [False, True, False, True, False]
    assert machines(*second) == [False, False, False]
    unseen = "2026-03-20T10:00:03 email_open recorded=2026-04-30"
    assert machines(first[0], unseen, *second) == [False, True, False, False, False], "what was learnt later was not known then"


def test_the_third_link_within_a_second_is_no_person() -> None:
    at = "2026-03-30T10:00:01"
    assert machines(f"{at}.1 email_click /a", f"{at}.4 email_click /b", f"{at}.7 email_click /c") == [False, False, True]
    assert machines(f"{at}.1 email_click /a", f"{at}.4 email_click /a", f"{at}.7 email_click /a") == [False] * 3, "one link, thrice"
    assert machines(f"{at}.1 email_click", f"{at}.4 email_click", f"{at}.7 email_click") == [False, False, True]
    assert machines(f"{at}.1 email_click /a", "2026-03-30T10:00:02 email_click /b", "2026-03-30T10:00:03 email_click /c") == [False] * 3


def test_visits_that_take_no_time_are_a_crawler_when_there_are_many() -> None:
    at = [f"2026-03-30T10:00:0{second} page_view /{second} seconds=0" for second in range(1, 10, 2)]
    assert machines(*at) == [False, False, False, False, True]
    assert machines(*(line.replace("seconds=0", "seconds=3") for line in at)) == [False] * 5
    assert machines(*at[:4]) == [False] * 4
    slowly = [f"2026-03-30T10:00:{second} page_view /{second} seconds=0" for second in (10, 18, 26, 34, 42)]
    assert machines(*slowly) == [False] * 5


def test_a_program_is_known_by_what_it_says_of_itself() -> None:
    at = "2026-03-30T10:00:01"
    assert machines(f"{at} email_open agent=Mozilla/5.0") == [True]
    assert machines(f"{at} page_view / agent=Mozilla/5.0_(compatible;_AhrefsBot/7.0)") == [True]
    assert machines(f"{at} email_open agent=Mozilla/5.0_(via_ggpht.com_GoogleImageProxy)") == [False], "fetched when a person opens"
    assert machines(f"{at} page_view / agent=Mozilla/5.0_(X11;_Linux)_Firefox/140.0") == [False]
    assert machines(f"{at} form_submit agent=curl/8.0") == [False], "a form that the site's own server passed on"
    assert not is_program("x" * 10_000 + " bot")


def test_what_is_declared_automated_is_and_a_neighbours_mail_is_not_mine() -> None:
    assert machines("2026-03-30T10:00:01 page_view / automated") == [True]
    log = log_of([[told("2026-03-30T10:00:01 email_delivered")], [told("2026-03-30T10:00:02 email_open")]])
    assert machine_activity(log).tolist() == [False, False]


def labels(world: World) -> tuple[list[bool], list[bool]]:
    ordered = tuple(tuple(sorted(mine, key=lambda one: one.occurred)) for mine in world.activities)
    found = machine_activity(log_of(ordered)).tolist()
    return found, [is_machine(one, list(mine)) for mine in ordered for one in mine]


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_small_worlds_equal_the_plain_reference(world: World) -> None:
    found, expected = labels(world)
    assert found == expected


@pytest.mark.parametrize("seed", range(4))
def test_crowds_equal_the_plain_reference(seed: int) -> None:
    found, expected = labels(crowd(20, 60, seed))
    assert found == expected
    assert 0 < sum(found) < len(found)


def test_a_storm_of_late_rows_is_no_way_to_keep_the_service_busy() -> None:
    n = 3_000
    start = told("2026-03-30T10:00:01 page_view /").occurred
    storm = [Told(start + i, "email_click", start + 10 * n - i) for i in range(n)]
    assert sum(machine_activity(log_of([storm]))) == 0
