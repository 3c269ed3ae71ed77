"""Rows of leases and events, each with a MAC that shows every change made behind our back (K3).

And the condition by which leases are looked for.
"""

import hmac
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from leasehold.errors import Unavailable
from leasehold.model import Lease, LeaseState
from leasehold.record import LEASE_FIELDS, lease_from, lease_values

_COLUMNS = ", ".join(LEASE_FIELDS)
_MARKS = ", ".join("?" * (len(LEASE_FIELDS) + 1))
_SETS = ", ".join(f"{name} = ?" for name in (*LEASE_FIELDS[1:], "mac"))
SELECT = f"SELECT {_COLUMNS}, mac FROM lease"
INSERT = f"INSERT INTO lease ({_COLUMNS}, mac) VALUES ({_MARKS})"
UPDATE = f"UPDATE lease SET {_SETS} WHERE id = ? AND version = ?"
_LATER = tuple(map(LEASE_FIELDS.index, ("holder", "labels", "replaces", "replaced_by")))
"""Columns that migrations added; they are empty in rows that were written before."""
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Rows:
    """Makes and reads lease rows under one MAC key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def values(self, lease: Lease) -> list[Any]:
        """The columns of a row, the MAC last."""
        # SQLite knows no truth values, and the MAC is over what is read back.
        values = [int(it) if it is True or it is False else it for it in lease_values(lease)]
        return [*values, self._mac(_covered(values))]

    def lease(self, row: sqlite3.Row) -> Lease:
        """The lease in a row of `SELECT`. Raises Unavailable when the row was damaged."""
        if not self.is_whole(row):
            raise Unavailable(f"lease {row['id']}: the row does not verify, it was damaged")
        return lease_from(dict(zip(LEASE_FIELDS, tuple(row)[:-1], strict=True)))

    def is_whole(self, row: sqlite3.Row) -> bool:
        """Whether a row of `SELECT` is as it was written."""
        values = tuple(row)
        try:
            return hmac.compare_digest(self._mac(_covered(values[:-1])), values[-1])
        except TypeError:  # a value of another type than was written
            return False

    def mac(self, table: str, *values: Any) -> bytes:
        """The MAC of a row of another table, for its other columns."""
        return self._mac([table, *values])

    def verifies(self, mac: object, table: str, *values: Any) -> bool:
        """Whether `mac` is what `mac()` gave for these."""
        return isinstance(mac, bytes) and hmac.compare_digest(self.mac(table, *values), mac)

    def _mac(self, values: Sequence[Any]) -> bytes:
        return hmac.digest(self._key, _encode(values).encode(), "sha256")


def _covered(values: Sequence[Any]) -> Sequence[Any]:
    """What the MAC of a lease is over: what was there from the start, and what is not empty since.

    Each of the later ones stands with its name, so that no text can pass for another column's.
    """
    first = [value for at, value in enumerate(values) if at not in _LATER]
    return [*first, *([LEASE_FIELDS[at], values[at]] for at in _LATER if values[at] != "")]


def filtered(
    prefix: str,
    identities: Sequence[str] | None,
    states: Sequence[LeaseState] | None,
    after: str = "",
) -> tuple[str, list[object]]:
    """The condition and the order of leases that are looked for, and what it is filled with."""
    where = "id > ? AND substr(id, 1, ?) = ?"
    values: list[object] = [after, len(prefix), prefix]
    if prefix:
        where += " AND id >= ? AND id < ?"
        values += [prefix, prefix + "\U0010ffff"]
    for column, allowed in (("identity", identities), ("state", states)):
        if allowed is not None:
            where += f" AND {column} IN (SELECT value FROM json_each(?))"
            values.append(json.dumps(list(allowed)))
    return f"{where} ORDER BY id", values
