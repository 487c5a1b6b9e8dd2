"""The report of a training run: one HTML file that opens offline, and `metrics.json` beside it.

In: a `TrainingResult`; out: `report.html` (no script, no request to anywhere, charts as inline SVG) and `metrics.json`
with the stable keys, both written whole or not at all. Parts whose fields are empty are left out. NaN and infinity
become null in JSON and a dash on the page.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from markupsafe import Markup, escape

from training import figures
from training.figures import percent
from training.rejections import in_words as why_not
from training.result import Importance, TrainingResult
from training.translation import translate
from training.verdict import cautions, headline, holds_over_time, revenue, sentences, worth_waiting

__all__ = ["figure_pages", "report_html", "write_report"]

Metrics = Mapping[str, Any]

DASH = "\N{EN DASH}"
SPELT = {
    "auc": "AUC", "pr_auc": "PR-AUC", "ece": "ECE", "mql": "MQL from", "sql": "SQL from", "se": "standard error", "sha256": "SHA-256",
    "positives": "Conversions", "lift_at_10": "Lift, best 10 %", "precision_at_20": "Precision, best 20 %", "delta": "shift in log-odds",
    "ici": "ICI",
}  # fmt: skip
KINDS = {"venn_abers": f"Venn{DASH}Abers", "base_rate": "the base rate for everybody"}
SHARES = ("base_rate", "mql", "sql", "precision_at_20")
"""Shown as percentages."""


@dataclass(frozen=True)
class Figure:
    """One column of the table of candidates, and its explanation for who meets it for the first time."""

    key: str
    name: str
    meaning: str
    share: bool = False
    """Shown as a percentage."""
    decimals: int = 3
    higher: bool = True
    """Whether more is better."""


FIGURES = (
    Figure("auc", "AUC", "how often a lead that converts is put before one that does not; 0.5 is chance, 1 is perfect"),
    Figure("pr_auc", "PR-AUC", "average share of true conversions down the ranking; chance is the base rate"),
    Figure("log_loss", "Log loss", "how wrong the probabilities are, severe on confident mistakes; lower is better", higher=False),
    Figure("ece", "ECE", "average gap between promised and observed conversion rate; 0 is perfect", higher=False),
    Figure("brier", "Brier", "mean squared error of the probability; lower is better", higher=False),
    Figure("lift_at_10", "Lift, best 10 %", "times the average rate at which the best 10 % convert", decimals=2),
    Figure("precision_at_20", "Precision, best 20 %", "share of the best 20 % that converts", share=True),
)
HEADLINES = ("auc", "pr_auc", "log_loss", "ece")
LEAK_FIGURES = (*HEADLINES, "lift_at_10")
FAMILIES = ("fit", "budget", "authority", "need", "timeline", "engagement", "intent")
VERDICTS = {
    "blocked": "gives the label away; never used unless allowed by name",
    "suspect": "may give the label away; not used unless allowed by name",
    "drift": "its power fades over time; used",
    "ok": "used",
}


def write_report(result: TrainingResult, folder: Path, language: str = "en") -> Path:
    """Write `report.html` and `metrics.json` into the folder; returns the report's path."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics = json.dumps(_plain(result.metrics), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _write(folder / "metrics.json", metrics)
    _write(folder / "report.html", translate(report_html(result), language))
    return folder / "report.html"


def figure_pages(result: TrainingResult) -> dict[str, str]:
    """Each chart as a small page of its own, by file name: what MLflow shows as the run's figures."""
    template = Path(__file__).with_name("report_template.html").read_text(encoding="utf-8")
    style = template[template.index("<style>") : template.index("</style>") + len("</style>")]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return {
        f"{name}.html": f'{head}<title>{name.replace("_", " ")}</title>{style}<body><main class="card">{chart}</main></body></html>\n'
        for name, chart in _charts(result).items()
    }


