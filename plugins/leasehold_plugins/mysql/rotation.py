"""Another password for an account that stands: the administrator's own, or one of a static role.

The server is told what it stores of a password, by the plugin that the account has already. A name
may stand for several hosts: all of them get the password.
"""

import pymysql

from leasehold.plugin import EnginePermanent, ErrorClass, Secret
from leasehold_plugins.mysql.preflight import Granted
from leasehold_plugins.mysql.recipes import ANYWHERE, quoted
from leasehold_plugins.mysql.session import Row, Session
from leasehold_plugins.mysql.statements import literal
from leasehold_plugins.mysql.verifiers import NATIVE, VERIFIERS

_OURS = "SELECT user, host, plugin FROM mysql.user WHERE CONCAT(user, '@', host) = CURRENT_USER()"
_NAMED = "SELECT user, host, plugin FROM mysql.user WHERE user = %s"


_SEES_PLUGINS = "SELECT user, host, plugin FROM mysql.user LIMIT 1"
_SYSTEM_USER = (
    "SELECT 1 FROM information_schema.user_privileges WHERE privilege_type = 'SYSTEM_USER' AND"
    " grantee = %s"
)


def lacking(session: Session, username: str | None) -> list[str]:
    """What keeps us from giving the account (None: ourselves) a password, with the line to run."""
    granted, mariadb = Granted(session), session.server.is_mariadb
    if not session.may(_SEES_PLUGINS):
        line = granted.grant("SELECT (user, host, plugin)", "mysql.user")
        return [f"cannot see how accounts log in, to rotate them: {line}"]
    if username is None:
        return _without_passwords(session, session.execute(_OURS), "the administrator")
    cannot, found = f"cannot rotate {username}", session.execute(_NAMED, (username,))
    if not found:
        line = f"CREATE USER {quoted([(username, ANYWHERE)])} IDENTIFIED BY '…';"
        return [f"{cannot}, there is no such account: {line}"]
    missing = _without_passwords(session, found, username)
    if mariadb:
        if "UPDATE" not in granted.on_mysql:
            missing.append(f"{cannot}: {granted.grant('UPDATE', 'mysql.*')}")
    elif granted.lacks("CREATE USER"):
        missing.append(f"{cannot}: {granted.grant('CREATE USER')}")
    if granted.lacks("SYSTEM_USER") and any(
        session.execute(_SYSTEM_USER, (quoted([(user, host)]),)) for user, host, _ in found
    ):
        missing.append(f"{cannot}: {granted.grant('SYSTEM_USER')}")
    return missing


def _without_passwords(session: Session, found: list[Row], who: str) -> list[str]:
    """Which of the ways in which the account logs in has no password that we can make."""
    known = (NATIVE,) if session.server.is_mariadb else tuple(VERIFIERS)
    return [
        f"{who} logs in by {plugin}, for which no password is made here; allowed are"
        f" {', '.join(known)}"
        for _, _, plugin in found
        if plugin not in known
    ]


def give_ours(session: Session, password: Secret) -> None:
    """Have the administrator log in with `password` from now on."""
    _give(session, session.execute(_OURS), "the administrator", password)


def give(session: Session, username: str, password: Secret) -> None:
    """Have the account log in with `password` from now on."""
    _give(session, session.execute(_NAMED, (username,)), username, password)


def _give(session: Session, found: list[Row], who: str, password: Secret) -> None:
    if not found:
        raise EnginePermanent(f"there is no account {who}", error_class=ErrorClass.ABSENT)
    for fault in _without_passwords(session, found, who):
        raise EnginePermanent(fault, error_class=ErrorClass.UNSUPPORTED)
    for user, host, plugin in found:
        account, hashed = quoted([(user, host)]), literal(VERIFIERS[plugin](password.reveal()))
        try:
            # MariaDB's ALTER USER would take other ways to log in away from the account.
            session.execute(
                f"SET PASSWORD FOR {account} = {hashed}"
                if session.server.is_mariadb
                else f"ALTER USER {account} IDENTIFIED WITH {plugin} AS {hashed}"
            )
        except pymysql.OperationalError as error:
            if error.args[0] not in (1044, 1142, 1227):
                raise
            grants = (
                "UPDATE ON mysql.* TO it"
                if session.server.is_mariadb
                else "CREATE USER ON *.* TO it, and SYSTEM_USER where the account has that"
            )
            raise EnginePermanent(
                f"the administrator may not set the password of {who}: GRANT {grants}",
                error_class=ErrorClass.DENIED,
            ) from error
