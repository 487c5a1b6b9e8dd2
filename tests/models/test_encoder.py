"""What a model reads: numbers as they are, categories by our own codes, and nothing that training did not list."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from features.catalogue import catalogue
from features.engine import SignalTable
from features.history import TextColumn
from features.signal import Attribute, FeatureSet, UnknownSignal
from models.encoder import Encoder
from models.reasons import Reasons

FEATURES = FeatureSet((catalogue()["seniority"],), ("nps_survey",), (Attribute("size", "number"), Attribute("origin", "category")))
NAMES = ("seniority", "nps_survey:count", "nps_survey:count_7d", "nps_survey:days_since", "size")


def table(origins: list[str | None], sizes: list[float] | None = None) -> SignalTable:
    numbers = np.full((len(origins), len(NAMES)), 1.0)
    numbers[:, -1] = sizes or np.arange(len(origins))
    return SignalTable(NAMES, numbers, {"origin": TextColumn.of(origins)})


def fitted(origins: list[str | None]) -> Encoder:
    return Encoder.fit(FEATURES, table(origins), np.arange(len(origins)))


def codes(encoder: Encoder, origins: list[str | None]) -> list[float]:
    return encoder.encode(table(origins))[:, -1].tolist()


def test_missing_is_nan_and_what_training_never_saw_is_zero() -> None:
    encoder = fitted(["web"] * 30 + ["fair"] * 20 + [None] * 9)
    assert codes(encoder, ["web", "fair", "the moon", None])[:3] == [1.0, 2.0, 0.0]
    assert np.isnan(codes(encoder, [None])[0])


def test_a_table_in_which_everything_is_missing() -> None:
    encoder = fitted([None] * 30)
    assert encoder.inputs[-1].categories == ()
    assert np.isnan(codes(encoder, [None, None])).all()
    assert codes(encoder, ["web"]) == [0.0]


@pytest.mark.parametrize(("rows", "least"), [(100, 3), (2_000, 10), (10_000, 20)])
def test_rare_categories_are_one(rows: int, least: int) -> None:
    """Three rows say nothing of a category, twenty are enough; in between a two-hundredth of the rows."""
    origins: list[str | None] = ["web"] * (rows - 2 * least + 1) + ["kept"] * least + ["rare"] * (least - 1)
    assert fitted(origins).inputs[-1].categories == ("web", "kept")


def test_an_identifier_does_not_become_thousands_of_categories() -> None:
    assert len(fitted([f"v{i % 900}" for i in range(9_000)]).inputs[-1].categories) <= 255


def test_only_the_fit_rows_decide_about_categories() -> None:
    origins: list[str | None] = ["web"] * 50 + ["later"] * 50
    encoder = Encoder.fit(FEATURES, table(origins), np.arange(50))
    assert encoder.inputs[-1].categories == ("web",)


def test_ties_do_not_depend_on_the_order_of_rows() -> None:
    origins: list[str | None] = ["b", "a", "c"] * 30
    assert fitted(origins).inputs == fitted(origins[::-1]).inputs


def test_it_survives_json() -> None:
    encoder = fitted(["socio, S.L."] * 30 + ["{odd} 100 %s"] * 30)
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert (again.inputs, again.feature_set.fingerprint) == (encoder.inputs, encoder.feature_set.fingerprint)
    rows = table(["socio, S.L.", "{odd} 100 %s", None, "x"])
    assert np.array_equal(again.encode(rows), encoder.encode(rows), equal_nan=True)


def test_a_signal_that_this_installation_lacks_is_named() -> None:
    document: dict[str, Any] = fitted(["web"] * 5).to_json()
    document["feature_set"]["signals"][0] = document["feature_set"]["signals"][0] | {"name": "from_the_future"}
    with pytest.raises(UnknownSignal, match="from_the_future"):
        Encoder.from_json(document)


def test_fewer_inputs_keep_their_order_and_codes() -> None:
    encoder = fitted(["web"] * 30 + ["fair"] * 20)
    fewer = encoder.only({"origin", "seniority"})
    assert [one.name for one in fewer.inputs] == ["seniority", "origin"]
    assert fewer.encode(table(["fair", None]))[0].tolist() == [1.0, 2.0]


def test_a_signal_without_an_order_is_a_category_of_its_own_words() -> None:
    """Its 0 is any other kind, which is no more missing than a rare category is."""
    signal = catalogue()["industry_group"]
    known = SignalTable(("industry_group",), np.array([[0.0], [3.0], [np.nan]]), {})
    encoder = Encoder.fit(FeatureSet((signal,)), known, np.arange(3))

    assert [(one.kind, one.categories) for one in encoder.inputs] == [("category", signal.words[1:])]
    assert np.array_equal(encoder.encode(known), known.numbers, equal_nan=True)
    assert Encoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder

    told = Reasons(encoder).of(np.array([[1.0], [1.0], [1.0]]), known.numbers, 1, known.texts)
    assert [one.sentence for (one,) in told] == [
        "Company's industry is another industry.",
        "Company's industry is energy and utilities.",
        "Industry group is not known.",
    ]


def test_directions_and_families_come_from_the_signals() -> None:
    inputs = {one.name: one for one in fitted(["web"] * 5).inputs}
    assert inputs["seniority"].family == "authority"
    assert inputs["nps_survey:count"].family == "engagement"
    assert {inputs["size"].family, inputs["origin"].family} == {"fit"}
