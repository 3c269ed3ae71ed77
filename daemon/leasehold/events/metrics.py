"""What has happened since the start, counted for Prometheus.

Names and units follow its conventions (https://prometheus.io/docs/practices/naming/): seconds,
`_total` for what only grows. No label holds what a caller may choose, so their number is bounded.
"""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from leasehold.events.audit import FileAudit
from leasehold.model import AuditHead, Event, EventType

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)


class Metrics:
    """Counts events and requests; safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._events = Counter(
            "leasehold_events",
            "What happened, by type, as the audit has it.",
            ["type"],
            registry=self._registry,
        )
        self._requests = Histogram(
            "leasehold_request_duration_seconds",
            "From a request's head to the last byte of its reply, by route and status.",
            ["method", "route", "status"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._not_forwarded = Counter(
            "leasehold_audit_not_forwarded",
            "Lines of the audit that syslog or the journal did not get; the file has them.",
            ["to"],
            registry=self._registry,
        )
        for kind in EventType:  # so that a rate sees the first one too
            self._events.labels(kind)

    def happened(self, events: Sequence[Event]) -> None:
        """Count events that were written down."""
        for event in events:
            self._events.labels(event.type).inc()

    def not_forwarded(self, to: str, count: int) -> None:
        """Count lines that a second place did not get."""
        self._not_forwarded.labels(to).inc(count)

    def served(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request; `route` is the path with its places unnamed."""
        self._requests.labels(method, route, str(status)).observe(took_s)

    def exposition(self, standing: Iterable[Metric]) -> bytes:
        """All counts and the gauges `standing`, in Prometheus' text format."""
        gauges = CollectorRegistry()
        gauges.register(_Given(tuple(standing)))
        return generate_latest(self._registry) + generate_latest(gauges)


class CountedAudit:
    """An audit that has what it wrote counted."""

    def __init__(self, audit: FileAudit, metrics: Metrics) -> None:
        self._audit = audit
        self._metrics = metrics

    def append(
        self, events: Sequence[Event], *, delayed: bool = False, stored: int = 0
    ) -> AuditHead:
        """As the audit itself does it."""
        head = self._audit.append(events, delayed=delayed, stored=stored)
        self._metrics.happened(events)
        return head


class _Given(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