def report_html(result: TrainingResult) -> str:
    """The page as text."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "count": _count, "value": _value, "prose": _prose, "breakable": _breakable}
    template = environment.from_string(Path(__file__).with_name("report_template.html").read_text(encoding="utf-8"))
    return template.render(
        result=result,
        metrics=result.metrics,
        headline=headline(result),
        sentences=sentences(result),
        cautions=cautions(result),
        tiles=_tiles(result),
        leaks=_leaks(result),
        charts=_charts(result),
        families=_families(result.importance),
        inputs=_top_inputs(result.importance),
        columns=FIGURES,
        candidates=_candidates(result),
        interval_plots=_interval_plots(result),
        verdicts=_verdicts(result),
        verdict_words=VERDICTS,
        measured=_pairs(result.metrics.get("measured")),
        served=_pairs(result.metrics.get("served")),
        unseen=_pairs(result.unseen_accounts),
        brier=_brier(result),
        rejections=[(one, why_not(one)) for one in result.rejections],
        segments=result.metrics.get("segments") or [],
        calls=_calls(result),
        profiles=_profiles(result),
        permutation=_permutation(result),
        worth_waiting=worth_waiting(result),
        holds_over_time=holds_over_time(result),
        revenue=revenue(result),
        budgets=_budgets(result),
        seconds=_seconds(result.metrics.get("seconds")),
        identity=_identity(result),
    )


def _tiles(result: TrainingResult) -> list[dict[str, str]]:
    if result.chosen is None:
        return []
    chosen = result.metrics["candidates"][result.chosen]
    tiles = [figure for figure in FIGURES if figure.key in HEADLINES]
    return [
        {"name": figure.name, "value": _number(chosen, figure), "interval": _interval(chosen, figure), "meaning": figure.meaning}
        for figure in tiles
    ]


def _leaks(result: TrainingResult) -> dict[str, Any]:
    """Evidence for each input left out, and the chosen candidate's figures without and with them."""
    evidence = [(name, entry.get("verdict", ""), _words(entry.get("evidence"))) for name, entry in result.accused.items()]
    columns: list[Figure] = []
    rows: list[tuple[str, list[tuple[str, str]]]] = []
    if result.with_left_out and result.chosen:
        columns = [figure for figure in FIGURES if figure.key in LEAK_FIGURES and _finite(result.with_left_out.get(figure.key))]
        for name, side in (("without: served", result.metrics["candidates"][result.chosen]), ("with", result.with_left_out)):
            rows.append((name, [(_number(side, figure), _interval(side, figure)) for figure in columns]))
    return {
        "evidence": evidence,
        "undated": _undated(result),
        "columns": columns,
        "rows": rows,
        "beside": "leaks" if evidence else "undated",
    }


def _undated(result: TrainingResult) -> list[tuple[str, str]]:
    """Columns without a date, and what the model would make of them."""
    made = {column: [name for name in inputs if name != column] for column, inputs in result.undated.items()}
    plain = [column for column, signals in made.items() if not signals]
    rows = [(column, f"read by {', '.join(signals)}") for column, signals in made.items() if signals]
    return [*rows, *([(", ".join(plain), "read as it is" if len(plain) == 1 else "read as they are")] if plain else [])]


def _charts(result: TrainingResult) -> dict[str, Markup]:
    charts: dict[str, Markup] = {}
    blocks = [block for block in result.blocks if block.rows]
    if blocks:
        charts["base_rates"] = figures.base_rates(blocks)
    curves = result.curves.get(result.chosen or "")
    if curves and curves.reliability:
        charts["calibration"] = figures.calibration(curves.reliability, result.chosen or "")
    if curves and len(curves.gain) > 1:
        drawn = {name: entry for name, entry in result.curves.items() if len(entry.gain) > 1}
        charts["gain"] = figures.gain(drawn, result.chosen or "")
        charts["lift"] = figures.lift(curves.gain, result.chosen or "")
    diagnostics = result.metrics.get("diagnostics") or {}
    curve, stable = diagnostics.get("learning_curve"), diagnostics.get("stability")
    if curve and len(curve["points"]) > 1 and result.chosen:
        charts["learning_curve"] = figures.learning(curve["points"])
    if stable and sum(one["auc"] is not None for one in stable["parts"]) > 1 and result.chosen:
        charts["stability"] = figures.by_time(stable["parts"])
    return charts


def _calls(result: TrainingResult) -> list[dict[str, Any]]:
    """What a hundred calls bring, for the best shares and from the policy's cut-off on."""
    rows = []
    shown_as: list[tuple[str, Callable[[float], str]]] = [("conversions_per_100", _tenth), ("lift", _tenth), ("gain", percent)]
    if result.metrics.get("value"):
        shown_as.insert(1, ("revenue_per_100", _whole))
    for one in result.metrics.get("worth") or () if result.chosen else ():
        if one["share"]:
            name = f"best {percent(one['share'])}"
        else:
            name = "MQL, as many as there is time for" if one["cut"] is None else f"MQL, from {percent(one['cut'])}"
        cells = []
        for key, shown in shown_as:
            low, high = one[f"{key}_ci"]
            cells.append((shown(one[key]) if _finite(one[key]) else DASH, f"{shown(low)}{DASH}{shown(high)}" if _finite(low) else ""))
        rows.append({"name": name, "calls": one["calls"], "cells": cells})
    return rows


