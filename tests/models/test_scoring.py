"""One way to score: a request, a batch and a file give a lead the same probability to the last bit."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from data.errors import TamizError
from features.engine import evaluate
from models.blend import Weights
from models.bundle import Bundle, write_bundle
from models.decision import Decision
from models.inputs import InputSpec
from models.qualification import Policy, SqlBand
from models.request import Activity, ScoreRequest
from models.request_columns import RequestColumns
from models.score_file import score_file
from models.scoring import score_requests
from training.candidates import KINDS, SINGLES, Recipe, refit

AS_OF = datetime(2025, 1, 10, 9, 30, tzinfo=UTC)
FIGURES = ("probability", "probability_low", "probability_high", "score", "grade", "decision")


def requests_of(project: Path, *, context: bool) -> list[ScoreRequest]:
    """What a CRM would send for the same leads: typed JSON, each with its activities, and with its colleagues' where asked for."""
    leads = pd.read_csv(project.parent / "leads.csv", dtype=str, keep_default_na=False)
    activities = pd.read_csv(project.parent / "activities.csv", dtype=str, keep_default_na=False)
    by_lead = {name: [activity(row) for row in rows.to_dict("records")] for name, rows in activities.groupby("lead_id")}
    company = leads.groupby("company_domain")["lead_id"].apply(list).to_dict()
    found = []
    for row in leads.to_dict("records"):
        lead: dict[str, Any] = {name: value or None for name, value in row.items()}
        lead["employees"] = float(row["employees"]) if row["employees"] else None
        around = None
        if context and row["company_domain"]:
            around = [
                replaced(one, lead_id=name)
                for name in company[row["company_domain"]]
                if name != row["lead_id"]
                for one in by_lead.get(name, [])
            ]
        found.append(ScoreRequest(lead, by_lead.get(row["lead_id"], []), around, AS_OF))
    return found


def activity(row: dict[str, str]) -> Activity:
    texts = {name: row[name] or None for name in ("activity_id", "url", "content", "value")}
    times = {name: datetime.fromisoformat(row[name]) for name in ("occurred_at", "recorded_at")}
    return Activity(type=row["type"], **texts, **times)


def replaced(one: Activity, **values: Any) -> Activity:
    return Activity(**{name: getattr(one, name) for name in one.__struct_fields__} | values)


def decisions(bundle: Bundle, requests: Sequence[ScoreRequest], **options: Any) -> list[Decision]:
    answers = score_requests(bundle, requests, options.pop("policy", bundle.policy), **options)
    assert all(isinstance(one, Decision) for one in answers), next(one for one in answers if not isinstance(one, Decision))
    return answers


def scored(bundle: Bundle, leads: Path, out: Path, **options: Any) -> list[dict[str, Any]]:
    score_file(bundle, options.pop("policy", bundle.policy), leads, str(out), as_of=options.pop("as_of", AS_OF), **options)
    return parquet.read_table(out).to_pylist()


def same(answer: Decision, row: dict[str, Any]) -> bool:
    return answer.lead_id == row["lead_id"] and all(getattr(answer, name) == row[name] for name in FIGURES)


