"""Tokens in a SQLite store: rows under the MAC of all rows, found by hash, accessor or parent.

They have a table of their own, since a hundred thousand of them must be found by any of these and
by their ends without reading them all.
"""

import hmac
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from leasehold.errors import Conflict, Denied
from leasehold.leases.sqlite_files import check_room
from leasehold.leases.sqlite_rows import Rows
from leasehold.leases.token_store import TokenChange
from leasehold.leases.tokens import DEEPEST, Token
from leasehold.model import TOKEN_HOLDER, Cause
from leasehold.record import caller_from, caller_values

logger = logging.getLogger(__name__)

T = TypeVar("T")
_COLUMNS = ("hash", "accessor", "parent", "version", "next_ms", "ended", "record")
_SELECT = f"SELECT {', '.join(_COLUMNS)}, mac FROM token"
_INSERT = f"INSERT INTO token ({', '.join(_COLUMNS)}, mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = f"UPDATE token SET {', '.join(f'{name} = ?' for name in (*_COLUMNS[1:], 'mac'))}"
_PLACE = "WHERE hash = ? AND version = ?"
_LINE = (
    "WITH RECURSIVE line AS (SELECT *, 0 AS place FROM token WHERE {} = ?"
    " UNION ALL SELECT token.*, place + 1 FROM token JOIN line ON token.accessor = line.parent"
    " WHERE line.parent <> '' AND place < ?) SELECT * FROM line ORDER BY place"
)
_GOOD = "hash NOT IN (SELECT value FROM json_each(?))"
"""Leaves out what is known to be damaged, or it would be due for ever."""
_KEPT = (
    *("path", "display_name", "issued_ms", "ttl_ms", "expires_ms", "max_expires_ms", "depth"),
    *("renewable", "uses", "renewed_ms", "cause"),
)


def write(db: sqlite3.Connection, rows: Rows, change: TokenChange, *, full: bool) -> None:
    """Write one change. Raises Conflict, Denied, and Unavailable for a new one when `full`."""
    old, new = change.old, change.new
    if new is not None:
        check_room(old, new, full=full)
    if old is None:
        if new is not None:
            check_holder(db, f"{TOKEN_HOLDER}{new.parent}" if new.parent else "")
            db.execute(_INSERT, _values(rows, new))
        return
    place = (old.hash, old.version)
    if new is None:
        done = db.execute(f"DELETE FROM token {_PLACE}", place)
    else:
        done = db.execute(f"{_UPDATE} {_PLACE}", (*_values(rows, new)[1:], *place))
    if done.rowcount == 0:
        raise Conflict(f"token {old.accessor} was changed by somebody else")


def check_holder(db: sqlite3.Connection, holder: str) -> None:
    """Raise Denied when `holder` is a token that is over, and whose leases were ended perhaps."""
    if not holder.startswith(TOKEN_HOLDER):
        return
    accessor = holder.removeprefix(TOKEN_HOLDER)
    query = "SELECT 1 FROM token WHERE accessor = ? AND ended = 0"
    if db.execute(query, (accessor,)).fetchone() is None:
        raise Denied("permission denied")


class SQLiteTokens:
    """See `TokenStore`. `read` runs a query on a reading connection, `put` hands a change in."""

    def __init__(
        self,
        rows: Rows,
        read: Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]],
        put: Callable[[TokenChange], Awaitable[object]],
    ) -> None:
        self._rows = rows
        self._read = read
        self._put = put
        self._damaged: set[str] = set()

    async def write(self, change: TokenChange) -> None:
        """Make one change durable. Raises Conflict, Denied, Unavailable."""
        await self._put(change)

    async def line(self, hash: str) -> Sequence[Token]:
        """The token whose text hashes to `hash`, and those above it."""
        found = await self._found(_LINE.format("hash"), hash, DEEPEST)
        return found if found and hmac.compare_digest(found[0].hash, hash) else ()

    async def line_of(self, accessor: str) -> Sequence[Token]:
        """The token called `accessor`, and those above it."""
        found = await self._found(_LINE.format("accessor"), accessor, DEEPEST)
        return found if found and found[0].accessor == accessor else ()

    async def children(self, accessor: str, limit: int) -> Sequence[Token]:
        """Tokens that are not over, directly below one."""
        query = f"{_SELECT} WHERE parent = ? AND parent <> '' AND ended = 0 LIMIT ?"
        return await self._found(query, accessor, limit)

    async def due(self, now_ms: int, limit: int) -> Sequence[Token]:
        """Tokens whose `next_ms` has come, oldest first."""
        query = f"{_SELECT} WHERE next_ms <= ? AND {_GOOD} ORDER BY next_ms LIMIT ?"
        return await self._found(query, now_ms, json.dumps([*self._damaged]), limit)

    async def next_ms(self) -> int | None:
        """The next instant at which a token is due."""
        query, damaged = (
            f"SELECT min(next_ms) FROM token WHERE {_GOOD}",
            json.dumps([*self._damaged]),
        )
        [found] = await self._read(lambda db: db.execute(query, (damaged,)).fetchone())
        return None if found is None else int(found)

    async def page(self, after: str, limit: int) -> Sequence[Token]:
        """Tokens that are not over, in order of accessors behind `after`."""
        query = f"{_SELECT} WHERE accessor > ? AND ended = 0 ORDER BY accessor LIMIT ?"
        return await self._found(query, after, limit)

    async def _found(self, query: str, *values: object) -> list[Token]:
        found: list[Token] = await self._read(lambda db: [*self._whole(db.execute(query, values))])
        return found

    def _whole(self, rows: Iterable[sqlite3.Row]) -> Iterable[Token]:
        for row in rows:
            values = [row[name] for name in _COLUMNS]
            try:
                verifies = self._rows.verifies(row["mac"], "token", *values)
            except TypeError:  # a value of another type than was written
                verifies = False
            if verifies:
                yield _token(dict(zip(_COLUMNS, values, strict=True)))
            elif row["hash"] not in self._damaged:
                self._damaged.add(row["hash"])
                logger.error("token %s: the row does not verify, it was damaged", row["accessor"])


def _values(rows: Rows, token: Token) -> list[Any]:
    record = {name: getattr(token, name) for name in _KEPT}
    record |= {"facts": caller_values(token.facts), "meta": dict(token.meta)}
    values = [
        *(token.hash, token.accessor, token.parent, token.version, token.next_ms),
        int(token.cause is not None),
        json.dumps(record),
    ]
    return [*values, rows.mac("token", *values)]


def _token(row: dict[str, Any]) -> Token:
    record = json.loads(row["record"])
    return Token(
        **{
            **{name: row[name] for name in ("hash", "accessor", "parent", "version", "next_ms")},
            **record,
            "facts": caller_from(record["facts"]),
            "cause": Cause(record["cause"]) if record["cause"] else None,
        }
    )
