"""Reasons add up to the margin, say three different things, and read as sentences whatever the value."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.catalogue import catalogue
from features.history import TextColumn
from features.signal import Attribute, FeatureSet
from models.bundle import Bundle
from models.encoder import Encoder
from models.inputs import InputSpec
from models.reasons import Reasons
from models.request import Activity, ScoreRequest
from models.scoring import score_requests

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
SIGNALS = tuple(catalogue().values())
ODD = ("{odd} 100 %s", "{}", "%(x)d", "{0.__class__}", "naïve_column", "a\tb")


@pytest.fixture(scope="module")
def reasons() -> Reasons:
    """Every declared signal, an activity type of one's own, and columns with names that a formatter could trip over."""
    features = FeatureSet(
        SIGNALS,
        ("odd {type} %s",),
        (*(Attribute(name, "number") for name in ODD), Attribute("vip", "boolean"), Attribute("origin", "category")),
    )
    own = [f"odd {{type}} %s:{end}" for end in ("count", "count_7d", "days_since")]
    inputs = [InputSpec(one.name, one.family) for one in SIGNALS]
    inputs += [InputSpec(name, "engagement") for name in own] + [InputSpec(name, "fit") for name in (*ODD, "vip")]
    return Reasons(Encoder(features, (*inputs, InputSpec("origin", "fit", "category", categories=("socio, S.L.", "{x}")))))


def said(reasons: Reasons, values: dict[str, float], most: int = 3, texts: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """(signal, sentence) for a lead on which inputs pull in the order given, the first most."""
    names = [one.name for one in reasons.encoder.inputs]
    X, pull = np.full((1, len(names)), math.nan), np.zeros((1, len(names)))
    for strength, (name, value) in enumerate(reversed(values.items()), start=1):
        X[0, names.index(name)], pull[0, names.index(name)] = value, strength / 10
    words = {name: TextColumn.of([(texts or {}).get(name)]) for name in names}
    return [(one.signal, one.sentence) for one in reasons.of(pull, X, most, words)[0]]


@pytest.mark.parametrize("value", [0.0, 1.0, 2.5, -3.0, 1e9, 1e-9, math.nan])
def test_every_input_has_a_sentence_for_every_value(reasons: Reasons, value: float) -> None:
    for one in reasons.encoder.inputs:
        given = value if one.kind == "number" or math.isnan(value) else float(min(max(int(value), 0), 2))
        ((signal, sentence),) = said(reasons, {one.name: given})
        assert signal == one.name
        assert sentence[-1] in ".)"
        assert "value" not in sentence
        assert "nan" not in sentence.lower().replace("finance", "").split()


class TestColumns:
    @pytest.mark.parametrize("name", ODD)
    def test_a_column_is_named_as_it_is_called(self, reasons: Reasons, name: str) -> None:
        assert said(reasons, {name: 1234.5}) == [(name, f"{name} is 1,234.5.")]

    def test_an_unknown_value_is_not_a_zero(self, reasons: Reasons) -> None:
        assert said(reasons, {"naïve_column": math.nan}) == [("naïve_column", "Naïve column is not known.")]

    def test_a_boolean_is_yes_or_no(self, reasons: Reasons) -> None:
        assert [said(reasons, {"vip": value})[0][1] for value in (1.0, 0.0)] == ["vip is yes.", "vip is no."]

    def test_a_category_is_its_text(self, reasons: Reasons) -> None:
        assert [said(reasons, {"origin": code})[0][1] for code in (1.0, 2.0, 0.0)] == [
            "origin is socio, S.L..",
            "origin is {x}.",
            "origin is something rare.",
        ]
        assert said(reasons, {"origin": 0.0}, texts={"origin": "the moon"}) == [("origin", "origin is the moon.")]

    def test_an_activity_type_keeps_its_braces(self, reasons: Reasons) -> None:
        assert said(reasons, {"odd {type} %s:count": 3.0})[0][1] == "Had 3 times 'odd {type} %s' in all."


class TestThreeReasonsAreThreeThings:
    def test_windows_of_one_signal_collapse_into_the_strongest(self, reasons: Reasons) -> None:
        pulls = {
            "page_views_30d": 8.0,
            "page_views_7d": 4.0,
            "activities_7d": 4.0,
            "activities_1d": 1.0,
            "activities_decayed_14d": 2.0,
            "seniority": 5.0,
        }
        assert [signal for signal, _ in said(reasons, pulls)] == ["page_views_30d", "activities_7d", "seniority"]

    def test_what_was_stated_and_how_strong_it_is_are_one(self, reasons: Reasons) -> None:
        pulls = {"budget_strength": 0.8, "budget_known": 1.0, "budget_stated": 1.0, "need_strength": 0.5}
        assert [signal for signal, _ in said(reasons, pulls)] == ["budget_strength", "need_strength"]

    def test_columns_of_a_table_never_collapse(self, reasons: Reasons) -> None:
        assert len(said(reasons, {"{}": 1.0, "%(x)d": 2.0})) == 2

    @pytest.mark.parametrize("most", [0, 1, 2, 20])
    def test_as_many_as_asked_for_and_none_without_weight(self, reasons: Reasons, most: int) -> None:
        found = said(reasons, {"seniority": 5.0, "lead_age": 30.0, "vip": 1.0}, most=most)
        assert len(found) == min(most, 3)

    def test_a_lead_without_a_reason_has_none(self, reasons: Reasons) -> None:
        width = len(reasons.encoder.inputs)
        assert reasons.of(np.zeros((2, width)), np.zeros((2, width)), 3) == [[], []]


class TestOfABundle:
    def test_contributions_add_up_to_the_margin(self, event_bundle: Bundle) -> None:
        rng = np.random.default_rng(0)
        X = np.column_stack([np.where(rng.random(50) < 0.2, np.nan, rng.poisson(2, 50)) for _ in event_bundle.encoder.inputs]).astype(float)
        contributions, margin, _ = event_bundle.explain(X)
        base = event_bundle.model.contributions(X)[1]
        assert np.allclose(contributions.sum(axis=1) + base, margin, atol=1e-9)
        assert np.array_equal(margin, event_bundle.model.margin(X))

    def test_exact_reasons_on_request_leave_the_probability_alone(self, event_bundle: Bundle) -> None:
        request = ScoreRequest(
            {"source": "web"}, [Activity(type="page_view", occurred_at=AS_OF - timedelta(days=1), url="/pricing")], as_of=AS_OF
        )
        path, exact = (score_requests(event_bundle, [request], event_bundle.policy, explain=how)[0] for how in ("path", "shap"))
        assert path.probability == exact.probability

    def test_reasons_come_strongest_first(self, flat_bundle: Bundle) -> None:
        (answer,) = score_requests(
            flat_bundle, [ScoreRequest({"visits": 9, "origin": "web", "size": 900.0}, as_of=AS_OF)], flat_bundle.policy
        )
        strengths = [abs(reason.contribution) for reason in answer.reasons]
        assert strengths == sorted(strengths, reverse=True)
        assert answer.reasons[0].sentence == "visits is 9."

    def test_fit_and_engagement_are_sums_of_their_families(self, event_bundle: Bundle) -> None:
        (answer,) = score_requests(event_bundle, [ScoreRequest({"job_title": "CTO"}, as_of=AS_OF)], event_bundle.policy, reasons=200)
        assert answer.fit is not None
        assert answer.engagement is not None
        assert {reason.family for reason in answer.reasons} <= set(event_bundle.families)
