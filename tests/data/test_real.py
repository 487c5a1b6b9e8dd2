"""The public data sets as they were published: read as their documentation says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from data.flat import read_flat
from data.labels import observe
from data.project import load_project
from data.sources import load_tables

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not os.environ.get("TAMIZ_DATASETS"), reason="TAMIZ_DATASETS names no folder with the public data sets"),
]


def dataset(name: str) -> Path:
    return Path(os.environ["TAMIZ_DATASETS"]) / f"{name}.csv.gz"


@pytest.mark.parametrize(
    ("name", "label", "positive", "shape", "rate", "numbers"),
    [
        ("bank_marketing", "y", "yes", (41_188, 20), 0.1127, 10),
        ("online_shoppers", "Revenue", None, (12_330, 17), 0.1547, 14),
        ("b2b_sales", "Status", "Won", (448, 22), 0.5067, 0),
    ],
)
def test_flat_tables(name: str, label: str, positive: str | None, shape: tuple[int, int], rate: float, numbers: int) -> None:
    table = read_flat(dataset(name), label=label, positive=positive)
    assert table.frame.shape == shape
    assert table.label is not None
    assert table.label.mean() == pytest.approx(rate, abs=1e-4)
    assert sum(kind == "number" for kind in table.kinds.values()) == numbers
    assert table.source.delimiter == ";"
    assert len(table.quarantine) == 0


def test_the_loan_log_as_a_crm() -> None:
    project = load_project(Path(__file__).parents[2] / "benchmarks" / "loan_applications.toml")
    tables = load_tables(project)
    assert len(tables.leads) == 13_087
    assert (tables.outcomes["kind"] == "won").sum() == 2_246

    assert len(tables.leads) - tables.outcomes["lead_row"].nunique() == 399
    assert not {"A_REGISTERED", "A_ACTIVATED", "O_ACCEPTED", "O_DECLINED"} & set(tables.activities["type"].cat.categories)
    frame, report = observe(
        tables, horizon_days=project.horizon_days, ages_days=project.ages_days, activity_instants=project.activity_instants
    )
    assert sorted(frame["age_days"].unique()) == [1, 3, 7]
    assert 0.3 < report.base_rate < 0.5
