"""Making an account, and what a renewal does."""

import contextlib
from dataclasses import replace
from datetime import datetime

from leasehold.plugin import (
    Account,
    EnginePermanent,
    ErrorClass,
    IssueRequest,
    PasswordPolicy,
    TargetChanged,
    failpoint,
    make_password,
    varied,
)
from leasehold_plugins.oracle import recipes
from leasehold_plugins.oracle.link import Lost, SqlError
from leasehold_plugins.oracle.session import Session
from leasehold_plugins.oracle.statements import Values

LONGEST = 30
"""Characters of a password before Oracle Database 23 (ORA-00972); afterwards 1024."""
_LONG_SINCE = (23,)


def takes_long_passwords(version: tuple[int, ...]) -> bool:
    """Whether a database of this version takes more than `LONGEST` characters."""
    return version >= _LONG_SINCE


def password_for(policy: PasswordPolicy, version: tuple[int, ...]) -> str:
    """A password that a database of this version takes. Raises EnginePermanent.

    The policy that holds when none is chosen gives way to the limit; one that is chosen does not.
    """
    if not takes_long_passwords(version) and policy.length > LONGEST:
        if policy != PasswordPolicy():
            raise EnginePermanent(
                f"the password policy makes {policy.length} characters, and Oracle before 23 takes"
                f" {LONGEST}; give the role a password_policy with length: {LONGEST}",
                error_class=ErrorClass.INVALID,
            )
        policy = replace(policy, length=LONGEST)
    return make_password(varied(policy))


async def make(session: Session, request: IssueRequest) -> str:
    """Make the account and return its password. What a failure leaves is cleared by its name."""
    account, role = request.account, request.account.role
    _same_target(session, account)
    values = Values(
        name=account.name,
        expiration=recipes.moment(request.expires_at),
        password=password_for(request.password_policy, session.numbers),
    )
    try:
        for command in recipes.creation(role, values):
            await session.execute(command)
            failpoint("oracle.issue.sent")
        if "creation_statements" in role:
            await _see(session, account)
    except (SqlError, EnginePermanent):
        for command in recipes.rollback(role, values):
            with contextlib.suppress(SqlError, Lost):  # why it failed first is what is told
                await session.execute(command)
        raise
    return values.password


async def renew(session: Session, account: Account, expires_at: datetime) -> None:
    """See that the account stands, and do what its role says; the database keeps no end of it."""
    _same_target(session, account)
    if not await session.execute(recipes.standing([account.name])):
        raise EnginePermanent("the account is gone", error_class=ErrorClass.ABSENT)
    values = Values(name=account.name, expiration=recipes.moment(expires_at))
    for command in recipes.renewal(account.role, values):
        await session.execute(command)


async def _see(session: Session, account: Account) -> None:
    """What is made under another name would never be found again."""
    if not await session.execute(recipes.standing([account.name])):
        raise EnginePermanent(
            "creation_statements make no user called {{name}}", error_class=ErrorClass.INVALID
        )


def _same_target(session: Session, account: Account) -> None:
    if session.target != account.target:
        raise TargetChanged("the connection leads to another Oracle than the lease is for")
