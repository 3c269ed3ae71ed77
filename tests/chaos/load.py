"""Clients that issue, renew and revoke at a rate, and write down what they were told."""

import itertools
import random
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from chaos.client import NoReply, NotSent, Reply, ask
from chaos.clock import HarnessClock
from chaos.daemon import ChaosDaemon
from chaos.journal import Held, Journal, Outcome

CLIENTS = 6
TTL_S = (2, 20)
ISSUES, RENEWALS = 0.6, 0.2
"""Shares of requests; the rest revokes."""
HANG_UPS = 0.03
"""The share of issuing clients that go away before their reply."""
ROUNDING_MS = 1_000
"""Replies tell whole seconds."""
_numbers = itertools.count()


class Clients:
    """What clients do, one request at a time; safe to be used by many threads."""

    def __init__(self, daemon: ChaosDaemon, journal: Journal, clock: HarnessClock) -> None:
        self._socket = daemon.socket
        self._journal = journal
        self._clock = clock

    def issue(
        self, engine: str, ttl_s: int, *, role: str = "app", hang_up: bool = False
    ) -> Held | None:
        """Ask for a credential; None when none came."""
        nonce = f"chaos-{next(_numbers)}"
        self._journal.asked(engine, nonce)
        path, body, now = f"/v1/{engine}/creds/{role}", {"ttl": ttl_s}, self._clock.boot_ms
        began_ms = now()
        try:
            reply = ask(self._socket, "POST", path, body, nonce=nonce, hang_up=hang_up)
        except NotSent:
            self._journal.outcome(nonce, Outcome.REFUSED, now())
            raise
        except NoReply:
            self._journal.outcome(nonce, Outcome.HUNG_UP if hang_up else Outcome.UNKNOWN, now())
            return None
        if reply.status != 200:
            told = f"{reply.status}: {'; '.join(reply.body.get('errors', ()))}"
            self._journal.outcome(nonce, Outcome.REFUSED, now(), reply.request_id, told)
            return None
        if reply.body["lease_id"].rpartition("/")[0] != f"{engine}/creds/{role}":
            self._journal.failed(f"{reply.body['lease_id']} answers a request to {path}")
        held = _held(reply, engine, nonce, began_ms, now())
        self._journal.received(held, now(), reply.request_id)
        return held

    def renew(self, held: Held, ttl_s: int) -> None:
        """Ask for a later end, or an earlier one."""
        began_ms, body = self._clock.boot_ms(), {"lease_id": held.lease_id, "increment": ttl_s}
        try:
            reply = ask(self._socket, "POST", "/v1/sys/leases/renew", body)
        except NotSent:
            raise
        except NoReply:
            held.perhaps = True
            held.latest_ms = max(held.latest_ms, self._clock.boot_ms() + ttl_s * 1000)
            return
        if reply.status == 200:
            if reply.body["lease_id"] != held.lease_id:
                self._journal.failed(f"{reply.body['lease_id']} answers for {held.lease_id}")
            granted_ms = reply.body["lease_duration"] * 1000
            held.earliest_ms = began_ms + granted_ms - ROUNDING_MS
            # What a request before this one may have done is over now.
            held.latest_ms = self._clock.boot_ms() + granted_ms + ROUNDING_MS
        elif reply.status >= 500:  # the target may have moved it
            held.perhaps = True
            held.latest_ms = max(held.latest_ms, self._clock.boot_ms() + ttl_s * 1000)

    def revoke(self, held: Held) -> None:
        """Give a lease up, and believe that it is over only when that was said."""
        held.perhaps = True
        try:
            body = {"lease_id": held.lease_id, "sync": True}
            reply = ask(self._socket, "POST", "/v1/sys/leases/revoke", body)
        except NoReply:
            return
        held.ended = reply.status == 204


def _held(reply: Reply, engine: str, nonce: str, began_ms: int, ended_ms: int) -> Held:
    granted_ms: int = reply.body["lease_duration"] * 1000
    data: dict[str, Any] = reply.body["data"]
    return Held(
        lease_id=reply.body["lease_id"],
        engine=engine,
        account=data["username"],
        password=data["password"],
        nonce=nonce,
        earliest_ms=began_ms + granted_ms - ROUNDING_MS,
        latest_ms=ended_ms + granted_ms + ROUNDING_MS,
    )


class Load:
    """`rate` requests a second until the block is left; a daemon that is away is waited for."""

    def __init__(self, clients: Clients, engines: Sequence[str], rate: float, seed: int) -> None:
        self._clients = clients
        self._engines = engines
        self._pause_s = CLIENTS / rate
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(random.Random(seed * 100 + number),))
            for number in range(CLIENTS)
        ]
        self.asked = 0
        self.trouble: list[BaseException] = []

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.trouble and error is None:
            raise self.trouble[0]

    def _ask(self, dice: random.Random) -> None:
        mine: list[Held] = []
        due = time.monotonic() + dice.random() * self._pause_s
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._pause_s, time.monotonic())
            try:
                self._one(dice, mine)
                self.asked += 1
            except NotSent:
                continue
            except BaseException as error:
                self.trouble.append(error)
                return

    def _one(self, dice: random.Random, mine: list[Held]) -> None:
        move, ttl_s = dice.random(), dice.randint(*TTL_S)
        if move < ISSUES or not mine:
            away = dice.random() < HANG_UPS
            held = self._clients.issue(dice.choice(self._engines), ttl_s, hang_up=away)
            if held is not None:
                mine.append(held)
        elif move < ISSUES + RENEWALS:
            self._clients.renew(dice.choice(mine), ttl_s)
        else:
            self._clients.revoke(mine.pop(dice.randrange(len(mine))))
