"""Whatever fails while accounts are made and taken away: what counts as removed is gone.

And a later revocation finishes what is left, of an engine whose attempts to connect did not fail.
"""

import asyncio
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.oracle import FakeDatabase
from fakes.oracle_engine import READER, opened
from leasehold.plugin import EngineError
from leasehold.plugin.contract import REMOVED, EngineContract

NUMBERS = st.sampled_from([0, 60, 1031, 1922, 1940, 99999])
FAULTS = st.dictionaries(st.integers(1, 40), NUMBERS, max_size=6)


@settings(max_examples=60)
@given(FAULTS, st.booleans())
def test_what_counts_as_removed_is_gone_and_all_is_in_the_end(
    faults: dict[int, int], rds: bool
) -> None:
    asyncio.run(live_through(faults, rds))


async def live_through(faults: dict[int, int], rds: bool) -> None:
    database = FakeDatabase(rds=rds)
    async with opened(database) as engine:
        begun = len(database.log)
        database.faulty = {begun + count: number for count, number in faults.items()}
        accounts = [EngineContract.account(engine, READER) for _ in range(3)]
        for account in accounts:
            with contextlib.suppress(EngineError):
                await EngineContract.issue(engine, account)
        for _ in range(3):
            with contextlib.suppress(EngineError):
                results = await engine.revoke_many(accounts)
                for account, result in zip(accounts, results, strict=True):
                    assert result != REMOVED or account.name.upper() not in database.users
    database.faulty = {}
    async with opened(database) as engine:
        assert await engine.revoke_many(accounts) == [REMOVED] * 3
        assert not any(account.name.upper() in database.users for account in accounts)
