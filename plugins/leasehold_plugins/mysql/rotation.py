"""Another password for an account that stands: the administrator's own, or one of a static role.

The server is told what it stores of a password, by the plugin that the account has already. A name
may stand for several hosts: all of them get the password.
"""

import pymysql

from leasehold.plugin import EnginePermanent, ErrorClass, Secret
from leasehold_plugins.mysql.recipes import quoted
from leasehold_plugins.mysql.session import Row, Session
from leasehold_plugins.mysql.statements import literal
from leasehold_plugins.mysql.verifiers import NATIVE, VERIFIERS

_OURS = "SELECT user, host, plugin FROM mysql.user WHERE CONCAT(user, '@', host) = CURRENT_USER()"
_NAMED = "SELECT user, host, plugin FROM mysql.user WHERE user = %s"


def give_ours(session: Session, password: Secret) -> None:
    """Have the administrator log in with `password` from now on."""
    _give(session, session.execute(_OURS), "the administrator", password)


def give(session: Session, username: str, password: Secret) -> None:
    """Have the account log in with `password` from now on."""
    _give(session, session.execute(_NAMED, (username,)), username, password)


def _give(session: Session, found: list[Row], who: str, password: Secret) -> None:
    if not found:
        raise EnginePermanent(f"there is no account {who}", error_class=ErrorClass.ABSENT)
    for _, _, plugin in found:
        known = (NATIVE,) if session.server.is_mariadb else tuple(VERIFIERS)
        if plugin not in known:
            raise EnginePermanent(
                f"{who} logs in by {plugin}, for which no password is made here; allowed are"
                f" {', '.join(known)}",
                error_class=ErrorClass.UNSUPPORTED,
            )
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
            raise EnginePermanent(
                f"the administrator may not set the password of {who}: GRANT CREATE USER ON *.* TO"
                " it, and on MySQL SYSTEM_USER where the account has that",
                error_class=ErrorClass.DENIED,
            ) from error
