"""A small search over the boosted model's settings, in races: many on few rows, the best of them on more, one on all.

In: the fit and tune blocks, a number of trials and a seed. Out: `Found`, with the settings to use (none where nothing beat
the defaults) and every trial. Counted in trials: nine make a race, the second of which sees other settings. Time only
ends the search after a race, so what was found with N trials is found again with `--trials N`, to the bit on one machine.

Honest: the tune block is the only judge, losses are compared after the best slope and shift (calibration comes later), and
the defaults stay unless they are beaten by more than two standard errors of the difference, which count leads: who wins a
race is flattered by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.boosted import Boosted, fit_boosted
from models.inputs import Floats, InputSpec
from training.losses import scaled_losses, standard_error

__all__ = ["DEFAULT_TRIALS", "RACE", "Found", "Overrides", "Trial", "search"]

Ints = NDArray[np.int64]
Overrides = dict[str, float | int]

RACE = 9
"""Settings in a race: nine on a ninth of the leads, three on a third, one on all."""
DEFAULT_TRIALS = RACE
_KEEP = 3
_SURE = 2.0
_FEWEST_ROWS = 2_000
"""A rung on fewer rows would crown whoever suits a handful of leads."""


@dataclass(frozen=True)
class Trial:
    """One setting, and how far it came."""

    setting: Overrides
    loss: float
    """On the tune block, at the last rung that it reached."""
    rows: int
    """Rows it was fitted on there."""


@dataclass(frozen=True)
class Found:
    """The settings to use, the model fitted with them on the fit block, and what was tried."""

    setting: Overrides
    model: Boosted = field(compare=False)
    trials: tuple[Trial, ...] = ()
    default_loss: float = float("nan")
    loss: float = float("nan")


@dataclass(frozen=True)
class _Blocks:
    X: Floats
    y: Floats
    lead: Ints
    X_tune: Floats
    y_tune: Floats
    lead_tune: Ints
    inputs: Sequence[InputSpec]
    seed: int

    def fitted(self, setting: Overrides, rows: Ints | None = None) -> tuple[Boosted, Floats]:
        X, y = (self.X, self.y) if rows is None else (self.X[rows], self.y[rows])
        model = fit_boosted(X, y, self.X_tune, self.y_tune, self.inputs, seed=self.seed, overrides=setting)
        return model, scaled_losses(model.margin(self.X_tune), self.y_tune)


def search(
    X: Floats,
    y: Floats,
    lead: Ints,
    fit: Ints,
    tune: Ints,
    inputs: Sequence[InputSpec],
    *,
    seed: int,
    trials: int,
    defaults: Overrides,
    seconds: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Found:
    """The defaults, or what beat them within `trials` settings; `seconds` ends it after the race in which they pass."""
    blocks = _Blocks(X[fit], y[fit], lead[fit], X[tune], y[tune], lead[tune], inputs, seed)
    best, losses = blocks.fitted(defaults)
    found = Found(defaults, best, (), float(losses.mean()), float(losses.mean()))
    began = time.monotonic()
    for race in range(-(-trials // RACE)):
        if race and seconds is not None and time.monotonic() - began > seconds:
            say(f"search: stopped by the clock after {len(found.trials)} of {trials} trials")
            break
        settings = _settings(race, seed, len(fit), defaults)[: trials - race * RACE]
        tried, winner, model, its_losses = _race(blocks, settings)
        found = replace(found, trials=(*found.trials, *tried))
        gain = losses - its_losses
        if gain.mean() > _SURE * standard_error(gain, blocks.lead_tune):
            losses = its_losses
            found = replace(found, setting=winner, model=model, loss=float(its_losses.mean()))
        say(f"search: {len(found.trials)} of {trials} trials, log loss on tune {found.loss:.4f}, by default {found.default_loss:.4f}")
    return found


def _race(blocks: _Blocks, settings: Sequence[Overrides]) -> tuple[list[Trial], Overrides, Boosted, Floats]:
    """The last one standing, with its model and losses, and how far each came."""
    reached: dict[int, Trial] = {}
    standing = list(range(len(settings)))
    for rows in _rungs(blocks.lead, blocks.seed):
        scored = []
        for i in standing:
            model, losses = blocks.fitted(settings[i], rows)
            reached[i] = Trial(settings[i], float(losses.mean()), len(blocks.y) if rows is None else len(rows))
            scored.append((reached[i].loss, i, model, losses))
        scored.sort(key=lambda one: one[:2])
        if rows is None:
            break
        standing = [i for _, i, _, _ in scored[: max(1, len(scored) // _KEEP)]]
    _, first, model, losses = scored[0]
    return [reached[i] for i in range(len(settings))], settings[first], model, losses


def _rungs(lead: Ints, seed: int) -> list[Ints | None]:
    """Row numbers of a ninth and of a third of the leads, the smaller within the larger; None is all of them."""
    leads, code = np.unique(lead, return_inverse=True)
    place = np.empty(len(leads), np.int64)
    place[np.random.default_rng([seed, 1]).permutation(len(leads))] = np.arange(len(leads))
    rungs: list[Ints | None] = []
    for share in (1 / RACE, _KEEP / RACE):
        share = max(share, _FEWEST_ROWS / len(lead))
        if share < 0.8:
            rungs.append(np.flatnonzero(place[code] < share * len(leads)))
    return [*rungs, None]


def _settings(race: int, seed: int, rows: int, defaults: Overrides) -> list[Overrides]:
    """The settings of one race: drawn at random, always the same for the same seed and race."""
    rng = np.random.default_rng([seed, 2, race])
    smallest = float(defaults.get("min_data_in_leaf", 20)) / 2
    largest = max(4 * smallest, rows / 50)
    return [
        {
            **defaults,
            "num_leaves": int(rng.integers(4, 64)),
            "min_data_in_leaf": round(_between(rng, smallest, largest)),
            "lambda_l2": _between(rng, 0.1, 100.0),
            "feature_fraction": float(rng.uniform(0.3, 1.0)),
            "learning_rate": _between(rng, 0.02, 0.1),
            "cat_smooth": _between(rng, 5.0, 200.0),
        }
        for _ in range(RACE)
    ]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
