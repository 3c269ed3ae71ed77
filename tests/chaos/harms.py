"""Harms to the file of a ledger, and what each did to its leases, by SQL of our own.

A harm is done to a copy of a state directory that nobody serves.
"""

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LEDGER = "leases.db"
PAGE = 4096
FIRST, FRAME = 32, PAGE + 24
"""Of SQLite's log: its head, and a page with its own, which has the head's salt (sqlite.org)."""
Rows = Mapping[bytes, tuple[Any, ...]]
Harm = Callable[[Path, random.Random], None]


def copy_state(state: Path, to: Path) -> Path:
    """A copy of a state directory, in the place of the last one."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(state, to, ignore=shutil.ignore_patterns("reserve", "lock"))
    return to


def merge(state: Path) -> None:
    """Have SQLite put all that stands in its log into the file."""
    with contextlib.closing(sqlite3.connect(state / LEDGER)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def leases(state: Path) -> Rows:
    """Every row of a lease that can be read, by its id; what cannot is not there."""
    try:
        file = (state / LEDGER).as_uri()
        with contextlib.closing(sqlite3.connect(f"{file}?mode=ro", uri=True)) as db:
            db.text_factory = bytes
            try:
                return {row[0]: row for row in db.execute("SELECT * FROM lease")}
            except sqlite3.DatabaseError:
                return dict(_one_by_one(db))
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # as when names of columns are harmed
        return {}


def _one_by_one(db: sqlite3.Connection) -> Mapping[bytes, tuple[Any, ...]]:
    found = {}
    ids = db.execute("SELECT id FROM lease INDEXED BY lease_holder").fetchall()
    for (lease_id,) in ids:
        with contextlib.suppress(sqlite3.DatabaseError):
            query = "SELECT * FROM lease WHERE id = CAST(? AS TEXT)"
            row = db.execute(query, (lease_id,)).fetchone()
            if row is not None:
                found[lease_id] = row
    return found


def touched(before: Rows, after: Rows) -> set[str]:
    """Ids of leases that are not what they were."""
    return {lease_id.decode() for lease_id, row in before.items() if after.get(lease_id) != row}


def made_up(before: Rows, after: Rows) -> set[str]:
    """Ids of leases that there were none of."""
    return {lease_id.decode(errors="replace") for lease_id in after.keys() - before.keys()}


# Harms to bytes.


def flip_a_bit(state: Path, dice: random.Random) -> None:
    data = bytearray((state / LEDGER).read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    (state / LEDGER).write_bytes(data)


def zero_a_page(state: Path, dice: random.Random) -> None:
    data = bytearray((state / LEDGER).read_bytes())
    start = dice.randrange(len(data) // PAGE) * PAGE
    data[start : start + PAGE] = bytes(PAGE)
    (state / LEDGER).write_bytes(data)


def zero_a_page_of_leases(state: Path, dice: random.Random) -> None:
    """One that has no pages below it, chosen by the account of a live lease."""
    with contextlib.closing(sqlite3.connect(state / LEDGER)) as db:
        query = "SELECT account FROM lease WHERE state = 'active'"
        accounts = [account.encode() for (account,) in db.execute(query)]
    data = (state / LEDGER).read_bytes()
    starts = [
        start
        for start in range(PAGE, len(data), PAGE)
        if data[start] == 0x0A and any(each in data[start : start + PAGE] for each in accounts)
    ]
    start = dice.choice(starts)
    (state / LEDGER).write_bytes(data[:start] + bytes(PAGE) + data[start + PAGE :])


def truncate(state: Path, dice: random.Random) -> None:
    data = (state / LEDGER).read_bytes()
    (state / LEDGER).write_bytes(data[: dice.randrange(len(data))])


def cut_the_log(state: Path, dice: random.Random) -> None:
    """Lose the end of SQLite's log, as no crash does, since what was synced stays."""
    log = state / f"{LEDGER}-wal"
    data = log.read_bytes()
    live = FIRST
    while data[live + 8 : live + 16] == data[16:24]:  # what stands behind is of an earlier round
        live += FRAME
    log.write_bytes(data[: dice.randrange(FIRST + (live - FIRST) // 4, live)])
    (state / f"{LEDGER}-shm").unlink(missing_ok=True)


# Harms by SQL, as somebody without the key can do them.


def flip_in_rows(state: Path, dice: random.Random) -> None:
    """A bit of the id, the account, the state, the end and the MAC, each in another live lease."""
    with contextlib.closing(sqlite3.connect(state / LEDGER)) as db, db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        found = [lease_id for (lease_id,) in db.execute(_LIVE)]
        for column, lease_id in zip(
            ("id", "account", "state", "expires_ms", "mac"), dice.sample(found, 5), strict=True
        ):
            [value] = db.execute(f"SELECT {column} FROM lease WHERE id = ?", (lease_id,)).fetchone()
            db.execute(f"UPDATE lease SET {column} = ? WHERE id = ?", (_flipped(value), lease_id))


_LIVE = "SELECT id FROM lease WHERE state = 'active'"


def _flipped(value: Any) -> Any:
    """The value with its last bit changed; a text stays one."""
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    return value[:-1] + chr(ord(value[-1]) ^ 1)


def swap_two_rows(state: Path, dice: random.Random) -> None:
    """All but their ids."""
    with contextlib.closing(sqlite3.connect(state / LEDGER)) as db, db:
        one, two = dice.sample([lease_id for (lease_id,) in db.execute(_LIVE)], 2)
        for old, new in ((one, "aside"), (two, one), ("aside", two)):
            db.execute("UPDATE lease SET id = ? WHERE id = ?", (new, old))


def put_a_row_back(old: Rows, state: Path, dice: random.Random) -> None:
    """One row becomes what it was when `old` was read."""
    now = leases(state)
    row = dice.choice([row for lease_id, row in old.items() if now.get(lease_id, row) != row])
    with contextlib.closing(sqlite3.connect(state / LEDGER)) as db, db:
        columns = [name for _, name, *_ in db.execute("PRAGMA table_info(lease)")]
        values = [
            value.decode() if isinstance(value, bytes) and name != "mac" else value
            for name, value in zip(columns, row, strict=True)
        ]
        db.execute(f"REPLACE INTO lease VALUES ({', '.join('?' * len(values))})", values)


def take_a_row_away(state: Path, dice: random.Random) -> None:
    with contextlib.closing(sqlite3.connect(state / LEDGER)) as db, db:
        found = [lease_id for (lease_id,) in db.execute("SELECT id FROM lease")]
        db.execute("DELETE FROM lease WHERE id = ?", (dice.choice(found),))


def replace_file(state: Path, other: Path) -> None:
    """By that of another deployment, whose state directory is `other`."""
    for file in state.glob(f"{LEDGER}*"):
        file.unlink()
    shutil.copy(other / LEDGER, state / LEDGER)
