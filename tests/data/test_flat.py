from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import BadData, BadUsage, TamizError
from data.flat import read_flat, scan_flat
from data.frames import Kind
from data.quarantine import TooManyBadRows, write_quarantine
from data.times import AmbiguousDates

Write = Callable[..., Path]


@pytest.fixture
def leads(tmp_path: Path) -> Write:
    """Writes a file of leads: text, or bytes as they are."""

    def write(content: str | bytes, name: str = "leads.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def many(rows: int, line: str = "{i},{i},yes\n", header: str = "lead_id,visits,won\n") -> str:
    return header + "".join(line.format(i=i) if i % 2 else line.format(i=i).replace("yes", "no") for i in range(1, rows + 1))


class TestWhatCannotBeRead:
    def test_a_missing_file_is_named_with_its_nearest_neighbour(self, leads: Write) -> None:
        path = leads("a,b\n1,2\n", "bank.csv")
        with pytest.raises(BadUsage, match=r"there is no file .*banc\.csv; did you mean .*bank\.csv") as said:
            read_flat(path.with_name("banc.csv"))
        assert said.value.exit_code == 2

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "is empty"),
            (b"\n  \n", "is empty"),
            (b"\xef\xbb\xbf", "is empty"),
            (b"lead_id,age\n", "header but no rows"),
            (b"lead_id,age", "header but no rows"),
            (b"lead_id,age\n\n\n", "header but no rows"),
            (b"a,b,a\n1,2,3\n", "names 'a' more than once"),
            (b"1,2,3\n4,5,6\n", "a header with column names is needed"),
            (b"PK\x03\x04workbook", "Excel workbook"),
            (b"a,b\n1,\x002\n", "zero bytes"),
            (b"\x1f\x8b\x08\x00 broken", "not a whole gzip file"),
            (gzip.compress(b"a,b\n" + b"1,2\n" * 100_000)[:-40], "not a whole gzip file"),
            (b'a,b\n1,x\n2,"never closed\n3,y\n4,z\n', "never closed"),
        ],
    )
    def test_a_file_that_holds_no_table_says_what_it_is(self, leads: Write, content: str | bytes, words: str) -> None:
        with pytest.raises(BadData, match=words):
            read_flat(leads(content))

    def test_a_folder_is_not_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(BadUsage, match="is a folder"):
            read_flat(tmp_path)

    def test_a_parquet_ending_does_not_make_a_parquet_file(self, leads: Write) -> None:
        with pytest.raises(BadData, match="not a Parquet file"):
            read_flat(leads("a,b\n1,2\n", "leads.parquet"))

    @pytest.mark.parametrize("option", ["label", "id_column", "order_by"])
    def test_a_column_that_is_not_there_is_named_with_the_nearest(self, leads: Write, option: str) -> None:
        with pytest.raises(BadData, match=r"no column 'Convertd'.* Did you mean 'Convertd' → 'converted'"):
            read_flat(leads("age,converted\n1,0\n2,1\n"), **{option: "Convertd"})

    def test_a_dropped_column_must_exist_too(self, leads: Write) -> None:
        with pytest.raises(BadData, match=r"'durations' → 'duration'"):
            read_flat(leads("age,duration\n1,0\n2,1\n"), drop=["durations"])

    def test_two_orders_are_one_too_many(self, leads: Write) -> None:
        with pytest.raises(BadUsage, match="not both"):
            read_flat(leads("a,b\n1,2\n"), order_by="a", order_by_row=True)


