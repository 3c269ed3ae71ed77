"""A credential for the length of a block: renewed in the background, revoked at the end.

    with client.credential("database/creds/app") as credential:
        connect(password=credential.fields["password"].reveal())

What goes wrong meanwhile does no harm while the lease lives: it is logged, and tried again. When
the lease has ended all the same (revoked, at its maximum, the daemon away for too long) the
credential is lost: `on_lost` is called once, and whoever asks for the fields gets CredentialLost.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from leasehold.client.held import HeldCredential, OnLost, Outcome, after, now_s
from leasehold.client.term import Step, Term
from leasehold.errors import LeaseholdError

if TYPE_CHECKING:
    from leasehold.client.client import Client

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def held(
    client: "Client",
    path: str,
    ttl: str | int | None,
    on_lost: OnLost | None,
    fields: Mapping[str, str] | None,
) -> Iterator[HeldCredential]:
    """A new credential at `path`, kept alive by a thread until the block is left."""
    asked_at = now_s()
    with client.holding(path, ttl, fields=fields) as issued:
        credential = HeldCredential(issued, asked_at)
        leaving = threading.Event()
        thread = threading.Thread(
            target=_tend,
            args=(client, credential, on_lost, leaving),
            name=f"leasehold {path}",
            daemon=True,  # a program that ends without leaving the block must end
        )
        thread.start()
        try:
            yield credential
        finally:
            leaving.set()
            thread.join()
            if not credential.term.over:
                give_up(client, credential.lease_id)


def _tend(
    client: "Client", credential: HeldCredential, on_lost: OnLost | None, leaving: threading.Event
) -> None:
    while not leaving.wait(credential.idle_s()):
        if not credential.term.alive(now_s()):
            logger.warning("%s", credential.lost())
            if on_lost is not None:
                on_lost(credential.lost())
            return
        if credential.term.due <= now_s() and credential.term.step is not Step.NOTHING:
            credential.term = take_step(client, credential.lease_id, credential.term)


def take_step(client: "Client", lease_id: str, term: Term) -> Term:
    """Do what is due for the lease: what is known of it then. Errors become part of that."""
    asked_at = now_s()
    outcome: Outcome
    try:
        if term.step is Step.LOOK:
            outcome = client.lookup(lease_id)["ttl"], True
        else:
            renewed = client.renew(lease_id, term.asked_s)
            outcome = renewed.ttl_s, renewed.renewable
    except LeaseholdError as error:
        logger.warning("lease %s: %s: %s", lease_id, term.step.value, error)
        outcome = error
    return after(term, outcome, asked_at)


def go_over(client: "Client", lease_id: str) -> None:
    """Say that a lease took the place of the one before. What fails is logged: that one ends."""
    try:
        client.acknowledge_lease(lease_id)
    except LeaseholdError as error:
        logger.warning("what lease %s replaced is left to end by itself: %s", lease_id, error)


def give_up(client: "Client", lease_id: str) -> None:
    """Revoke a lease that is not used any more. What fails is logged: it ends by itself."""
    try:
        client.revoke(lease_id)
    except LeaseholdError as error:
        logger.warning("lease %s is left to end by itself: %s", lease_id, error)
