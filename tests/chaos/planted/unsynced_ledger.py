"""The ledger is written with `synchronous=NORMAL`, which syncs no commit in WAL mode."""

import sqlite3
from pathlib import Path

from leasehold.leases import sqlite_files


def install() -> None:
    connect = sqlite_files.connect

    def bad(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        db = connect(path, read_only=read_only)
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    sqlite_files.connect = bad