class TestLabels:
    def test_one_class_is_refused_and_named(self, leads: Write) -> None:
        with pytest.raises(BadData, match=r"one class only: 'no' \(3\)"):
            read_flat(leads("x,y\n1,no\n2,no\n3,no\n"), label="y")

    def test_one_class_is_refused_with_positive_too(self, leads: Write) -> None:
        with pytest.raises(BadData, match="one class only"):
            read_flat(leads("x,y\n1,Won\n2,Won\n"), label="y", positive="Won")

    def test_three_classes_are_refused_and_listed(self, leads: Write) -> None:
        path = leads("x,y\n1,won\n2,lost\n3,open\n4,lost\n")
        with pytest.raises(BadData, match=r"3 values.*'lost' \(2\).*--positive and --negative"):
            read_flat(path, label="y")
        with pytest.raises(BadData, match="name the other one with --negative"):
            read_flat(path, label="y", positive="won")

    def test_naming_both_classes_leaves_the_third_out_and_says_so(self, leads: Write) -> None:
        table = read_flat(leads("x,y\n1,won\n2,lost\n3,open\n4,lost\n"), label="y", positive="won", negative="lost")
        assert table.label is not None
        assert table.label.tolist() == [1, 0, 0]
        assert table.lead_id.tolist() == ["1", "2", "4"]
        assert any("neither of the two classes are left out: 'open' (1)" in said for said in table.notices)

    def test_two_words_of_its_own_need_positive(self, leads: Write) -> None:
        path = leads("x,y\n1,Won\n2,Lost\n")
        with pytest.raises(BadUsage, match="--positive"):
            read_flat(path, label="y")
        with pytest.raises(BadUsage, match=r"'Gained' is no value of the label y: 'Lost' \(1\), 'Won'"):
            read_flat(path, label="y", positive="Gained")
        table = read_flat(path, label="y", positive="won")
        assert (table.positive, table.negative) == ("Won", "Lost")

    def test_one_word_in_several_spellings_is_one_class(self, leads: Write) -> None:
        table = read_flat(leads("x,y\n1,Won\n2,won\n3,Lost\n4,LOST\n"), label="y", positive="WON")
        assert table.label is not None
        assert table.label.tolist() == [1, 1, 0, 0]
        with pytest.raises(BadData, match="one class only"):
            read_flat(leads("x,y\n1,Yes\n2,yes\n"), label="y")

    def test_the_same_word_for_both_classes_is_refused(self, leads: Write) -> None:
        with pytest.raises(BadUsage, match="both name 'won'"):
            read_flat(leads("x,y\n1,won\n2,lost\n"), label="y", positive="won", negative="won")

    @pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("yes", "no"), ("YES", "No"), ("true", "FALSE"), ("1.0", "0.0"), ("Sí", "no")])
    def test_words_for_yes_and_no_speak_for_themselves(self, leads: Write, yes: str, no: str) -> None:
        table = read_flat(leads(f"x,y\n1,{yes}\n2,{no}\n3,{yes}\n"), label="y")
        assert table.label is not None
        assert table.label.tolist() == [1, 0, 1]

    def test_blank_labels_are_left_out_and_counted(self, leads: Write) -> None:
        table = read_flat(leads("x,y\n1,1\n2,\n3,NULL\n4,0\n5,NaN\n"), label="y")
        assert table.blank_labels == 3
        assert table.lead_id.tolist() == ["1", "4"]
        assert table.row.tolist() == [1, 4]
        assert any("3 rows with a blank y" in said for said in table.notices)

    def test_the_label_is_no_attribute(self, leads: Write) -> None:
        assert list(read_flat(leads("x,y\n1,1\n2,0\n"), label="y").frame) == ["x"]


