from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.binned import BinValues, Lookup

VISITS = BinValues("number", missing=-1.0, edges=(0.0, 5.0), values=(10.0, 20.0, 30.0))
COUNTRY = BinValues("category", missing=-2.0, codes={1: 7.0, 3: 9.0}, other=4.0)


def one(table: BinValues, value: float) -> float:
    return float(Lookup.of([table]).values(np.array([[value]]))[0, 0, 0])


def test_a_bin_holds_its_upper_end() -> None:
    assert [one(VISITS, x) for x in (-math.inf, 0.0, 0.1, 5.0, 5.1, math.inf)] == [10, 10, 20, 20, 30, 30]


def test_missing_has_a_value_of_its_own() -> None:
    assert (one(VISITS, math.nan), one(COUNTRY, math.nan)) == (-1.0, -2.0)


def test_a_code_that_nobody_named_takes_the_value_of_the_others() -> None:
    assert [one(COUNTRY, code) for code in (0, 1, 2, 3, 4, 99, -5, math.inf)] == [4, 7, 4, 9, 4, 4, 4, 4]


def test_an_input_without_a_table_adds_nothing() -> None:
    values = Lookup.of([None, VISITS, None, COUNTRY]).values(np.array([[3.0, 3.0, math.nan, 1.0]]))
    assert values.tolist() == [[[0.0, 20.0, 0.0, 7.0]]]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=40))
def test_a_row_alone_reads_what_it_reads_in_a_batch(column: list[float]) -> None:
    lookup = Lookup.of([VISITS, COUNTRY])
    X = np.column_stack([column, column])
    (together,) = lookup.values(X)
    assert [lookup.values(X[i : i + 1]).tolist()[0][0] for i in range(len(X))] == together.tolist()


@given(
    st.lists(st.lists(st.integers(-5, 5), unique=True), min_size=1, max_size=3),
    st.lists(st.lists(st.integers(0, 6), unique=True, min_size=1), min_size=1, max_size=3),
    st.lists(st.one_of(st.integers(-7, 7), st.sampled_from([math.nan, math.inf, -math.inf])), min_size=1, max_size=20),
)
def test_models_that_are_read_together_find_what_each_finds_alone(
    cuts: list[list[int]], codes: list[list[int]], column: list[float]
) -> None:
    models = []
    for i in range(max(len(cuts), len(codes))):
        edges = tuple(map(float, sorted(cuts[i % len(cuts)])))
        number = BinValues("number", 100.0 + i, edges, tuple(10.0 * i + place for place in range(len(edges) + 1)))
        category = BinValues("category", 200.0 + i, codes={code: 1000.0 * i + code for code in codes[i % len(codes)]}, other=-1.0 - i)
        models.append([None if i == 1 else number, category, None, number])
    X = np.column_stack([column] * 4)
    expected = [Lookup.of(one).values(X).tolist()[0] for one in models]
    assert Lookup.of(*models).values(X).tolist() == expected
