"""Tables of leads with planted leaks and honest inputs, for the audit's benchmark and tests.

In: a seed, a kind of leak with its strength, or none. Out: a `Table`; truth is drawn here and known to nothing else.

Three worlds, so that no rule fits the way in which tables are made: inputs that follow from the outcome-to-be (each apart
from the others), inputs that cause it, and inputs that all show one hidden interest. Base rates lie between 4 % and 45 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["LEAKS", "Table", "make_table"]

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.generic]

LEAKS = {
    "copy": ("exact", "1 in 200 wrong", "1 in 25 wrong", "30 % hidden", "30 % zeroed", "half hidden"),
    "category that repeats the outcome": ("1 in 25 wrong", "1 in 12 wrong", "30 % hidden"),
    "value of one class only": ("half of conversions", "a fifth of conversions"),
    "missingness": ("plain", "subtle", "reversed"),
    "measured after the outcome": ("AUC .90–.96", "AUC .85–.89", "AUC .82–.85", "AUC .90–.96, 30 % hidden", "AUC .85–.89, 30 % hidden"),
    "two halves": ("masked", "each half hidden", "two codes that agree"),
    "two leaks at once": ("AUC .90–.96 and a category",),
    "date of the outcome": ("as a number", "30 % hidden"),
}
"""Each kind of planted leak with its strengths, the plainest first."""
WORLDS = ("effects", "causes", "interest")


@dataclass
class Table:
    """One generated table, with what is planted in it."""

    y: Floats
    inputs: dict[str, Values] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    nature: dict[str, str] = field(default_factory=dict)
    """What an honest input is like, or the kind and strength of the leak."""
    ordered: bool = True
    world: str = "effects"

    def add(self, name: str, values: Values, kind: str, nature: str) -> None:
        self.inputs[name], self.kinds[name], self.nature[name] = values, kind, nature


def make_table(seed: int, leak: tuple[str, str] | None, *, rows: int | None = None, base: float | None = None) -> Table:
    """A table of leads with honest inputs and at most one kind of leak."""
    rng = np.random.default_rng([seed, 77])
    n = rows or int(rng.integers(2_500, 12_000))
    ordered = bool(rng.random() < 0.6)
    when = np.arange(n) / n
    base = base or float(np.exp(rng.uniform(np.log(0.04), np.log(0.45))))
    moving = 1 + rng.uniform(-0.4, 0.8) * when * ordered
    world = str(rng.choice(WORLDS))
    make = {"effects": _effects, "causes": _causes, "interest": _interest}[world]
    table = make(n, base, moving, rng)
    table.ordered, table.world = ordered, world
    _add_what_tables_hold(table, when, rng)
    if leak:
        _plant(table, *leak, when, rng)
    return table


def _effects(n: int, base: float, moving: Floats, rng: np.random.Generator) -> Table:
    """Inputs drawn around the outcome-to-be, each for itself."""
    table = Table((rng.random(n) < base * moving).astype(float))
    for k in range(int(rng.integers(1, 4))):
        _shaped(table, f"strong_{k}", rng.uniform(0.95, 1.19) * table.y + rng.normal(size=n), "strong, alone", rng)
    for k in range(int(rng.integers(2, 6))):
        _shaped(table, f"weak_{k}", rng.uniform(0.0, 0.6) * table.y + rng.normal(size=n), "weak", rng)
    return table


def _causes(n: int, base: float, moving: Floats, rng: np.random.Generator) -> Table:
    """Inputs of their own accord; the outcome is drawn from their sum."""
    inputs = rng.normal(size=(n, int(rng.integers(4, 9))))
    weight: Floats = rng.uniform(0.0, 0.5, size=inputs.shape[1])
    weight[: int(rng.integers(1, 3))] = rng.uniform(0.8, 1.3)
    table = Table(_outcome(inputs @ weight, base, moving, rng))
    for k, size in enumerate(weight):
        _shaped(table, f"cause_{k}", inputs[:, k], "strong, a cause" if size > 0.7 else "weak", rng)
    return table


def _interest(n: int, base: float, moving: Floats, rng: np.random.Generator) -> Table:
    """Inputs that all show one hidden interest, some of them most of it: the strong ones go together."""
    interest = rng.normal(size=n)
    table = Table(_outcome(rng.uniform(1.5, 2.3) * interest, base, moving, rng))
    for k in range(int(rng.integers(4, 9))):
        load = rng.uniform(0.7, 0.95) if k < 2 else rng.uniform(0.1, 0.7)
        shown = load * interest + np.sqrt(1 - load**2) * rng.normal(size=n)
        _shaped(table, f"shows_{k}", shown, "strong, among its like" if load > 0.7 else "weak", rng)
    return table


def _outcome(logit: Floats, base: float, moving: Floats, rng: np.random.Generator) -> Floats:
    """Labels whose log-odds follow `logit`, with about the base rate, which moves."""
    low, high = -15.0, 15.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(1 / (1 + np.exp(-logit - middle))) < base else (low, middle)
    return np.asarray(rng.random(len(logit)) < np.minimum(moving / (1 + np.exp(-logit - low)), 0.98), np.float64)


def _shaped(table: Table, name: str, x: Floats, nature: str, rng: np.random.Generator) -> None:
    """A number as it is, skewed, rounded, or cut into categories; sometimes with gaps."""
    form = rng.integers(5)
    if form == 1:
        x = np.exp(x)
    elif form == 2:
        x = np.round(np.maximum(2 * x, 0))
    elif form == 3:
        table.add(name, np.searchsorted(np.sort(rng.normal(0.5, 1, int(rng.integers(2, 12)))), x), "category", nature)
        return
    if rng.random() < 0.4:
        gaps = rng.uniform(0.05, 0.4) * np.where(table.y > 0, rng.uniform(0.6, 1), 1)
        x = np.where(rng.random(len(x)) < gaps, np.nan, x)
    table.add(name, x, "number", nature)


def _add_what_tables_hold(table: Table, when: Floats, rng: np.random.Generator) -> None:
    """Drift and seasons; gaps that say something, a value nobody buys with, a rare warm one, many regions."""
    y, n = table.y, len(table.y)
    if table.ordered:
        effect = np.where(when < 0.45, 0.9, -0.2)
        table.add("drifting", effect * y + rng.normal(size=n), "number", "drifting")
        table.add("level", 8 * when + rng.normal(size=n) * 0.1, "number", "level moves")
    season = np.sin(12 * when) if table.ordered else rng.integers(0, 12, n)
    table.add("season", np.round(6 * season + 0.5 * y).astype(float), "number", "seasonal")
    given = rng.random(n) < np.where(y > 0, 0.9, rng.uniform(0.65, 0.85))
    table.add("phone_given", np.where(given, rng.normal(size=n), np.nan), "number", "honest gaps")
    segment = rng.choice(6, n, p=(0.4, 0.25, 0.2, 0.09, 0.05, 0.01))
    segment[(segment == 3) & (y > 0)] = 0
    segment[(segment > 3) & (y == 0) & (rng.random(n) < 0.7)] = 1
    table.add("segment", segment, "category", "honest tails")
    table.add("region", rng.integers(0, 300, n), "category", "many values")
    table.add("previous_success", (rng.random(n) < np.where(y > 0, 0.2, 0.01)).astype(float), "boolean", "rare and warm")


def _plant(table: Table, kind: str, strength: str, when: Floats, rng: np.random.Generator) -> None:
    y, n = table.y, len(table.y)
    make = {
        "copy": _copy, "category that repeats the outcome": _repeats, "value of one class only": _one_class, "missingness": _missingness,
        "measured after the outcome": _measured, "two halves": _halves, "two leaks at once": _two, "date of the outcome": _date,
    }[kind]  # fmt: skip
    planted = make(y, strength, when, rng)
    for name, (values, sort) in planted.items():
        values = np.where(rng.random(n) < 0.3, np.nan if sort == "number" else -1, values) if strength.endswith("30 % hidden") else values
        table.add(name, values, sort, f"{kind}: {strength}")
        table.leaks.append(name)


Planted = dict[str, tuple[Values, str]]


def _flipped(y: Floats, share: float, rng: np.random.Generator) -> Floats:
    return np.where(rng.random(len(y)) < share, 1 - y, y)


def _copy(y: Floats, strength: str, when: Floats, rng: np.random.Generator) -> Planted:
    share = {"exact": 0.0, "1 in 25 wrong": 0.04}.get(strength, 0.005)
    copy = _flipped(y, share, rng) * rng.uniform(3, 9) + rng.normal(size=len(y)) * 0.3
    if strength == "30 % zeroed":
        copy = np.where(rng.random(len(y)) < 0.3, 0.0, np.abs(copy))
    if strength == "half hidden":
        copy = np.where(rng.random(len(y)) < 0.5, np.nan, copy)
    return {"leak": (copy, "number")}


def _repeats(y: Floats, strength: str, when: Floats, rng: np.random.Generator) -> Planted:
    told = _flipped(y, 0.08 if strength == "1 in 12 wrong" else 0.04, rng)
    return {"leak": (np.where(told > 0, rng.integers(0, 2, len(y)), rng.integers(2, 5, len(y))), "category")}


def _one_class(y: Floats, strength: str, when: Floats, rng: np.random.Generator) -> Planted:
    """A form that only buyers fill in, and not all of them."""
    share = 0.5 if strength.startswith("half") else 0.2
    return {"leak": (np.where((y > 0) & (rng.random(len(y)) < share), 3, rng.integers(0, 3, len(y))), "category")}


def _missingness(y: Floats, strength: str, when: Floats, rng: np.random.Generator) -> Planted:
    converted, others = {
        "plain": (rng.uniform(0.7, 0.95), rng.uniform(0.0, 0.03)),
        "subtle": (rng.uniform(0.6, 0.75), rng.uniform(0.1, 0.18)),
        "reversed": (rng.uniform(0.1, 0.3), rng.uniform(0.85, 0.97)),
    }[strength]
    return {"leak": (np.where(rng.random(len(y)) < np.where(y > 0, converted, others), rng.normal(size=len(y)), np.nan), "number")}


def _measured(y: Floats, strength: str, when: Floats, rng: np.random.Generator) -> Planted:
    """A call's length, say: a separation of 1.3 is an AUC of .82, of 2.5 one of .96."""
    low, high = {"AUC .85": (1.48, 1.74), "AUC .82": (1.3, 1.47)}.get(strength[:7], (1.8, 2.5))
    return {"leak": (np.exp(rng.uniform(low, high) * y + rng.normal(size=len(y)) + 4), "number")}


