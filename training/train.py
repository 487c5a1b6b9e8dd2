"""Training, from top to bottom: read → split → audit → fit the candidates → calibrate → measure → fit what serves → log → report.

In: a `Dataset` and a few choices. Out: a report, a bundle folder and a registered version. Whatever is chosen is chosen
before test; test is looked at once, for the figures. The model that is measured never saw test; the model that serves is
the same frozen recipe on all mature rows, and the report keeps the two apart.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BadData, BadUsage, TamizError
from data.files import nearest
from data.home import Home
from data.quarantine import write_quarantine
from features.history import DAY
from models.boosted import is_scarce
from models.calibration import Calibration
from models.encoder import Encoder
from models.inputs import Floats
from models.logit import one_thread
from models.registry import Registered, Sample
from models.value import fit_value
from training.bias import in_words, weighted_figures
from training.calibrate import calibrate
from training.candidates import BLEND, KINDS, Candidate, Elsewhere, choose, fit_candidates, part, search_boosted
from training.cluster import TooSmallForCluster
from training.dataset import Dataset
from training.diagnostics import BUDGET, diagnose
from training.horizons import fit_by_day
from training.horizons import on_test as by_day_on_test
from training.leakage import Verdict, audit
from training.leakage_dates import date_lags
from training.leakage_timing import late_inputs
from training.measure import against, baseline, curves, importance, measure, promises_kept, unseen_accounts, with_left_out
from training.memory import give_back
from training.mlflow_log import attach_report, register
from training.no_signal import RankingTest, age_slots, month_strata, order_strata, ranking_test
from training.provenance import provenance
from training.published import published_policy
from training.report import write_report
from training.result import Block, TrainingResult
from training.served import Served, crosses, fit_served, matures, write_served
from training.splits import Fold, Split, cross_fit_folds, split_by_order, split_forward, split_random
from training.stability import shown_order
from training.system_metrics import sampled
from training.wider import Wider, with_everyone
from training.worth import per_hundred_calls, revenue_captured

__all__ = ["Learned", "Options", "Trained", "Watch", "learn", "ranking", "serve", "split_data", "train", "when_of"]

Ints = NDArray[np.int64]
Say = Callable[[str], None]

_RESAMPLES, _QUICK_RESAMPLES = 300, 100
_SERVED_SHARES, _SERVED_TRIED_SHARES = (0.85, 0.0, 0.0, 0.15), (0.5, 0.0, 0.0, 0.5)
"""Of the served model: fitted on the older leads, calibrated on the newest."""
_TRIED_SHARES = (0.30, 0.15, 0.35, 0.20)
"""Where looks at everybody help to rank, leads that were decided by lot are for weighing and calibrating first."""
_LEFT_OUT = ("blocked", "suspect")
_GLANCE = 1_000
WEEK = 7 * DAY


@dataclass(frozen=True)
class Options:
    """Choices of a run; the defaults suit most data."""

    seed: int = 7
    trials: int = 0
    """Settings of the boosted model to try besides the defaults."""
    search_seconds: float | None = 120.0
    """After which no further race of the search begins; the trials done are counted, and as many find the same again."""
    quick: bool = False
    drop: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    report: Path | None = None
    language: str = "en"
    """Of report.html."""
    command: str = ""


@dataclass(frozen=True)
class Trained:
    """What a run leaves behind."""

    result: TrainingResult
    folder: Path
    """The bundle."""
    version: int | None
    """Of the registered model; None when MLflow could not take it, which `failure` then tells."""
    report: Path
    failure: TamizError | None = None


@dataclass
class Watch:
    """Seconds by stage, and a line to the person waiting whenever one begins."""

    say: Say
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, doing: str) -> Iterator[None]:
        self.say(doing)
        began = time.perf_counter()
        with one_thread():  # of linear algebra: on columns as short as these a second one waits more than it works
            yield
        give_back()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 3)


def train(read: Callable[[Say], Dataset], home: Home, options: Options, say: Say = lambda text: None) -> Trained:
    """The whole run. `read` gives the dataset; nothing is registered unless everything before it went well."""
    with sampled(not options.quick) as samples:
        return _train(read, home, options, say, samples)


def _train(read: Callable[[Say], Dataset], home: Home, options: Options, say: Say, samples: Sequence[Sample]) -> Trained:
    started = time.time_ns() // 1_000_000
    watch = Watch(say)
    seed, resamples = options.seed, _QUICK_RESAMPLES if options.quick else _RESAMPLES

    with watch.stage("read", "reading"):
        data = read(say)
        _check(data, options)
    learned = learn(data, options, watch)
    split, candidates, calibrations, chosen = learned.split, learned.candidates, learned.calibrations, learned.chosen

    with watch.stage("measure", f"measuring on {len(split.test):,} test rows"):
        figures = measure(data, split, candidates, calibrations, seed=seed, resamples=resamples)
        simplest = against(data, split, candidates, calibrations, chosen, "scorecard", seed=seed, resamples=resamples)
        kept = promises_kept(
            data, split, candidates[chosen], calibrations[chosen], calibrating=learned.calibrating, when=when_of(data), seed=seed
        )
        signal = ranking(data, learned, seed)
        no_signal = signal.no_signal
        everything = None
        if learned.left_out and not options.quick and data.everyone is None:
            named = [*learned.kept, *learned.left_out]
            everything = with_left_out(data, split, learned.folds, named, chosen, rows=learned.calibrating, seed=seed, resamples=resamples)
    with watch.stage("serve", "fitting the served model on all mature rows"):
        served = serve(data, learned, seed, no_signal=no_signal)
    with watch.stage("measure", "measuring what a hundred calls are worth"):
        worth, value = _worth(data, learned, served, _capacity(home, data, split), seed, resamples)
    looks_at = importance(candidates[chosen].model, learned.encoder, part(learned.X, split.test))
    diagnostics = None
    if not options.quick and data.everyone is None:  # they fit again, without the looks at everybody
        with watch.stage("diagnostics", f"diagnostics, {sum(BUDGET.values()):.0f} s at most"):
            fitted = split.development if learned.folds else split.fit
            one = (candidates[chosen], calibrations[chosen])
            diagnostics = diagnose(data, split, learned.encoder, learned.X, *one, fitted, looks_at, seed=seed)
    learned = replace(learned, X=np.empty((0, 0)))  # nothing reads it any more, and MLflow needs room

    version = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{data.digest()[:8]}"
    metrics = _metrics(data, split, learned.verdicts, figures, simplest, served, chosen, no_signal=no_signal, version=version)
    metrics["search"] = _search(options, candidates)
    metrics |= {"worth": worth, "value": value, "diagnostics": diagnostics}
    if data.rejections:
        metrics["rejections"] = [asdict(one) for one in data.rejections]
    metrics |= _meaning(data, learned, served, seed, resamples)
    result = TrainingResult(
        metrics=metrics | kept,
        blocks=_blocks(data, split),
        sources=data.sources,
        label=data.label,
        curves=curves(data, split, candidates, calibrations),
        importance=looks_at,
        with_left_out=everything,
        allowed=tuple(name for name in options.allow if name in data.input_names),
        dropped=options.drop,
        notices=(*data.notices, *learned.notices, *_notices(split, learned.folds, data), *in_words(metrics["estimand"])),
        baseline=baseline(data, split),
        signal_p_value=signal.p_value,
        offset=_offset(calibrations[chosen]),
        unseen_accounts=unseen_accounts(data, split, candidates[chosen], calibrations[chosen], seed=seed, resamples=_QUICK_RESAMPLES),
        cohorts=data.cohorts,
        rejections=data.rejections,
        provenance=provenance(options.command, seed),
        title=data.title,
        finished_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    with watch.stage("bundle", "proving the bundle on its golden leads"):
        manifest = _manifest(data, result, learned, no_signal=no_signal)
        # The name may be taken by a run of the same second on the same data; the registry gives the folder its own name.
        place = home.bundles / f"{version}-{secrets.token_hex(2)}"
        bundle = write_served(place, data, split, learned.encoder, served, candidates[chosen], calibrations[chosen], manifest)
    with watch.stage("log", "logging to MLflow"):
        recipes = {name: one.recipe for name, one in candidates.items()}
        registered, failure = register(home, result, data, bundle.folder, recipes, say, samples=samples, started=started)
    return _report(result, home, options, data, bundle.folder, registered, failure, watch)


@dataclass(frozen=True)
class Learned:
    """What was learnt and chosen before test was looked at."""

    split: Split
    folds: Sequence[Fold]
    verdicts: Mapping[str, Verdict]
    kept: tuple[str, ...]
    """The inputs that the model gets."""
    left_out: tuple[str, ...]
    """Those that the audit left out."""
    notices: tuple[str, ...]
    encoder: Encoder
    X: Floats
    candidates: dict[str, Candidate]
    calibrating: Ints
    """Rows that the calibrations were fitted on."""
    calibrations: dict[str, Calibration]
    chosen: str


def learn(
    data: Dataset,
    options: Options,
    watch: Watch,
    kinds: Sequence[str] = KINDS,
    *,
    names: Sequence[str] | None = None,
    split: Split | None = None,
) -> Learned:
    """Split, audit, fit, calibrate, choose: everything that comes before test. `backtest` and `compare` learn by the same steps.

    With `names` the inputs are given and nothing is audited; with `split` so are the blocks.
    """
    seed, when = options.seed, when_of(data)
    with watch.stage("split", f"splitting {len(data):,} rows, of which {data.y.mean():.1%} converted"):
        split = split or split_data(data, seed)
        _check_blocks(data, split)
        if data.cluster is not None and split.small:
            raise TooSmallForCluster(leads=len(np.unique(data.lead)))
        folds = _folds(data, split, when, seed)
    if names is None:
        with watch.stage("audit", f"auditing {len(data.input_names)} inputs for leaks"):
            verdicts = _audit(data, split, seed) if data.everyone is None else _audit(data.everyone, split_data(data.everyone, seed), seed)
            inputs = _inputs(data, split, verdicts, options)
    else:
        verdicts, inputs = {}, _Inputs(tuple(names), (), ())
    with watch.stage("fit", f"encoding {len(inputs.kept)} inputs"):
        encoder = Encoder.fit(data.feature_set, data.table, split.fit, inputs.kept)
        X = encoder.encode(data.table)
    searched = None
    if options.trials and not split.small and not {"boosted", BLEND}.isdisjoint(kinds):
        with watch.stage("search", f"searching among {options.trials} settings of the boosted model"):
            searched = search_boosted(
                X, data.y, data.lead, encoder.inputs, split,
                seed=seed, trials=options.trials, seconds=options.search_seconds, say=watch.say,
            )  # fmt: skip
    with watch.stage("fit", f"fitting {', '.join(kinds)} on {len(inputs.kept)} inputs"):
        if data.everyone is not None:
            rows = _wider(data, X, encoder, split, data.everyone)
            wide = replace(split, fit=rows.fit, small=False)
            found = fit_candidates(
                rows.X, rows.y, rows.lead, encoder.inputs, wide, [],
                seed=seed, searched=searched, kinds=kinds, weights=rows.weight, say=watch.say,
            )  # fmt: skip
            candidates = {name: replace(one, margin=one.margin[: len(data)]) for name, one in found.items()}
        else:
            candidates = fit_candidates(
                X, data.y, data.lead, encoder.inputs, split, folds,
                seed=seed, searched=searched, kinds=kinds, weights=data.weight, elsewhere=_elsewhere(data, encoder, seed), say=watch.say,
            )  # fmt: skip
    with watch.stage("calibrate", f"calibrating on {_calibrated_on(split, folds)}"):
        calibrating = _out_of_fold(split, candidates) if folds else split.calibrate
        calibrations = {
            name: calibrate(one.margin, data.y, data.lead, when, calibrating, seed, data.weight) for name, one in candidates.items()
        }
        # Tune stopped the boosted model, calibrate is later and nobody's: judged on both, none has an edge.
        chosen = choose(candidates, data.y, calibrating if folds else np.concatenate([split.tune, split.calibrate]), data.lead, calibrating)
    kept, left_out = inputs.kept, inputs.left_out
    return Learned(split, folds, verdicts, kept, left_out, inputs.notices, encoder, X, candidates, calibrating, calibrations, chosen)


def _elsewhere(data: Dataset, encoder: Encoder, seed: int) -> Elsewhere | None:
    """Where the rows are a sample, trees are fitted on the cluster that has all of them."""
    cluster = data.cluster
    return None if cluster is None else lambda recipe, window: cluster.fit(recipe, encoder, window, seed)


def _wider(data: Dataset, X: Floats, encoder: Encoder, split: Split, everyone: Dataset) -> Wider:
    """The fit block with looks at everybody besides, as far as their labels were known when test began."""
    assert data.created is not None
    held = np.concatenate([split.tune, split.calibrate, split.test])
    return with_everyone(data, X, encoder, split.fit, held, everyone, int(data.created[split.test].min()))


def serve(data: Dataset, learned: Learned, seed: int, *, no_signal: bool) -> Served:
    """The chosen recipe, frozen, on all mature rows."""
    recipe = learned.candidates[learned.chosen].recipe
    return fit_served(
        data,
        learned.encoder,
        learned.X,
        recipe,
        split_data(data, seed, _SERVED_SHARES if data.everyone is None else _SERVED_TRIED_SHARES),
        when_of(data),
        no_signal=no_signal,
        seed=seed,
    )


def _worth(
    data: Dataset, learned: Learned, served: Served, capacity: int | None, seed: int, resamples: int
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """What calls are worth on test, and how well the expected value finds the revenue; None where outcomes carry no amounts."""
    split, X = learned.split, learned.X
    rows, before = split.test, split.development
    one = learned.candidates[learned.chosen]
    p, margin = learned.calibrations[learned.chosen].apply(one.margin[rows])[0], one.margin[rows]
    y, lead, when = data.y[rows], data.lead[rows], when_of(data)
    amount = None if data.amount is None else data.amount[rows]
    calls = per_hundred_calls(
        y, p, margin, lead, None if when is None else when[rows], amount, served.policy.mql.enter,
        seed=seed, resamples=resamples, capacity=capacity,
    )  # fmt: skip
    if data.amount is None or amount is None:
        return calls, None
    won = before[data.y[before] > 0]
    measured = fit_value(X[won], data.amount[won], data.lead[won], learned.encoder.inputs, seed=seed)
    if measured is None:
        return calls, None
    expected = measured.given_conversion(X[rows])
    captured = revenue_captured(y, p, margin, expected, lead, amount, seed=seed, resamples=resamples)
    return calls, {"mean": measured.mean, "leads": measured.leads, "by_inputs": measured.linear is not None, "top_decile": captured}


def _capacity(home: Home, data: Dataset, split: Split) -> int | None:
    """How many leads the published policy's weekly capacity has time for while those of test came in; None where it sets none."""
    policy = published_policy(home)
    if policy is None or policy.capacity.mql is None or data.created is None or not len(split.test):
        return None
    created = data.created[split.test]
    return max(1, round(policy.capacity.mql * max(1.0, float(created.max() - created.min()) / WEEK)))


