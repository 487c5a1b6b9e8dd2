"""What Prometheus reads: requests by route template, decisions by model version, and the state of model and ledger.

One registry per service, so that two in one process do not share figures. Labels never hold a lead, a key or a raw path.
With several workers each answers for itself.
"""

from __future__ import annotations

import contextlib
from collections import Counter as Counted
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from data.errors import TamizError
from data.reports import Reports
from data.store import now
from serving.monitor_report import MONITOR, MonitorAnswer

if TYPE_CHECKING:
    from data.crm import Crm
    from serving.ledger import Ledger
    from serving.model_store import ModelStore

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


_answer = msgspec.json.Decoder(MonitorAnswer)


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
        self._registry.register(_Monitored(Reports(crm.store)))

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


class _Monitored(Collector):
    """Figures of the newest monitor report; none before there is one, or while the store is away."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def collect(self) -> Iterator[Metric]:
        try:
            kept = self._reports.newest(MONITOR)
        except TamizError:
            return
        if kept is None:
            return
        answer = _answer.decode(kept.document)
        yield GaugeMetricFamily("tamiz_monitor_timestamp_seconds", "When the monitor's figures were made.", value=kept.made_at / 1e6)
        alarms = GaugeMetricFamily("tamiz_alarms", "Figures beyond their limit, by name.", labels=("alarm",))
        for name, count in Counted(alarm.name for alarm in answer.alarms).items():
            alarms.add_metric((name,), count)
        yield alarms
        yield GaugeMetricFamily("tamiz_retrain_recommended", "1 when an alarm recommends to train again.", value=float(answer.retrain))
        drift = GaugeMetricFamily("tamiz_signal_psi", "Stability index of each signal against training.", labels=("signal",))
        for one in answer.drift.signals:
            drift.add_metric((one.name,), one.psi)
        yield drift
        if answer.drift.score is not None:
            yield GaugeMetricFamily("tamiz_score_psi", "Stability index of the scores against training.", value=answer.drift.score.psi)
        auc = GaugeMetricFamily("tamiz_auc", "AUC, expected from probabilities or real, by days.", labels=("kind", "within_days"))
        ratio = GaugeMetricFamily("tamiz_conversions_ratio", "Real over promised conversions, by days.", labels=("within_days",))
        for promise in answer.promises:
            days = "" if promise.within_days is None else f"{promise.within_days:g}"
            if promise.auc is not None:
                auc.add_metric((promise.kind, days), promise.auc.value)
            if promise.ratio is not None:
                ratio.add_metric((days,), promise.ratio.value)
        yield auc
        yield ratio
        yield GaugeMetricFamily("tamiz_leads_waiting", "Leads that wait to be scored again.", value=answer.ingestion.leads_waiting)
        yield GaugeMetricFamily("tamiz_webhooks_dead", "Webhooks that were given up.", value=answer.work.messages_dead)
