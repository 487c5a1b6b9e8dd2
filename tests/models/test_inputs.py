from __future__ import annotations

import numpy as np
import pytest

from models.inputs import InputSpec, NotTrainable, WrongWidth, matrix, training_matrix

TWO = [InputSpec("visits"), InputSpec("country", kind="category", categories=("ES", "PT"))]
X = np.array([[1.0, 1.0], [2.0, np.nan], [np.nan, 0.0], [4.0, 2.0]])
Y = np.array([0, 1, 0, 1])


class TestWhatCannotBeTrainedOn:
    @pytest.mark.parametrize("label", [0, 1])
    def test_a_label_of_one_class_is_named(self, label: int) -> None:
        with pytest.raises(NotTrainable, match="one class"):
            training_matrix(X, np.full(4, label), TWO)

    def test_a_third_label_is_named(self) -> None:
        with pytest.raises(NotTrainable, match="0 or 1"):
            training_matrix(X, [0, 1, 2, 1], TWO)

    def test_a_missing_label_is_no_label(self) -> None:
        with pytest.raises(NotTrainable, match="0 or 1"):
            training_matrix(X, [0, 1, np.nan, 1], TWO)

    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_infinity_is_refused_with_the_inputs_name(self, value: float) -> None:
        broken = X.copy()
        broken[3, 0] = value
        with pytest.raises(NotTrainable, match="`visits` holds infinity"):
            training_matrix(broken, Y, TWO)

    def test_no_rows_and_no_inputs(self) -> None:
        with pytest.raises(NotTrainable):
            training_matrix(np.empty((0, 2)), [], TWO)
        with pytest.raises(NotTrainable, match="no input"):
            training_matrix(np.empty((4, 0)), Y, [])

    @pytest.mark.parametrize("weights", [[1, 1, 1], [1, 1, 1, -1], [1, 1, 1, np.nan], [1, 0, 1, 0]])
    def test_weights_that_weigh_nothing_or_too_little(self, weights: list[float]) -> None:
        with pytest.raises(NotTrainable, match="weight"):
            training_matrix(X, Y, TWO, weights)


def test_a_matrix_of_another_width_says_both_widths() -> None:
    with pytest.raises(WrongWidth, match="3 columns and the model was fitted on 2"):
        matrix(np.zeros((5, 3)), 2)
    with pytest.raises(WrongWidth):
        matrix(np.zeros(2), 2 + 1)


def test_a_ready_matrix_is_not_copied() -> None:
    assert matrix(X, 2) is X
    assert matrix(np.asfortranarray(X), 2).flags.c_contiguous