def when_of(data: Dataset) -> Floats | None:
    """What orders the rows in time; None where nothing does."""
    return data.order if data.as_of is None else data.as_of.astype(np.float64)


@dataclass(frozen=True)
class _Inputs:
    kept: tuple[str, ...]
    left_out: tuple[str, ...]
    notices: tuple[str, ...]


def _check(data: Dataset, options: Options) -> None:
    known = set(data.input_names)
    for name in options.allow:
        if name not in known:
            near = nearest(name, sorted(known))
            raise BadUsage(
                f"--allow {name}: there is no such input" + (f"; did you mean {near}?" if near else f"; inputs are {listed(known)}")
            )
    if not known:
        raise BadData("there is no column to learn from: the file has only ids and labels")
    if not 0 < data.y.sum() < len(data):
        what = "converted" if data.y.all() else "did not convert"
        raise BadData(f"all {len(data):,} rows {what}: a model learns from conversions and from the others, so both are needed")


def _check_blocks(data: Dataset, split: Split) -> None:
    """Each block before test needs both classes; conversions may be too few for that, or all of one time."""
    for name, rows in {"fit": split.fit, "tune": split.tune, "calibrate": split.calibrate}.items():
        converted = int(data.y[rows].sum())
        if not 0 < converted < len(rows):
            raise BadData(
                f"of the {len(rows):,} rows of the {name} block, {converted:,} converted: conversions and the others are needed in "
                "each block. Bring more rows, or an order in which the conversions are not all at one end"
            )


