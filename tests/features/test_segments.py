"""Positions of rows: a slice is only ever another way to write the same ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.segments import adjoining


@given(st.lists(st.integers(0, 6), max_size=6))
def test_adjoining_rows_read_the_same_by_slice_or_one_by_one(rows: list[int]) -> None:
    column, asked = np.arange(10.0), np.array(rows, dtype=np.int64)
    assert column[adjoining(asked)].tolist() == column[asked].tolist()


@pytest.mark.parametrize(("rows", "expected"), [([4], slice(4, 5)), ([2, 3, 4], slice(2, 5))])
def test_adjoining_rows_are_a_slice(rows: list[int], expected: slice) -> None:
    assert adjoining(np.array(rows)) == expected


@pytest.mark.parametrize("rows", [[2, 1, 4], [0, 0], [1, 1, 3], [3, 2, 1]])
def test_rows_that_only_span_as_far_are_no_slice(rows: list[int]) -> None:
    assert not isinstance(adjoining(np.array(rows)), slice)
