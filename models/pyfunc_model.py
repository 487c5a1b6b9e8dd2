"""A registered version as MLflow's own tools read it: `mlflow.pyfunc.load_model("models:/tamiz-lead-conversion/1")`.

In: a pandas frame of the feature matrix, a column an input, by name and in any order: numbers as they are, categories as their text,
missing as NaN or None; a column that is not there is missing throughout. Out: a frame with `probability`, `probability_low`,
`probability_high`, `score` and, where outcomes carry amounts, `expected_value`. The descriptor beside the bundle names this module
as its loader, so nothing is pickled; Tamiz has to be installed where it is loaded. From raw leads, use `tamiz score` or the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.engine import SignalTable
from features.history import TextColumn
from models.bundle import Bundle

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MatrixModel", "columns_in", "columns_out"]


class MatrixModel:
    """What MLflow calls: `predict` on a frame."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, frame: pd.DataFrame, params: object = None) -> pd.DataFrame:
        import pandas as pd

        bundle = self.bundle
        X = bundle.encoder.encode(_table(bundle, frame))
        margin = bundle.model.margin(X)
        probability, low, high = bundle.calibration.apply(margin)
        score = np.full(len(X), np.nan) if bundle.no_signal else bundle.scale.apply(margin)
        found = {"probability": probability, "probability_low": low, "probability_high": high, "score": score}
        if bundle.value is not None and not bundle.no_signal:
            found["expected_value"] = probability * bundle.value.given_conversion(X)
        return pd.DataFrame(found, index=frame.index)


def columns_in(encoder: Mapping[str, Any]) -> dict[str, str]:
    """Columns of the matrix and what each holds, from `encoder.json`: `double`, or `string` for a column of the file that is a category."""
    attributes = {one["attribute"] for one in encoder["feature_set"]["attributes"]}
    return {one["name"]: "string" if one["kind"] == "category" and one["name"] in attributes else "double" for one in encoder["inputs"]}


def columns_out(*, amounts: bool) -> tuple[str, ...]:
    return ("probability", "probability_low", "probability_high", "score", *(("expected_value",) if amounts else ()))


def _load_pyfunc(path: str) -> MatrixModel:
    """The name that MLflow looks for."""
    return MatrixModel(Bundle.load(Path(path)))


def _table(bundle: Bundle, frame: pd.DataFrame) -> SignalTable:
    raw = {one.name for one in bundle.encoder.feature_set.attributes}
    texts = [one.name for one in bundle.encoder.inputs if one.kind == "category" and one.name in raw]
    numbers = [one.name for one in bundle.encoder.inputs if one.name not in texts]
    matrix = np.full((len(frame), len(numbers)), np.nan)
    for place, name in enumerate(numbers):
        if name in frame.columns:
            matrix[:, place] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return SignalTable(tuple(numbers), matrix, {name: TextColumn.of(_texts(frame, name)) for name in texts})


def _texts(frame: pd.DataFrame, name: str) -> Iterable[str | None]:
    if name not in frame.columns:
        return [None] * len(frame)
    values = frame[name]
    return [str(value) if known else None for value, known in zip(values, values.notna(), strict=True)]
