"""Making an account, and what a renewal does, on a connection in a thread."""

import contextlib
from datetime import datetime

from leasehold.plugin import (
    Account,
    EnginePermanent,
    ErrorClass,
    IssueRequest,
    TargetChanged,
    failpoint,
)
from leasehold_plugins.mssql import recipes
from leasehold_plugins.mssql.link import Lost, SqlError
from leasehold_plugins.mssql.session import Session
from leasehold_plugins.mssql.statements import Values
from leasehold_plugins.mssql.verifier import verifier


def make(session: Session, request: IssueRequest, password: str) -> None:
    """Make the account. What a failure leaves of it is cleared away by its name."""
    account, role = request.account, request.account.role
    _same_target(session, account)
    if session.contained and "databases" in role:
        raise EnginePermanent(
            "the role lists databases, and contained accounts live in the one of connection.url",
            error_class=ErrorClass.INVALID,
        )
    values = Values(
        name=account.name,
        expiration=recipes.moment(request.expires_at),
        password=password,
        verifier=verifier(password) if session.server.takes_verifier else "",
    )
    commands = recipes.creation(role, values, session.server.database, contained=session.contained)
    try:
        for command in commands:
            session.execute(command)
            failpoint("mssql.issue.sent")
        if "creation_statements" in role:
            session.go_home()
            _see(session, account)
    except (SqlError, EnginePermanent):
        for command in recipes.rollback(role, values):
            with contextlib.suppress(SqlError, Lost):  # why it failed first is what is told
                session.execute(command)
        raise


def renew(session: Session, account: Account, expires_at: datetime) -> None:
    """See that the account stands, and do what its role says; the server keeps no end of it."""
    _same_target(session, account)
    if not _stands(session, account):
        raise EnginePermanent("the account is gone", error_class=ErrorClass.ABSENT)
    values = Values(name=account.name, expiration=recipes.moment(expires_at))
    if commands := recipes.renewal(account.role, values):
        for command in commands:
            session.execute(command)
        session.go_home()


def _stands(session: Session, account: Account) -> bool:
    return bool(session.execute(recipes.standing([account.name], contained=session.contained)))


def _see(session: Session, account: Account) -> None:
    """What is made under another name, or of another kind, would never be found again."""
    if not _stands(session, account):
        kind = "user with a password" if session.contained else "login"
        raise EnginePermanent(
            f"creation_statements make no {kind} called {{{{name}}}}",
            error_class=ErrorClass.INVALID,
        )


def _same_target(session: Session, account: Account) -> None:
    if session.target != account.target:
        raise TargetChanged("the connection leads to another SQL Server than the lease is for")
