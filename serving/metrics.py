"""What Prometheus reads: requests by route template, decisions by model version, and the state of model and ledger.

One registry per service, so that two in one process do not share figures. Labels never hold a lead, a key or a raw path.
With several workers each answers for itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from data.errors import TamizError
from data.store import now

if TYPE_CHECKING:
    from data.crm import Crm
    from serving.ledger import Ledger
    from serving.model_store import ModelStore

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counts and times requests and decisions."""

    def __init__(self, models: ModelStore, ledger: Ledger, crm: Crm) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("tamiz_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry)
        self._seconds = Histogram(
            "tamiz_request_seconds", "How long requests took.", ("method", "route"), registry=self._registry, buckets=_BUCKETS
        )
        self._decisions = Counter(
            "tamiz_decisions", "Decisions made and entered in the ledger.", ("decision", "model_version"), registry=self._registry
        )
        self._known_requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._known_decisions: dict[tuple[str, str], Counter] = {}
        self._registry.register(_State(models, ledger, crm))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        children = self._known_requests.get(key)
        if children is None:
            children = self._known_requests[key] = (self._requests.labels(method, route, str(status)), self._seconds.labels(method, route))
        children[0].inc()
        children[1].observe(seconds)

    def decision(self, decision: str, model_version: str) -> None:
        key = (decision, model_version)
        child = self._known_decisions.get(key)
        if child is None:
            child = self._known_decisions[key] = self._decisions.labels(decision, model_version)
        child.inc()

    def exposed(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _State(Collector):
    """Figures that others keep, read when asked."""

    def __init__(self, models: ModelStore, ledger: Ledger, crm: Crm) -> None:
        self._models = models
        self._ledger = ledger
        self._crm = crm

    def collect(self) -> Iterator[Metric]:
        models, ledger = self._models, self._ledger
        serving = GaugeMetricFamily("tamiz_model", "1 for the model that serves.", labels=("model_version",))
        if models.loaded is not None:
            serving.add_metric((models.loaded.version,), 1.0)
        yield serving
        yield CounterMetricFamily("tamiz_model_swaps", "Models taken into service.", value=models.swaps)
        yield CounterMetricFamily("tamiz_model_load_failures", "Bundles refused; the model before kept serving.", value=models.failures)
        yield CounterMetricFamily("tamiz_ledger_entries", "Decisions durably entered.", value=ledger.entered)
        yield CounterMetricFamily("tamiz_ledger_groups", "Transactions that entered them.", value=ledger.groups)
        breached = GaugeMetricFamily("tamiz_sla_breached", "Leads that wait for sales beyond what the policy promises.")
        with contextlib.suppress(TamizError):  # a store that is away is said by other figures
            breached.add_metric((), float(self._crm.breached(now())))
        yield breached
        yield CounterMetricFamily("tamiz_ledger_failures", "Requests failed because the ledger did not take them.", value=ledger.failures)
