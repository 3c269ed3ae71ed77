"""The network holds what makes an account, and delivers it when nobody waits for it any more (T4).

The daemon has given up and revoked by then. The account must not stand for longer than a second
look takes, and the audit tells of each such case. What is held for a short time only arrives in
time, and is a lease like any other.
"""

import random
import re
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from chaos.facts import Violation
from chaos.relay import Relay
from chaos.stage import Record, Size, Stage, totals
from chaos.trial import Trial
from chaos.world import STATEMENT_TIMEOUT_S
from servers.mysql import PrivateMariadb
from servers.postgres import PostgresServer

PLAN = "T4"
AT_ONCE = 6
"""So many connections make accounts, and each is held with what it sends."""
HELD_S = {Size.SMALL: (1, 14), Size.CI: (1, 24), Size.LONG: (1, 60)}
GONE_S = 2 * STATEMENT_TIMEOUT_S + 10
TTL_S = 600
_MAKES = re.compile(rb"CREATE (?:ROLE|USER) .(lh\w+)")
_TLS = 0x0800
"""CLIENT_SSL among the capabilities that a MySQL greets with."""


class _HoldingRelay(Relay):
    """Holds the next statements that make accounts, each for so many seconds as `holds` says."""

    def __init__(self, to: int) -> None:
        super().__init__(to)
        self.holds: deque[float] = deque()
        self.released: dict[str, float] = {}
        """When the statement for an account was let through, by time.monotonic()."""

    def passed(self, data: bytes, *, to_server: bool) -> bytes:
        if not to_server:
            return _without_tls(data)
        if self.holds and (found := _MAKES.search(data)):
            time.sleep(self.holds.popleft())
            self.released[found[1].decode()] = time.monotonic()
        return data


def _without_tls(data: bytes) -> bytes:
    """A MySQL's greeting without its offer of TLS, through which nothing could be read."""
    if data[3:5] != b"\x00\x0a":
        return data
    at = data.index(b"\x00", 5) + 1 + 4 + 8 + 1
    offered = int.from_bytes(data[at : at + 2], "little") & ~_TLS
    return data[:at] + offered.to_bytes(2, "little") + data[at + 2 :]


def run(stage: Stage) -> Iterator[Record]:
    dice = random.Random(stage.seed)
    engines = [name for name in ("pg", "my") if name in stage.world.engines]
    for number in range(stage.times(small=1, ci=1, long=25)):
        with ExitStack() as stack:
            relays = {name: _HoldingRelay(stage.world.servers[name].port) for name in engines}
            for relay in relays.values():
                stack.callback(relay.close)
            ports = {name: relay.port for name, relay in relays.items()}
            trial = stack.enter_context(stage.trial(policy=stage.world.policy(ports)))
            trial.start()
            for relay in relays.values():
                relay.holds.extend(dice.uniform(*HELD_S[stage.size]) for _ in range(AT_ONCE))
            _ask(trial, relays)
            yield from (_judged(trial, name, relays[name], number) for name in engines)
            yield Record.of(trial.settle(deep=True), number=number)
            yield Record({"totals": True}, figures=totals(trial))


def _ask(trial: Trial, relays: dict[str, _HoldingRelay]) -> None:
    """Ask for all at once, and return when each was let through, some long after its reply."""
    with ThreadPoolExecutor(AT_ONCE * len(relays)) as pool:
        for name in relays:
            for _ in range(AT_ONCE):
                pool.submit(trial.clients.issue, name, TTL_S)
    until = time.monotonic() + HELD_S[Size.LONG][1]
    while any(len(relay.released) < AT_ONCE for relay in relays.values()):
        if time.monotonic() > until:
            break
        time.sleep(0.05)


def _judged(trial: Trial, engine: str, relay: _HoldingRelay, number: int) -> Record:
    """Whether what came late is gone in time, and told."""
    held = {each.account for each in trial.journal.held.values()}
    late = relay.released.keys() - held
    released_at = max(relay.released.values(), default=0.0)
    while left := late & trial.world.targets[engine].accounts().keys():
        if time.monotonic() > released_at + GONE_S:
            break
        time.sleep(0.1)
    found = [
        Violation(PLAN, f"{account} stands {GONE_S} s after its late create") for account in left
    ]
    audit = (trial.daemon.state / "audit.jsonl").read_text().splitlines()
    told = [line for line in audit if "late create" in line]
    found += [
        Violation(PLAN, f"the audit does not tell of a late create of {account}")
        for account in sorted(late)
        if not any(account in line for line in told)
    ]
    server = trial.world.servers[engine]
    assert isinstance(server, PostgresServer | PrivateMariadb)
    taken = {name.decode() for name in _MAKES.findall(server.log().encode())}
    return Record(
        {
            "engine": engine,
            "number": number,
            "held": len(relay.released),
            "late": len(late),
            "taken by the server": len(late & taken),
        },
        found,
        round(time.monotonic() - released_at, 2),
        reached=len(relay.released) == AT_ONCE and bool(late),
    )