def _halves(y: Floats, strength: str, when: Floats, rng: np.random.Generator) -> Planted:
    n = len(y)
    if strength == "masked":
        mask = rng.normal(size=n) * 3
        return {"leak_a": (2.8 * y + 0.5 * rng.normal(size=n) + mask, "number"), "leak_b": (mask, "number")}
    if strength == "each half hidden":
        first, copy = rng.random(n) < 0.5, _copy(y, "1 in 200 wrong", when, rng)["leak"][0]
        return {"leak_a": (np.where(first, copy, np.nan), "number"), "leak_b": (np.where(first, np.nan, copy), "number")}
    one = rng.integers(0, 2, n)
    return {"leak_a": (one, "category"), "leak_b": (np.where(_flipped(y, 0.03, rng) > 0, one, 1 - one), "category")}


def _two(y: Floats, strength: str, when: Floats, rng: np.random.Generator) -> Planted:
    return {"leak_a": _measured(y, "AUC .90–.96", when, rng)["leak"], "leak_b": _repeats(y, "1 in 25 wrong", when, rng)["leak"]}


def _date(y: Floats, strength: str, when: Floats, rng: np.random.Generator) -> Planted:
    """The day on which the file was closed, as a number: soon for those who buy, long after for those who do not."""
    closed = 20_000 + 200 * when + np.where(y > 0, rng.exponential(20, len(y)), 60 + rng.exponential(120, len(y)))
    return {"leak": (np.floor(closed), "number")}
