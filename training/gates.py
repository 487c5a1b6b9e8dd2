"""The gates before a promotion: each a question with its numbers, and together PROMOTE or HOLD.

In: the `metrics.json` dictionary of the model that would be promoted, and, where a champion serves, the champion's,
the differences measured on the same later rows, the groups of leads, and who would cross each threshold. Out: frozen
`Gate` values. Pure; a figure that was not measured is None and never passes for a good one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from training.continuity import Crossing
    from training.harm import Group

__all__ = ["MINIMUM_OF_A_CLASS", "Decision", "Gate", "decide"]

Metrics = Mapping[str, Any]

MINIMUM_OF_A_CLASS = 40
"""With fewer conversions (or fewer non-conversions) the scorecard stays champion."""
TOLERATED = 0.01
"""A log loss up to this much worse, relatively, counts as no worse."""
TOLERATED_ECE = 0.02
TOLERATED_VOLUME = 0.25
"""Relative change of how many leads reach a threshold that is worth a note."""
FAINT = 0.55
"""AUC below which a model that does rank better than chance is hardly worth calling by."""


@dataclass(frozen=True)
class Gate:
    """One question, its answer, and the numbers behind it."""

    name: str
    verdict: Literal["pass", "fail", "note"]
    figures: str


@dataclass(frozen=True)
class Decision:
    """All gates together."""

    gates: tuple[Gate, ...]
    final: bool = False
    """Whether no `--why` can overrule it: a model without signal ranks nobody."""

    @property
    def promote(self) -> bool:
        return all(gate.verdict != "fail" for gate in self.gates)

    @property
    def word(self) -> str:
        return "PROMOTE" if self.promote else "HOLD"


def decide(
    challenger: Metrics,
    champion: Metrics | None = None,
    paired: Metrics | None = None,
    *,
    groups: Sequence[Group] = (),
    crossings: Sequence[Crossing] = (),
    capacity: float | None = None,
) -> Decision:
    """A first promotion is gated against base rate and scorecard only; a later one also against the champion.

    `paired` is `training.metrics.paired_differences` on rows later than anything either model was fitted on; `capacity` is
    the share of leads whose lift it measured.
    """
    if challenger.get("no_signal") or not challenger.get("chosen"):
        return Decision(
            (Gate("signal", "fail", "no candidate ranks the test rows better than chance: there is nothing to promote"),), final=True
        )
    chosen: Metrics = challenger["candidates"][challenger["chosen"]]
    gates = [
        _enough(challenger), _ranks(chosen), *_faint(chosen), _beats_base_rate(challenger, chosen), *_beats_scorecard(challenger),
        _calibrated(chosen),
    ]  # fmt: skip
    if champion is not None:
        gates += _against(challenger, champion, paired, groups, capacity)
        gates += [_continues(one) for one in crossings]
    return Decision(tuple(gates))


def _against(challenger: Metrics, champion: Metrics, paired: Metrics | None, groups: Sequence[Group], capacity: float | None) -> list[Gate]:
    horizons = [metrics.get("horizon_days") for metrics in (challenger, champion)]
    if horizons[0] != horizons[1]:
        days = ["no horizon" if one is None else f"{one:g} days" for one in horizons]
        return [Gate("same question", "fail", f"{days[0]}, champion {days[1]}: their probabilities mean different things")]
    meanings = [(metrics.get("estimand") or {}).get("name", "policy") for metrics in (challenger, champion)]
    if meanings[0] != meanings[1]:
        return [Gate("same question", "fail", f"estimand {meanings[0]}, champion {meanings[1]}: their probabilities mean different things")]
    if paired is not None:
        return [*_same_rows(paired, capacity), *([_harms(groups)] if groups else [])]
    return [_other_rows(challenger, champion)] if champion.get("chosen") else []


def _enough(metrics: Metrics) -> Gate:
    leads, won = int(metrics.get("leads", metrics["rows"])), int(metrics.get("converted_leads", metrics["positives"]))
    fewer = min(won, leads - won)
    kind = "leads that converted" if fewer == won else "leads that did not convert"
    figures = f"{fewer:,} {kind} to learn from (at least {MINIMUM_OF_A_CLASS})"
    if fewer >= MINIMUM_OF_A_CLASS:
        return Gate("enough data", "pass", figures)
    missing = f"{figures}: {MINIMUM_OF_A_CLASS - fewer} are missing"
    if metrics["chosen"] == "scorecard":
        return Gate("enough data", "note", f"{missing}, so the scorecard it is")
    return Gate("enough data", "fail", f"{missing}; until then only a scorecard is promoted")


def _ranks(chosen: Metrics) -> Gate:
    low = _end(chosen, "auc", 0)
    return Gate("ranks better than chance", "pass" if low is not None and low > 0.5 else "fail", f"AUC {_with_interval(chosen, 'auc')}")


def _faint(chosen: Metrics) -> list[Gate]:
    """No reason to hold, since chance is excluded; but a person should see what is being promoted."""
    auc = chosen.get("auc")
    if auc is None or auc >= FAINT:
        return []
    right = f"it puts the lead that converts first in {100 * auc:.0f} of 100 pairs, a coin in 50"
    return [Gate("ranks only faintly", "note", f"AUC {_number(chosen, 'auc')}, under {FAINT}: {right}")]


def _beats_base_rate(metrics: Metrics, chosen: Metrics) -> Gate:
    constant, model = _constant_log_loss(metrics), chosen.get("log_loss")
    if constant is None or model is None:
        return Gate("beats the base rate", "note", "not measured: the rates of the blocks are not in metrics.json")
    verdict: Literal["pass", "fail"] = "pass" if model <= constant else "fail"
    return Gate(
        "beats the base rate", verdict, f"log loss {_with_interval(chosen, 'log_loss')}, always answering the base rate {constant:.4f}"
    )


def _constant_log_loss(metrics: Metrics) -> float | None:
    """Of always answering the rate that was known before test: that of the newest block before it."""
    rates = metrics.get("split", {}).get("base_rates") or {}
    known: float | None = next((rates[name] for name in ("calibrate", "tune", "fit") if rates.get(name)), None)
    actual: float | None = rates.get("test")
    if known is None or actual is None or not 0 < known < 1:
        return None
    return -(actual * math.log(known) + (1 - actual) * math.log(1 - known))


def _beats_scorecard(metrics: Metrics) -> list[Gate]:
    scorecard = metrics["candidates"].get("scorecard")
    if metrics["chosen"] == "scorecard" or not scorecard:
        return []
    chosen = metrics["candidates"][metrics["chosen"]]
    if chosen.get("log_loss") is None or scorecard.get("log_loss") is None:
        return [Gate("no worse than the scorecard", "note", "not measured")]
    paired = metrics.get("against_scorecard", {}).get("log_loss")
    figures = (
        f"log loss {chosen['log_loss']:.4f} against {scorecard['log_loss']:.4f} ({chosen['log_loss'] / scorecard['log_loss'] - 1:+.1%}), "
        f"AUC {_number(chosen, 'auc')} against {_number(scorecard, 'auc')}"
    )
    if paired is None:
        return [Gate("no worse than the scorecard", "note", f"{figures}; the difference was not measured pairwise")]
    # Chosen before test, looked at on test: behind is behind only where the same leads, resampled together, agree.
    worse = paired["ci"][0] is not None and paired["ci"][0] > 0
    figures += (
        f", difference {paired['difference']:+.4f} ({paired['ci'][0]:+.4f} to {paired['ci'][1]:+.4f})"
        if paired["ci"][0] is not None
        else ""
    )
    return [Gate("no worse than the scorecard", "fail" if worse else "pass", figures)]


def _calibrated(chosen: Metrics) -> Gate:
    return Gate("calibration", "note", f"expected calibration error {_with_interval(chosen, 'ece')}")


def _same_rows(paired: Metrics, capacity: float | None) -> list[Gate]:
    log_loss, pr_auc, ece = (paired[name] for name in ("log_loss", "pr_auc", "ece"))
    worst = log_loss["relative_ci"][1]
    no_worse = log_loss["difference"] is not None and log_loss["difference"] <= 0 and worst is not None and worst < TOLERATED
    lift = paired.get("lift_at_capacity") or paired["lift_at_10"]
    top = f"{capacity:.0%}".replace("%", " %") if capacity and "lift_at_capacity" in paired else "10 %"
    drifted = ece["difference"] is not None and ece["difference"] > TOLERATED_ECE
    return [
        Gate(
            "log loss against the champion", "pass" if no_worse else "fail", f"{_change(log_loss)}, at worst {_percent(worst)} (under +1 %)"
        ),
        Gate("PR-AUC against the champion", "fail" if _surely_below(pr_auc) else "pass", _change(pr_auc)),
        Gate(f"lift in the top {top} against the champion", "fail" if _surely_below(lift) else "pass", _change(lift)),
        Gate("calibration against the champion", "fail" if drifted else "pass", f"{_change(ece)} (tolerated: +{TOLERATED_ECE})"),
    ]


def _harms(groups: Sequence[Group]) -> Gate:
    harmed = [one for one in groups if one.harmed]
    if harmed:
        told = "; ".join(f"{one.column} {one.value}: log loss {one.champion:.4f} → {one.challenger:.4f}" for one in harmed[:4])
        more = f" and {len(harmed) - 4} more" if len(harmed) > 4 else ""
        return Gate("harm to groups of leads", "fail", f"surely worse for {told}{more}")
    worst = max(groups, key=lambda one: one.difference)
    figures = f"none of {len(groups)} is surely worse; worst: {worst.column} {worst.value}, {worst.difference:+.4f}"
    return Gate("harm to groups of leads", "pass", f"{figures} ({worst.low:+.4f} to {worst.high:+.4f})")


def _continues(one: Crossing) -> Gate:
    """No reason to hold: a base rate that moved is to move volumes. But nobody shall find out from a full queue."""
    name = f"{one.name} threshold {one.threshold:.4g} kept"
    figures = f"{one.champion:,} → {one.challenger:,} of {one.leads:,} leads reach it ({one.enter:,} enter, {one.leave:,} leave)"
    same = one.champion == one.challenger or (one.change is not None and abs(one.change) <= TOLERATED_VOLUME)
    if same or one.mapped == one.threshold:
        return Gate(name, "pass" if same else "note", figures)
    return Gate(name, "note", f"{figures}; {one.mapped:.4g} would let {one.kept:,} in: `--accept-mapping`")


def _other_rows(challenger: Metrics, champion: Metrics) -> Gate:
    """Too few rows are later than both fits: each was measured on its own test rows, which compares two weeks as much as two models."""
    new, old = (metrics["candidates"][metrics["chosen"]] for metrics in (challenger, champion))
    ends = _end(new, "auc", 1), _end(old, "auc", 0)
    behind = ends[0] is not None and ends[1] is not None and ends[0] < ends[1]
    figures = f"AUC {_with_interval(new, 'auc')}, champion {_with_interval(old, 'auc')}; each on its own test rows: weak evidence"
    return Gate("against the champion", "fail" if behind else "pass", figures)


def _surely_below(figure: Metrics) -> bool:
    return figure["ci"][1] is not None and figure["ci"][1] < 0


def _change(figure: Metrics) -> str:
    if figure["difference"] is None:
        return "not measured"
    low, high = figure["ci"]
    interval = "" if low is None or high is None else f", 95 % {low:+.4f} to {high:+.4f}"
    return f"{figure['old']:.4f} → {figure['new']:.4f} ({figure['difference']:+.4f}{interval})"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:+.1f} %"


def _end(figures: Metrics, name: str, side: int) -> float | None:
    interval = figures.get(f"{name}_ci")
    value = interval[side] if interval else None
    return None if value is None else float(value)


def _number(figures: Metrics, name: str) -> str:
    return "unknown" if figures.get(name) is None else f"{figures[name]:.3f}"


def _with_interval(figures: Metrics, name: str) -> str:
    low, high = _end(figures, name, 0), _end(figures, name, 1)
    return _number(figures, name) + ("" if low is None or high is None else f" ({low:.3f}–{high:.3f})")