def split_data(data: Dataset, seed: int, shares: Sequence[float] | None = None) -> Split:
    """fit | tune | calibrate | test, as far forward in time as the data allow."""
    if data.everyone is not None:
        shares = shares or _TRIED_SHARES
    if data.as_of is not None and data.created is not None and data.horizon_days is not None:
        horizon = round(data.horizon_days * 86_400_000_000)
        return split_forward(data.as_of, data.created, data.lead, horizon, y=data.y, shares=shares)
    if data.order is not None:
        return split_by_order(data.order, data.lead, y=data.y, seed=seed, shares=shares)
    return split_random(data.y, data.lead, seed=seed, duplicates=data.duplicates(), shares=shares)


def _folds(data: Dataset, split: Split, when: Floats | None, seed: int) -> list[Fold]:
    """Folds before test where rows serve twice, none otherwise."""
    if data.everyone is not None or not crosses(split, len(data), when):
        return []
    group = data.lead if when is not None else data.duplicates()
    return cross_fit_folds(split.development, group, order=when, until=matures(data), y=data.y, seed=seed)


def _out_of_fold(split: Split, candidates: dict[str, Candidate]) -> Ints:
    """Rows before test that every candidate has an out-of-fold margin for."""
    has = np.all([np.isfinite(one.margin[split.development]) for one in candidates.values()], axis=0)
    rows: Ints = split.development[has]
    return rows