class TestRowsPutAside:
    def test_a_row_of_the_wrong_length_is_put_aside_with_its_place(self, leads: Write) -> None:
        text = many(300).splitlines(keepends=True)
        text[5] = "5,5,yes,extra\n"
        table = read_flat(leads("".join(text)), label="won")
        assert table.quarantine[["row", "reason"]].values.tolist() == [[5, "wrong number of fields: 4 where the header has 3"]]
        assert table.lead_id.tolist()[:6] == ["1", "2", "3", "4", "6", "7"]
        assert table.source.rows == 300

    def test_row_numbers_step_over_bad_rows_and_line_breaks_in_values(self, leads: Write) -> None:
        text = 'note,won\nplain,yes\n"two\nlines",no\nbroken\n\nlast,yes\n'
        table = read_flat(leads(text), label="won", max_bad_share=0.5)
        assert table.lead_id.tolist() == ["1", "2", "4"]
        assert table.frame["note"].tolist() == ["plain", "two\nlines", "last"]
        assert table.quarantine["row"].tolist() == [3]

    def test_too_many_bad_rows_stop_the_run_with_counts_and_the_first(self, leads: Write, tmp_path: Path) -> None:
        text = many(50) + "51,51\n"
        with pytest.raises(TooManyBadRows, match=r"1 of 51 rows .* 1 % .*wrong number of fields \(first: row 51, 2 where") as said:
            read_flat(leads(text), label="won")
        written = write_quarantine(tmp_path, "run 7", said.value.quarantine).read_text()
        assert written.splitlines()[1].startswith("leads,51,,")

    def test_duplicate_ids_stop_a_small_file(self, leads: Write) -> None:
        with pytest.raises(BadData, match=r"duplicate id.*first: row 3, lead a"):
            read_flat(leads("lead_id,x,y\na,1,1\nb,2,0\na,3,1\n"), label="y")

    def test_among_many_rows_the_later_duplicate_and_the_row_without_id_are_put_aside(self, leads: Write) -> None:
        table = read_flat(leads(many(400) + "7,99,yes\n,98,no\n"), label="won")
        assert len(table) == 400
        assert table.quarantine["row"].tolist() == [401, 402]
        assert table.quarantine["reason"].tolist() == ["duplicate id: '7'", "no id"]
        assert table.frame["visits"].max() == 400

    def test_an_order_that_does_not_parse_is_put_aside(self, leads: Write) -> None:
        rows = [f"{i},2026-01-{1 + i % 28:02d},{i % 2}" for i in range(300)] + ["300,soon,1", "301,,0"]
        table = read_flat(leads("lead_id,seen,y\n" + "\n".join(rows)), label="y", order_by="seen")
        assert table.order is not None
        assert np.isfinite(table.order).all()
        assert table.quarantine["reason"].tolist() == ["no date or number in seen: 'soon'", "nothing in seen, which orders the rows"]

    def test_an_order_without_any_date_is_refused(self, leads: Write) -> None:
        with pytest.raises(BadData, match="cannot order the rows"):
            read_flat(leads("seen,y\nsoon,1\nlater,0\n"), order_by="seen")

    def test_an_unparsable_creation_date_is_put_aside(self, leads: Write) -> None:
        rows = [f"{i},2026-01-01T00:00:00Z" for i in range(200)] + ["200,yesterday"]
        table = read_flat(leads("lead_id,created_at\n" + "\n".join(rows)))
        assert table.quarantine["reason"].tolist() == ["no date in created_at: 'yesterday'"]
        assert table.kinds == {"created_at": "time"}


class TestDates:
    def test_day_and_month_are_not_guessed(self, leads: Write) -> None:
        with pytest.raises(AmbiguousDates, match=r"'03/04/2026'.*YYYY-MM-DD"):
            read_flat(leads("seen,y\n03/04/2026,1\n05/06/2026,0\n"), order_by="seen")

    def test_a_day_above_twelve_proves_the_order(self, leads: Write) -> None:
        table = read_flat(leads("seen,y\n03/04/2026,1\n25/03/2026,0\n"), order_by="seen")
        assert table.order is not None
        assert (table.order[0] - table.order[1]) / 86_400e6 == 9

    def test_offsets_count(self, leads: Write) -> None:
        table = read_flat(leads("seen,y\n2026-01-01T01:00:00+02:00,1\n2025-12-31T23:30:00Z,0\n"), order_by="seen")
        assert table.order is not None
        assert table.order[1] - table.order[0] == 1_800e6

    def test_naive_times_are_reported(self, leads: Write) -> None:
        table = read_flat(leads("created_at,y\n2026-01-01 10:00,1\n2026-01-02,0\n"), timezone="Europe/Madrid")
        assert table.frame["created_at"].iloc[0].isoformat() == "2026-01-01T09:00:00+00:00"
        assert any("2 times carry no offset and were read as Europe/Madrid" in said for said in table.notices)


