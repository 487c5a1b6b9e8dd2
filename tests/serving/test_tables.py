from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from serving.problems import Unprocessable
from serving.tables import csv_answer, wants_csv


def asked(query: str = "", accept: str | None = None) -> Request:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": headers})


def read(body: bytes | memoryview) -> list[list[str]]:
    return list(csv.reader(io.StringIO(bytes(body).decode(), newline="")))


class TestWhoGetsATable:
    def test_an_unknown_format_is_refused_and_says_which_there_are(self) -> None:
        with pytest.raises(Unprocessable, match="csv, json"):
            wants_csv(asked("format=xlsx"))

    @pytest.mark.parametrize(
        "accept", [None, "*/*", "application/json", "text/html,*/*;q=0.8", "text/csv;q=0", "text/csv;q=often", "nonsense"]
    )
    def test_who_does_not_ask_for_one_gets_json(self, accept: str | None) -> None:
        assert not wants_csv(asked(accept=accept))

    @pytest.mark.parametrize(
        "accept", ["text/csv", "TEXT/CSV", "text/csv, application/json;q=0.5", "text/csv;header=present;q=0.9, */*;q=0.1"]
    )
    def test_who_accepts_it_first_gets_it(self, accept: str) -> None:
        assert wants_csv(asked(accept=accept))

    def test_the_address_decides_before_the_header(self) -> None:
        assert wants_csv(asked("format=csv", "application/json"))
        assert not wants_csv(asked("format=json", "text/csv"))


class TestCells:
    @pytest.mark.parametrize("text", ["=1+1", "+49 30 1234", "-2", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
    def test_what_a_spreadsheet_would_run_is_led_by_an_apostrophe(self, text: str) -> None:
        answer = csv_answer("leads", ["name"], [[text]])
        assert read(answer.body)[1] == [f"'{text}"]

    def test_a_column_name_is_a_text_too(self) -> None:
        assert read(csv_answer("leads", ["=cmd"], []).body) == [["'=cmd"]]

    def test_numbers_stay_numbers(self) -> None:
        answer = csv_answer("figures", ["a", "b", "c", "d"], [[-2.5, 0.1 + 0.2, float("nan"), -7]])
        assert read(answer.body)[1] == ["-2.5", "0.30000000000000004", "", "-7"]

    def test_nothing_is_empty_and_truth_and_lists_are_words(self) -> None:
        assert read(csv_answer("t", ["a", "b", "c"], [[None, True, ["x", 1]]]).body)[1] == ["", "true", '["x",1]']

    def test_instants_are_in_utc(self) -> None:
        east = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
        assert read(csv_answer("t", ["a", "b"], [[east, datetime(2026, 3, 1, tzinfo=UTC)]]).body)[1] == [
            "2026-02-28T23:30:00Z",
            "2026-03-01T00:00:00Z",
        ]

    def test_it_is_a_file_in_utf_8_with_a_name(self) -> None:
        answer = csv_answer("pipeline-stages", ["etapa"], [["Año"]])
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == 'attachment; filename="pipeline-stages.csv"'
        assert bytes(answer.body) == "etapa\r\nAño\r\n".encode()

    @given(st.lists(st.lists(st.text(st.characters(blacklist_categories=["Cs"])), min_size=2, max_size=2)))
    def test_whatever_the_texts_say_they_come_back_and_none_begins_a_formula(self, rows: list[list[str]]) -> None:
        came = read(csv_answer("t", ["a", "b"], rows).body)[1:]
        assert [[cell.removeprefix("'") for cell in row] for row in came] == [[cell.removeprefix("'") for cell in row] for row in rows]
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in came for cell in row)
