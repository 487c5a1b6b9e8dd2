"""The gates before a promotion: each a question with its numbers, and together PROMOTE or HOLD.

In: the `metrics.json` dictionary of the model that would be promoted, and, where a champion serves, the champion's
and the differences measured on the same later rows. Out: frozen `Gate` values. Pure; a figure that was not measured
is None and never passes for a good one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["MINIMUM_OF_A_CLASS", "Decision", "Gate", "decide"]

Metrics = Mapping[str, Any]

MINIMUM_OF_A_CLASS = 40
"""With fewer conversions (or fewer non-conversions) the scorecard stays champion."""
TOLERATED = 0.01
"""A log loss up to this much worse, relatively, counts as no worse."""
TOLERATED_ECE = 0.02
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


def decide(challenger: Metrics, champion: Metrics | None = None, paired: Metrics | None = None) -> Decision:
    """A first promotion is gated against base rate and scorecard only; a later one also against the champion.

    `paired` is `training.metrics.paired_differences` on rows later than anything either model was fitted on.
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
    if champion is not None and champion.get("chosen"):
        gates += _same_rows(paired) if paired is not None else [_other_rows(challenger, champion)]
    return Decision(tuple(gates))


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


def _same_rows(paired: Metrics) -> list[Gate]:
    log_loss, pr_auc, lift, ece = (paired[name] for name in ("log_loss", "pr_auc", "lift_at_10", "ece"))
    worst = log_loss["relative_ci"][1]
    no_worse = log_loss["difference"] is not None and log_loss["difference"] <= 0 and worst is not None and worst < TOLERATED
    gates = [
        Gate(
            "log loss against the champion", "pass" if no_worse else "fail", f"{_change(log_loss)}, at worst {_percent(worst)} (under +1 %)"
        ),
        Gate("PR-AUC against the champion", "fail" if _surely_below(pr_auc) else "pass", _change(pr_auc)),
        Gate("lift in the top 10 % against the champion", "fail" if _surely_below(lift) else "pass", _change(lift)),
    ]
    drifted = ece["difference"] is not None and ece["difference"] > TOLERATED_ECE
    return [
        *gates,
        Gate("calibration against the champion", "fail" if drifted else "pass", f"{_change(ece)} (tolerated: +{TOLERATED_ECE})"),
    ]


def _other_rows(challenger: Metrics, champion: Metrics) -> Gate:
    """Too few rows are later than both fits: each was measured on its own test rows, which compares two weeks as much as two models."""
    new, old = (metrics["candidates"][metrics["chosen"]] for metrics in (challenger, champion))
    ends = _end(new, "auc", 1), _end(old, "auc", 0)
    behind = ends[0] is not None and ends[1] is not None and ends[0] < ends[1]
    figures = (
        f"AUC {_with_interval(new, 'auc')}, champion {_with_interval(old, 'auc')}; each on its own test rows, because too few rows are "
        "later than what both were fitted on: weak evidence"
    )
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
