"""Reading a store beside the daemon that serves it, or without one. Changes nothing."""

import contextlib
import os
import pwd
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from leasehold.errors import ConfigError
from leasehold.keys.keyfile import Key
from leasehold.leases import sqlite_files, sqlite_meta, sqlite_rows
from leasehold.model import AuditHead


@dataclass(frozen=True, slots=True)
class Label:
    """Whose store it is, and under which key; believed without a key, so not proven."""

    deployment_id: str
    key_id: str


def label(state_dir: Path) -> Label:
    """What a store says of itself to somebody without its key. Blocks. Raises ConfigError."""
    path = state_dir / sqlite_files.DATABASE
    try:
        with contextlib.closing(sqlite_files.connect(path, read_only=True)) as db:
            known = dict(db.execute("SELECT name, value FROM meta").fetchall())
        return Label(known["deployment_id"], known["key_id"])
    except (sqlite3.Error, KeyError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); restore the store") from error


def require_owner(state_dir: Path) -> None:
    """Refuse another user's state directory: SQLite makes files there, even to read (WAL).

    Raises ConfigError with the command to run instead.
    """
    try:
        uid = state_dir.stat().st_uid
    except OSError as error:
        raise ConfigError(f"{state_dir}: cannot be read ({error.strerror})") from error
    if uid != os.geteuid():
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = f"#{uid}"
        raise ConfigError(
            f"{state_dir}: belongs to {user}, not to us; run this by runuser -u {user} --"
        )


def audit_head(state_dir: Path, key: Key) -> AuditHead | None:
    """The last line of the audit that the store knows; None when it knows none.

    Raises ConfigError when there is no store, or it is not one of this key.
    """
    path = state_dir / sqlite_files.DATABASE
    try:
        with contextlib.closing(sqlite_files.connect(path, read_only=True)) as db:
            rows = sqlite_rows.Rows(key.derive("row mac"))
            return sqlite_meta.read(db, rows, key.id).audit_head
    except sqlite3.Error as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); files of an audit can be verified without a store,"
            " with --file"
        ) from error
