"""The census: all there is at one moment, read from outside and with no code of the daemon.

The ledger is copied before and after the targets are asked, so what changed meanwhile is known as
that. It may be taken while the daemon runs and while it is dead.
"""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from chaos import ledger
from chaos.audit_book import AuditBook
from chaos.clock import HarnessClock
from chaos.daemon import ChaosDaemon
from chaos.facts import Census, Head, Told
from chaos.hearing import Hearing
from chaos.journal import Journal
from chaos.keys import Keys
from chaos.leaks import leaks
from chaos.targets import Target

LOGINS = 6
"""How many credentials are tried in a census."""
SECRETS = 200
"""How many are looked for in a deep one."""
AHEAD_MS = 3_000


class Observer:
    """Takes censuses of one daemon; what it reads of files that only grow is read once."""

    def __init__(
        self,
        daemon: ChaosDaemon,
        targets: Mapping[str, Target],
        journal: Journal,
        clock: HarnessClock,
        hearing: Hearing | None,
    ) -> None:
        self._daemon = daemon
        self._targets = targets
        self._journal = journal
        self._clock = clock
        self._hearing = hearing
        self._keys = Keys(daemon.state / "key")
        self._book = AuditBook(daemon.state, self._keys)

    def take(self, *, deep: bool = False) -> Census:
        """Count everything; with `deep` each row is verified too, and secrets are looked for."""
        file = self._daemon.state / "leases.db"
        before = ledger.read(file, self._keys, deep=False)
        boot_ms = self._clock.boot_ms()
        opened = self._logins(boot_ms)
        accounts = {name: target.accounts() for name, target in self._targets.items()}
        now = ledger.read(file, self._keys, deep=deep)
        self._book.read()
        heard = None if self._hearing is None else list(self._hearing.read(now.deployment))
        known = self._book.mac_of(now.head.seq)
        moved = {
            lease_id
            for lease_id, row in now.rows.items()
            if lease_id not in before.rows or before.rows[lease_id].version != row.version
        }
        self._journal.rows |= now.rows.keys()
        return Census(
            at_ms=boot_ms + now.behind_ms,
            boot_ms=boot_ms,
            rows=now.rows,
            moving=frozenset(moved),
            accounts=accounts,
            opened=opened,
            told=self._told(now.offset_ms),
            audit_faults=tuple(self._book.faults),
            audit_head=self._book.head,
            store_head=now.head,
            line_at_store_head=Head(now.head.seq if known or not now.head.seq else 0, known),
            delayed=now.delayed,
            waiting=now.waiting,
            numbered=now.numbered,
            heard=heard,
            reported=frozenset(self._book.reported),
            damage=now.damage,
            leaks=self._leaks() if deep else (),
            process=self._daemon.facts(),
        )

    def _told(self, offset_ms: int) -> Mapping[str, Told]:
        """What the audit tells, its ends turned from wall time into lease time."""
        return {
            lease_id: Told(
                told.account,
                told.events,
                [(event, wall_ms - offset_ms) for event, wall_ms in told.deadlines],
            )
            for lease_id, told in self._book.told.items()
        }

    def _logins(self, boot_ms: int) -> dict[str, bool]:
        some = islice(
            (
                held
                for held in reversed(self._journal.held.values())
                if held.earliest_ms > boot_ms + AHEAD_MS and not held.ended and not held.perhaps
            ),
            LOGINS,
        )
        return {
            held.account: self._targets[held.engine].opens(held.account, held.password)
            for held in some
            if held.engine in self._targets
        }

    def _leaks(self) -> list[str]:
        newest = islice(reversed(self._journal.held.values()), SECRETS)
        files = [path for path in self._daemon.folder.rglob("*") if path.is_file()]
        if self._hearing is not None:
            files.append(self._hearing.file)
        return leaks([held.password for held in newest], _written(files))


def _written(files: list[Path]) -> list[Path]:
    return [file for file in files if file.name not in ("key", "reserve")]
