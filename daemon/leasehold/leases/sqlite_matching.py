"""Questions about leases that match, answered by SQLite; see `MatchedLeases` for what is promised.

What a lease is matched by never changes, so the leases of an incident need no list: they are those
that match and were live at its instant.
"""

import json
import sqlite3
from collections.abc import Sequence

from leasehold.leases.matching import Fate, Holding, Match
from leasehold.leases.sqlite_reads import Reads
from leasehold.leases.sqlite_usage import UNDAMAGED
from leasehold.model import Lease, LeaseState

_PATH = "mount || '/' || operation || '/' || role"
_FAILING = "state = 'revoking' AND last_error <> '' AND next_ms > :since_ms"
# The deadline that the credential itself was given: revoking brings that of the lease nearer.
_OWN_END = "coalesce(renewed_ms, issued_ms) + ttl_ms"
_BOUND = f"issued_ms <= :at_ms AND (next_ms IS NOT NULL OR ended_ms >= :at_ms) AND {UNDAMAGED}"
_HOLDINGS = f"""
    SELECT engine, engine_type, {_PATH} AS path, identity, owner, tenant,
        count(*) AS leases, max(expires_ms) AS until_ms
    FROM lease WHERE next_ms IS NOT NULL AND {{where}} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 3, 4
"""
_FATES = f"""
    SELECT engine, engine_type, count(*) AS total, sum(state = 'revoked') AS revoked,
        sum(state = 'revoked' AND last_error <> '') AS forced, sum(state = 'disabled') AS disabled,
        sum({_FAILING}) AS failing, sum(state IN ('pending', 'active')) AS untold,
        sum({_OWN_END} > :now_ms) AS unexpired, max({_OWN_END}) AS until_ms
    FROM lease WHERE {_BOUND} AND {{where}} GROUP BY 1, 2 ORDER BY 1
"""
_SPANS = f"""
    SELECT max(0, ended_ms - :since_ms) FROM lease
    WHERE state = 'revoked' AND {_BOUND} AND {{where}} ORDER BY 1
"""


class MatchingReads(Reads):
    """The reads of a store, and those by match."""

    async def holdings(self, match: Match) -> Sequence[Holding]:
        """Who holds live leases that match, for which roles."""
        rows = await self._asked(_HOLDINGS, match)
        return [Holding(**dict(row)) for row in rows]

    async def longest(
        self,
        match: Match,
        at_ms: int,
        states: Sequence[LeaseState],
        limit: int,
        after: Lease | None = None,
    ) -> list[Lease]:
        """Leases that match, issued up to `at_ms`, in these states; the latest end first."""
        marks = ", ".join("?" * len(states))
        terms = ["issued_ms <= ?", f"state IN ({marks})"]
        values: list[object] = [at_ms, *states]
        for name, value in match.wanted.items():
            terms.append(_term(name, value, "?"))
            values.append(value)
        if after is not None:
            terms.append("(-expires_ms, id) > (?, ?)")
            values += [-after.expires_ms, after.id]
        where = f"{' AND '.join(terms)} ORDER BY expires_ms DESC, id"
        return await self._leases(where, values, limit)

    async def fates(self, match: Match, at_ms: int, since_ms: int, now_ms: int) -> Sequence[Fate]:
        """What became of those that were live at `at_ms`."""
        rows = await self._asked(_FATES, match, at_ms=at_ms, since_ms=since_ms, now_ms=now_ms)
        return [Fate(**dict(row)) for row in rows]

    async def spans_ms(self, match: Match, at_ms: int, since_ms: int) -> Sequence[int]:
        """How long after `since_ms` each of them was gone, the shortest first."""
        rows = await self._asked(_SPANS, match, at_ms=at_ms, since_ms=since_ms)
        return [int(span) for [span] in rows]

    async def _asked(self, query: str, match: Match, **values: int) -> list[sqlite3.Row]:
        terms = [_term(name, value, f":m_{name}") for name, value in match.wanted.items()]
        asked: dict[str, object] = {f"m_{name}": value for name, value in match.wanted.items()}
        asked |= {**values, "damaged": json.dumps(sorted(self._damaged))}
        text = query.format(where=" AND ".join(terms))
        return await self._read(lambda db: db.execute(text, asked).fetchall())


def _term(name: str, value: str, mark: str) -> str:
    """A condition; `name` is one of `matching.FIELDS`, so it may stand in a query."""
    return f"{_PATH if name == 'role' and '/' in value else name} = {mark}"
