"""The daemon stands still, as by SIGSTOP or with its machine, while leases end (T21).

When it goes on it ends what is due before it answers anybody: whoever asked meanwhile, or asks on a
connection that was open before, gets the first answer when the accounts are gone. How soon the
outside hears of a frozen daemon is judged by `dead`.
"""

import http.client
import random
import signal
import time
from collections.abc import Iterator, Set
from concurrent.futures import ThreadPoolExecutor

from chaos import ledger
from chaos.client import TIMEOUT_S
from chaos.facts import Violation
from chaos.keys import Keys
from chaos.stage import Record, Size, Stage, totals
from chaos.trial import Trial
from servers.daemon import UnixConnection

PLAN = "T21"
PAUSES_S = {Size.SMALL: (1.5,), Size.CI: (1.0, 2.0, 5.0, 12.0)}
SHORTEST_S, LONGEST_S = 1.0, 1_800.0
"""Of a long run; as many are short as are long, by their orders of magnitude."""
LEASES, TTL_S, BEFORE_S = 5, 2, 0.3
"""Issued at each engine; the daemon is stopped so long before the first of them ends."""
OVERRUN_S = 2.0
GIVE_UP_S = 20.0
ASKING_S = 0.2
"""Clients ask so long before the daemon goes on."""


def run(stage: Stage) -> Iterator[Record]:
    dice = random.Random(stage.seed)
    with stage.trial() as trial:
        trial.start()
        for pause_s in _pauses(stage, dice):
            yield _stand_still(trial, pause_s)
        yield Record({"pause": "in the end"}, trial.settle(deep=True).violations)
        yield Record({"totals": True}, figures=totals(trial))


def _pauses(stage: Stage, dice: random.Random) -> Iterator[float]:
    if stage.size in PAUSES_S:
        for _ in range(stage.times(small=1, ci=1, long=1)):
            yield from PAUSES_S[stage.size]
    else:
        for _ in range(stage.times(small=1, ci=1, long=100)):
            yield round(SHORTEST_S * (LONGEST_S / SHORTEST_S) ** dice.random(), 1)


def _stand_still(trial: Trial, pause_s: float) -> Record:
    process = trial.daemon.process
    assert process is not None
    with ThreadPoolExecutor() as pool:
        for engine in trial.world.engines:
            list(pool.map(trial.clients.issue, [engine] * LEASES, [TTL_S] * LEASES))
        ends_ms = _ends_ms(trial)
        asking = [_Asking(trial), _Asking(trial)]
        asking[0].connect()
        time.sleep(max(0.0, (min(ends_ms.values()) - trial.clock.boot_ms()) / 1000 - BEFORE_S))
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(pause_s - ASKING_S)
            answers = [pool.submit(each.answered) for each in asking]
            time.sleep(ASKING_S)
        finally:
            went_on_ms = trial.clock.boot_ms()
            process.send_signal(signal.SIGCONT)
        due = {account for account, end_ms in ends_ms.items() if end_ms < went_on_ms}
        standing = [found & due for answer in answers if (found := answer.result()) is not None]
    overrun_s = _gone_after_s(trial, due, went_on_ms)
    found = [
        Violation(PLAN, f"somebody was answered while {len(each)} accounts stood that were due")
        for each in standing
        if each
    ]
    if overrun_s > OVERRUN_S:
        found.append(Violation(PLAN, f"the last account went {overrun_s:.1f} s after the pause"))
    settled = trial.settle()
    return Record(
        {"pause_s": pause_s, "due": len(due), "answers": len(standing)},
        [*found, *settled.violations],
        round(overrun_s, 2),
        reached=bool(due and standing),
    )


def _ends_ms(trial: Trial) -> dict[str, int]:
    """When each account is to go, by boot time."""
    state = trial.daemon.state
    copy = ledger.read(state / "leases.db", Keys(state / "key"), deep=False)
    active = [row for row in copy.rows.values() if row.state == "active"]
    return {row.account: row.expires_ms - copy.behind_ms for row in active}


def _gone_after_s(trial: Trial, due: Set[str], since_ms: int) -> float:
    """Seconds from the end of the pause until none of the accounts is left."""
    while due & _accounts(trial):
        if trial.clock.boot_ms() - since_ms > GIVE_UP_S * 1000:
            break
        time.sleep(0.02)
    return (trial.clock.boot_ms() - since_ms) / 1000


def _accounts(trial: Trial) -> set[str]:
    return {name for target in trial.world.targets.values() for name in target.accounts()}


class _Asking:
    """A client that asks while the daemon stands still."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._connection = UnixConnection(trial.daemon.socket, TIMEOUT_S)

    def connect(self) -> None:
        self._connection.connect()

    def answered(self) -> set[str] | None:
        """The accounts that stood when the answer came; None when the connection had an end."""
        try:
            self._connection.request("GET", "/v1/sys/health")
            self._connection.getresponse().read()
            return _accounts(self._trial)
        except (OSError, http.client.HTTPException):
            return None
        finally:
            self._connection.close()
