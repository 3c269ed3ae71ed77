"""Accounts as the server has them: found by name, or by oid when somebody renamed or dropped them.

Sessions of a role that was dropped go on, under an oid that no role has any more. So the oid of an
account is noted when it is made; without it (a crash came between) the name alone has to do.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leasehold.plugin import Account
from leasehold_plugins.postgresql.pools import Connection
from leasehold_plugins.postgresql.statements import literal

OID = "oid"
"""What a handle calls the role's oid."""

_ROLES = """
SELECT r.rolname,
       r.oid,
       EXISTS (SELECT FROM pg_shdepend d
               WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid)
           OR EXISTS (SELECT FROM pg_stat_activity a WHERE a.usesysid = r.oid),
       rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
FROM pg_roles r
WHERE r.rolname = ANY(%s)
   OR r.oid = ANY(%s) AND shobj_description(r.oid, 'pg_authid') LIKE 'leasehold %%'
"""
_LEFT_OPEN = """
SELECT a.usesysid, a.pid FROM pg_stat_activity a
WHERE a.usesysid = ANY(%s) AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.usesysid)
"""


@dataclass(frozen=True, slots=True)
class Found:
    """An account as it stands: its name and oid, whether objects or sessions hang on it, and
    whether it has attributes that a recipe of `member_of` does not give.
    """

    name: str
    oid: int
    entangled: bool
    raised: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What stands under the names of accounts, and sessions of those that somebody dropped."""

    roles: Mapping[str, Found]
    left_open: Mapping[str, Sequence[int]]


def oid_query(name: str) -> str:
    """The statement that tells the oid of a role."""
    return f"SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {literal(name)}"  # noqa: S608 (quoted)


async def look(conn: Connection, accounts: Sequence[Account]) -> Sight:
    """Look at all of them, in two round trips; what is gone is in neither mapping."""
    oids = {account.name: int(account.handle[OID]) for account in accounts if OID in account.handle}
    names = [account.name for account in accounts]
    rows: Sequence[Any] = await (
        await conn.execute(_ROLES, (names, list(oids.values())))
    ).fetchall()
    by_name = {row[0]: Found(*row) for row in rows}
    by_oid = {found.oid: found for found in by_name.values()}
    roles = {
        name: found
        for name in names
        if (found := by_name.get(name) or by_oid.get(oids.get(name, 0)))
    }
    gone = {oid: name for name, oid in oids.items() if oid not in by_oid}
    return Sight(roles, await _left_open(conn, gone))


async def _left_open(conn: Connection, gone: Mapping[int, str]) -> Mapping[str, Sequence[int]]:
    pids: defaultdict[str, list[int]] = defaultdict(list)
    if gone:
        for oid, pid in await (await conn.execute(_LEFT_OPEN, (list(gone),))).fetchall():
            pids[gone[oid]].append(pid)
    return pids
