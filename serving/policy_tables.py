"""What is answered about policies, as tables: each threshold of the curves, each queue and segment of a preview, each arm of an experiment.

In: the answers as they are given as JSON. Out: a CSV answer. An estimate is three columns, `volume`, `volume_low`, `volume_high`; what was
not estimated is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from models.preview import Curves
from serving.policy_schemas import PreviewAnswer
from serving.tables import csv_answer

__all__ = ["curves_table", "experiment_table", "preview_table"]

_ENDS = ("value", "low", "high")
_SERIES = ("volume", "precision", "caught", "conversions_a_week", "revenue")
_ESTIMATES = ("volume", "precision", "caught", "conversions", "revenue")
_RATES = ("passing", "acceptance", "conversion")


def curves_table(curves: Curves) -> Response:
    """One row for each threshold, rising."""
    found = curves.listed()
    series = [found[name][end] if found[name] else [None] * len(found["thresholds"]) for name in _SERIES for end in _ENDS]
    return csv_answer("curves", ["threshold", "tested", *_headed(_SERIES)], zip(found["thresholds"], found["tested"], *series, strict=True))


def preview_table(answer: PreviewAnswer) -> Response:
    """One row for each queue, then one for each value of the column that was asked `by`."""
    return csv_answer("preview", ["queue", "column", "value", "leads", "threshold", *_headed(_ESTIMATES)], _previewed(answer))


def experiment_table(found: Mapping[str, Any]) -> Response:
    """One row for each arm, control first."""
    columns = ["experiment", "since", "arm", "share", "leads", "mature", *_headed(_RATES), "verdict", *_headed(("difference",))]
    return csv_answer("experiment", columns, ([found["experiment"], found["since"], *_arm(one)] for one in found["arms"]))


def _arm(arm: Mapping[str, Any]) -> list[object]:
    """`conversion` is compared: of all leads of an arm, which were drawn by lot."""
    compared = arm.get("differences", {}).get("conversion")
    counts = [arm[name] for name in ("name", "share", "leads", "mature")]
    return [*counts, *_estimated(arm, _RATES), arm.get("verdict"), *_estimated({"difference": compared}, ("difference",))]


def _previewed(answer: PreviewAnswer) -> Iterator[list[object]]:
    for queue in ("mql", "sql"):
        whole = getattr(answer, queue)
        yield [queue, None, None, answer.leads, whole["threshold"], *_estimated(whole, _ESTIMATES)]
    parts = answer.by_segment or {"column": None, "mql": [], "sql": []}
    for queue in ("mql", "sql"):
        for row in parts[queue]:
            yield [queue, parts["column"], row["value"], row["leads"], row["threshold"], *_estimated(row, _ESTIMATES)]


def _headed(names: Sequence[str]) -> list[str]:
    return [f"{name}{end}" for name in names for end in ("", "_low", "_high")]


def _estimated(row: Mapping[str, Any], names: Sequence[str]) -> list[object]:
    return [estimate[end] if estimate else None for name in names for estimate in [row.get(name)] for end in _ENDS]
