"""The charts of the report, drawn as inline SVG: they open offline, follow light and dark, and print sharply.

In: plain numbers (see `training/result.py`); out: the markup of one `<svg>` with `role="img"` and a label that says
what a sighted reader sees. Colours come from the page's CSS classes. No numbers, no chart: the caller leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup, escape

from training.result import Block, Curves, ReliabilityBin

__all__ = ["base_rates", "by_time", "calibration", "gain", "intervals", "learning", "lift", "percent", "profile", "share_caught", "wilson"]

Point = tuple[float, float]


@dataclass(frozen=True)
class _Frame:
    """A plot area: data coordinates to pixels, with the grid and the axes around it."""

    x_max: float
    y_max: float
    width: int = 460
    height: int = 340
    left: int = 62
    bottom: int = 46
    top: int = 32
    right: int = 34

    def x(self, value: float) -> float:
        return round(self.left + value / self.x_max * (self.width - self.left - self.right), 1)

    def y(self, value: float) -> float:
        return round(self.height - self.bottom - value / self.y_max * (self.height - self.top - self.bottom), 1)

    def axes(self, x_title: str, y_title: str, x_text: Callable[[float], str], y_text: Callable[[float], str]) -> list[str]:
        parts: list[str] = []
        for tick in _ticks(self.y_max):
            parts.append(_line(self.x(0), self.y(tick), self.width - self.right, self.y(tick), "grid"))
            parts.append(_text(self.left - 8, self.y(tick) + 4, y_text(tick), "tick end"))
        parts += [_text(self.x(tick), self.height - self.bottom + 18, x_text(tick), "tick mid") for tick in _ticks(self.x_max)]
        parts.append(_line(self.x(0), self.y(0), self.width - self.right, self.y(0), "axis"))
        parts.append(_text((self.left + self.width - self.right) / 2, self.height - 6, x_title, "title mid"))
        parts.append(_text(0, 13, y_title, "title"))
        return parts


def calibration(bins: Sequence[ReliabilityBin], chosen: str = "boosted") -> Markup:
    """Promised against observed conversion rate; on the diagonal a promise is kept."""
    top = _nice(max(max(entry.predicted, entry.high) for entry in bins) * 1.04)
    frame = _Frame(x_max=top, y_max=top)
    parts = frame.axes("promised by the model", "observed", percent, percent)
    parts.append(_line(frame.x(0), frame.y(0), frame.x(top), frame.y(top), "ideal"))
    for entry in bins:
        x = frame.x(entry.predicted)
        parts.append(_line(x, frame.y(entry.low), x, frame.y(entry.high), f"whisker {series(chosen)}"))
        parts.append(
            _dot(x, frame.y(entry.observed), series(chosen), f"promised {percent(entry.predicted)}, observed {percent(entry.observed)}")
        )
    worst = max(bins, key=lambda entry: abs(entry.predicted - entry.observed))
    gap = f"{percent(worst.predicted)} promised, where {percent(worst.observed)} converted"
    return _svg(frame, f"Calibration in {len(bins)} groups: the largest gap is at {gap}.", parts)


def gain(curves: Mapping[str, Curves], chosen: str) -> Markup:
    """Share of conversions caught by calling the best leads first, one line a candidate."""
    frame = _Frame(x_max=1, y_max=1)
    parts = frame.axes("leads called, best first", "conversions caught", percent, percent)
    parts.append(_line(frame.x(0), frame.y(0), frame.x(1), frame.y(1), "ideal"))
    parts.append(_text(frame.x(0.74), frame.y(0.66), "at random", "tick"))
    for name in sorted(curves, key=lambda name: name == chosen):
        weight = "line" if name == chosen else "line thin"
        parts.append(_path([(frame.x(x), frame.y(y)) for x, y in curves[name].gain], f"{weight} {series(name)}"))
    caught = share_caught(curves[chosen].gain, 0.2)
    parts.append(_line(frame.x(0.2), frame.y(0), frame.x(0.2), frame.y(caught), "guide"))
    parts.append(_dot(frame.x(0.2), frame.y(caught), series(chosen), f"20 % of the leads hold {percent(caught)} of the conversions"))
    parts.append(_text(frame.x(0.98), frame.y(0.06), f"{percent(caught)} in the best 20 %", "note end"))
    return _svg(frame, f"Gain curve: calling the best 20 % of the leads catches {percent(caught)} of the conversions ({chosen}).", parts)


def lift(points: Sequence[Point], chosen: str = "boosted") -> Markup:
    """How many times the average the best leads convert at, for growing shares."""
    shares = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
    values = [share_caught(points, share) / share for share in shares]
    frame = _Frame(x_max=len(shares), y_max=_nice(max([*values, 1.2]) * 1.1))
    parts = frame.axes("best leads called", "times the average", lambda tick: "", lambda tick: f"{tick:g}×")
    for place, (share, value) in enumerate(zip(shares, values, strict=True)):
        left, right = frame.x(place + 0.18), frame.x(place + 0.82)
        parts.append(
            _bar(
                left, frame.y(value), right - left, frame.y(0) - frame.y(value), series(chosen), f"best {percent(share)}: {value:.1f} times"
            )
        )
        parts.append(_text((left + right) / 2, frame.y(value) - 6, f"{value:.1f}×", "note mid"))
        parts.append(_text((left + right) / 2, frame.height - frame.bottom + 18, percent(share), "tick mid"))
    parts.append(_line(frame.x(0), frame.y(1), frame.width - frame.right, frame.y(1), "ideal"))
    return _svg(frame, f"Lift: the best 10 % of the leads convert at {values[1]:.1f} times the average rate.", parts)


def base_rates(blocks: Sequence[Block]) -> Markup:
    """The share that converts in each block, in the order of time."""
    ends = [wilson(block.positives, block.rows) for block in blocks]
    frame = _Frame(x_max=len(blocks), y_max=_nice(max(high for _, high in ends) * 1.15), height=250)
    parts = frame.axes("", "converts", lambda tick: "", percent)
    for place, (block, (low, high)) in enumerate(zip(blocks, ends, strict=True)):
        left, right = frame.x(place + 0.25), frame.x(place + 0.75)
        middle, y = (left + right) / 2, frame.y(block.base_rate)
        colour = "s2" if block.name == "test" else "s1"
        parts.append(
            _bar(left, y, right - left, frame.y(0) - y, colour, f"{block.name}: {percent(block.base_rate)} of {block.rows:,} rows")
        )
        parts.append(_line(middle, frame.y(low), middle, frame.y(high), "whisker ink"))
        parts.append(_text(middle, frame.y(high) - 7, percent(block.base_rate), "note mid"))
        parts.append(_text(middle, frame.height - frame.bottom + 18, block.name, "tick mid"))
    words = ", ".join(f"{block.name} {percent(block.base_rate)}" for block in blocks)
    return _svg(frame, f"Share that converts in each block: {words}.", parts)


def intervals(rows: Sequence[tuple[str, float, float, float]], reference: float | None = None, decimals: int = 3) -> Markup:
    """(name, value, low, high): a dot and its interval for each, on one scale."""
    lowest = min([low for _, _, low, _ in rows] + ([] if reference is None else [reference]))
    highest = max([high for _, _, _, high in rows] + ([] if reference is None else [reference]))
    room = (highest - lowest or 0.01) * 0.12
    start, width, left, right = lowest - room, 460, 128, 72
    scale = (width - left - right) / (highest + room - start)
    height = 34 * len(rows) + 14

    def x(value: float) -> float:
        return round(left + (value - start) * scale, 1)

    parts: list[str] = []
    if reference is not None:
        parts.append(_line(x(reference), 4, x(reference), height - 6, "ideal"))
    for place, (name, value, low, high) in enumerate(rows):
        y = 24 + 34 * place
        parts.append(_text(left - 10, y + 4, name, "tick end"))
        parts.append(_line(x(low), y, x(high), y, f"whisker thick {series(name)}"))
        parts.append(_dot(x(value), y, series(name), f"{name}: {value:.{decimals}f}, {low:.{decimals}f} to {high:.{decimals}f}"))
        parts.append(_text(width - right + 10, y + 4, f"{value:.{decimals}f}", "note"))
    words = "; ".join(f"{name} {value:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})" for name, value, low, high in rows)
    return _svg(_Frame(1, 1, width, height), words, parts)


def profile(points: Sequence[Mapping[str, Any]], top: float, name: str) -> Markup:
    """How the mean probability moves with one input: a line over numbers, dots over categories; "not known" stands apart."""
    known = [one for one in points if one["value"] is not None]
    numbers = bool(known) and not isinstance(known[0]["value"], str)
    shown = [*known, *(one for one in points if one["value"] is None)]
    frame = _Frame(
        x_max=len(shown), y_max=_nice(top * 1.05), width=340, height=230, left=48, bottom=34 if numbers else 62, right=12, top=12
    )
    parts = []
    for tick in _ticks(frame.y_max):
        parts.append(_line(frame.x(0), frame.y(tick), frame.width - frame.right, frame.y(tick), "grid"))
        parts.append(_text(frame.left - 6, frame.y(tick) + 4, percent(tick), "tick end"))
    middles = [frame.x(place + 0.5) for place in range(len(shown))]
    every = max(1, math.ceil(len(shown) / 5)) if numbers else 1
    for place, (x, one) in enumerate(zip(middles, shown, strict=True)):
        low, high = one["ci"]
        if low is not None:
            parts.append(_line(x, frame.y(low), x, frame.y(min(high, frame.y_max)), "whisker s1 faint"))
        parts.append(_dot(x, frame.y(one["probability"]), "s1", f"{_shown(one['value'])}: {percent(one['probability'])}"))
        if not numbers:
            y = frame.height - 48
            turned = f'transform="rotate(-38 {x + 4:g} {y})" x="{x + 4:g}" y="{y}"'
            parts.append(f'<text class="tick end" {turned}>{escape(_short(one["value"]))}</text>')
        elif place % every == 0 or one["value"] is None:
            parts.append(_text(x, frame.height - 12, _short(one["value"]), "tick mid"))
    if numbers:
        parts.insert(0, _path([(x, frame.y(one["probability"])) for x, one in zip(middles, known, strict=False)], "line thin s1"))
    ends = [one["probability"] for one in shown]
    return _svg(frame, f"Mean probability by {name}: between {percent(min(ends))} and {percent(max(ends))}.", parts)


def learning(points: Sequence[Mapping[str, Any]]) -> Markup:
    """AUC by number of leads learnt from, each step twice the one before."""
    return _steps([(f"{one['leads']:,}", one["auc"], *one["auc_ci"]) for one in points], "leads to learn from", "Learning curve")


def by_time(parts: Sequence[Mapping[str, Any]]) -> Markup:
    """AUC of each part of test in time."""
    known = [(str(one["name"]), one["auc"], *one["auc_ci"]) for one in parts if one["auc"] is not None]
    return _steps(known, "", "AUC by time", line=False)


def _steps(points: Sequence[tuple[str, float, float, float]], x_title: str, name: str, *, line: bool = True) -> Markup:
    bottom = max(0.0, math.floor(10 * (min(low for _, _, low, _ in points) - 0.02)) / 10)
    frame = _Frame(x_max=len(points), y_max=1.0 - bottom, height=270)
    parts = [_text(0, 13, "AUC", "title"), _text((frame.left + frame.width - frame.right) / 2, frame.height - 6, x_title, "title mid")]
    for tick in [round(bottom + 0.1 * k, 1) for k in range(round((1 - bottom) * 10) + 1)]:
        parts.append(_line(frame.x(0), frame.y(tick - bottom), frame.width - frame.right, frame.y(tick - bottom), "grid"))
        parts.append(_text(frame.left - 8, frame.y(tick - bottom) + 4, f"{tick:.1f}", "tick end"))
    middles = [frame.x(place + 0.5) for place in range(len(points))]
    if line:
        parts.append(_path([(x, frame.y(value - bottom)) for x, (_, value, _, _) in zip(middles, points, strict=True)], "line thin s1"))
    every = max(1, math.ceil(len(points) * max(len(label) for label, *_ in points) / 48))
    for place, (x, (label, value, low, high)) in enumerate(zip(middles, points, strict=True)):
        parts.append(_line(x, frame.y(low - bottom), x, frame.y(high - bottom), "whisker s1"))
        parts.append(_dot(x, frame.y(value - bottom), "s1", f"{label}: {value:.3f}"))
        if place % every == 0:
            parts.append(_text(x, frame.height - frame.bottom + 18, label, "tick mid"))
    return _svg(frame, f"{name}: from {points[0][1]:.3f} to {points[-1][1]:.3f}.", parts)


def _shown(value: object) -> str:
    return "not known" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)


def _short(value: object) -> str:
    """As much of a label as fits under its place."""
    if isinstance(value, float):
        return "0" if abs(value) < 0.005 else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"
    text = "?" if value is None else str(value)
    return text if len(text) <= 9 else f"{text[:8]}\N{HORIZONTAL ELLIPSIS}"


def share_caught(points: Sequence[Point], share: float) -> float:
    """The gain curve read at a share, between its points.

    >>> share_caught([(0, 0), (0.5, 0.8), (1, 1)], 0.25)
    0.4
    """
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= share <= x1 and x1 > x0:
            return y0 + (y1 - y0) * (share - x0) / (x1 - x0)
    return points[-1][1] if points else 0.0


def wilson(positives: float, rows: int) -> tuple[float, float]:
    """95 % interval of a share.

    >>> [round(end, 3) for end in wilson(0, 10)]
    [0.0, 0.278]
    """
    if not rows:
        return 0.0, 1.0
    z, p = 1.96, positives / rows
    middle, half = p + z * z / (2 * rows), z * math.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    return max(0.0, (middle - half) / (1 + z * z / rows)), min(1.0, (middle + half) / (1 + z * z / rows))


def percent(value: float) -> str:
    """A share as people write it: two digits that matter, never a false `0 %`.

    >>> [percent(value) for value in (0.31, 0.0512, 0.00049, 0.0, 1.0, 0.9996)]
    ['31\\xa0%', '5.1\\xa0%', '0.049\\xa0%', '0\\xa0%', '100\\xa0%', '99.96\\xa0%']
    >>> [percent(value) for value in (2.8e-17, 3e-6)]
    ['0\\xa0%', 'under 0.001\\xa0%']
    """
    hundred = 100 * value
    if 0 < abs(hundred) < 0.001:
        text = "0" if abs(hundred) < 1e-9 else "under 0.001"
    elif hundred in (0, 100) or 10 <= abs(hundred) < 99.5:
        text = f"{hundred:.0f}"
    else:
        text = f"{hundred:.2g}" if abs(hundred) < 10 else f"{hundred:.2f}"
    return f"{text}\N{NO-BREAK SPACE}%"


def series(name: str) -> str:
    """The colour class of a candidate: the same on every chart."""
    return {"blend": "s1", "boosted": "s2", "logistic": "s3", "naive_bayes": "s5"}.get(name, "s4")


def _ticks(top: float) -> list[float]:
    step = next(step for step in (m * 10**e for e in range(-4, 5) for m in (1, 2, 2.5, 5)) if top / step <= 5.01)
    return [round(step * i, 10) for i in range(int(top / step + 1e-9) + 1)]


def _nice(value: float) -> float:
    """A round number at or above."""
    if value <= 0:
        return 1.0
    exponent = math.floor(math.log10(value))
    return next(m * 10.0**exponent for m in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if m * 10.0**exponent >= value * 0.9999)


def _svg(frame: _Frame, label: str, parts: Sequence[str]) -> Markup:
    # Every text and label in the parts went through `escape`.
    return Markup(f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>')  # noqa: S704 - escaped where it was made


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line class="{css}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def _text(x: float, y: float, text: str, css: str) -> str:
    return f'<text class="{css}" x="{x:g}" y="{y:g}">{escape(text)}</text>' if text else ""


def _dot(x: float, y: float, css: str, title: str) -> str:
    return f'<circle class="dot {css}" cx="{x:g}" cy="{y:g}" r="4.5"><title>{escape(title)}</title></circle>'


def _bar(x: float, y: float, width: float, height: float, css: str, title: str) -> str:
    place = f'x="{x:g}" y="{y:g}" width="{width:.1f}" height="{height:.1f}" rx="2"'
    return f'<rect class="bar {css}" {place}><title>{escape(title)}</title></rect>'


def _path(points: Sequence[Point], css: str) -> str:
    return f'<polyline class="{css}" points="{" ".join(f"{x:g},{y:g}" for x, y in points)}"/>'