def _tenth(value: float) -> str:
    return f"{value:.1f}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _profiles(result: TrainingResult) -> list[tuple[str, str, Markup]]:
    """(input, what it means, chart), all on one scale."""
    found = (result.metrics.get("diagnostics") or {}).get("partial_dependence") or [] if result.chosen else []
    top = max((point["ci"][1] or point["probability"] for one in found for point in one["points"]), default=0.0)
    meanings = {one.name: one.meaning for one in result.importance}
    return [(one["name"], meanings.get(one["name"], ""), figures.profile(one["points"], top, one["name"])) for one in found]


def _permutation(result: TrainingResult) -> list[tuple[str, float, str, float]]:
    """(family, AUC lost, its interval, share of the largest loss)."""
    found = (result.metrics.get("diagnostics") or {}).get("permutation") or [] if result.chosen else []
    most = max((one["auc_lost"] for one in found), default=0.0)
    return [
        (
            one["name"],
            one["auc_lost"],
            f"{one['auc_lost_ci'][0]:.3f} to {one['auc_lost_ci'][1]:.3f}" if _finite(one["auc_lost_ci"][0]) else "",
            max(0.0, one["auc_lost"] / most) if most > 0 else 0.0,
        )
        for one in found
    ]


def _budgets(result: TrainingResult) -> str:
    """How long the diagnostics took, of how long they were given."""
    found = result.metrics.get("diagnostics") or {}
    taken = [f"{name.replace('_', ' ')} {found['seconds'][name]:.1f} of {found['budget'][name]:.0f}" for name in found.get("seconds", ())]
    return f"Seconds taken, of those allowed: {', '.join(taken)}." if taken else ""


def _families(importance: Sequence[Importance]) -> list[tuple[str, float]]:
    sums: dict[str, float] = {}
    for entry in importance:
        sums[entry.family] = sums.get(entry.family, 0.0) + entry.share
    known = [family for family in FAMILIES if family in sums]
    return sorted(((family, sums[family]) for family in [*known, *(set(sums) - set(known))]), key=lambda pair: (-pair[1], pair[0]))


def _top_inputs(importance: Sequence[Importance], most: int = 12) -> list[Importance]:
    return sorted((entry for entry in importance if entry.share > 0), key=lambda entry: (-entry.share, entry.name))[:most]


def _candidates(result: TrainingResult) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = []
    for name, entry in result.metrics.get("candidates", {}).items():
        cells = [(_number(entry, figure), _interval(entry, figure)) for figure in FIGURES]
        table.append({"name": name, "chosen": name == result.chosen, "cells": cells, "series": figures.series(name)})
    if result.baseline:
        cells = [(_number(result.baseline, figure), "") for figure in FIGURES]
        table.append({"name": "always the base rate", "chosen": False, "cells": cells, "series": ""})
    return table


def _interval_plots(result: TrainingResult) -> list[tuple[str, Markup]]:
    plots: list[tuple[str, Markup]] = []
    baseline = result.baseline or {}
    for figure in (figure for figure in FIGURES if figure.key in ("auc", "log_loss")):
        rows = [
            (name, entry[figure.key], *entry[f"{figure.key}_ci"])
            for name, entry in result.metrics.get("candidates", {}).items()
            if _finite(entry.get(figure.key)) and all(_finite(end) for end in entry.get(f"{figure.key}_ci") or [None])
        ]
        if rows:
            better = "further right is better" if figure.higher else "further left is better"
            dashed = "" if baseline.get(figure.key) is None else "; dashed: always the base rate"
            plots.append((f"{figure.name}: {better}{dashed}", figures.intervals(rows, baseline.get(figure.key))))
    return plots


def _brier(result: TrainingResult) -> str:
    """The smoothed calibration error, and the Brier score taken apart, in a line."""
    chosen = result.metrics.get("candidates", {}).get(result.chosen or "", {})
    keys = ("ici", "brier", "brier_reliability", "brier_resolution", "brier_uncertainty")
    if not all(_finite(chosen.get(key)) for key in keys):
        return ""
    figures = [Figure(key, key, "") for key in keys]
    ici, brier, reliability, resolution, uncertainty = (
        f"{_number(chosen, figure)} ({interval})" if (interval := _interval(chosen, figure)) else _number(chosen, figure)
        for figure in figures
    )
    return (
        f"ICI, the same error along a smooth curve instead of in groups: {ici}. Brier {brier} = reliability {reliability} "
        f"\N{MINUS SIGN} resolution {resolution} + uncertainty {uncertainty}: what promises miss, less what they tell apart, "
        "plus what nobody can know (up to differences inside groups)."
    )


