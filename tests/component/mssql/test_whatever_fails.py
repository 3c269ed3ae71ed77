"""Whatever fails while accounts are made and taken away: what counts as removed is gone.

And a later revocation finishes what is left, of an engine whose attempts to connect did not fail.
"""

import asyncio
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.mssql import FakeServer
from fakes.mssql_engine import CONTAINED, LOGINS, READER, engine_for, new_server
from leasehold.plugin import Account, EngineError
from leasehold.plugin.contract import REMOVED, EngineContract

NUMBERS = st.sampled_from([0, 1205, 15151, 15434, 18401, 99999])
FAULTS = st.dictionaries(st.integers(1, 60), NUMBERS, max_size=6)
ROLES = [
    READER,
    {**READER, "databases": ["app", "reports"]},
    {**READER, "reassign_owned_to": "dbo"},
]


def stands(server: FakeServer, account: Account) -> bool:
    return (
        account.name in server.logins
        or any(account.name in database.users for database in server.databases.values())
        or any(link.who == account.name for link in server.sessions.values())
    )


@settings(max_examples=60)
@given(FAULTS, st.sampled_from(ROLES), st.booleans())
def test_what_counts_as_removed_is_gone_and_all_is_in_the_end(
    faults: dict[int, int], role: dict[str, object], contained: bool
) -> None:
    asyncio.run(live_through(faults, READER if contained else role, contained))


async def live_through(faults: dict[int, int], role: dict[str, object], contained: bool) -> None:
    server = new_server()
    engine = engine_for(server, CONTAINED if contained else LOGINS)
    await engine.open()
    begun = len(server.log)
    server.faulty = {begun + count: number for count, number in faults.items()}
    accounts = [EngineContract.account(engine, role) for _ in range(3)]
    for account in accounts:
        with contextlib.suppress(EngineError):
            await EngineContract.issue(engine, account)
    for _ in range(3):
        with contextlib.suppress(EngineError):
            results = await engine.revoke_many(accounts)
            for account, result in zip(accounts, results, strict=True):
                assert result != REMOVED or not stands(server, account)
    server.faulty = {}
    await engine.close()
    engine = engine_for(server, CONTAINED if contained else LOGINS)
    await engine.open()
    assert await engine.revoke_many(accounts) == [REMOVED] * 3
    assert not any(stands(server, account) for account in accounts)
    await engine.close()
