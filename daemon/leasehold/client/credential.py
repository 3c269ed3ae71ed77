"""A credential for the length of a block: renewed in the background, revoked at the end.

    with client.credential("database/creds/app", on_replaced=reconnect) as credential:
        connect(password=credential.fields["password"].reveal())

What goes wrong meanwhile does no harm while the lease lives: it is logged, and tried again. When a
lease cannot be renewed any further, another takes its place before it ends, if there is an
`on_replaced` to tell: both work until the new one is acknowledged, or the old one is over. When
the lease has ended all the same (revoked, the daemon away for too long) the credential is lost:
`on_lost` is called once, and whoever asks for the fields gets CredentialLost.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from leasehold.client.current import Current
from leasehold.client.held import LONGEST_WAIT_S, OnLost, Outcome, after, chance, now_s
from leasehold.client.succession import Act, Generation
from leasehold.client.term import Step, Term
from leasehold.errors import Invalid, LeaseholdError

if TYPE_CHECKING:
    from leasehold.client.client import Client

logger = logging.getLogger(__name__)

OnReplaced = Callable[["HeldCredential"], object]
"""Is told of a credential that it has become another."""


class Asking:
    """What a block asks for, at first and again."""

    def __init__(
        self, client: "Client", path: str, ttl: str | int | None, fields: Mapping[str, str] | None
    ) -> None:
        self.client = client
        self.path = path
        self._ttl = ttl
        self._fields = fields

    def next(
        self, current: Generation[contextlib.ExitStack] | None
    ) -> Generation[contextlib.ExitStack]:
        """A credential, in the place of `current` where the daemon does that."""
        asked_at, connection = now_s(), contextlib.ExitStack()
        if current is not None:
            asked = self.client.replacing(current.lease_id, self._ttl, fields=self._fields)
            try:
                return Generation(connection.enter_context(asked), asked_at, connection)
            except Invalid as error:
                logger.info("%s: asked for anew: %s", self.path, error)
        asked = self.client.holding(self.path, self._ttl, fields=self._fields)
        return Generation(connection.enter_context(asked), asked_at, connection)


class HeldCredential(Current[contextlib.ExitStack]):
    """The credential of a block."""

    def __init__(
        self, asking: Asking, on_lost: OnLost | None, on_replaced: OnReplaced | None
    ) -> None:
        super().__init__(asking.path, asking.next(None), last=on_replaced is None)
        self._asking = asking
        self._client = asking.client
        self._on_lost = on_lost
        self._on_replaced = on_replaced
        self._leaving = threading.Event()

    def acknowledge(self) -> None:
        """Say that the new credential is in use, so that the one before it ends now.

        What fails is logged: that one ends by itself.
        """
        for old in self._retired():
            if old.successor:
                go_over(self._client, old.successor)
            elif old.term.alive(now_s()):
                give_up(self._client, old.lease_id)
            old.opened.close()

    @contextlib.contextmanager
    def _kept(self) -> Iterator["HeldCredential"]:
        """Keep it alive by a thread for the length of a block."""
        thread = threading.Thread(
            target=self._tend,
            name=f"leasehold {self._asking.path}",
            daemon=True,  # a program that ends without leaving the block must end
        )
        thread.start()
        try:
            yield self
        finally:
            self._leaving.set()
            thread.join()
            self.acknowledge()
            if not self.term.over:
                give_up(self._client, self.lease_id)
            self._now.opened.close()

    def _tend(self) -> None:
        while (act := self._next()) is not None:
            if act is Act.RETIRE:
                self._lose()
                return
            if act is Act.SEE_TO:
                self._now.term = take_step(self._client, self.lease_id, self.term)
            elif act is Act.WARN:
                logger.warning("%s", self._last_words())
            else:
                self._replace()

    def _next(self) -> Act | None:
        """Wait for the next thing to do; None when the block is left."""
        act, left_s = self._succession.act(now_s())
        while not self._leaving.wait(min(left_s, LONGEST_WAIT_S)):
            if left_s <= 0:
                return act
            act, left_s = self._succession.act(now_s())
        return None

    def _lose(self) -> None:
        error = self._now.lost()
        logger.warning("%s", error)
        if self._on_lost is not None:
            self._on_lost(error)

    def _replace(self) -> None:
        try:
            self._swap(self._asking.next(self._succession.replaceable(now_s())))
        except LeaseholdError as error:
            logger.warning("%s: no new credential yet: %s", self._asking.path, error)
            self._succession.failed(error, now_s(), chance())
            return
        try:
            if self._on_replaced is not None:
                self._on_replaced(self)
        except Exception as error:  # the user's own, and the lease is to be kept all the same
            logger.warning("%s: on_replaced failed (%s)", self._asking.path, type(error).__name__)


@contextlib.contextmanager
def held(
    asking: Asking, on_lost: OnLost | None, on_replaced: OnReplaced | None
) -> Iterator[HeldCredential]:
    """A new credential, kept alive until the block is left."""
    with HeldCredential(asking, on_lost, on_replaced)._kept() as credential:
        yield credential


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
