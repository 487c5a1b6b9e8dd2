"""What one training run found out, as plain values: in from `training/train.py`, out to the report, MLflow and the gates.

`TrainingResult.metrics` is the dictionary that is written as `metrics.json` (stable keys); every other field is
what the report shows beside it. Numbers that were not measured are None, texts that do not apply are empty.
Nothing here computes more than a ratio, except `Curves.measure`, which asks `training/metrics.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from training.metrics import Floats
    from training.rejections import Reasons

__all__ = ["Block", "Cohort", "Curves", "Importance", "ReliabilityBin", "SourceRead", "TrainingResult"]

Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class SourceRead:
    """One table that was read."""

    table: str
    """`leads`, `activities`, …"""
    origin: str
    """File name, or the SQL of the project file."""
    rows: int
    quarantined: int = 0
    details: str = ""
    """How it was read, in words: `semicolon, UTF-8, gzip, decimal point`."""


@dataclass(frozen=True)
class Block:
    """One of the four blocks, in the order of time."""

    name: Literal["fit", "tune", "calibrate", "test"]
    rows: int
    positives: int
    leads: int | None = None
    """Distinct leads; None on a flat table, where a row is a lead."""
    first: str = ""
    """First and last day of creation (or row number, or value of the order column); empty on a random split."""
    last: str = ""

    @property
    def base_rate(self) -> float:
        return self.positives / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class ReliabilityBin:
    """One of the (equal-mass) bins of the calibration plot, on test."""

    rows: int
    predicted: float
    """Mean of the served probability in the bin."""
    observed: float
    """Share that converted."""
    low: float
    high: float
    """95 % interval of `observed`, leads resampled."""


@dataclass(frozen=True)
class Curves:
    """What the plots of one candidate need, on test."""

    reliability: tuple[ReliabilityBin, ...] = ()
    gain: tuple[tuple[float, float], ...] = ()
    """(share of leads called, best first; share of conversions caught), both 0–1, from (0, 0) to (1, 1),
    at most about 200 points. Lift is their ratio."""
    uncalibrated_ece: float | None = None
    """ECE of the same margins before calibration."""

    @classmethod
    def measure(cls, y: Floats, p: Floats, margin: Floats | None = None, *, uncalibrated: Floats | None = None) -> Curves:
        """From labels, served probabilities, margins and, if wanted, the probabilities before calibration, all on test."""
        from training import metrics

        points = [(point["share"], point["gain"]) for point in metrics.gain_curve(y, p, margin)]
        return cls(
            reliability=tuple(ReliabilityBin(**entry) for entry in metrics.reliability(y, p)),  # type: ignore[arg-type]  # rows is an int, the others floats
            gain=((0.0, 0.0), *((share, gain) for share, gain in points if share is not None and gain is not None)),
            uncalibrated_ece=None if uncalibrated is None else metrics.ece(y, uncalibrated),
        )


@dataclass(frozen=True)
class Importance:
    """How much the chosen model leans on one input."""

    name: str
    family: str
    share: float
    """Share of the sum over all inputs, 0–1 (mean absolute contribution on test)."""
    meaning: str = ""
    """The signal's sentence, or nothing for a raw column."""


@dataclass(frozen=True)
class Cohort:
    """The observations of the leads of one month, on event data."""

    month: str
    observed: int
    mature: int
    """Observations whose horizon has passed; the others were dropped whatever their outcome so far."""
    positives: int
    """Conversions among the mature ones."""


@dataclass(frozen=True)
class TrainingResult:
    """A finished training run. Fields with a default may be left out; the report leaves their part out too."""

    metrics: Metrics
    """Exactly what goes into `metrics.json` (see DESIGN 9): rows, positives, base_rate, split{kind, train_rows, test_rows, …}, chosen,
    candidates{name: {auc, pr_auc, log_loss, brier, ece, lift_at_10, precision_at_20 and <name>_ci}}, inputs{name: {verdict, evidence}},
    no_signal, measured{…}, served{…}, model_version, bundle, feature_set, data_digest, seconds{stage: s}, quarantined."""
    blocks: tuple[Block, ...]
    """fit, tune, calibrate, test. With cross-fitting on small data, the figures of the last fold."""
    sources: tuple[SourceRead, ...] = ()
    label: str = ""
    """What counts as a conversion, in words: `y = yes`, `converted within 90 days`."""
    curves: Mapping[str, Curves] = field(default_factory=dict)
    """By candidate name."""
    importance: tuple[Importance, ...] = ()
    """Of the chosen candidate, all inputs, in any order."""
    with_left_out: Metrics | None = None
    """The chosen kind of candidate fitted again *with* the inputs that the audit left out: same keys as one candidate, same test rows."""
    allowed: tuple[str, ...] = ()
    """Inputs that the audit blocked or suspected and that `--allow` kept in."""
    dropped: tuple[str, ...] = ()
    """Inputs that `--drop` left out."""
    notices: tuple[str, ...] = ()
    """Everything the readers, the labels and the signals want said, one sentence each."""
    baseline: Metrics | None = None
    """The constant base rate known before test, on the same test rows: `log_loss`, `brier`, `base_rate`."""
    signal_p_value: float | None = None
    """Of the ranking test behind `no_signal`: labels permuted by lead within month."""
    offset: Mapping[str, float] | None = None
    """The logit offset for a shifted base rate, when one is applied: `delta`, `se`."""
    unseen_accounts: Metrics | None = None
    """The chosen candidate on test leads of accounts that the earlier blocks never saw: `rows`, `auc`, `log_loss`, …"""
    cohorts: tuple[Cohort, ...] = ()
    rejections: tuple[Reasons, ...] = ()
    """Why sales said no, and why deals were lost."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Name → value, shown as given: command, seed, git state, versions of Python and libraries, machine."""
    title: str = ""
    """Name of the data, for the headline: the file's or the project's name."""
    finished_at: str = ""
    """RFC 3339, UTC."""

    @property
    def chosen(self) -> str | None:
        """Name of the chosen candidate; None when there is no signal."""
        name = self.metrics.get("chosen")
        return str(name) if name else None

    @property
    def left_out(self) -> dict[str, Mapping[str, Any]]:
        """Inputs that the audit blocked or suspected and nobody allowed, with verdict and evidence."""
        inputs: Mapping[str, Mapping[str, Any]] = self.metrics.get("inputs", {})
        accused = {name: entry for name, entry in inputs.items() if entry.get("verdict") in ("blocked", "suspect")}
        return {name: entry for name, entry in accused.items() if name not in self.allowed}

    @property
    def undated(self) -> dict[str, list[str]]:
        """Column without a date → the inputs left out for that alone: what is declared static is a column, not an input."""
        groups: dict[str, list[str]] = {}
        for name, entry in self.left_out.items():
            for column in entry.get("undated", ()):
                groups.setdefault(column, []).append(name)
        return dict(sorted(groups.items()))

    @property
    def accused(self) -> dict[str, Mapping[str, Any]]:
        """Inputs left out for more than a missing date."""
        return {name: entry for name, entry in self.left_out.items() if not entry.get("undated")}

    def block(self, name: str) -> Block | None:
        return next((block for block in self.blocks if block.name == name), None)
