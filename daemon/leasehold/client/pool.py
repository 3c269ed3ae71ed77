"""A pool of connections that never runs out of credential.

    with DynamicPool(Client(), "database/creds/app", PsycopgPool("host=db dbname=app")) as pool:
        with pool.connection() as connection:
            connection.execute("SELECT 1")

One thread sees to the lease: it renews it at half of its life and, when it cannot be renewed for
as long as before, makes a new pool on a new credential. New checkouts go there; the old pool is
closed, and its lease revoked, when the last of its connections is back. When the daemon is away
the pool that works is kept for as long as its lease lives. When a connection fails, the daemon is
asked whether the lease was revoked; then a new credential is fetched at once.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping
from math import inf
from types import TracebackType
from typing import Generic, Self, TypeVar

from leasehold.client.client import Client
from leasehold.client.credential import give_up, go_over, take_step
from leasehold.client.held import LONGEST_WAIT_S, chance, now_s
from leasehold.client.replies import IssuedCredential
from leasehold.client.succession import (
    Act,
    Adapter,
    Generation,
    Succession,
    adapters_fault,
)
from leasehold.client.term import DOUBT_S, CredentialLost
from leasehold.errors import Invalid

P = TypeVar("P")
C = TypeVar("C")

logger = logging.getLogger(__name__)


class DynamicPool(Generic[P, C]):
    """Connections with credentials of `path`, of a life of `ttl`; for threads.

    Each is asked for with `fields`, such as a reason.
    A checkout waits up to `wait_s` while there is no credential. Closing waits up to `grace_s` for
    connections that are in use. A process that forks opens its pool after that.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        adapter: Adapter[P, C],
        *,
        ttl: str | int | None = None,
        fields: Mapping[str, str] | None = None,
        wait_s: float = 30.0,
        grace_s: float = 10.0,
    ) -> None:
        self._client = client
        self._path = path
        self._adapter = adapter
        self._ttl = ttl
        self._fields = fields
        self._wait_s = wait_s
        self._grace_s = grace_s
        self._closes_at = inf
        self._changed = threading.Condition()
        self._succession: Succession[P] = Succession(path)
        self._keeper: threading.Thread | None = None
        self._retiring: list[threading.Thread] = []

    def open(self) -> Self:
        """Get the first credential. Raises what `Client.read` does, Unavailable for the target."""
        self._succession.swap(self._make())
        self._keeper = threading.Thread(
            target=self._keep, name=f"leasehold pool {self._path}", daemon=True
        )
        self._keeper.start()
        return self

    def close(self) -> None:
        """Close what is open and revoke its leases; what is in use has `grace_s` to end."""
        with self._changed:
            self._closes_at = now_s() + self._grace_s
            self._changed.notify_all()
        if self._keeper is not None:
            self._keeper.join()
        self._swap(None)
        for thread in self._retiring:
            thread.join()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def connection(self) -> Iterator[C]:
        """A connection for the length of a block; how a transaction ends is the driver's way.

        Raises CredentialLost when there is no credential for `wait_s`, else what the driver does.
        """
        with contextlib.ExitStack() as block:
            generation, connection = self._checkout(block)
            try:
                yield connection
            except self._adapter.broken:
                self._doubt(generation)
                raise

    def _checkout(self, block: contextlib.ExitStack) -> tuple[Generation[P], C]:
        deadline = now_s() + self._wait_s
        while True:
            generation = self._enter(deadline)
            with contextlib.ExitStack() as attempt:
                attempt.callback(self._leave, generation)
                try:
                    connection = attempt.enter_context(self._adapter.checkout(generation.opened))
                except self._adapter.broken:
                    self._doubt(generation)
                    if self._stands(generation, deadline):
                        raise
                    continue
                block.enter_context(attempt.pop_all())
                return generation, connection

    def _enter(self, deadline: float) -> Generation[P]:
        with self._changed:
            while (generation := self._succession.usable(now_s())) is None or self._closing():
                if self._closing():
                    raise CredentialLost(f"{self._path}: the pool is closed")
                if now_s() >= deadline:
                    raise self._succession.lost()
                self._wait_until(min(deadline, now_s() + DOUBT_S))
            generation.users += 1
            return generation

    def _leave(self, generation: Generation[P]) -> None:
        with self._changed:
            generation.users -= 1
            self._changed.notify_all()

    def _doubt(self, generation: Generation[P]) -> None:
        with self._changed:
            generation.term = generation.term.doubted(now_s())
            self._changed.notify_all()

    def _stands(self, generation: Generation[P], deadline: float) -> bool:
        """Whether it is still the one in use, as far as the daemon can be asked."""
        with self._changed:
            while self._succession.undecided(generation, now_s()):
                if now_s() >= deadline or self._closing():
                    break
                self._wait_until(min(deadline, now_s() + DOUBT_S))
            return self._succession.stands(generation)

    def _closing(self) -> bool:
        return self._closes_at < inf

    def _wait_until(self, deadline: float) -> None:
        self._changed.wait(max(0.0, min(deadline - now_s(), LONGEST_WAIT_S)))

    def _keep(self) -> None:
        while (act := self._next()) is not None:
            generation = self._succession.current
            if act is Act.RETIRE:
                self._swap(None)
            elif act is Act.SEE_TO and generation is not None:
                term = take_step(self._client, generation.lease_id, generation.term)
                with self._changed:
                    generation.term = term
                    self._changed.notify_all()
            else:
                try:
                    self._swap(self._make())
                except Exception as error:  # an adapter's too: the keeper must not end of it
                    told = adapters_fault(error)
                    logger.warning("%s: no new credential yet: %s", self._path, told)
                    with self._changed:
                        self._succession.failed(told, now_s(), chance())

    def _next(self) -> Act | None:
        """Wait for the next thing to do; None when the pool is to be closed."""
        with self._changed:
            while not self._closing():
                act, left_s = self._succession.act(now_s())
                if left_s <= 0:
                    return act
                self._wait_until(now_s() + left_s)
            return None

    def _make(self) -> Generation[P]:
        asked_at = now_s()
        issued = self._issued()
        try:
            return Generation(issued, asked_at, self._adapter.open(issued.fields))
        except BaseException:
            give_up(self._client, issued.lease_id)
            raise

    def _issued(self) -> IssuedCredential:
        """The next credential: in the place of the current one, where the daemon does that."""
        current = self._succession.replaceable(now_s())
        if current is not None:
            try:
                return self._client.replace(current.lease_id, self._ttl, fields=self._fields)
            except Invalid as error:
                logger.info("%s: asked for anew: %s", self._path, error)
        return self._client.read(self._path, self._ttl, fields=self._fields)

    def _swap(self, successor: Generation[P] | None) -> None:
        with self._changed:
            retired = self._succession.swap(successor)
            self._changed.notify_all()
        self._retiring = [thread for thread in self._retiring if thread.is_alive()]
        if retired is not None:
            thread = threading.Thread(
                target=self._retire,
                args=(retired,),
                name=f"leasehold {retired.lease_id}",
                daemon=True,
            )
            self._retiring.append(thread)
            thread.start()

    def _retire(self, generation: Generation[P]) -> None:
        with self._changed:
            while generation.users and not generation.term.over:
                until = min(generation.term.ends, self._closes_at)
                if now_s() >= until:
                    break
                self._wait_until(until)
        try:
            self._adapter.close(generation.opened)
        except Exception as error:
            logger.warning("%s: the old pool: %s", self._path, adapters_fault(error))
        if generation.successor:
            go_over(self._client, generation.successor)
        elif not generation.term.over:
            give_up(self._client, generation.lease_id)