def _verdicts(result: TrainingResult) -> list[tuple[str, str, str, str]]:
    """(input, verdict, evidence, what became of it), the gravest first."""
    rank = {verdict: place for place, verdict in enumerate(VERDICTS)}
    entries = result.metrics.get("inputs", {})
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for name, entry in sorted(entries.items(), key=lambda item: (rank.get(item[1].get("verdict", "ok"), 9), item[0])):
        fate = "left out" if name in result.left_out else ("allowed" if name in result.allowed else "used")
        # Inputs made of one column without a date have one thing to say; the others have a row each.
        key = "" if entry.get("undated") else name
        alike.setdefault((str(entry.get("verdict", "ok")), _words(entry.get("evidence")), fate, key), []).append(name)
    table = [(", ".join(names), verdict, evidence, fate) for (verdict, evidence, fate, _), names in alike.items()]
    return [*table, *((name, "dropped", "left out by --drop", "left out") for name in result.dropped if name not in entries)]


def _seconds(seconds: Metrics | None) -> list[tuple[str, float, float]]:
    """(stage, seconds, share of the longest), in the order in which they ran; a stage called total comes last."""
    known = {name: float(value) for name, value in (seconds or {}).items() if _finite(value)}
    stages = {name: value for name, value in known.items() if name != "total"}
    longest = max(stages.values(), default=0.0) or 1.0
    total = known.get("total", sum(stages.values()))
    return [(name.replace("_", " "), value, value / longest) for name, value in stages.items()] + (
        [("total", total, 0.0)] if stages else []
    )


def _identity(result: TrainingResult) -> list[tuple[str, str]]:
    named = [
        (_label(key), str(result.metrics[key]))
        for key in ("model_version", "bundle", "feature_set", "data_digest")
        if result.metrics.get(key)
    ]
    return named + [(_label(name), value) for name, value in result.provenance.items()]


def _pairs(entries: Metrics | None, prefix: str = "") -> list[tuple[str, str]]:
    """A dictionary as rows of a table; an inner one is spelt out, an interval stands with its figure."""
    rows: list[tuple[str, str]] = []
    for key, value in (entries or {}).items():
        name = f"{prefix}{_label(key)}"
        if key.endswith("_ci"):
            continue
        if isinstance(value, Mapping):
            rows += _pairs(value, f"{name}: ")
            continue
        interval = (entries or {}).get(f"{key}_ci")
        shown: Callable[[Any], str] = percent if key in SHARES and _finite(value) else _value
        ends = f" ({shown(interval[0])}{DASH}{shown(interval[1])})" if interval and all(_finite(end) for end in interval) else ""
        rows.append((name, shown(value) + ends))
    return rows


def _label(key: str) -> str:
    if key in SPELT:
        return SPELT[key]
    words = " ".join(SPELT.get(word, word) for word in key.split("_"))
    return words[:1].upper() + words[1:]


def _words(evidence: object) -> str:
    if isinstance(evidence, Mapping):
        return "; ".join(f"{_label(str(key))}: {_value(value)}" for key, value in evidence.items())
    if isinstance(evidence, (list, tuple)):
        return "; ".join(_words(entry) for entry in evidence)
    return "" if evidence is None else str(evidence)


def _number(entry: Metrics, figure: Figure) -> str:
    value = entry.get(figure.key)
    if not _finite(value):
        return DASH
    return percent(float(value)) if figure.share else f"{value:.{figure.decimals}f}"


def _interval(entry: Metrics, figure: Figure) -> str:
    low, high = entry.get(f"{figure.key}_ci") or (None, None)
    if not _finite(low) or not _finite(high):
        return ""
    ends = (
        (percent(low).rstrip("%").rstrip(), percent(high))
        if figure.share
        else (f"{low:.{figure.decimals}f}", f"{high:.{figure.decimals}f}")
    )
    return f"{ends[0]}{DASH}{ends[1]}"


def _value(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _count(value)
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(entry) for entry in value)
    return KINDS.get(str(value), str(value))


def _prose(text: str) -> Markup:
    """Plain text in which `a name` between backticks is set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped first


def _breakable(name: str) -> Markup:
    """A long name may break after an underscore, a dot or a colon rather than in the middle of a word."""
    return Markup(re.sub(r"([_.:])", r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped first


def _count(value: int) -> str:
    return f"{value:,}"


def _finite(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """For JSON: no NaN, no infinity, no NumPy scalar."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
