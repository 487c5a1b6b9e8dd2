"""The model over time: parts too small to judge, noise that is no change, and a ranking that broke."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.stability import stability


def months(strength: list[float], n: int = 400, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, margins and parts; each part's margin says as much as its strength."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n * len(strength)) < 0.3).astype(float)
    part = np.repeat(np.arange(len(strength)), n)
    return y, rng.normal(size=len(y)) + np.array(strength)[part] * y, part


def found(y: np.ndarray, margin: np.ndarray, part: np.ndarray) -> dict[str, Any]:
    p = 1 / (1 + np.exp(-margin))
    return stability(y, p, margin, np.arange(len(y)), part, [f"2026-{k + 1:02}" for k in range(12)], seed=0, resamples=50)


class TestStability:
    def test_a_part_with_hardly_a_conversion_has_no_auc_and_an_honest_interval(self) -> None:
        y, margin, part = months([1.0, 1.0])
        y[part == 0] = 0.0
        first, second = found(y, margin, part)["parts"]
        assert first["auc"] is None
        assert first["observed_ci"][1] > 0
        assert second["auc"] is not None
        assert found(y, margin, part)["p_value"] is None

    def test_noise_is_no_change(self) -> None:
        p_values = [found(*months([1.0] * 5, seed=seed))["p_value"] for seed in range(20)]
        assert sum(p is not None and p < 0.01 for p in p_values) <= 2

    def test_a_ranking_that_broke_is_told(self) -> None:
        p_value = found(*months([1.5, 1.5, 0.0]))["p_value"]
        assert p_value is not None
        assert p_value < 0.001
