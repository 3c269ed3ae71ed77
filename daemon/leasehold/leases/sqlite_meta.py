"""What a SQLite store knows of itself: whose it is, and where clock and audit have come to."""

import json
import sqlite3
import uuid
from dataclasses import dataclass

from leasehold.clock import Anchor
from leasehold.errors import ConfigError
from leasehold.leases.sqlite_rows import Rows
from leasehold.model import AuditHead

SUM = "lease_sum"


@dataclass(frozen=True, slots=True)
class Meta:
    """`anchor` and `audit_head` are None before the first write."""

    deployment_id: str
    anchor: Anchor | None
    audit_head: AuditHead | None


def read(db: sqlite3.Connection, rows: Rows, key_id: str) -> Meta:
    """What the store knows; a new one gets its deployment id and is bound to the key.

    Raises ConfigError when the store was written under another key (rule M7), or is damaged here.
    """
    found = db.execute("SELECT name, value, mac FROM meta").fetchall()
    known = {row["name"]: row["value"] for row in found}
    if not known:
        known = {"deployment_id": uuid.uuid4().hex, "key_id": key_id}
        db.executemany(
            "INSERT INTO meta (name, value, mac) VALUES (?, ?, ?)",
            [(*each, rows.mac("meta", *each)) for each in known.items()],
        )
    if known.get("key_id") != key_id:
        raise ConfigError(
            f"the store was written under key {known.get('key_id')}, the key file holds {key_id};"
            " restore the key that belongs to this state directory"
        )
    # The sum can be made anew, so a store is not given up for it.
    needed = [row for row in found if row["name"] != SUM]
    if not all(rows.verifies(row["mac"], "meta", row["name"], row["value"]) for row in needed):
        raise ConfigError("the store does not know itself any more; restore it")
    try:
        anchor, head = known.get("anchor"), known.get("audit_head")
        return Meta(
            known["deployment_id"],
            Anchor(**json.loads(anchor)) if anchor else None,
            AuditHead(**json.loads(head)) if head else None,
        )
    except (KeyError, TypeError, ValueError) as damage:
        raise ConfigError("the store does not know itself any more; restore it") from damage


def keep_anchor(db: sqlite3.Connection, rows: Rows, anchor: Anchor) -> None:
    """Write down this instant on every clock."""
    _keep(
        db,
        rows,
        "anchor",
        {
            "boot_id": anchor.boot_id,
            "boot_ms": anchor.boot_ms,
            "lease_ms": anchor.lease_ms,
            "wall_ms": anchor.wall_ms,
        },
    )


def keep_head(db: sqlite3.Connection, rows: Rows, head: AuditHead) -> None:
    """Write down the last line of the audit (rule AU4)."""
    _keep(db, rows, "audit_head", {"seq": head.seq, "mac": head.mac})


def audit_head(db: sqlite3.Connection) -> AuditHead | None:
    """The last line of the audit, by the last commit."""
    row = db.execute("SELECT value FROM meta WHERE name = 'audit_head'").fetchone()
    return AuditHead(**json.loads(row["value"])) if row else None


def keep_sum(db: sqlite3.Connection, rows: Rows, total: int) -> None:
    """Write down the sum over all rows of leases (see `sqlite_sum`)."""
    _keep(db, rows, SUM, {"total": f"{total:064x}"})


def lease_sum(db: sqlite3.Connection, rows: Rows) -> int | None:
    """The sum over all rows of leases, by the last commit; None for none, or one not to trust."""
    row = db.execute("SELECT value, mac FROM meta WHERE name = ?", (SUM,)).fetchone()
    if row is None or not rows.verifies(row["mac"], "meta", SUM, row["value"]):
        return None
    return int(json.loads(row["value"])["total"], 16)


def _keep(db: sqlite3.Connection, rows: Rows, name: str, value: dict[str, object]) -> None:
    text = json.dumps(value)
    db.execute(
        "INSERT INTO meta (name, value, mac) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = excluded.value, mac = excluded.mac",
        (name, text, rows.mac("meta", name, text)),
    )