class TestHowAFileIsWritten:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
    @pytest.mark.parametrize("zipped", [False, True])
    def test_delimiter_encoding_and_gzip_are_found(self, leads: Write, delimiter: str, encoding: str, zipped: bool) -> None:
        lines = [["lead_id", "país", "visits"], ["007", "España", "3"], ["08", "Perú", "4"]]
        content = "\r\n".join(delimiter.join(line) for line in lines).encode(encoding)
        table = read_flat(leads(gzip.compress(content) if zipped else content))
        assert table.lead_id.tolist() == ["007", "08"]
        assert table.frame["país"].tolist() == ["España", "Perú"]
        assert table.frame["visits"].tolist() == [3, 4]
        assert table.source.delimiter == delimiter

    def test_a_late_latin_letter_is_found_too(self, leads: Write) -> None:
        table = read_flat(
            leads(b"lead_id,city\n" + b"1,Madrid\n" * 1 + b"".join(b"%d,Paris\n" % i for i in range(2, 60_000)) + b"0,M\xe1laga\n")
        )
        assert table.frame["city"].iloc[-1] == "Málaga"
        assert any("not UTF-8" in said for said in table.notices)

    def test_commas_inside_a_semicolon_file_are_decimals(self, leads: Write) -> None:
        table = read_flat(leads("amount;rate;count\n1234,56;0,5;3\n7;1,25;4\n"))
        assert table.frame["amount"].tolist() == [1234.56, 7]
        assert table.frame["rate"].tolist() == [0.5, 1.25]
        assert table.source.decimal == ","
        assert any("decimal comma in amount, rate" in said for said in table.notices)

    def test_commas_that_may_part_thousands_are_not_guessed(self, leads: Write) -> None:
        table = read_flat(leads("amount;x\n1,234;1\n999;2\n"))
        assert table.kinds["amount"] == "category"
        assert any("may part thousands ('1,234'): not guessed" in said for said in table.notices)
        assert read_flat(leads("amount;x\n1,234;1\n999;2\n"), decimal=",").frame["amount"].tolist() == [1.234, 999]

    def test_another_column_with_a_decimal_comma_settles_it(self, leads: Write) -> None:
        assert read_flat(leads("amount;x\n1,234;0,5\n999;2\n")).frame["amount"].tolist() == [1.234, 999]

    def test_thousands_separators_make_no_number(self, leads: Write) -> None:
        table = read_flat(leads("amount;x\n1.234,50;1\n12.999,00;2\n"))
        assert table.kinds["amount"] == "category"
        assert any("thousands separators ('1.234,50')" in said for said in table.notices)

    def test_a_single_column_is_a_table(self, leads: Write) -> None:
        assert read_flat(leads("visits\n1\n2\n")).frame["visits"].tolist() == [1, 2]

    def test_a_delimiter_inside_quotes_is_text(self, leads: Write) -> None:
        assert read_flat(leads('company;x\n"Acme; Sons";1\n"Say ""hi""";2\n')).frame["company"].tolist() == ["Acme; Sons", 'Say "hi"']

    def test_parquet_and_json_lines_say_the_same_as_csv(self, leads: Write, tmp_path: Path) -> None:
        rows = [
            {"lead_id": "007", "age": 31.5, "job": "cook", "member": True, "y": 1},
            {"lead_id": "8", "age": None, "job": None, "member": False, "y": 0},
        ]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "leads.parquet")
        files = [
            leads("lead_id,age,job,member,y\n007,31.5,cook,true,1\n8,,,false,0\n"),
            tmp_path / "leads.parquet",
            leads("\n".join(map(json.dumps, rows)), "leads.jsonl"),
            leads(json.dumps(rows), "leads.json"),
        ]
        first, *others = [read_flat(path, label="y") for path in files]
        assert first.kinds == {"age": "number", "job": "category", "member": "boolean"}
        for other in others:
            assert other.frame.equals(first.frame)
            assert other.kinds == first.kinds
            assert other.lead_id.tolist() == first.lead_id.tolist()

    def test_a_broken_json_line_is_put_aside(self, leads: Write) -> None:
        lines = [json.dumps({"x": i, "y": i % 2}) for i in range(300)]
        lines[4] = '{"x": 4,'
        table = read_flat(leads("\n".join(lines), "leads.jsonl"), label="y")
        assert table.quarantine["row"].tolist() == [5]
        assert table.lead_id.tolist()[3:6] == ["4", "6", "7"]


