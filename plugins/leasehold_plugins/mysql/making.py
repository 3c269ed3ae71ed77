"""Making an account and moving its expiry, on a connection in a thread."""

import contextlib
from datetime import datetime

import pymysql

from leasehold.plugin import (
    Account,
    EnginePermanent,
    ErrorClass,
    IssueRequest,
    TargetChanged,
    failpoint,
)
from leasehold_plugins.mysql import recipes
from leasehold_plugins.mysql.removal import look
from leasehold_plugins.mysql.session import Session
from leasehold_plugins.mysql.statements import Values


def make(session: Session, request: IssueRequest, password: str) -> None:
    """Make the account. What a failure leaves of it is cleared away by its name."""
    account, role = request.account, request.account.role
    _same_target(session, account)
    groups = role.get("member_of", ())
    if session.server.is_mariadb and len(groups) > 1:
        raise EnginePermanent(
            "MariaDB switches on one role at login, so member_of can list only one; grant the"
            " others to that role",
            error_class=ErrorClass.UNSUPPORTED,
        )
    values = Values(
        name=account.name,
        expiration=recipes.moment(request.expires_at),
        days=str(session.days_until(request.expires_at)),
        plugin=recipes.plugin_of(role, session.server),
        password=password,
    )
    failpoint("mysql.issue.connected")
    try:
        for command in recipes.creation(role, session.server, values, request.comment):
            session.execute(command)
            failpoint("mysql.issue.sent")
    except pymysql.MySQLError:
        for command in recipes.rollback(role, values):
            with contextlib.suppress(pymysql.MySQLError):  # why it failed first is what is told
                session.execute(command)
        raise


def renew(session: Session, account: Account, expires_at: datetime) -> None:
    """Move the day on which its password expires, or do what its role says."""
    _same_target(session, account)
    logins = look(session, [account.name]).get(account.name)
    if not logins:
        raise EnginePermanent("the account is gone", error_class=ErrorClass.ABSENT)
    # The server counts the days from when the password was set, not from now.
    values = Values(
        name=account.name,
        expiration=recipes.moment(expires_at),
        days=str(session.days_until(expires_at, _password_set(session, account.name))),
    )
    for command in recipes.renewal(account.role, logins, values):
        session.execute(command)


def _password_set(session: Session, name: str) -> float:
    """When the account's password was last set, in seconds of the epoch; the earliest of many."""
    query = "SELECT MIN(UNIX_TIMESTAMP(password_last_changed)) FROM mysql.user WHERE user = %s"
    if session.server.is_mariadb:
        query = (
            "SELECT MIN(JSON_VALUE(priv, '$.password_last_changed')) FROM mysql.global_priv"
            " WHERE user = %s"
        )
    [(found,)] = session.execute(query, (name,))
    return float(found)


def _same_target(session: Session, account: Account) -> None:
    if session.target != account.target:
        raise TargetChanged("the connection leads to another MySQL than the lease is for")
