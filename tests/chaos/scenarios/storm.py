"""Many leases end in the same second, while clients go on asking (T24).

All their accounts are gone within a minute, and the API answers meanwhile as it does else.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from chaos.client import ask
from chaos.facts import Violation
from chaos.journal import Held
from chaos.pace import Pace
from chaos.stage import Record, Size, Stage, totals
from chaos.trial import Trial

PLAN = "T24"
LEASES = {Size.SMALL: 100, Size.CI: 2_000, Size.LONG: 10_000}
PER_LEASE_S = 0.03
"""So much time there is for making each, until they all end."""
MARGIN_S = 8
CLIENTS = 6
RATE = 50.0
ISSUE_EVERY = 10
"""One of so many requests makes a lease; the rest look one up."""
GONE_S = 60.0
P99_MS = 250.0


def run(stage: Stage) -> Iterator[Record]:
    for number in range(stage.times(small=1, ci=1, long=3)):
        with stage.trial() as trial:
            trial.start()
            yield _end_at_once(stage, trial, number)
            yield Record({"totals": True}, figures=totals(trial))


def _end_at_once(stage: Stage, trial: Trial, number: int) -> Record:
    count, engines = LEASES[stage.size], stage.world.engines
    end = time.monotonic() + MARGIN_S + count * PER_LEASE_S

    def issue(each: int) -> Held | None:
        # Whole seconds are granted, so all end within one.
        return trial.clients.issue(engines[each % len(engines)], round(end - time.monotonic()))

    with ThreadPoolExecutor(CLIENTS) as pool:
        held = [each for each in pool.map(issue, range(count)) if each is not None]
    early_s = end - time.monotonic()
    kept = trial.clients.issue(engines[0], 600)
    assert kept is not None

    def request(each: int) -> None:
        if each % ISSUE_EVERY == 0:
            trial.clients.issue(engines[each // ISSUE_EVERY % len(engines)], 600)
        else:
            body = {"lease_id": kept.lease_id}
            ask(trial.daemon.socket, "POST", "/v1/sys/leases/lookup", body)

    time.sleep(max(0.0, end - 1 - time.monotonic()))
    with Pace(request, RATE) as pace:
        gone_s = _until_gone(trial, {each.account for each in held}, end)
    found = []
    if gone_s > GONE_S:
        found.append(Violation(PLAN, f"accounts stood {gone_s:.0f} s after all had ended"))
    if pace.failed or pace.p99_ms() > P99_MS:
        found.append(Violation(PLAN, f"p99 {pace.p99_ms()} ms, and {pace.failed} without a reply"))
    settled = trial.settle()
    return Record(
        {"number": number, "leases": len(held)},
        [*found, *settled.violations],
        round(gone_s, 2),
        reached=len(held) == count and early_s > 0,
        figures={"n": len(held), "gone_s": round(gone_s, 2), "asked": len(pace.seconds)}
        | {"p99_ms": pace.p99_ms()},
    )


def _until_gone(trial: Trial, accounts: set[str], end: float) -> float:
    """Seconds from their end until none of the accounts is left, or twice the bar."""
    while any(accounts & target.accounts().keys() for target in trial.world.targets.values()):
        if time.monotonic() - end > 2 * GONE_S:
            break
        time.sleep(0.2)
    return time.monotonic() - end
