"""Bundles of declared points, made in a second, and the pointer that says which one serves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from models.bundle import Bundle
    from models.request import ScoreRequest


def point(home: Path, name: str) -> None:
    pointer = home / "bundles" / "champion.json"
    building = pointer.with_suffix(".new")
    building.write_text(json.dumps({"bundle": name, "model_version": name}))
    building.replace(pointer)


def make_bundle(folder: Path, *, version: str, hope: float, like: Sequence[ScoreRequest] = ()) -> None:
    """Declared points over every declared signal, calibrated on invented outcomes, with a backtest of half a year.

    With `like`, these are the leads that it was calibrated on, and what later ones are compared with.
    """
    import numpy as np
    import pandas as pd

    from features.catalogue import catalogue
    from features.signal import FeatureSet
    from models.bundle import write_bundle
    from models.calibration import ScoreScale, fit_calibration
    from models.encoder import Encoder
    from models.inputs import InputSpec
    from models.qualification import Policy
    from models.scorecard import declared_scorecard
    from models.scoring import inputs_of

    signals = tuple(catalogue().values())
    encoder = Encoder(FeatureSet(signals), tuple(InputSpec(one.name, one.family, "number", one.monotone) for one in signals))
    model = declared_scorecard(encoder.inputs)
    rng = np.random.default_rng(7)
    margin = rng.normal(-1.0, 1.2, 4_000)
    y = (rng.random(4_000) < 1 / (1 + np.exp(1.5 - hope - margin))).astype(float)
    calibration = fit_calibration(margin, y, np.arange(4_000), seed=7)
    probability, _, _ = calibration.apply(margin)
    backtest = pd.DataFrame(
        {
            "lead": [f"p{i // 2}" for i in range(4_000)],
            "as_of": pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(rng.uniform(0, 182, 4_000), unit="D").round("us"),
            "probability": probability,
            "margin": margin,
            "y": y,
            "segment_source": [("web", "fair", "referral")[i // 2 % 3] for i in range(4_000)],
        }
    )
    manifest = {"model_version": version, "horizon_days": 90.0, "no_signal": False, "label": "converted"}

    def write(folder: Path, tables: dict[str, pd.DataFrame]) -> Bundle:
        return write_bundle(
            folder,
            model=model,
            encoder=encoder,
            calibration=calibration,
            scale=ScoreScale.from_margins(margin),
            policy=Policy.at(0.2, 0.5),
            manifest=manifest,
            tables=tables,
        )

    if not like:
        write(folder, {"backtest": backtest})
        return
    X, margins = inputs_of(write(folder.with_name(f"{folder.name}-bare"), {}), like)
    signals_of = {f"signal_{one.name}": X[:, place].astype(np.float32) for place, one in enumerate(encoder.inputs)}
    reference = pd.DataFrame({"margin": margins, "probability": calibration.apply(margins)[0]} | signals_of)
    write(folder, {"backtest": backtest, "reference": reference})
