"""Taking accounts away: the account dropped, what it does stopped, its end proved.

`dropUser` is one step in the server: nobody can log in from then on, and an open connection has no
right to anything more. What still runs, a cursor or a transaction, is ended by `killAllSessions`,
which acts on the server that is asked, so each is. A last look at the primary proves that no
account is left. What is gone already counts as removed when a majority has it so, since the look
sees the mark as well.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from bson.regex import Regex

from leasehold.plugin import (
    Account,
    EngineError,
    EngineTemporary,
    Removal,
    Stage,
    TargetChanged,
    failpoint,
)
from leasehold_plugins.mongodb import marks
from leasehold_plugins.mongodb.deployment import Deployment
from leasehold_plugins.mongodb.errors import USER_NOT_FOUND
from leasehold_plugins.mongodb.recipes import EXTERNAL, BadRecipe, recipe
from leasehold_plugins.mongodb.topology import is_sharded

REMOVED = Removal(stage=Stage.REMOVED)
TOGETHER = 8
"""How many are dropped at a time; each waits for a majority."""
_COMMON_NAME = re.compile(r"CN=([^,]+)")

User = tuple[str, str]
"""A user's name and database."""


async def remove(
    deployment: Deployment, accounts: Sequence[Account], subject: str
) -> list[Removal | EngineError]:
    """One result an account, in order; `subject` is what accounts by certificate have in common.

    Raises EngineError when nothing could be done at all.
    """
    target, users = await _look(deployment, accounts)
    here = [account for account in accounts if account.target == target]
    names = {account.name for account in here}
    standing = {user for user in users if name_of(*user) in names}
    confirmed, failed = await _drop(deployment, standing)
    failpoint("mongodb.revoke.dropped")
    if names - confirmed:
        await deployment.settle(lane="revoking")
    await _stop(deployment, standing | _expected(here, subject))
    target, left = await _look(deployment, accounts)
    changed = TargetChanged("the connection leads to another MongoDB than the account was made at")
    results: list[Removal | EngineError] = []
    for account in accounts:
        its_own = [user for user in left if name_of(*user) == account.name]
        if account.target != target:
            results.append(changed)
        elif its_own:
            still = EngineTemporary("the account was dropped and is there again")
            results.append(failed.get(its_own[0], still))
        else:
            results.append(REMOVED)
    return results


def name_of(user: str, db: str) -> str:
    """The name of the account that a user is: its common name where it is a subject."""
    subject = _COMMON_NAME.match(user) if db == EXTERNAL else None
    return subject[1] if subject else user


async def _look(deployment: Deployment, accounts: Iterable[Account]) -> tuple[str, set[User]]:
    """Which deployment it is, and the users that are these accounts, in whatever database."""
    names = [account.name for account in accounts]
    subjects = [Regex(f"^CN={re.escape(name)}(,|$)") for name in names]
    wanted = [marks.MARK, *names, *subjects]
    reply = await deployment.ask(
        {"usersInfo": {"forAllDBs": True}, "filter": {"user": {"$in": wanted}}},
        lane="revoking",
    )
    found = {(user["user"], user["db"]) for user in reply["users"]}
    return marks.found_in(reply), {user for user in found if user[0] != marks.MARK}


def _expected(accounts: Iterable[Account], subject: str) -> set[User]:
    """The users that accounts were, for sessions of those that are gone already."""
    found = set()
    for account in accounts:
        with contextlib.suppress(BadRecipe):
            made = recipe(account.role)
            found.add((made.user(account.name, subject), made.db))
    return found


async def _drop(
    deployment: Deployment, users: Iterable[User]
) -> tuple[set[str], dict[User, EngineError]]:
    """Drop users: the names of accounts whose end a majority confirmed, and why others failed."""
    confirmed: set[str] = set()
    failed: dict[User, EngineError] = {}
    turns = asyncio.Semaphore(TOGETHER)

    async def one(user: User) -> None:
        name, db = user
        command = {"dropUser": name, "writeConcern": deployment.write_concern}
        async with turns:
            try:
                if await deployment.ask(command, db, lane="revoking", done=(USER_NOT_FOUND,)):
                    confirmed.add(name_of(*user))
            except EngineError as error:
                failed[user] = error

    async with asyncio.TaskGroup() as tasks:
        for user in users:
            tasks.create_task(one(user))
    return confirmed, failed


async def _stop(deployment: Deployment, users: Iterable[User]) -> None:
    """End what these users have running, on every server that answers. Raises EngineError."""
    pairs: list[dict[str, Any]] = [{"user": name, "db": db} for name, db in sorted(users)]
    if not pairs:
        return
    sharded = is_sharded(deployment.servers())
    for client in await deployment.members():
        if sharded:
            # A mongos goes on with what it knows of users, for 30 s unless it is told.
            await deployment.run(client, {"invalidateUserCache": 1})
        await deployment.run(client, {"killAllSessions": pairs})
