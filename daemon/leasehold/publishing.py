"""What tells the broker, as the settings have it: events of a daemon, status of a sealed one."""

from collections.abc import Callable

from leasehold.bundle import Reference
from leasehold.clock import Clock
from leasehold.events.broker import Broker
from leasehold.events.messages import DaemonState
from leasehold.events.mqtt import MqttPublisher
from leasehold.events.retained import retained_head
from leasehold.events.sealed_status import SealedStatus
from leasehold.leases.hold import Hold
from leasehold.leases.sqlite import SQLiteStore
from leasehold.model import AuditHead
from leasehold.policy.references import resolve
from leasehold.secret import Secret
from leasehold.settings import Settings


async def publisher(
    settings: Settings,
    store: SQLiteStore,
    clock: Clock,
    hold: Hold,
    lag_s: Callable[[], float],
) -> MqttPublisher | None:
    """Publishes the events of `store`; None without a broker. Raises ConfigError.

    `lag_s` says for how long the ends of leases have got no further.
    """
    if settings.mqtt is None:
        return None
    return MqttPublisher(
        url=settings.mqtt,
        password=await _password(settings),
        store=store,
        clock=clock,
        deployment=settings.deployment or store.deployment_id,
        lag_s=lag_s,
        state=lambda: DaemonState.QUARANTINED if hold.why else DaemonState.ONLINE,
    )


async def sealed_status(
    settings: Settings, clock: Clock, deployment_id: str
) -> SealedStatus | None:
    """Publishes that the daemon is sealed; None without a broker. Raises ConfigError."""
    if settings.mqtt is None:
        return None
    deployment = settings.deployment or deployment_id
    broker = Broker.at(settings.mqtt, await _password(settings), f"leasehold-{deployment}")
    return SealedStatus(broker, clock, deployment)


async def retained(settings: Settings, deployment_id: str) -> AuditHead | None:
    """The latest line of the audit that the broker knows of; None without a broker, or when it
    cannot say. Raises ConfigError.
    """
    if settings.mqtt is None:
        return None
    deployment = settings.deployment or deployment_id
    broker = Broker.at(settings.mqtt, await _password(settings), f"leasehold-{deployment}")
    return await retained_head(broker, deployment)


async def _password(settings: Settings) -> Secret | None:
    file = settings.mqtt_password_file
    return None if file is None else await resolve(Reference("file", str(file)))
