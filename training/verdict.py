"""What a training run means, in plain words: three sentences and the warnings that belong beside them.

In: a `TrainingResult`; out: sentences that a head of marketing can repeat, each resting on a figure that stands in
the report. Nothing here decides anything: the choice of the candidate, the audit and the gates did.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from training.figures import percent, share_caught
from training.result import Block, TrainingResult

__all__ = ["Caution", "cautions", "drift", "headline", "holds_over_time", "revenue", "sentences", "worth_waiting"]

SMALL_POSITIVES = 100
WIDE_INTERVAL = 0.08
"""Fewer test conversions, or a wider AUC interval, and the report says how sure it is."""


@dataclass(frozen=True)
class Caution:
    """One thing to know before using a figure."""

    level: Literal["stop", "care", "know"]
    title: str
    text: str
    kind: str = ""
    """`leaks` and `undated` let the page put the evidence and the two sets of figures beside it."""


def headline(result: TrainingResult) -> str:
    """The verdict in a line."""
    figures = _chosen(result)
    if figures is None:
        return f"Not to be tested: {_one_class(result)}" if _one_class(result) else "No signal: these data do not tell who will convert"
    auc = figures.get("auc") or 0.0
    how = _of(auc, ((0.6, "faintly"), (0.7, "modestly"), (0.8, "well"), (0.97, "very well")), "almost too well")
    return f"The {result.chosen} model ranks leads {how}"


def sentences(result: TrainingResult) -> tuple[str, str, str]:
    """Does it rank, what is that worth, and can its percentages be believed."""
    figures = _chosen(result)
    if figures is None:
        return _no_signal(result)
    auc = figures["auc"]
    pairs = f"Of a lead that converts and one that does not, the model puts the right one first in {percent(auc)} of all pairs"
    return f"{pairs}; a coin would in 50\N{NO-BREAK SPACE}%.", _worth(result, figures), _believable(result, figures)


def cautions(result: TrainingResult) -> list[Caution]:
    """Most serious first."""
    found = [
        _leaks(result), _undated(result), _allowed(result), _drifted(result), _random_split(result), _small(result), _offset(result),
        _quarantined(result),
    ]  # fmt: skip
    order = {"stop": 0, "care": 1, "know": 2}
    return sorted((caution for caution in found if caution), key=lambda caution: order[caution.level])


def drift(result: TrainingResult) -> str:
    """The change of the base rate between the first block and test in words; empty where it may be chance or is slight."""
    before, after = result.block("fit"), result.block("test")
    if before is None or after is None or not before.rows or not after.rows or not _changed(before, after):
        return ""
    old, new = before.base_rate, after.base_rate
    verb = "rose" if new > old else "fell"
    return f"The share of leads that convert {verb} from {percent(old)} in the training rows to {percent(new)} in the test rows"


def worth_waiting(result: TrainingResult) -> str:
    """What the learning curve says of more data; empty where it was not measured."""
    curve = (result.metrics.get("diagnostics") or {}).get("learning_curve")
    if not curve:
        return ""
    doubling = curve["doubling"]
    if not doubling or doubling["auc_ci"][0] is None:
        return "There are too few leads to see what half of them would have taught."
    low, high = doubling["auc_ci"]
    found = f"The last doubling of the leads moved the AUC by {doubling['auc']:+.3f} ({low:+.3f} to {high:+.3f})"
    said = {
        "rising": "more data is worth waiting for",
        "flat": "more leads of the same kind would hardly help; other inputs might",
        "unclear": "whether more data would help cannot be told from so few test conversions",
    }
    return f"{found}: {said[curve['verdict']]}."


def holds_over_time(result: TrainingResult) -> str:
    """Whether the ranking is as good in every part of test; empty where it was not measured."""
    found = (result.metrics.get("diagnostics") or {}).get("stability")
    known = [one["auc"] for one in found["parts"] if one["auc"] is not None] if found else []
    if len(known) < 2 or not found or found["p_value"] is None:
        return ""
    ends = f"The AUC lies between {min(known):.2f} and {max(known):.2f}"
    if found["p_value"] < 0.01:
        return f"{ends}, which is more than chance would make it vary (p = {found['p_value']:.2g}): look at what happened in between."
    return f"{ends}, no more apart than chance makes such small parts (p = {found['p_value']:.2g})."


def revenue(result: TrainingResult) -> str:
    """What ranking by expected value brings in money; empty where outcomes carry no amounts."""
    value = result.metrics.get("value")
    found = value and value["top_decile"]
    if not value or not found or found["by_value"] is None or found["difference_ci"][0] is None:
        return ""
    by_value, by_probability = percent(found["by_value"]), percent(found["by_probability"])
    caught = f"{by_value} of all revenue lies in the best 10 % by expected value, {by_probability} by probability"
    low, high = found["difference_ci"]
    if not value["by_inputs"]:
        return f"{caught}. The inputs do not tell amounts apart, so every deal is expected to be worth the mean, {value['mean']:,.0f}."
    sure = "surely more" if low > 0 else "surely less" if high < 0 else "which may be chance"
    return f"{caught}: {sure} (difference {100 * low:+.0f} to {100 * high:+.0f} points). A deal is worth {value['mean']:,.0f} on average."


def _chosen(result: TrainingResult) -> Mapping[str, Any] | None:
    if result.chosen is None or result.metrics.get("no_signal"):
        return None
    figures: Mapping[str, Any] = result.metrics["candidates"][result.chosen]
    return figures


def _one_class(result: TrainingResult) -> str:
    """What all test rows have in common, where their outcomes do not differ; nothing otherwise."""
    measured = result.metrics.get("measured") or {}
    rows, positives = int(measured.get("rows") or 0), measured.get("positives")
    if not rows or positives is None or 0 < positives < rows:
        return ""
    return f"none of the {rows:,} test rows converted" if not positives else f"all {rows:,} test rows converted"


def _no_signal(result: TrainingResult) -> tuple[str, str, str]:
    rate = percent(result.metrics.get("base_rate") or 0.0)
    if alike := _one_class(result):
        return (
            f"Whether a model ranks cannot be seen where outcomes do not differ: {alike}.",
            f"Every lead therefore gets the base rate of {rate}, no score and no grade, and the decision `nurture`; nothing is promoted.",
            "Are outcomes of the newest leads missing from the export, or is `until` later than the day on which it was made?",
        )
    p = "" if result.signal_p_value is None else f" (p = {result.signal_p_value:.2g}; below 0.01 would count)"
    return (
        f"The best candidate does not rank the test rows better than it ranks them with shuffled outcomes{p}.",
        f"Every lead therefore gets the base rate of {rate}, no score and no grade, and the decision `nurture`; nothing is promoted.",
        "What helps is other inputs (what leads do, when they do it, what they answered), more conversions, or a label nearer to the sale.",
    )


def _worth(result: TrainingResult, figures: Mapping[str, Any]) -> str:
    curves = result.curves.get(result.chosen or "")
    lift = figures.get("lift_at_10")
    if curves and curves.gain:
        caught = share_caught(curves.gain, 0.2)
        times = f", and the best 10 % convert at {lift:.1f} times the average" if lift else ""
        return f"Calling the best 20 % of the leads first reaches {percent(caught)} of those who convert{times}."
    return f"The best 10 % of the leads convert at {lift:.1f} times the average." if lift else "What the ranking is worth was not measured."


def _believable(result: TrainingResult, figures: Mapping[str, Any]) -> str:
    ece, test = figures.get("ece"), result.block("test")
    if ece is None or test is None or not test.rows:
        return "How far its percentages can be believed was not measured."
    points = f"{100 * ece:.1f} percentage points"
    if ece <= max(0.02, 0.15 * test.base_rate):
        return f"Its percentages can be taken at their word: promised and observed rates differ by {points} on average."
    chance = _chance(result)
    if ece <= 1.25 * chance:
        return (
            f"Nothing speaks against its percentages, and little for them: promised and observed rates differ by {points} on average, "
            f"and on so few test rows chance alone gives about {100 * chance:.1f}."
        )
    direction = _direction(result)
    if ece <= max(0.05, 0.4 * test.base_rate):
        return f"Its percentages are rough: promised and observed rates differ by {points} on average{direction}."
    return f"Believe its order, not yet its percentages: promised and observed rates differ by {points} on average{direction}."


def _direction(result: TrainingResult) -> str:
    gap = _gap(result)
    if gap is None or abs(gap) < 0.005:
        return ""
    return ", and it promises too much" if gap > 0 else ", and it promises too little"


def _gap(result: TrainingResult) -> float | None:
    """Promised less observed, over all test rows."""
    curves = result.curves.get(result.chosen or "")
    rows = sum(entry.rows for entry in curves.reliability) if curves else 0
    if not curves or not rows:
        return None
    return sum(entry.rows * (entry.predicted - entry.observed) for entry in curves.reliability) / rows


def _chance(result: TrainingResult) -> float:
    """The ECE that a model with perfect percentages would show on so few rows: per group 0.8 standard errors of its rate."""
    curves = result.curves.get(result.chosen or "")
    bins = [entry for entry in curves.reliability if entry.rows] if curves else []
    if not bins:
        return 0.0
    errors = [0.8 * math.sqrt(entry.predicted * (1 - entry.predicted) / entry.rows) for entry in bins]
    return sum(entry.rows * error for entry, error in zip(bins, errors, strict=True)) / sum(entry.rows for entry in bins)


def _leaks(result: TrainingResult) -> Caution | None:
    names = list(result.accused)
    if not names:
        return None
    one = len(names) == 1
    return Caution(
        "stop",
        f"{_listed(names)} {'was' if one else 'were'} left out: known too late, or looks like it",
        f"{'It tells' if one else 'They tell'} more about the outcome than {'an input' if one else 'inputs'} known at scoring time should. "
        "A model that leans on such an input shines here and fails in service, so the served model does without. "
        f"If you know that {'it is' if one else 'they are'} known before the outcome, train again with "
        f"`--allow {names[0] if one else 'NAME'}`.",
        kind="leaks",
    )


def _undated(result: TrainingResult) -> Caution | None:
    columns, inputs = list(result.undated), len({name for made in result.undated.values() for name in made})
    if not columns:
        return None
    made = f"{inputs} inputs were" if inputs > 1 else "1 input was"
    return Caution(
        "care",
        f"{made} left out because nobody knows when {'their values were' if inputs > 1 else 'its values were'} written",
        "Such columns say what is true today, and somebody may have filled them in after the sale. List those that are true since "
        f"the lead was created in tamiz.toml under `[leads]`, for instance `static = {json.dumps(columns[:3], ensure_ascii=False)}`, "
        "and train again.",
        kind="undated",
    )


def _allowed(result: TrainingResult) -> Caution | None:
    inputs: Mapping[str, Mapping[str, Any]] = result.metrics.get("inputs", {})
    accused = [name for name in result.allowed if inputs.get(name, {}).get("verdict") in ("blocked", "suspect")]
    if not accused:
        return None
    said = " ".join(f"`{name}` is {inputs[name]['verdict']}: {inputs[name].get('evidence', '')}" for name in accused[:3])
    it = ("it", "it is") if len(accused) == 1 else ("them", "they are")
    return Caution(
        "stop",
        f"{_listed(accused)} kept in against the audit's advice",
        f"Every figure in this report rests on {it[0]}. If {it[1]} written after the outcome, none of them will hold in service. {said}",
    )


def _drifted(result: TrainingResult) -> Caution | None:
    words = drift(result)
    before, after = result.block("fit"), result.block("test")
    if not words or before is None or after is None:
        return None
    text = f"{words}. The inputs could not announce such a change."
    if result.chosen:
        text += " The order of the leads carries over better than the percentages"
        gap = _gap(result)
        if gap is not None and abs(gap) >= 0.005 and (gap < 0) == (after.base_rate > before.base_rate):
            text += f", which were learned at the old rate and promise {'too little' if gap < 0 else 'too much'}"
        text += "." + _why_uncorrected(result) + _more_than_the_rate(result)
    title = f"The base rate moved: {percent(before.base_rate)} → {percent(after.base_rate)}"
    return Caution("care", title, text, kind="drift")


def _why_uncorrected(result: TrainingResult) -> str:
    """What the rehearsal before test said of a correction, where it was not made."""
    before = (result.metrics.get("shift") or {}).get("before_test")
    if not before or before.get("corrected") or before.get("old_rate") is None:
        return ""
    went = f"from {percent(before['old_rate'])} to {percent(before['new_rate'])}"
    how = "made the newest rows before test worse" if before["gain"] < 0 else "did not surely help the newest rows before test"
    return f" No correction was made: rehearsed, one {how}, where the rate went {went}."


def _more_than_the_rate(result: TrainingResult) -> str:
    """Whether more moved than the base rate, and what an offset known in hindsight would have mended."""
    found = (result.metrics.get("shift") or {}).get("on_test")
    if not found or found.get("verdict") != "more than the base rate":
        return ""
    return (
        " More than the base rate moved: who converts changed too "
        f"(AUC {found['old_auc']:.2f} before test, {found['new_auc']:.2f} on it). The best single correction, known in hindsight, "
        f"would have left {100 * found['ece_in_hindsight']:.1f} of {100 * found['ece']:.1f} points of error."
    )


def _random_split(result: TrainingResult) -> Caution | None:
    if "random" not in str((result.metrics.get("split") or {}).get("kind", "")):
        return None
    return Caution(
        "care",
        "Tested on random rows, which flatters",
        "Nothing says which row came first, so test rows were drawn at random from the same time as the training rows. "
        "In service the model meets later leads, and does worse than here. Give an order (`--order-by COLUMN`, or "
        "`--order-by-row`) to test it forward in time.",
    )


def _small(result: TrainingResult) -> Caution | None:
    figures, test = _chosen(result), result.block("test")
    if figures is None or test is None:
        return None
    low, high = figures.get("auc_ci") or (None, None)
    if low is None or high is None or (min(test.positives, test.rows - test.positives) >= SMALL_POSITIVES and high - low <= WIDE_INTERVAL):
        return None
    if test.leads:  # a lead is observed several times, and its conversion counts in each of them
        held = f"{test.leads:,} leads, observed {test.rows:,} times; {test.positives:,} of these times the lead went on to convert"
    else:
        held = f"{test.rows:,} rows, of which {test.positives:,} converted"
    text = (
        f"Test holds {held}. On so few, the AUC may be anything from "
        f"{low:.2f} to {high:.2f}: compare intervals, not figures, and expect a retrain to move them."
    )
    return Caution("care", "Small data: how sure we are", text)


def _offset(result: TrainingResult) -> Caution | None:
    served = (result.metrics.get("served") or {}).get("offset")
    said = [
        f"{whose} probabilities are shifted {'up' if offset['delta'] > 0 else 'down'}: the odds are multiplied by "
        f"{math.exp(offset['delta']):.2f} ({offset['delta']:+.2f} ± {offset['se']:.2f} in log-odds), estimated on {rows}."
        for whose, offset, rows in (
            ("The measured model's", result.offset, "mature rows before test"), ("The served model's", served, "the newest mature rows"),
        )
        if offset
    ]  # fmt: skip
    if not said:
        return None
    before = (result.metrics.get("shift") or {}).get("before_test") or {}
    if before.get("corrected") and before.get("verdict") == "more than the base rate":
        said.append("More than the base rate moved there, and that no single shift corrects.")
    return Caution(
        "know",
        "Probabilities corrected for a base rate that moved",
        " ".join([*said, "Corrected: no coverage guarantee, so read the intervals as estimates."]),
    )


def _quarantined(result: TrainingResult) -> Caution | None:
    count = int(result.metrics.get("quarantined") or 0)
    if not count:
        return None
    rows = "1 row was" if count == 1 else f"{count:,} rows were"
    text = "They could not be read as they stand; each is in the quarantine file with its place and the reason."
    return Caution("know", f"{rows} put aside", text, kind="aside")


def _changed(before: Block, after: Block) -> bool:
    """A change beyond chance (three standard errors) that also matters (a quarter of the smaller rate)."""
    pooled = (before.positives + after.positives) / (before.rows + after.rows)
    error = math.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / before.rows + 1 / after.rows))
    gap = abs(after.base_rate - before.base_rate)
    return gap > 3 * error and gap > 0.25 * min(before.base_rate, after.base_rate)


def _of(value: float, steps: tuple[tuple[float, str], ...], above: str) -> str:
    return next((word for limit, word in steps if value < limit), above)


def _listed(names: list[str]) -> str:
    shown = names[:4] + ([f"{len(names) - 4} more"] if len(names) > 4 else [])
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]
