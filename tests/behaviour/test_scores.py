"""What anyone may rely on, whatever the model: laws of scores, tried on drawn leads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import catalogue
from features.signal import Attribute, FeatureSet
from models.blend import Weights
from models.bundle import Bundle, write_bundle
from models.calibration import ScoreScale, fit_calibration
from models.decision import Decision
from models.encoder import Encoder
from models.inputs import InputSpec
from models.qualification import Policy
from models.request import Activity, ScoreRequest
from models.request_columns import RequestColumns
from models.scorecard import declared_scorecard
from models.scoring import Scored, score_columns, score_requests
from training.candidates import SINGLES, Recipe, refit

AS_OF = datetime(2026, 3, 31, 12, tzinfo=UTC)
KINDS = ("declared", "scorecard", "boosted", "blend")
SIGNALS = tuple(catalogue().values())
FEATURES = FeatureSet(SIGNALS, ("nps_survey",), (Attribute("plan", "category"), Attribute("seats", "number")))

TYPES = (
    "page_view",
    "email_open",
    "email_click",
    "email_delivered",
    "form_submit",
    "demo_request",
    "call",
    "meeting",
    "nps_survey",
    "answer",
)
activities = st.builds(
    lambda kind, hours, page, late, channel: Activity(
        type=kind,
        occurred_at=AS_OF - timedelta(hours=hours),
        recorded_at=AS_OF - timedelta(hours=hours) + timedelta(hours=late) if late else None,
        channel=channel,
        url=page,
        content="need" if kind == "answer" else None,
        value="maybe" if kind == "answer" else None,
    ),
    st.sampled_from(TYPES),
    st.integers(-200, 3_000),
    st.sampled_from(["/pricing", "/docs", "/blog/a", "/demo", None]),
    st.integers(0, 40),
    st.sampled_from(["web", "email", None]),
)
leads = st.fixed_dictionaries(
    {},
    optional={
        "created_at": st.integers(-60, 450).map(lambda days: (AS_OF - timedelta(days=days)).isoformat()),
        "job_title": st.sampled_from(["CEO", "Directora Comercial", "junior analyst", "student", ""]),
        "email": st.sampled_from(["ana@acme.example", "info@gmail.com"]),
        "employees": st.one_of(st.none(), st.integers(0, 10**6), st.floats(allow_nan=True, allow_infinity=True)),
        "seats": st.one_of(st.none(), st.floats(-1e6, 1e6)),
        "plan": st.sampled_from(["basic", "pro", "never seen", None]),
        "shoe_size": st.integers(),
    },
)
requests = st.builds(
    ScoreRequest, leads, st.lists(activities, max_size=25), st.one_of(st.none(), st.lists(activities, max_size=6)), st.just(AS_OF)
)


@pytest.fixture(scope="module", params=KINDS, autouse=True)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Every declared signal and two columns behind each kind of model that promises a direction."""
    return made(request.param, tmp_path_factory.mktemp("behaviour"))


def recipe_of(kind: str) -> Recipe:
    """A blend has them all, the naive Bayes and the logistic one too."""
    if kind in SINGLES:
        return Recipe(kind, rounds=60, C=0.3)
    return Recipe(kind, members=tuple(recipe_of(one) for one in SINGLES), weights=Weights(dict.fromkeys(SINGLES, 0.25), 0.0))


def made(kind: str, folder: Any) -> Bundle:
    rng = np.random.default_rng(4)
    names = [one.name for one in SIGNALS] + [f"nps_survey:{end}" for end in ("count", "count_7d", "days_since")]
    inputs = [InputSpec(one.name, one.family, "number", one.monotone) for one in SIGNALS]
    inputs += [InputSpec(name, "engagement") for name in names[len(SIGNALS) :]]
    inputs += [InputSpec("seats", "fit"), InputSpec("plan", "fit", "category", 0, ("basic", "pro"))]
    X = np.column_stack([rng.integers(0, 3, 1_500) if one.kind == "category" else rng.gamma(1.0, 1.0, 1_500) for one in inputs]).astype(
        float
    )
    strengths = [i for i, one in enumerate(inputs) if one.name.endswith("_strength")]
    X[:, strengths] = rng.random((1_500, len(strengths)))
    X[rng.random(X.shape) < 0.15] = np.nan
    # Labels fall with evidence here: a model that were free to would learn the opposite direction.
    pull = np.nan_to_num(X[:, ::5]).sum(axis=1) - 2.0 * np.nan_to_num(X[:, strengths]).sum(axis=1)
    y = (rng.random(1_500) < 1 / (1 + np.exp(np.median(pull) - pull))).astype(np.float64)
    if kind == "declared":
        model: Any = declared_scorecard(inputs)
    else:
        model = refit(recipe_of(kind), X, y, inputs, 7)
    margin = model.margin(X)
    calibration = fit_calibration(margin, y, np.arange(1_500), 7)
    return write_bundle(
        folder / kind,
        model=model,
        encoder=Encoder(FEATURES, tuple(inputs)),
        calibration=calibration,
        scale=ScoreScale.from_margins(margin),
        policy=Policy.at(0.3, 0.6),
        manifest={"model_version": kind, "horizon_days": 90, "no_signal": False},
        tables={},
    )


