"""The route that Prometheus reads: how the daemon fares and what drift there is, as figures."""

from collections import Counter
from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import (
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from leasehold import __version__
from leasehold.access import Access
from leasehold.admission.admission import Admission
from leasehold.admission.usage import Usage
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.errors import Invalid
from leasehold.events.metrics import CONTENT_TYPE, Metrics
from leasehold.inspection import Inspection, Status
from leasehold.kept import KeptPasswords
from leasehold.model import LeaseState
from leasehold.readiness import Readiness, Times
from leasehold.reconcile.drift import Drift
from leasehold.reconcile.findings import Finding, Kind, What
from leasehold.warm import Place, Warm

PLACE, OPERATE = "leasehold/metrics", "operate"
_FORMATS = ("", "prometheus")


class MetricsHandlers:
    """For callers who may operate; nothing in it is secret, but it tells what a host runs."""

    def __init__(
        self,
        access: Access,
        inspection: Inspection,
        drift: Drift,
        admission: Admission,
        kept: KeptPasswords,
        metrics: Metrics,
        readiness: Readiness,
        warm: Warm,
    ) -> None:
        self._access = access
        self._inspection = inspection
        self._drift = drift
        self._admission = admission
        self._kept = kept
        self._metrics = metrics
        self._readiness = readiness
        self._warm = warm

    @described(Field("format", Holds.TEXT, "prometheus, or nothing."), content="text/plain")
    async def metrics(self, ask: Ask) -> Reply:
        """`sys/metrics`: Prometheus' text format, whatever is asked for."""
        wanted = ask.fields.text("format")
        if wanted not in _FORMATS:
            raise Invalid(f"format: found '{wanted[:40]}'; allowed is prometheus")
        await self._access.require(ask.caller, PLACE, OPERATE)
        status = await self._inspection.measure()
        findings = await self._drift.findings.load()
        families = (
            *_of_daemon(status),
            *self._of_engines(),
            *self._of_findings(findings),
            *_of_quotas(await self._admission.usage()),
            *self._of_passwords(),
            _of_readiness(self._readiness.times()),
            _of_shelves(self._warm.standing()),
        )
        return Reply(raw=self._metrics.exposition(families), content_type=CONTENT_TYPE)

    def _of_engines(self) -> Iterable[Metric]:
        up = GaugeMetricFamily(
            "leasehold_engine_up", "Whether the target answers.", labels=["engine", "type"]
        )
        for engine in self._inspection.engine_statuses():
            up.add_metric([engine.name, engine.type], float(engine.state != "down"))
        yield up

    def _of_passwords(self) -> Iterable[Metric]:
        labels = ["engine", "account"]
        rotated = GaugeMetricFamily(
            "leasehold_password_rotated_timestamp_seconds",
            "Since when a password that leasehold rotates holds.",
            labels=labels,
        )
        failing = GaugeMetricFamily(
            "leasehold_password_rotation_failures",
            "Attempts at a rotation that failed since the last good one.",
            labels=labels,
        )
        wall = self._inspection.clock.wall
        for each in self._kept.all():
            failing.add_metric([each.engine, each.account], each.failures)
            if each.rotated_ms is not None:
                rotated.add_metric([each.engine, each.account], wall(each.rotated_ms).timestamp())
        return (rotated, failing)

    def _of_findings(self, findings: Iterable[Finding]) -> Iterable[Metric]:
        """Drift and orphans. Accounts are counted by engine and sort, since anybody may name one;
        the rest, by what it is about, bears the instants at which it was seen first and last.
        """
        labels = ["kind", "about", "what"]
        standing = GaugeMetricFamily(
            "leasehold_findings", "What is not as it should be, by sort.", labels=labels
        )
        first = GaugeMetricFamily(
            "leasehold_finding_first_seen_timestamp_seconds", "Since when it is so.", labels=labels
        )
        last = GaugeMetricFamily(
            "leasehold_finding_last_seen_timestamp_seconds", "When it was so last.", labels=labels
        )
        clock = self._inspection.clock
        groups: dict[tuple[str, str, str], list[Finding]] = {}
        for finding in findings:
            groups.setdefault((finding.scope.kind, _about(finding), finding.what), []).append(
                finding
            )
        for group, members in sorted(groups.items()):
            standing.add_metric(group, len(members))
            first.add_metric(
                group, clock.wall(min(each.first_seen_ms for each in members)).timestamp()
            )
            last.add_metric(
                group, clock.wall(max(each.last_seen_ms for each in members)).timestamp()
            )
        orphans = GaugeMetricFamily(
            "leasehold_orphans",
            "Accounts without a lease, and leases without an account (what=ghost).",
            labels=["what"],
        )
        counted = Counter(each.what for each in findings if each.scope.kind is Kind.LEASE)
        for what in (What.ORPHAN, What.RESURRECTED, What.FORCED, What.WRONG_TAG, What.GHOST):
            orphans.add_metric([what], counted[what])
        looked = GaugeMetricFamily(
            "leasehold_drift_look_timestamp_seconds", "When the last whole look for drift ended."
        )
        if self._drift.looked_ms is not None:
            looked.add_metric([], clock.wall(self._drift.looked_ms).timestamp())
        return (standing, first, last, orphans, looked)


def _about(finding: Finding) -> str:
    return f"engine:{finding.scope.engine}" if finding.scope.engine else finding.about


def _of_daemon(status: Status) -> Iterable[Metric]:
    yield InfoMetricFamily(
        "leasehold_build",
        "Which leasehold this is.",
        value={"version": __version__, "deployment": status.deployment},
    )
    leases = GaugeMetricFamily("leasehold_leases", "Leases, by state.", labels=["state"])
    for state in LeaseState:
        leases.add_metric([state], status.counts.by_state.get(state, 0))
    yield leases
    for name, about, value in (
        ("leases_overdue", "Accounts that may outlive their lease.", status.counts.overdue),
        ("leases_quarantined", "Leases that keep failing to end.", status.counts.quarantined),
        ("store_damaged_rows", "Rows that did not verify when read.", status.counts.damaged),
        ("events_waiting", "Events that no subscriber has yet.", status.events_waiting),
        ("policy_generation", "Number of the policy that is served.", status.generation),
        (
            "clock_suspect",
            "Whether the wall clock stepped: nothing is issued.",
            status.clock_suspect,
        ),
        (
            "quarantined",
            "Whether an older store was put back: nothing is issued, no account is taken away.",
            bool(status.quarantine),
        ),
        ("degraded", "How many lines of trouble leasehold status has.", len(status.degraded)),
    ):
        yield GaugeMetricFamily(f"leasehold_{name}", about, value=float(value))


def _of_quotas(usages: Iterable[Usage]) -> Iterable[Metric]:
    labels = ["kind", "name", "limit"]
    used = GaugeMetricFamily("leasehold_quota_used", "How much of a limit is used.", labels=labels)
    most = GaugeMetricFamily("leasehold_quota_limit", "What a limit allows.", labels=labels)
    for one in usages:
        used.add_metric([one.kind, one.name, one.what], one.used)
        most.add_metric([one.kind, one.name, one.what], one.most)
    return (used, most)


def _of_readiness(times: Iterable[Times]) -> Metric:
    name = "leasehold_ready_duration_seconds"
    about = "From the making of an account until it was seen to work; quantiles of the last 1000."
    summary = SummaryMetricFamily(name, about, labels=["role"])
    for one in times:
        for quantile, value in (("0.5", one.p50_s), ("0.99", one.p99_s)):
            summary.add_sample(name, {"role": one.path, "quantile": quantile}, value)
        summary.add_metric([one.path], one.count, one.sum_s)
    return summary


def _of_shelves(standing: Mapping[Place, int]) -> Metric:
    about = "Accounts that were made ahead and that nobody has yet."
    waiting = GaugeMetricFamily("leasehold_warm_accounts", about, labels=["role"])
    for place, count in standing.items():
        waiting.add_metric(["/".join(place)], count)
    return waiting
