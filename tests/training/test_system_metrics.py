"""Processor and memory of a run: none where nobody asked, at least one sample however short the run."""

from __future__ import annotations

from training.system_metrics import sampled


def test_nobody_asked_and_nothing_is_sampled() -> None:
    with sampled(wanted=False) as samples:
        pass
    assert samples == []


def test_the_shortest_run_has_a_sample_under_the_names_that_mlflow_shows() -> None:
    with sampled() as samples:
        pass
    assert len(samples) == 1
    assert all(name.startswith("system/") for name in samples[0].values)
    assert samples[0].values["system/process_memory_megabytes"] > 1
