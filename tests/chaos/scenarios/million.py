"""A ledger with very many leases, some due and some damaged, is started on (T25).

The rows are written through the store's own classes. Measured are the time until it is ready, then
until the first account is taken away, its memory, and when it has told of every damaged row.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

from bench.rows import write_leases
from chaos.facts import Violation
from chaos.stage import Record, Size, Stage
from chaos.trial import Trial
from servers.postgres import PostgresServer

PLAN = "T25"
LEASES = {Size.SMALL: 2_000, Size.CI: 50_000, Size.LONG: 1_000_000}
DUE, POISON = 100, 1_000
"""One of so many is due at the start; one of so many has a row that does not verify."""
DAY_S = 86_400
READY_S, FIRST_S, RESIDENT_MB = 5.0, 2.0, 300.0
GIVE_UP_S = READ_S = 60.0


def run(stage: Stage) -> Iterator[Record]:
    if "pg" not in stage.world.engines:
        return
    server = stage.world.servers["pg"]
    assert isinstance(server, PostgresServer)
    count = LEASES[stage.size]
    with stage.trial() as trial:
        trial.start()
        like = trial.clients.issue("pg", DAY_S)
        assert like is not None
        trial.daemon.stop()
        state = trial.daemon.state
        write_leases(state, like.lease_id, count - count // DUE, DAY_S)
        due = write_leases(state, like.lease_id, count // DUE, 1)
        with closing(sqlite3.connect(state / "leases.db")) as db, db:
            poisoned = db.execute(
                "UPDATE lease SET owner = owner || '!'"
                " WHERE id IN (SELECT id FROM lease WHERE id <> ? LIMIT ?)",
                (like.lease_id, count // POISON),
            ).rowcount
        server.make_accounts(list(due.accounts))
        trial.start()
        ready_s = time.monotonic() - trial.daemon.started_at
        accounts, wanted = trial.world.targets["pg"].accounts, set(due.accounts)
        while len(wanted & accounts().keys()) == len(wanted):
            if time.monotonic() - trial.daemon.started_at > GIVE_UP_S:
                break
            time.sleep(0.02)
        first_s = time.monotonic() - trial.daemon.started_at - ready_s
        while (told := _told(trial)) < poisoned:
            if time.monotonic() - trial.daemon.started_at > 2 * READ_S:
                break
            time.sleep(0.2)
        read_s = time.monotonic() - trial.daemon.started_at
        process = trial.daemon.facts()
        assert process is not None
        figures = {
            "leases": count,
            "due": len(wanted),
            "damaged": poisoned,
            "ready_s": round(ready_s, 2),
            "first revocation after_s": round(first_s, 2),
            "all damaged told after_s": round(read_s, 2),
            "resident_mb": round(process.resident_mb),
        }
        found = []
        if ready_s > READY_S:
            found.append(Violation(PLAN, f"it was ready after {ready_s:.1f} s"))
        if first_s > FIRST_S:
            found.append(Violation(PLAN, f"it took {first_s:.1f} s until the first was revoked"))
        if told < poisoned or read_s > READ_S:
            found.append(Violation(PLAN, f"{told} of {poisoned} damaged told in {read_s:.0f} s"))
        if process.resident_mb > RESIDENT_MB:
            found.append(Violation(PLAN, f"it has {process.resident_mb:.0f} MB"))
        yield Record({"leases": count}, found, round(ready_s, 2), figures=figures)


def _told(trial: Trial) -> int:
    """How many findings of damaged rows there are."""
    standing = trial.daemon.request("GET", "/v1/leasehold/drift").data["findings"]
    return sum(each["what"] == "damaged" for each in standing)
