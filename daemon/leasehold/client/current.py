"""The credential of a block, whichever lease it has today. What sync and asyncio share. No I/O."""

import contextlib
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from leasehold.client.succession import Generation, Succession
from leasehold.client.term import Term
from leasehold.secret import Secret

C = TypeVar("C")


class Current(Generic[C]):
    """A credential that another may take the place of; `C` is the connection that holds one.

    What is read of it is what holds now, so a user asks for all `fields` at once.
    """

    def __init__(self, path: str, first: Generation[C], *, last: bool) -> None:
        self._succession: Succession[C] = Succession(path, last=last)
        self._succession.swap(first)
        self._now = first
        self._before: deque[Generation[C]] = deque()

    @property
    def lease_id(self) -> str:
        """The id of the lease."""
        return self._now.lease_id

    @property
    def fields(self) -> Mapping[str, Secret]:
        """What the credential consists of. Raises CredentialLost when it must not be used."""
        return self._now.fields

    @property
    def ttl_s(self) -> float:
        """Seconds that are left of the lease, as far as known; 0 when it is lost."""
        return self._now.ttl_s

    @property
    def grace_s(self) -> float:
        """Seconds that the one before it lives on, if it is not acknowledged before."""
        return max((old.ttl_s for old in tuple(self._before)), default=0.0)

    @property
    def term(self) -> Term:
        """What is known of the lease."""
        return self._now.term

    def _swap(self, successor: Generation[C]) -> None:
        """Go over to `successor`; the one before lives until it is acknowledged or over."""
        self._succession.swap(successor)
        self._before.append(self._now)
        self._now = successor

    def _retired(self) -> Iterator[Generation[C]]:
        """Those that were gone over from, each once, also where several threads ask."""
        with contextlib.suppress(IndexError):
            while True:
                yield self._before.popleft()

    def _last_words(self) -> str:
        """That no other will take the place of this one, to be told once."""
        self._succession.warned()
        return (
            f"lease {self.lease_id} is not renewed any further and ends in {self.ttl_s:.0f} s;"
            " no other is asked for in its place"
        )