@pytest.fixture(scope="module", params=KINDS)
def of_each_kind(request: pytest.FixtureRequest, event_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The event model's inputs behind a model of each kind."""
    rng = np.random.default_rng(1)
    inputs = event_bundle.encoder.inputs
    X = np.column_stack([one_column(spec, 600, rng) for spec in inputs])
    strength = [i for i, spec in enumerate(inputs) if spec.monotone > 0]
    margin = np.nan_to_num(X[:, strength]).sum(axis=1) * 0.2 + np.nan_to_num(X[:, 0]) * 0.3
    y = (rng.random(600) < 1 / (1 + np.exp(np.median(margin) - margin))).astype(np.float64)
    return write_bundle(
        tmp_path_factory.mktemp("kinds") / request.param,
        model=refit(recipe_of(request.param), X, y, inputs, 7),
        encoder=event_bundle.encoder,
        calibration=event_bundle.calibration,
        scale=event_bundle.scale,
        policy=event_bundle.policy,
        manifest={name: value for name, value in event_bundle.manifest.items() if name not in ("kind", "files", "seal", "format")},
        tables={},
    )


def recipe_of(kind: str) -> Recipe:
    if kind in SINGLES:
        return Recipe(kind, rounds=40, C=0.3)
    return Recipe(kind, members=tuple(recipe_of(one) for one in SINGLES), weights=Weights(dict.fromkeys(SINGLES, 0.3), 0.1))


def one_column(spec: InputSpec, rows: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    values = rng.integers(0, len(spec.categories) + 1, rows) if spec.kind == "category" else rng.poisson(1.5, rows)
    return np.where(rng.random(rows) < 0.1, np.nan, values.astype(np.float64))


class TestTheSameEitherWay:
    def test_a_flat_file_and_a_request(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        rows = scored(flat_bundle, flat_file, tmp_path / "out.parquet")
        table = pd.read_csv(flat_file, dtype={"lead_id": str})
        leads = [{name: None if value != value else value for name, value in row.items()} for row in table.to_dict("records")]
        answers = decisions(flat_bundle, [ScoreRequest(lead, as_of=AS_OF) for lead in leads])
        assert [same(answer, row) for answer, row in zip(answers, rows, strict=True)] == [True] * len(rows)

    def test_a_flat_file_and_a_request_that_sends_texts(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        """As a form or a spreadsheet sends them."""
        rows = scored(flat_bundle, flat_file, tmp_path / "out.parquet")
        leads = pd.read_csv(flat_file, dtype=str, keep_default_na=False).to_dict("records")
        answers = decisions(flat_bundle, [ScoreRequest(dict(lead), as_of=AS_OF) for lead in leads[:300]])
        assert all(same(answer, row) for answer, row in zip(answers, rows, strict=False))

    def test_files_of_leads_and_activities_and_a_request_with_its_colleagues(
        self, of_each_kind: Bundle, event_project: Path, tmp_path: Path
    ) -> None:
        folder = event_project.parent
        rows = scored(of_each_kind, folder / "leads.csv", tmp_path / "out.parquet", activities=folder / "activities.csv")
        answers = decisions(of_each_kind, requests_of(event_project, context=True))
        assert len(answers) == len(rows)
        differing = [answer.lead_id for answer, row in zip(answers, rows, strict=True) if not same(answer, row)]
        assert differing == []
        assert len({row["probability"] for row in rows}) > 20

    def test_with_reasons_and_without(self, of_each_kind: Bundle, event_project: Path, tmp_path: Path) -> None:
        folder = event_project.parent
        with_reasons, without = (
            scored(of_each_kind, folder / "leads.csv", tmp_path / f"{n}.parquet", activities=folder / "activities.csv", reasons=n)
            for n in (3, 0)
        )
        assert [[row[name] for name in FIGURES] for row in with_reasons] == [[row[name] for name in FIGURES] for row in without]
        assert {row["reasons"] for row in without} == {None}

    def test_one_by_one_and_in_a_batch(self, of_each_kind: Bundle, event_project: Path) -> None:
        requests = requests_of(event_project, context=True)[:40]
        together = decisions(of_each_kind, requests)
        alone = [decisions(of_each_kind, [request])[0] for request in requests]
        assert [(one.probability, one.probability_low, one.probability_high, one.score, one.reasons) for one in together] == [
            (one.probability, one.probability_low, one.probability_high, one.score, one.reasons) for one in alone
        ]

    def test_a_policy_that_asks_for_bant(self, event_bundle: Bundle, event_project: Path, tmp_path: Path) -> None:
        """SQL needs evidence, not only a probability: the file's decisions know it too."""
        plain = event_bundle.policy.model_copy(update={"sql": SqlBand(enter=event_bundle.policy.mql.enter, exit=0.0)})
        asking = plain.model_copy(update={"sql": SqlBand(enter=event_bundle.policy.mql.enter, exit=0.0, bant_met=1)})
        folder = event_project.parent
        rows = scored(event_bundle, folder / "leads.csv", tmp_path / "out.parquet", activities=folder / "activities.csv", policy=asking)
        answers = decisions(event_bundle, requests_of(event_project, context=True), policy=asking)
        assert [row["decision"] for row in rows] == [answer.decision for answer in answers]
        assert {"mql", "sql"} <= {row["decision"] for row in rows}

    def test_refused_consent_is_read_alike(self, flat_bundle: Bundle, tmp_path: Path) -> None:
        """The model was trained without consent; the policy reads it all the same."""
        policy = flat_bundle.policy.model_copy(update={"require_consent": True})
        (tmp_path / "leads.csv").write_text("lead_id,visits,origin,size,consent\n1,2,web,3,no\n2,2,web,3,yes\n3,2,web,3,\n")
        rows = scored(flat_bundle, tmp_path / "leads.csv", tmp_path / "out.parquet", policy=policy)
        requests = [
            ScoreRequest({"visits": 2, "origin": "web", "size": 3, "consent": consent}, as_of=AS_OF)
            for consent in ("no", "yes", None, False)
        ]
        answers = [one.decision for one in decisions(flat_bundle, requests, policy=policy)]
        assert [row["decision"] for row in rows] == answers[:3]
        assert answers[0] == answers[3] == "disqualified"
        assert "disqualified" not in answers[1:3]


class TestWhatIsNotThere:
    def test_nothing_known_at_all(self, of_each_kind: Bundle) -> None:
        (answer,) = decisions(of_each_kind, [ScoreRequest({}, as_of=AS_OF)])
        assert 0 <= answer.probability_low <= answer.probability <= answer.probability_high <= 1
        assert any("account_activities" in note for note in answer.missing)

    def test_a_category_never_seen_is_scored_and_named(self, flat_bundle: Bundle) -> None:
        (answer,) = decisions(flat_bundle, [ScoreRequest({"origin": "the moon", "visits": 1}, as_of=AS_OF)])
        assert "origin: this value was rare or absent in training" in answer.missing

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "inf", "", "  ", "NULL", 10**400, None])
    def test_what_is_no_finite_number_is_missing(self, flat_bundle: Bundle, value: Any) -> None:
        lead = {"visits": 2, "origin": "web"}
        absent, given = decisions(flat_bundle, [ScoreRequest(dict(lead, **more), as_of=AS_OF) for more in ({}, {"size": value})])
        assert given.probability == absent.probability

    @pytest.mark.parametrize(("text", "number"), [("50-200", 100), ("1.200 empleados", 1_200), ("10k+", 10_000)])
    def test_a_size_in_words_is_the_size(self, event_bundle: Bundle, text: str, number: float) -> None:
        worded, counted = decisions(event_bundle, [ScoreRequest({"employees": size}, as_of=AS_OF) for size in (text, number)])
        assert [getattr(worded, name) for name in FIGURES] == [getattr(counted, name) for name in FIGURES]
        assert not any("tells of no size" in said for said in worded.missing)

    def test_a_text_that_is_no_size_is_not_known_and_said(self, event_bundle: Bundle) -> None:
        worded, silent = decisions(event_bundle, [ScoreRequest({"employees": size}, as_of=AS_OF) for size in ("SME", None)])
        assert [getattr(worded, name) for name in FIGURES] == [getattr(silent, name) for name in FIGURES]
        assert "employees 'SME' tells of no size" in worded.missing

    @pytest.mark.parametrize("origin", ["", "  ", "NULL", "NaN", None])
    def test_words_for_missing_are_those_of_files(self, flat_bundle: Bundle, origin: Any) -> None:
        absent, given = decisions(
            flat_bundle, [ScoreRequest(lead, as_of=AS_OF) for lead in ({"visits": 2}, {"visits": 2, "origin": origin})]
        )
        assert given.probability == absent.probability

    def test_unknown_attributes_are_listed_as_unused(self, flat_bundle: Bundle) -> None:
        (answer,) = decisions(flat_bundle, [ScoreRequest({"visits": 1, "shoe_size": 43, "favourite": [1, 2]}, as_of=AS_OF)])
        assert "not used by this model: favourite, shoe_size" in answer.missing

    def test_what_training_did_not_have_is_not_read_later(self, flat_bundle: Bundle) -> None:
        """No column of it went into training, so whatever a signal would make of it was never learnt."""
        lead = {"visits": 1, "origin": "web"}
        plain, more = decisions(
            flat_bundle, [ScoreRequest(one, as_of=AS_OF) for one in (lead, lead | {"job_title": "CEO", "employees": 5})]
        )
        assert more.probability == plain.probability


class TestBadValues:
    @pytest.mark.parametrize("value", ["many", "1_000", "١٢", [1], {"a": 1}])
    def test_a_number_that_is_none_is_named(self, flat_bundle: Bundle, value: Any) -> None:
        (error,) = score_requests(flat_bundle, [ScoreRequest({"visits": value}, as_of=AS_OF)], flat_bundle.policy)
        assert isinstance(error, TamizError)
        assert "`lead.visits`" in str(error)
        assert error.status == 422

    def test_one_bad_request_spoils_no_other(self, flat_bundle: Bundle) -> None:
        good = ScoreRequest({"lead_id": "b", "visits": 3}, as_of=AS_OF)
        answers = score_requests(flat_bundle, [ScoreRequest({"visits": "x"}, as_of=AS_OF), good], flat_bundle.policy)
        assert isinstance(answers[0], TamizError)
        assert isinstance(answers[1], Decision)
        assert (answers[1].lead_id, answers[1].probability) == ("b", decisions(flat_bundle, [good])[0].probability)

    def test_an_unresolved_instant_is_a_mistake_of_the_caller(self, flat_bundle: Bundle) -> None:
        with pytest.raises(ValueError, match="as_of"):
            score_requests(flat_bundle, [ScoreRequest({"visits": 1})], flat_bundle.policy)

    def test_nobody_to_score(self, flat_bundle: Bundle) -> None:
        assert score_requests(flat_bundle, [], flat_bundle.policy) == []


class TestCategoriesThatLookLikeNumbers:
    @pytest.mark.parametrize("code", ["7", 7, 7.0])
    def test_a_number_is_the_category_that_a_file_would_write(self, event_bundle: Bundle, code: Any) -> None:
        seven, other = decisions(event_bundle, [ScoreRequest({"plan code": value}, as_of=AS_OF) for value in ("7", code)])
        assert other.probability == seven.probability
        assert not any("plan code" in note and "rare" in note for note in other.missing)

    def test_large_numbers_keep_their_digits(self, event_bundle: Bundle) -> None:
        """A stated budget of 1,234,567 is not 1.23457e+06."""
        said = [
            Activity(type="answer", occurred_at=AS_OF - timedelta(days=1), content="budget", value=value)
            for value in (1_234_567.0, "1234567")
        ]
        first, second = decisions(event_bundle, [ScoreRequest({}, [one], as_of=AS_OF) for one in said])
        assert first.bant.budget == second.bant.budget
        assert first.probability == second.probability


def test_an_attribute_called_like_a_signal_is_the_attribute(tmp_path: Path) -> None:
    """A table with a column `seniority` of its own: one name is one input, and it is the column's."""
    from data.home import Home
    from tests.trained import flat_table, train_flat

    table = flat_table(400).rename(columns={"size": "seniority"}).assign(job_title="CEO")
    table.to_csv(tmp_path / "leads.csv", index=False)
    bundle = Bundle.load(train_flat(tmp_path / "leads.csv", Home(tmp_path / "home")).folder)
    names = [one.name for one in bundle.encoder.inputs]
    assert names.count("seniority") == 1
    rows = scored(bundle, tmp_path / "leads.csv", tmp_path / "out.parquet")
    assert all(row["error"] is None for row in rows)
    (answer,) = decisions(bundle, [ScoreRequest({"seniority": 1234.5, "visits": 1}, as_of=AS_OF)], reasons=10)
    assert "seniority is 1,234.5." in [reason.sentence for reason in answer.reasons]


class TestAlmostNothingKnown:
    SAID = "over half of what this model goes by is missing: this is little more than the base rate"

    def said(self, bundle: Bundle, **lead: Any) -> bool:
        (decision,) = score_requests(
            bundle, [ScoreRequest({"lead_id": "a", **lead}, as_of=datetime(2025, 9, 1, tzinfo=UTC))], Policy.at(0.2, 0.5)
        )
        assert isinstance(decision, Decision)
        return self.SAID in decision.missing

    def test_a_lead_without_what_the_model_goes_by_is_told_so(self, flat_bundle: Bundle) -> None:
        assert self.said(flat_bundle)
        assert self.said(flat_bundle, colour="red", visits=None)

    def test_a_lead_with_most_of_it_is_not(self, flat_bundle: Bundle) -> None:
        assert not self.said(flat_bundle, size=20, origin="feria", visits=2, member="yes")
        by_worth = sorted(flat_bundle.manifest["importance"], key=lambda name: -flat_bundle.manifest["importance"][name])
        best = {name: {"size": 20, "origin": "feria", "visits": 2, "member": "yes"}.get(name) for name in by_worth[:2]}
        assert not self.said(flat_bundle, **best)

    def test_a_lead_that_did_nothing_is_known_to_have_done_nothing(self, event_bundle: Bundle) -> None:
        lead = {"created_at": "2025-08-01T09:00:00Z", "company_domain": "x.example", "job_title": "CTO", "employees": 20, "source": "web"}
        assert not self.said(event_bundle, **lead, **{"plan code": "7"})


class TestBadActivities:
    """What a CRM may send: nothing of it is a reason to fail, and nothing is passed over in silence."""

    def ask(self, bundle: Bundle, *activities: Activity) -> Decision:
        (answer,) = decisions(
            bundle, [ScoreRequest({"lead_id": "ana", "created_at": "2025-01-01T00:00:00Z"}, list(activities), None, AS_OF)]
        )
        return answer

    @pytest.mark.parametrize("year", [1, 1970, 1989])
    def test_a_time_before_all_business_is_ignored_and_said(self, event_bundle: Bundle, year: int) -> None:
        answer = self.ask(event_bundle, Activity("page_view", datetime(year, 1, 1, tzinfo=UTC), url="/pricing"))
        assert answer.probability == self.ask(event_bundle).probability
        assert "1 activities from before 1990 were ignored" in answer.missing

    def test_a_time_of_the_far_future_is_ignored_and_said(self, event_bundle: Bundle) -> None:
        answer = self.ask(event_bundle, Activity("page_view", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), url="/pricing"))
        assert answer.probability == self.ask(event_bundle).probability
        assert "1 activities from as_of or later were ignored" in answer.missing

    def test_a_page_of_ten_thousand_characters_is_a_page(self, event_bundle: Bundle) -> None:
        when = AS_OF - timedelta(hours=1)
        endless, other = (self.ask(event_bundle, Activity("page_view", when, url=url)) for url in ("/" + "a-/" * 5_000, "/x"))
        assert endless.probability == other.probability

    def test_a_type_that_nobody_declared_is_kept_and_said(self, event_bundle: Bundle) -> None:
        odd = Activity("stand visit\n" + "🙂" * 60, AS_OF - timedelta(hours=1))
        answer = self.ask(event_bundle, odd)
        (said,) = (one for one in answer.missing if "no signal names" in one)
        assert said.startswith("activity types that no signal names: stand visit·🙂")
        assert len(said) < 160
        batch = RequestColumns(event_bundle.scorer)
        batch.add(ScoreRequest({"lead_id": "ana"}, [odd], None, AS_OF))
        assert evaluate(event_bundle.scorer.plan, *batch.columns()).column("activities_1d").tolist() == [1.0]

    def test_how_long_and_by_which_program_may_be_told(self, event_bundle: Bundle) -> None:
        when = AS_OF - timedelta(hours=1)
        seen = self.ask(
            event_bundle, Activity("page_view", when, url="/pricing", duration_seconds=12.5, user_agent="Mozilla/5.0 (X11) Firefox/1")
        )
        assert seen.probability == self.ask(event_bundle, Activity("page_view", when, url="/pricing")).probability
        crawled = Activity("page_view", when, url="/pricing", user_agent="ExampleBot/1.0")
        assert self.ask(event_bundle, crawled).receipt.input_hash != seen.receipt.input_hash


def test_a_decision_leaves_nothing_to_the_garbage_collector(event_bundle: Bundle) -> None:
    """What points in a circle stays in memory until the collector stops the service to look for it."""
    said = Activity(type="answer", occurred_at=AS_OF - timedelta(days=1), content="budget", value="approved")
    request = ScoreRequest({"lead_id": "ana", "job_title": "CTO", "annual_revenue": 5e6}, [said], as_of=AS_OF)
    decisions(event_bundle, [request])
    gc.collect()
    gc.disable()
    try:
        left = []
        for _ in range(5):
            (answer,) = decisions(event_bundle, [request])
            assert answer.bant.budget.evidence
            left.append(gc.collect())
        assert 0 in left, "threads of the test runner leave something now and then, a decision would each time"
    finally:
        gc.enable()
