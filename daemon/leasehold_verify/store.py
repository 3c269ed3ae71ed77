"""What the store itself says: accounts past their end, and when the daemon last wrote.

A daemon may answer and send heartbeats although the ends of leases get no further; the store does
not lie about that. It is read without the key, so this proves nothing against somebody who can
write the file; `leasehold audit verify` does.
"""

import contextlib
import errno
import json
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leasehold_verify.finding import Finding, boot, wall_s

CHECK, WRITES = "store", "writes"
DATABASE = "leases.db"
_OVER = (
    "SELECT count(*), min(expires_ms) FROM lease"
    " WHERE state IN ('pending', 'active', 'revoking') AND expires_ms < ?"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found, and the last line of the audit that the store knows, None for none."""

    findings: tuple[Finding, ...]
    audit_seq: int | None = None


def check_store(path: Path, overdue_s: float, silent_s: float) -> Seen:
    """Look for leases that ended more than `overdue_s` ago and whose access has not.

    The daemon writes an instant down every half minute at least; `silent_s` is how old that may be.
    """
    try:
        with contextlib.closing(_opened(path)) as db:
            known = dict(db.execute("SELECT name, value FROM meta").fetchall())
            anchor, head = known.get("anchor"), known.get("audit_head")
            if anchor is None:
                return Seen((Finding(CHECK, True, f"{path}: nothing was written yet"),))
            now_ms, silence_s = _now(json.loads(anchor))
            count, first_ms = db.execute(_OVER, (now_ms - int(overdue_s * 1000),)).fetchone()
    except (OSError, sqlite3.Error, ValueError, KeyError, TypeError) as error:
        return Seen((Finding(CHECK, False, f"{path}: cannot be read ({_words(error)})"),))
    if count:
        oldest_s = (now_ms - first_ms) // 1000
        text = f"{count} accounts stand past their end, the oldest for {oldest_s} s"
        over = Finding(CHECK, False, text)
    else:
        over = Finding(CHECK, True, f"no account stands more than {overdue_s:g} s past its end")
    text = f"the daemon last wrote {silence_s:.0f} s ago"
    wrote = Finding(WRITES, silence_s <= silent_s, text)
    return Seen((over, wrote), json.loads(head)["seq"] if head else None)


def _opened(path: Path) -> sqlite3.Connection:
    """The store, so that no file is made beside it. Raises OSError, sqlite3.Error."""
    owner, log = path.stat().st_uid, path.with_name(f"{path.name}-wal")
    if log.exists() and owner != os.geteuid():
        # SQLite makes and changes files beside a store in use, which would then not be its owner's.
        raise PermissionError(errno.EPERM, f"run this as its owner, uid {owner}")
    how = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5)


def _now(anchor: dict[str, Any]) -> tuple[int, float]:
    """Now in the time of leases, and how long ago the anchor was written."""
    boot_id, boot_ms = boot()
    if anchor["boot_id"] == boot_id:
        passed_ms = boot_ms - anchor["boot_ms"]
    else:
        passed_ms = int(wall_s() * 1000) - anchor["wall_ms"]
    return anchor["lease_ms"] + max(0, passed_ms), passed_ms / 1000


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