def scored(bundle: Bundle, *given: ScoreRequest) -> Scored:
    """With margins, which the answers do not show."""
    batch = RequestColumns(bundle.scorer)
    for request in given:
        batch.add(request)
    table, log, observations, colleagues = batch.columns()
    return score_columns(bundle, table, log, observations, colleagues)


def answer(bundle: Bundle, request: ScoreRequest, **options: Any) -> Decision:
    (found,) = score_requests(bundle, [request], bundle.policy, **options)
    assert isinstance(found, Decision), found
    return found


def figures(found: Decision) -> tuple[Any, ...]:
    return (found.probability, found.probability_low, found.probability_high, found.score, found.grade, found.reasons, found.bant)


def raised(request: ScoreRequest, field: str, value: str) -> ScoreRequest:
    """The same lead, who has also answered a question an hour ago."""
    said = Activity(type="answer", occurred_at=AS_OF - timedelta(hours=1), content=field, value=value)
    return ScoreRequest(request.lead, [*request.activities, said], request.account_activities, AS_OF)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=8, max_size=8), seed=st.integers(0, 2**16))
def test_more_bant_evidence_never_lowers_the_margin(bundle: Bundle, values: list[float], seed: int) -> None:
    """All else equal: a strength raised, any other input as it may be."""
    rng = np.random.default_rng(seed)
    inputs = bundle.encoder.inputs
    row = np.array([float(rng.integers(0, 3)) if one.kind == "category" else rng.gamma(1.0, 1.0) for one in inputs])
    row[rng.random(len(row)) < 0.2] = np.nan
    for at, (i, one) in enumerate((i, one) for i, one in enumerate(inputs) if one.name.endswith("_strength")):
        low, high = sorted(values[2 * at : 2 * at + 2])
        X = np.repeat(row[None, :], 2, axis=0)
        X[0, i], X[1, i] = low, high
        margin = bundle.model.margin(X)
        assert margin[1] >= margin[0] - 1e-9, one.name


