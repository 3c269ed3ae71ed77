"""Whether the store that was opened is an older one, and the record of that, written first of all.

An older store shows by lines of the audit that were written when it knew more (rule M8), and by
checkpoints of the audit that the broker has retained. Or the operator who put it back says so.
"""

import logging
from dataclasses import dataclass

from leasehold.clock import Clock
from leasehold.leases.store import LeaseStore
from leasehold.model import AuditHead, Event, EventType
from leasehold.reconcile.quarantine_record import KIND, NAME, Record, from_document

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What there is to judge by.

    `known` is the last line of the audit that the store knows, `knew` the last one that it once
    knew, if that is more, else 0; `last` is the last line that there is. `kept` is a checkpoint
    that the broker has, `asked` that an operator wants it.
    """

    known: int
    knew: int
    last: int
    kept: AuditHead | None
    asked: bool


def suspicion(signs: Signs) -> tuple[str, bool] | None:
    """Why the store is thought to be an older one, and whether the audit has all since. Pure."""
    if signs.knew:
        return (
            f"an older store was put back: it knows {signs.known} lines of the audit, and once"
            f" knew {signs.knew}",
            True,
        )
    if signs.kept is not None and signs.kept.seq > signs.last:
        return (
            f"an older store and audit were put back: they end with line {signs.last}, and the"
            f" broker has a checkpoint of line {signs.kept.seq}",
            False,
        )
    if signs.asked:
        return "asked for at the start", False
    return None


async def standing(store: LeaseStore, clock: Clock, signs: Signs) -> Record | None:
    """The quarantine that this daemon is in: one that stands, or one that begins now.

    To be called before anything else is written, since a store that has written does not show any
    more that it was an older one. Raises Unavailable.
    """
    record = from_document(await store.document(KIND, NAME))
    if record is not None and record.released_ms is None and not signs.knew:
        return record
    found = suspicion(signs)
    if found is None:
        return None
    why, complete = found
    record = Record(at_ms=clock.now_ms(), why=why, known=signs.known, complete=complete)
    told = Event.new(EventType.QUARANTINE_BEGUN, record.at_ms, None, why=why)
    await store.keep([record.document()], told, may_delay_audit=True)
    logger.error("quarantined: %s; nothing is issued, no account is taken away", why)
    return record
