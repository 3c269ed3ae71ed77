"""One daemon that starts on a ledger that was harmed while it was down, and how it fares."""

import random
import re
import time
from collections.abc import Callable
from pathlib import Path

from chaos import harms
from chaos.facts import Violation
from chaos.harms import Rows
from chaos.journal import Held
from chaos.stage import Record
from chaos.trial import Trial

PLAN = "T9"
LEASES, TTL_S, RENEWED_S = 36, 8, 12
"""Enough to fill some pages; they end while the damaged store is served."""
START_S, TOLD_S, LATE_S = 20.0, 60.0, 10.0
RECOGNISED = ": an older store"
"""What the audit says where it was seen, as it should be."""
TRIES = 3
"""A new lease may fall on a page that is broken; its id is drawn anew."""
_TELLING = ('"event":"drift-found"', '"event":"orphan-found"')
_ACCOUNT = re.compile(r"lh[a-z2-7]{4}_[a-z2-7]{16}_[a-z2-7]{4}")


LiveHarm = Callable[[Path, random.Random, Rows, Path], None]
"""Of a state directory, with leases as they were before some were renewed, and another one."""


class Harmed:
    """Leases are issued, some of them renewed; then the daemon is down, and its ledger harmed."""

    def __init__(self, trial: Trial, dice: random.Random, other: Path) -> None:
        self._trial = trial
        self._dice = dice
        self._other = other
        self._state = trial.daemon.state

    def by(self, name: str, harm: LiveHarm) -> Record:
        """Do it, start, and wait until all that must come has, or a minute is over."""
        trial = self._trial
        trial.start()
        engines = trial.world.engines
        held = [trial.clients.issue(engines[n % len(engines)], TTL_S) for n in range(LEASES)]
        leases = [each for each in held if each is not None]
        old = self._leases()
        for each in leases[::4]:
            trial.clients.renew(each, RENEWED_S)
        trial.kill(then_start=False)
        sound = self._leases()
        if name != "the log cut":
            harms.merge(self._state)
        harm(self._state, self._dice, old, self._other)
        left = self._leases()
        touched, self._made_up = harms.touched(sound, left), harms.made_up(sound, left)
        trial.daemon.run(wait=False)
        what = {"harm": name, "touched": len(touched)}
        if (refusal := self._refusal()) is not None:
            found = [] if _is_one_line(refusal) else [Violation(PLAN, f"no clear end: {refusal}")]
            return Record({**what, "refused": refusal.rpartition("leases.db: ")[2]}, found)
        return self._served(what, leases, touched)

    def _served(self, what: dict[str, object], leases: list[Held], touched: set[str]) -> Record:
        trial, began = self._trial, time.monotonic()
        quarantined = self._release()
        found = [Violation(PLAN, f"{engine} issues no more") for engine in self._stuck_engines()]
        affected = [each for each in leases if each.lease_id in touched]
        others = [each for each in leases if each.lease_id not in touched]
        told_s = self._wait(lambda: not self._untold(affected), began + TOLD_S)
        last_ms = max(each.latest_ms for each in leases) + LATE_S * 1000
        self._wait(lambda: not self._standing(others), time.monotonic() + self._until(last_ms))
        found += [Violation(PLAN, f"{name} stands, untold") for name in self._untold(affected)]
        found += [Violation("I4", f"{name} outlived its lease") for name in self._standing(others)]
        if trial.daemon.alive:
            found += self._counted(affected)
        else:
            found.append(Violation(PLAN, "the daemon ended"))
        return Record({**what, "quarantined": quarantined}, found, told_s, reached=bool(touched))

    def _counted(self, affected: list[Held]) -> list[Violation]:
        """What a census finds, but for the leases that something was done to."""
        self._trial.blind = frozenset({"I12"})
        harmed = {name for each in affected for name in (each.lease_id, each.account)}
        harmed |= self._made_up | {RECOGNISED}
        found = self._trial.judged(self._trial.census())
        return [each for each in found if not any(name in each.what for name in harmed)]

    def _leases(self) -> Rows:
        """By a copy, since whoever closes a store last tidies it up."""
        return harms.leases(harms.copy_state(self._state, self._state.with_name("looked-at")))

    def _refusal(self) -> str | None:
        """What the daemon said when it ended; None when it serves."""
        daemon, until = self._trial.daemon, time.monotonic() + START_S
        said = len(daemon.log.read_text())
        while time.monotonic() < until:
            if not daemon.alive:
                return daemon.log.read_text()[said:].strip() or "nothing"
            try:
                if daemon.request("GET", "/v1/sys/health").status == 200:
                    return None
            except OSError:
                time.sleep(0.05)
        return "it neither serves nor ends"

    def _release(self) -> bool:
        """Have a quarantine released, if there is one, as an operator would."""
        daemon = self._trial.daemon
        if not daemon.request("GET", "/v1/leasehold/status").data["quarantine"]:
            return False
        daemon.request("PUT", "/v1/leasehold/quarantine/release", {})
        self._wait(
            lambda: not daemon.request("GET", "/v1/leasehold/status").data["quarantine"],
            time.monotonic() + TOLD_S,
        )
        return True

    def _stuck_engines(self) -> list[str]:
        return [
            engine
            for engine in self._trial.world.engines
            if not any(self._trial.clients.issue(engine, 5) for _ in range(TRIES))
        ]

    def _standing(self, leases: list[Held]) -> list[str]:
        targets = self._trial.world.targets
        there = {name for target in targets.values() for name in target.accounts()}
        return [each.account for each in leases if each.account in there]

    def _untold(self, leases: list[Held]) -> list[str]:
        """Accounts that stand, and that no finding names."""
        lines = (self._state / "audit.jsonl").read_text().splitlines()
        findings = [line for line in lines if any(event in line for event in _TELLING)]
        told = {name for line in findings for name in _ACCOUNT.findall(line)}
        return [name for name in self._standing(leases) if name not in told]

    def _until(self, boot_ms: float) -> float:
        return max(0.0, (boot_ms - self._trial.clock.boot_ms()) / 1000)

    @staticmethod
    def _wait(claim: Callable[[], bool], until: float) -> float:
        began = time.monotonic()
        while not claim() and time.monotonic() < until:
            time.sleep(0.25)
        return round(time.monotonic() - began, 2)


def _is_one_line(refusal: str) -> bool:
    """Whether somebody can read what is wrong and what to do."""
    return "Traceback" not in refusal and "leases.db" in refusal.splitlines()[-1]