def _calibrated_on(split: Split, folds: Sequence[Fold]) -> str:
    if folds:
        return "margins out of fold"
    return "rows of their own, drawn at random" if split.description["kind"] == "random" else "later rows"


def _audit(data: Dataset, split: Split, seed: int) -> dict[str, Verdict]:
    arrays, kinds = data.audit_inputs()
    forward = split.description["kind"] != "random"
    return audit(
        arrays,
        kinds,
        data.y,
        split.fit,
        split.tune,
        data.lead,
        forward=forward,
        undated=data.undated,
        timed=data.timed,
        lags=date_lags(data.table.texts, data.order) if data.mode == "flat" else None,
        late=late_inputs(data.dated, data.reads, data.lead[np.concatenate([split.fit, split.tune])]),
        seed=seed,
    )


def _inputs(data: Dataset, split: Split, verdicts: dict[str, Verdict], options: Options) -> _Inputs:
    """Which inputs the model gets: not those accused and not allowed, not those dropped, not those that say nothing."""
    arrays, _ = data.audit_inputs()
    left_out = tuple(
        name for name, one in verdicts.items() if one.verdict in _LEFT_OUT and name not in options.allow and name not in options.drop
    )
    before = split.development
    mute = tuple(name for name, values in arrays.items() if _says_nothing(values[before]))
    kept = tuple(name for name in arrays if name not in {*left_out, *mute, *options.drop})
    if not kept:
        raise BadData(
            f"no input is left: the audit left out {listed(left_out)}, and {listed(mute)} never vary; "
            "keep one with --allow COLUMN to see what it does, or bring more columns"
        )
    never = "1 input never varies before test and is" if len(mute) == 1 else f"{len(mute)} inputs never vary before test and are"
    notices = (f"{never} left out: {listed(mute)}.",) if mute else ()
    return _Inputs(kept, tuple(name for name in left_out if name not in mute), notices)


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names in a sentence, not a page of them."""
    known = sorted(names)
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "") if known else "none"


def _says_nothing(values: NDArray[Any]) -> bool:
    if not len(values):
        return True
    if len(values) > _GLANCE and not _says_nothing(values[:_GLANCE]):
        return False
    first = values[0]
    same = np.isnan(values) if values.dtype.kind == "f" and first != first else values == first
    return bool(np.all(same))


def ranking(data: Dataset, learned: Learned, seed: int) -> RankingTest:
    """The test for a signal at all: labels change places between leads of one month, or of one tenth of the order."""
    rows, margin = learned.split.test, learned.candidates[learned.chosen].margin
    strata = slots = None
    if data.created is not None and data.as_of is not None:
        strata, slots = month_strata(data.created[rows]), age_slots(data.as_of[rows], data.created[rows])
    elif data.order is not None:
        strata = order_strata(data.order[rows])
    return ranking_test(data.y[rows], margin[rows], data.lead[rows], strata, slots=slots, seed=seed)


def _blocks(data: Dataset, split: Split) -> tuple[Block, ...]:
    def ends(rows: Ints) -> tuple[str, str]:
        if not len(rows):
            return "", ""
        if data.created is not None:  # by creation the blocks follow each other; looks at their leads overlap
            days = np.array([data.created[rows].min(), data.created[rows].max()], dtype="datetime64[us]").astype("datetime64[D]")
            return str(days[0]), str(days[1])
        if data.order is not None:
            return shown_order(data.order[rows].min()), shown_order(data.order[rows].max())
        return "", ""

    parts = {"fit": split.fit, "tune": split.tune, "calibrate": split.calibrate, "test": split.test}
    leads = {name: len(np.unique(data.lead[rows])) if data.mode == "events" else None for name, rows in parts.items()}
    return tuple(
        Block(name, len(rows), int(data.y[rows].sum()), leads[name], *ends(rows))  # type: ignore[arg-type]  # the four names, as declared
        for name, rows in parts.items()
    )


def _notices(split: Split, folds: Sequence[Fold], data: Dataset) -> tuple[str, ...]:
    said = [str(split.description["warning"])] if split.description.get("warning") else []
    if split.small:
        said.append(
            "Few rows: the candidates were fitted across folds and calibrated on out-of-fold margins, "
            "so that the same rows could serve twice."
        )
    elif folds:
        said.append("Nothing orders the rows in time: before test each serves for fitting and, out of fold, for calibration.")
    rows, scarcer = len(split.development), int(min(data.y[split.development].sum(), (1 - data.y[split.development]).sum()))
    if is_scarce(rows, scarcer):
        said.append(
            f"{rows:,} rows before test, {scarcer:,} of the rarer class: "
            "the models are held back strongly, so that they learn little by heart."
        )
    return tuple(said)


def _meaning(data: Dataset, learned: Learned, served: Served, seed: int, resamples: int) -> dict[str, Any]:
    """For `metrics.json`: what the probability means, and how soon conversions come."""
    chosen, calibration = learned.candidates[learned.chosen], learned.calibrations[learned.chosen]
    test = learned.split.test
    margin = chosen.margin[test]
    p = calibration.apply(margin)[0]
    estimand = data.explored.to_json(data.estimand)
    if data.weight is not None:
        figures = weighted_figures(data.y[test], p, margin, data.lead[test], data.weight[test], seed=seed, resamples=resamples)
        estimand["on_test"] = figures
    found: dict[str, Any] = {"estimand": estimand}
    if data.waited is not None and data.horizon_days is not None:
        by_day = fit_by_day(chosen.margin, data.waited, data.horizon_days, learned.calibrating, data.weight)
        found["by_day"] = by_day_on_test(by_day, p, margin, data.waited[test])
    return found


def _offset(calibration: Calibration) -> dict[str, float] | None:
    offset = calibration.offset
    return None if offset is None else {"delta": offset.delta, "se": offset.se}


def _search(options: Options, candidates: Mapping[str, Candidate]) -> dict[str, Any]:
    """What was asked of the search and what it did: with as many trials as were done, it finds the same again."""
    recipe = candidates["boosted"].recipe if "boosted" in candidates else None
    trials = recipe.trials if recipe else ()
    return {
        "asked": options.trials,
        "trials": len(trials),
        "seed": options.seed,
        "setting": dict(recipe.overrides) if recipe else {},
        "tried": [{"loss": one.loss, "rows": one.rows, **one.setting} for one in trials],
    }


def _metrics(
    data: Dataset,
    split: Split,
    verdicts: Mapping[str, Verdict],
    figures: dict[str, dict[str, Any]],
    simplest: dict[str, Any],
    served: Served,
    chosen: str,
    *,
    no_signal: bool,
    version: str,
) -> dict[str, Any]:
    """metrics.json, but for the seconds and the place of the bundle, which are known last."""
    rows = {"measured_on": "test", "rows": len(split.test), "positives": int(data.y[split.test].sum())}
    return {
        "rows": len(data),
        "leads": len(np.unique(data.lead)),
        "positives": int(data.y.sum()),
        "converted_leads": len(np.unique(data.lead[data.y > 0])),
        "base_rate": float(data.y.mean()),
        "split": split.description,
        "chosen": None if no_signal else chosen,
        "best": chosen,
        "candidates": figures,
        "against_scorecard": simplest,
        "inputs": {
            name: {"verdict": one.verdict, "evidence": one.evidence, "figures": dict(one.figures)}
            | ({"undated": list(one.undated)} if one.undated else {})
            for name, one in verdicts.items()
        },
        "no_signal": no_signal,
        "measured": {**rows, "candidate": chosen, **figures[chosen]},
        "served": {
            "candidate": chosen,
            "fitted_rows": served.fitted_rows,
            "calibrated_rows": served.calibrated_rows,
            "calibration": served.calibration.to_json()["kind"],
            "offset": _offset(served.calibration),
            "mql": served.policy.mql.enter,
            "sql": served.policy.sql.enter,
        },
        "model_version": version,
        "feature_set": data.feature_set.fingerprint,
        "data_digest": data.digest(),
        "cluster": None if data.cluster is None else {"rows": data.cluster.rows, "leads": data.cluster.leads},
        "quarantined": len(data.quarantine),
        "horizon_days": _whole(data.horizon_days),
        "title": data.title,
    }


def _whole(days: float | None) -> float | int | None:
    """90, not 90.0."""
    return int(days) if days is not None and days == int(days) else days


def _manifest(data: Dataset, result: TrainingResult, learned: Learned, *, no_signal: bool) -> dict[str, Any]:
    return {
        "model_version": result.metrics["model_version"],
        "created_at": result.finished_at,
        "label": data.label,
        "horizon_days": _whole(data.horizon_days),
        "estimand": data.estimand,
        "no_signal": no_signal,
        "data_digest": result.metrics["data_digest"],
        "left_out": sorted(result.left_out),
        "recipe": asdict(learned.candidates[learned.chosen].recipe),
        "fitted_until": _fitted_until(data),
        "title": data.title,
        "importance": {one.name: round(one.share, 6) for one in result.importance},
        "metrics": dict(result.metrics),
        "provenance": dict(result.provenance),
    }


def _fitted_until(data: Dataset) -> float | None:
    """When the last label was known, or the last value of the order: rows from after it are new to this model."""
    known = matures(data)
    when = when_of(data) if known is None else known.astype(np.float64)
    return None if when is None or not np.isfinite(when).any() else float(np.nanmax(when))


def _report(
    result: TrainingResult,
    home: Home,
    options: Options,
    data: Dataset,
    folder: Path,
    registered: Registered | None,
    failure: TamizError | None,
    watch: Watch,
) -> Trained:
    """The report, last, because it names the version and says where the time went."""
    version = registered.version if registered else None
    folder = registered.folder if registered else folder
    metrics = {**result.metrics, "seconds": dict(watch.seconds), "bundle": str(folder), "version": version}
    name = str(version) if version is not None else str(metrics["model_version"])
    report = write_report(replace(result, metrics=metrics), options.report or home.reports / name, options.language)
    if len(data.quarantine):
        watch.say(f"rows put aside, with the reason: {write_quarantine(home.root, str(metrics['model_version']), data.quarantine)}")
    if registered:
        attach_report(home, registered, report, watch.say)
    return Trained(replace(result, metrics=metrics), folder, version, report, failure)