class TestKinds:
    def test_missing_is_empty_null_or_nan_and_nothing_else(self, leads: Write) -> None:
        table = read_flat(leads("age,job\n1,cook\n,\nNULL,NULL\nNaN,NaN\n2,unknown\n"))
        assert np.isnan(table.frame["age"]).tolist() == [False, True, True, True, False]
        assert table.frame["job"].tolist() == ["cook", None, None, None, "unknown"]

    def test_one_word_among_numbers_makes_a_category_and_is_called_out(self, leads: Write) -> None:
        text = "age\n" + "\n".join(map(str, range(50))) + "\nn/a\n"
        table = read_flat(leads(text))
        assert table.kinds["age"] == "category"
        assert any("'n/a' (1)" in said and "declare" in said for said in table.notices)
        assert read_flat(leads(text), missing=["n/a"]).kinds["age"] == "number"

    def test_infinite_numbers_are_missing_and_counted(self, leads: Write) -> None:
        table = read_flat(leads("age\n1\ninf\n-Infinity\n2\n"))
        assert np.isnan(table.frame["age"]).sum() == 2
        assert any("age (2)" in said for said in table.notices)

    def test_a_column_without_values_is_an_empty_number(self, leads: Write) -> None:
        table = read_flat(leads("age,ghost\n1,\n2,\n"))
        assert table.kinds["ghost"] == "number"
        assert any("ghost: every value is missing" in said for said in table.notices)

    def test_codes_with_leading_zeros_stay_codes(self, leads: Write) -> None:
        assert read_flat(leads("postcode,x\n08001,1\n28013,2\n")).frame["postcode"].tolist() == ["08001", "28013"]

    @pytest.mark.parametrize(
        ("words", "kind"),
        [
            ("yes no NO", "boolean"),
            ("True false TRUE", "boolean"),
            ("sí no Sí", "boolean"),
            ("0 1 1", "number"),
            ("yes no maybe", "category"),
        ],
    )
    def test_words_for_yes_and_no(self, leads: Write, words: str, kind: str) -> None:
        assert read_flat(leads("x,z\n" + "".join(f"{word},1\n" for word in words.split()))).kinds["x"] == kind

    def test_who_a_lead_is_stays_text_and_what_it_is_goes_by_its_values(self, leads: Write) -> None:
        table = read_flat(leads("email,job_title,company,campaign,phone\na@b.example,CEO,Acme,1,600\nc@d.example,CTO,Beta,2,601\n"))
        assert table.kinds == {"email": "text", "job_title": "text", "company": "text", "campaign": "number", "phone": "text"}
        assert table.frame["phone"].tolist() == ["600", "601"]

    def test_dates_without_a_meaning_are_said_to_be_categories(self, leads: Write) -> None:
        table = read_flat(leads("signed,x\n2026-01-01,1\n2026-01-02,2\n"))
        assert table.kinds["signed"] == "category"
        assert any("signed: dates, read as a category" in said for said in table.notices)

    def test_three_hundred_columns(self, leads: Write) -> None:
        names = [f"c{i}" for i in range(300)]
        table = read_flat(leads(",".join(names) + "\n" + "\n".join(",".join(str(i + j) for i in range(300)) for j in range(5))))
        assert table.frame.shape == (5, 300)

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
    def test_numbers_come_back_to_the_last_bit(self, numbers: list[float]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "leads.csv"
            path.write_text("x,k\n" + "".join(f"{number!r},1\n" for number in numbers))
            assert read_flat(path).frame["x"].tolist() == numbers


class TestScan:
    KINDS: ClassVar[dict[str, Kind]] = {"age": "number", "job": "category", "member": "boolean"}

    def test_every_row_has_its_place_the_bad_ones_too(self, leads: Write) -> None:
        path = leads("lead_id,age,job,member\na,1,cook,yes\nb,2\nc,many,waiter,perhaps\n,4,cook,no\ne,5,,true\nf,6,x,no,9\n")
        chunks = list(scan_flat(path, self.KINDS, chunk_rows=2))
        assert max(map(len, chunks)) <= 2
        assert [lead for chunk in chunks for lead in chunk.lead_id] == ["a", None, "c", None, "e", None]
        ages = np.concatenate([chunk.numbers["age"] for chunk in chunks])
        assert np.array_equal(ages, [1, np.nan, np.nan, 4, 5, np.nan], equal_nan=True)
        errors = {chunk.first_row + i: said for chunk in chunks for i, said in chunk.errors.items()}
        assert errors == {
            2: "wrong number of fields: 2 where the header has 4",
            4: "no id",
            6: "wrong number of fields: 5 where the header has 4",
        }
        notes = {chunk.first_row + i: said for chunk in chunks for i, said in chunk.notes.items()}
        assert notes == {
            3: "age holds 'many', which is no number: read as missing; member holds 'perhaps', which is no yes or no: read as missing"
        }

    def test_texts_come_as_codes_into_values(self, leads: Write) -> None:
        (chunk,) = scan_flat(leads("age,job,member\n1,cook,1\n2,,0\n3,cook,TRUE\n"), self.KINDS)
        codes, values = chunk.texts["job"]
        assert codes.tolist() == [0, -1, 0]
        assert values == ["cook"]
        assert chunk.numbers["member"].tolist() == [1, 0, 1]
        assert chunk.lead_id.tolist() == ["1", "2", "3"]

    def test_missing_and_unknown_columns_are_said(self, leads: Write) -> None:
        scan = scan_flat(leads("Age,job,colour\n1,cook,red\n"), self.KINDS)
        (chunk,) = scan
        assert scan.absent == ["age", "member"]
        assert scan.unused == ["Age", "colour"]
        assert np.isnan(chunk.numbers["age"]).all()
        assert any("age (the file has Age)" in said for said in scan.notices)
        assert any("ignored: Age, colour" in said for said in scan.notices)

    def test_only_bad_rows_are_rows_too(self, leads: Write) -> None:
        (chunk,) = scan_flat(leads("age,job,member\n1\n2\n"), self.KINDS)
        assert sorted(chunk.errors) == [0, 1]

    @pytest.mark.parametrize("content", ["", "age,job,member\n"])
    def test_nothing_to_score_is_an_error(self, leads: Write, content: str | bytes) -> None:
        with pytest.raises(TamizError):
            scan_flat(leads(content), self.KINDS)

    def test_a_decimal_comma_is_read_as_in_training(self, leads: Write) -> None:
        (chunk,) = scan_flat(leads("age;job;member\n1,5;a;1\n2;b;0\n"), self.KINDS)
        assert chunk.numbers["age"].tolist() == [1.5, 2]

    @pytest.mark.parametrize("expected", [None, ".", ","])
    @pytest.mark.parametrize(("first", "second"), [("1,5", "12"), ("1.5", "12"), ("0,125", "1000"), ("-0.125", "7")])
    def test_a_file_may_use_the_other_decimal_sign_than_training_did(
        self, leads: Write, expected: str | None, first: str, second: str
    ) -> None:
        (chunk,) = scan_flat(leads(f"age;job\n{first};a\n{second};b\n"), self.KINDS, decimal=expected)
        assert chunk.numbers["age"].tolist() == [float(first.replace(",", ".")), float(second)]
        assert not chunk.notes

    @pytest.mark.parametrize(("expected", "written"), [(".", "1,234"), (",", "1.234"), (None, "1,234")])
    def test_what_may_part_thousands_is_missing_and_noted(self, leads: Write, expected: str | None, written: str) -> None:
        (chunk,) = scan_flat(leads(f"age;job\n{written};a\n7;b\n"), self.KINDS, decimal=expected)
        assert np.array_equal(chunk.numbers["age"], [np.nan, 7], equal_nan=True)
        assert chunk.notes == {0: f"age holds '{written}', which is no number: read as missing"}

    def test_scanning_says_what_reading_says(self, leads: Write) -> None:
        rng = np.random.default_rng(7)
        lines = [f"{i},{rng.normal()!r},{rng.choice(['cook', 'waiter', ''])},{rng.choice(['yes', 'no'])}" for i in range(5_000)]
        path = leads("lead_id,age,job,member\n" + "\n".join(lines))
        table = read_flat(path)
        chunks = list(scan_flat(path, table.kinds, chunk_rows=777))
        assert max(map(len, chunks)) <= 777
        assert np.array_equal(np.concatenate([chunk.numbers["age"] for chunk in chunks]), table.frame["age"], equal_nan=True)
        jobs = [values[code] if code >= 0 else None for chunk in chunks for codes, values in [chunk.texts["job"]] for code in codes]
        assert jobs == table.frame["job"].tolist()
        assert [lead for chunk in chunks for lead in chunk.lead_id] == table.lead_id.tolist()

    def test_parquet_is_scanned_too(self, leads: Write, tmp_path: Path) -> None:
        pq.write_table(pa.table({"age": [1, None], "job": ["cook", None], "member": [True, None]}), tmp_path / "leads.parquet")
        (chunk,) = scan_flat(tmp_path / "leads.parquet", self.KINDS)
        assert np.array_equal(chunk.numbers["age"], [1, np.nan], equal_nan=True)
        assert np.array_equal(chunk.numbers["member"], [1, np.nan], equal_nan=True)
        assert chunk.texts["job"][0].tolist() == [0, -1]
