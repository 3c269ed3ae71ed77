"""Passwords with their SCRAM verifiers, a few of them made before they are asked for.

A verifier takes a processor for a millisecond, by design (RFC 7677). Made while the server works on
the account before, that does not add to the time a caller waits. What is ready here opens nothing:
no account has it yet.
"""

import asyncio
import contextlib
import os
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from leasehold.plugin import PasswordPolicy, Secret, make_password
from leasehold_plugins.postgresql.scram import verifier

READY = 16
"""How many are kept ready for each password policy: as many as callers are let in at once."""


@dataclass(frozen=True, slots=True)
class Password:
    """A password that was not given to anybody, and what the server is to know of it."""

    clear: Secret
    verifier: str


class Passwords:
    """Makes passwords in threads, which let go of the interpreter while they hash."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="leasehold scram")
        self._ready: defaultdict[object, deque[Future[Password]]] = defaultdict(deque)

    async def take(self, policy: PasswordPolicy) -> Password:
        """A password by `policy`, given once."""
        ready = self._ready[policy.length, policy.allowed_symbols, *sorted(policy.required.items())]
        made = ready.popleft() if ready else self._threads.submit(_make, policy)
        # Soon, not now: the server shall have its work before a processor is taken for hashing.
        asyncio.get_running_loop().call_soon(self._fill, ready, policy)
        return made.result() if made.done() else await asyncio.wrap_future(made)

    def _fill(self, ready: deque[Future[Password]], policy: PasswordPolicy) -> None:
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            while len(ready) < READY:
                ready.append(self._threads.submit(_make, policy))

    def close(self) -> None:
        """Make no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _make(policy: PasswordPolicy) -> Password:
    clear = make_password(policy)
    return Password(Secret(clear), verifier(clear))
