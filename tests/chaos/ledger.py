"""The ledger, read from a copy of its file by SQL of our own."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.facts import Head, Row
from chaos.keys import Keys

_ROWS = "SELECT * FROM lease"


@dataclass(frozen=True)
class LedgerCopy:
    """What one copy holds. `offset_ms` is wall time less lease time, `behind_ms` lease time less
    boot time."""

    rows: dict[str, Row]
    head: Head
    delayed: int
    waiting: Sequence[int]
    numbered: int
    deployment: str
    offset_ms: int
    behind_ms: int
    damage: Sequence[str]


def read(file: Path, keys: Keys, *, deep: bool) -> LedgerCopy:
    """What the ledger holds now; with `deep` its file and the MAC of each row are checked.

    The copy is SQLite's own, so it is of one moment although the daemon writes on.
    """
    with (
        sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5) as live,
        sqlite3.connect(":memory:") as copy,
    ):
        live.backup(copy)
    live.close()
    copy.row_factory = sqlite3.Row
    try:
        return _read(copy, keys, deep=deep)
    finally:
        copy.close()


def _read(db: sqlite3.Connection, keys: Keys, *, deep: bool) -> LedgerCopy:
    damage: list[str] = []
    if deep:
        found = [str(text) for (text,) in db.execute("PRAGMA integrity_check")]
        damage += [f"SQLite: {text}" for text in found if text != "ok"]
    rows: dict[str, Row] = {}
    cursor = db.execute(_ROWS)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        if deep and not keys.signed_row(names, tuple(row)):
            damage.append(f"the row of lease {row['id']} does not verify")
        rows[row["id"]] = _row(row)
    meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
    anchor = json.loads(meta.get("anchor", '{"boot_ms": 0, "lease_ms": 0, "wall_ms": 0}'))
    head = json.loads(meta.get("audit_head", '{"seq": 0, "mac": ""}'))
    [(delayed,)] = db.execute("SELECT count(*) FROM unaudited")
    numbered = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
    return LedgerCopy(
        rows=rows,
        head=Head(head["seq"], head["mac"]),
        delayed=delayed,
        waiting=[seq for (seq,) in db.execute("SELECT seq FROM outbox")],
        numbered=numbered[0] if numbered else 0,
        deployment=meta["deployment_id"],
        offset_ms=anchor["wall_ms"] - anchor["lease_ms"],
        behind_ms=anchor["lease_ms"] - anchor["boot_ms"],
        damage=damage,
    )


def _row(row: sqlite3.Row) -> Row:
    return Row(
        id=row["id"],
        state=row["state"],
        engine=row["engine"],
        account=row["account"],
        issued_ms=row["issued_ms"],
        expires_ms=row["expires_ms"],
        max_expires_ms=row["max_expires_ms"],
        version=row["version"],
        overdue=bool(row["overdue"]),
        cause=row["cause"] or "",
        ended_ms=row["ended_ms"],
        reason=json.loads(row["labels"] or "{}").get("reason", ""),
    )
