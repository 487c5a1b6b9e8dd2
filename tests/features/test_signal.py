from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from features.catalogue import catalogue
from features.history import Column, History
from features.signal import Attribute, FeatureSet, Signal, UnknownSignal, by_name, days, signal
from features.testing import history

SIGNALS = tuple(catalogue().values())
WHOLE = FeatureSet(SIGNALS, ("nps_survey",), (Attribute("plan", "category"),))


class TestDeclaring:
    def test_a_signal_without_a_sentence_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no docstring"):

            @signal(family="fit", unit="x")
            def mute(history: History) -> Column:
                return np.zeros(history.size)

    @pytest.mark.parametrize("window", ["30", "d", "-3d", "3w", "", "1.5d"])
    def test_windows_are_days_or_hours(self, window: str) -> None:
        with pytest.raises(ValueError, match="window"):
            days(window)

    def test_two_signals_of_one_name_are_refused(self) -> None:
        with pytest.raises(ValueError, match="seniority"):
            by_name([catalogue()["seniority"], catalogue()["seniority"]])

    def test_the_readme_example_works_without_a_framework(self) -> None:
        lead = history("ana", as_of="2026-03-31", activities=["2026-03-30 page_view /pricing", "2026-02-01 page_view /pricing"])
        assert catalogue()["pricing_visits_30d"](lead) == [1.0]

    def test_what_is_told_wrongly_is_named(self) -> None:
        with pytest.raises(ValueError, match="pricing"):
            history("ana", as_of="2026-03-31", activities=["2026-03-30 page_view pricing"])


class TestTheFingerprint:
    @pytest.mark.parametrize(
        "change",
        [
            lambda one: replace(one, name="another"),
            lambda one: replace(one, family="need"),
            lambda one: replace(one, unit="apples"),
            lambda one: replace(one, within=31.0),
            lambda one: replace(one, fill=-1.0),
            lambda one: replace(one, revision=one.revision + 1),
        ],
    )
    def test_changes_with_every_part_of_a_declaration(self, change: Callable[[Signal], Signal]) -> None:
        changed = FeatureSet((change(SIGNALS[0]), *SIGNALS[1:]), WHOLE.activity_types, WHOLE.attributes)
        assert changed.fingerprint != WHOLE.fingerprint

    def test_changes_with_order_types_and_attributes(self) -> None:
        others = [
            FeatureSet(SIGNALS[::-1], WHOLE.activity_types, WHOLE.attributes),
            FeatureSet(SIGNALS, (), WHOLE.attributes),
            FeatureSet(SIGNALS, WHOLE.activity_types, (Attribute("plan", "number"),)),
        ]
        assert len({WHOLE.fingerprint, *(one.fingerprint for one in others)}) == 4

    def test_survives_its_description(self) -> None:
        again = FeatureSet.from_json(WHOLE.to_json(), catalogue())
        assert again == WHOLE
        assert again.fingerprint == WHOLE.fingerprint

    def test_a_signal_that_this_installation_lacks_or_knows_otherwise_is_named(self) -> None:
        for other in ({}, catalogue() | {"seniority": replace(catalogue()["seniority"], revision=9)}):
            with pytest.raises(UnknownSignal, match=r"seniority|corporate_email"):
                FeatureSet.from_json(WHOLE.to_json(), other)
