"""The worker that does with bare psycopg what the daemon asks of PostgreSQL, and nothing else.

The statements are the same, in the same transactions; passwords and verifiers are made by the same
functions. There is no lease, no limit, no audit, no expiry, no other process to ask.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from bench.worker import serve, settings
from leasehold.bundle import PasswordPolicy
from leasehold.plugin import make_password
from leasehold_plugins.postgresql import recipes
from leasehold_plugins.postgresql.looking import _ROLES
from leasehold_plugins.postgresql.removal import _SESSIONS
from leasehold_plugins.postgresql.scram import verifier
from leasehold_plugins.postgresql.statements import identifier, literal

EXPIRY = "2099-01-01T00:00:00+00:00"


class Bare:
    """A script on one PostgreSQL."""

    def __init__(self, conninfo: str, pool: int) -> None:
        self._conninfo = conninfo
        self._size = pool
        self._conn = psycopg.connect(conninfo, autocommit=True)

    def issue(self, count: int) -> dict[str, Any]:
        """Make accounts one after the other over one connection."""
        spans, began = [], time.perf_counter()
        for _ in range(count):
            before = time.perf_counter()
            secret = verifier(make_password(PasswordPolicy()))
            self._conn.execute(creation(_fresh(), secret))
            spans.append(time.perf_counter() - before)
        return {"spans_s": spans, "wall_s": time.perf_counter() - began}

    def issue_pooled(self, callers: int, count: int) -> dict[str, Any]:
        """Make accounts from so many callers that share a pool."""
        return asyncio.run(self._issue_pooled(callers, count))

    async def _issue_pooled(self, callers: int, count: int) -> dict[str, Any]:
        spans: list[float] = []
        pool = AsyncConnectionPool(
            self._conninfo,
            kwargs={"autocommit": True},
            min_size=self._size,
            max_size=self._size,
            open=False,
        )
        left = iter(range(count))

        async def caller() -> None:
            for _ in left:
                before = time.perf_counter()
                secret = await asyncio.to_thread(verifier, make_password(PasswordPolicy()))
                async with pool.connection() as conn:
                    await conn.execute(creation(_fresh(), secret))
                spans.append(time.perf_counter() - before)

        async with pool:
            await pool.wait()
            began = time.perf_counter()
            await asyncio.gather(*(caller() for _ in range(callers)))
            wall_s = time.perf_counter() - began
        return {"spans_s": spans, "wall_s": wall_s}

    def renew(self, names: Sequence[str]) -> dict[str, Any]:
        spans, began = [], time.perf_counter()
        for name in names:
            before = time.perf_counter()
            self._conn.execute(f"ALTER ROLE {identifier(name)} VALID UNTIL {literal(EXPIRY)}")
            spans.append(time.perf_counter() - before)
        return {"spans_s": spans, "wall_s": time.perf_counter() - began}

    def drop(self, names: Sequence[str], batch: int) -> dict[str, Any]:
        began = time.perf_counter()
        for start in range(0, len(names), batch):
            some = list(names[start : start + batch])
            rows = self._conn.execute(_ROLES, (some, [])).fetchall()
            self._conn.execute("DROP ROLE " + ", ".join(map(identifier, some)))
            self._conn.execute(_SESSIONS, ([oid for _, oid, *_ in rows],)).fetchall()
        return {"wall_s": time.perf_counter() - began}


def _fresh() -> str:
    return f"lhbare_{secrets.token_hex(8)}_abcd"


def creation(name: str, secret: str) -> str:
    """What makes an account, in one go."""
    comment = f"leasehold database/creds/reader/{secrets.token_hex(13)} for tests"
    statements = [
        *recipes.creation({"member_of": ["app_readonly"]}, name, secret, EXPIRY),
        f"COMMENT ON ROLE {identifier(name)} IS {literal(comment)}",
    ]
    return "; ".join(statements)


if __name__ == "__main__":
    bare = Bare(**settings())
    serve(
        {
            "issue": bare.issue,
            "issue_pooled": bare.issue_pooled,
            "renew": bare.renew,
            "drop": bare.drop,
        }
    )
