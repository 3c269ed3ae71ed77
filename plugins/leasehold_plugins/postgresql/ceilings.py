"""What a PostgreSQL cluster allows, and how much of it is used, whoever uses it.

Connections: `max_connections` without those reserved for superusers (and since 16 for members of
`pg_use_reserved_connections`), against the backends of all databases.

Grants on a table: each account that is granted something on a table is an item of the row of
`pg_class` that describes the table. `pg_class` has no TOAST table, so the row must fit into a page;
what is counted are the bytes of the longest one, compressed as they are stored.
"""

from collections.abc import Mapping
from typing import Any

from leasehold.plugin import Ceiling
from leasehold_plugins.postgresql.pools import Connection
from leasehold_plugins.postgresql.recipes import grants_on_tables

ROW_OVERHEAD = 32
"""Bytes of a page that no row can have; of 8192 a row may take 8160 (SQLSTATE 54000 beyond)."""
_CONNECTIONS = """
    SELECT (SELECT sum(numbackends) FROM pg_stat_database)::int,
        (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END)
         FROM pg_settings WHERE name IN
            ('max_connections', 'superuser_reserved_connections', 'reserved_connections'))::int
"""
_TABLE = """
    SELECT oid::regclass::text, pg_column_size(c), current_setting('block_size')::int
    FROM pg_class c WHERE relacl IS NOT NULL ORDER BY pg_column_size(c) DESC LIMIT 1
"""


async def measure(conn: Connection, roles: Mapping[str, Mapping[str, Any]]) -> list[Ceiling]:
    """The ceilings that matter for these roles (their options by name)."""
    used, most = await (await conn.execute(_CONNECTIONS)).fetchone() or (0, 0)
    found = [
        Ceiling(
            name="connections",
            used=used,
            most=most,
            remedy="raise max_connections, or have clients share connections",
        )
    ]
    granting = frozenset(name for name, role in roles.items() if grants_on_tables(role))
    if granting and (row := await (await conn.execute(_TABLE)).fetchone()):
        table, size, page = row
        found.append(
            Ceiling(
                name="bytes of grants on one table",
                used=size,
                most=page - ROW_OVERHEAD,
                roles=granting,
                remedy=f"the table is {table}; grant to a group role and use member_of",
            )
        )
    return found