@settings(max_examples=40, deadline=None)
@given(request=requests, seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(bundle: Bundle, request: ScoreRequest, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shuffled = ScoreRequest(
        dict(reversed(request.lead.items())),
        [request.activities[i] for i in rng.permutation(len(request.activities))],
        None if request.account_activities is None else request.account_activities[::-1],
        AS_OF,
    )
    assert figures(answer(bundle, shuffled)) == figures(answer(bundle, request))


@settings(max_examples=40, deadline=None)
@given(request=requests, later=st.lists(st.tuples(activities, st.integers(0, 500)), min_size=1, max_size=5))
def test_what_happens_at_as_of_or_later_changes_nothing_but_a_count(
    bundle: Bundle, request: ScoreRequest, later: list[tuple[Activity, int]]
) -> None:
    before = answer(bundle, ScoreRequest(request.lead, [], request.account_activities, AS_OF))
    future = [
        Activity(type=one.type, occurred_at=AS_OF + timedelta(hours=hours), url=one.url, content=one.content, value=one.value)
        for one, hours in later
    ]
    after = answer(bundle, ScoreRequest(request.lead, future, request.account_activities, AS_OF))
    assert figures(after) == figures(before)
    assert [note for note in after.missing if note not in before.missing] == [f"{len(future)} activities from as_of or later were ignored"]


@settings(max_examples=40, deadline=None)
@given(request=requests)
def test_what_was_recorded_later_was_not_known(bundle: Bundle, request: ScoreRequest) -> None:
    unknown = Activity(type="demo_request", occurred_at=AS_OF - timedelta(days=2), recorded_at=AS_OF + timedelta(seconds=1))
    after = ScoreRequest(request.lead, [*request.activities, unknown], request.account_activities, AS_OF)
    assert figures(answer(bundle, after)) == figures(answer(bundle, request))


@settings(max_examples=40, deadline=None)
@given(request=requests, seed=st.integers(0, 99))
def test_an_activity_told_twice_happened_once(bundle: Bundle, request: ScoreRequest, seed: int) -> None:
    named = [
        Activity(**{name: getattr(one, name) for name in one.__struct_fields__} | {"activity_id": f"a{i}"})
        for i, one in enumerate(request.activities)
    ]
    twice = [*named, *named[::-1]]
    rng = np.random.default_rng(seed)
    again = ScoreRequest(request.lead, [twice[i] for i in rng.permutation(len(twice))], request.account_activities, AS_OF)
    assert figures(answer(bundle, again)) == figures(answer(bundle, ScoreRequest(request.lead, named, request.account_activities, AS_OF)))


@settings(max_examples=25, deadline=None)
@given(group=st.lists(requests, min_size=2, max_size=6))
def test_a_batch_is_its_members_bit_for_bit(bundle: Bundle, group: list[ScoreRequest]) -> None:
    together = scored(bundle, *group)
    alone = [scored(bundle, one) for one in group]
    for name in ("margin", "probability", "low", "high", "score"):
        assert getattr(together, name).tobytes() == b"".join(getattr(one, name).tobytes() for one in alone)
    answers = score_requests(bundle, group, bundle.policy)
    assert [figures(one) for one in answers if isinstance(one, Decision)] == [figures(answer(bundle, one)) for one in group]


@settings(max_examples=40, deadline=None)
@given(request=requests)
def test_any_lead_has_a_probability_inside_its_interval(bundle: Bundle, request: ScoreRequest) -> None:
    found = answer(bundle, request)
    assert 0 <= found.probability_low <= found.probability <= found.probability_high <= 1
    assert found.score is not None
    assert 0 <= found.score <= 100
    assert ("not used by this model: shoe_size" in found.missing) == ("shoe_size" in request.lead)


def test_rows_of_one_id_that_differ_give_one_answer_in_any_order(bundle: Bundle) -> None:
    """Two systems tell of one activity differently: the one that was recorded first counts, else the first by its row."""
    one = Activity(type="page_view", occurred_at=AS_OF - timedelta(days=1), activity_id="x", url="/pricing")
    other = Activity(type="demo_request", occurred_at=AS_OF - timedelta(days=1), activity_id="x")
    first, second = (answer(bundle, ScoreRequest({}, rows, as_of=AS_OF)) for rows in ([one, other], [other, one]))
    assert figures(first) == figures(second)


def test_a_lead_is_not_its_own_colleague(bundle: Bundle) -> None:
    """A CRM may send all that the company did, the lead's own rows among it."""
    own = Activity(type="demo_request", occurred_at=AS_OF - timedelta(days=1), lead_id="ana")
    eva = Activity(type="page_view", occurred_at=AS_OF - timedelta(days=2), lead_id="eva")
    with_own, without = (answer(bundle, ScoreRequest({"lead_id": "ana"}, [own], around, AS_OF)) for around in ([own, eva], [eva]))
    assert figures(with_own) == figures(without)


def test_an_answer_that_says_yes_is_evidence(bundle: Bundle) -> None:
    """From the answer to the dimension: met, with the fact behind it; and where it was silent, the question to ask."""
    silent = answer(bundle, ScoreRequest({}, as_of=AS_OF))
    said = answer(bundle, raised(ScoreRequest({}, as_of=AS_OF), "budget", "approved"))
    assert (silent.bant.budget.status, silent.bant.budget.question is not None) == ("unknown", True)
    assert said.bant.budget.status == "met"
    assert said.bant.budget.evidence[0].source == "answer"
    assert said.bant.need == silent.bant.need


def test_the_time_zone_of_an_instant_is_no_matter(bundle: Bundle) -> None:
    from datetime import timezone

    elsewhere = timezone(timedelta(hours=-7))
    visit = AS_OF - timedelta(hours=5)
    here = ScoreRequest({}, [Activity(type="page_view", occurred_at=visit, url="/pricing")], as_of=AS_OF)
    there = ScoreRequest(
        {}, [Activity(type="page_view", occurred_at=visit.astimezone(elsewhere), url="/pricing")], as_of=AS_OF.astimezone(elsewhere)
    )
    naive = ScoreRequest(
        {}, [Activity(type="page_view", occurred_at=visit.replace(tzinfo=None), url="/pricing")], as_of=AS_OF.replace(tzinfo=None)
    )
    assert figures(answer(bundle, here)) == figures(answer(bundle, there)) == figures(answer(bundle, naive))
