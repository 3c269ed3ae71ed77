"""What the administrator lacks, found before the first account is made, with the line to run.

Rights are read as the server lists them for the administrator and for the roles that it has
switched on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leasehold.plugin import Health
from leasehold_plugins.mysql import definers
from leasehold_plugins.mysql.session import Session
from leasehold_plugins.mysql.statements import identifier, literal

OLDEST_MYSQL = (8, 0, 22)
OLDEST_MARIADB = (10, 6, 19)
_SET_ANY_DEFINER_SINCE = (8, 2)
_READ_ACCOUNTS = "SELECT user, host FROM mysql.user LIMIT 1"

Roles = Sequence[Mapping[str, Any]]


def preflight(session: Session, roles: Roles, *, is_cluster: bool) -> Health:
    """Look at the server, and at the rights that roles with these options need."""
    granted = Granted(session)
    missing = [
        *_server(session, is_cluster=is_cluster),
        *_rights(session, granted, roles),
        *_groups(session, granted, roles),
        *_heirs(session, roles),
        *_anonymous(session),
    ]
    reason = "rights or settings are missing" if missing else ""
    return Health(
        ok=not missing, reason=reason, missing=tuple(missing), version=str(session.server)
    )


class Granted:
    """The administrator's rights: for the whole server, and on the schema `mysql`."""

    def __init__(self, session: Session) -> None:
        [(login,)] = session.execute("SELECT CURRENT_USER()")
        user, _, host = login.rpartition("@")
        self.me = f"{literal(user)}@{literal(host)}"
        named = ", ".join(map(literal, [self.me, *_switched_on(session)]))
        self.everywhere = frozenset(
            right
            for (right,) in session.execute(
                "SELECT privilege_type FROM information_schema.user_privileges"  # noqa: S608 (quoted)
                f" WHERE grantee IN ({named})"
            )
        )
        self.on_mysql = self.everywhere | frozenset(
            right
            for (right,) in session.execute(
                "SELECT privilege_type FROM information_schema.schema_privileges"  # noqa: S608 (quoted)
                f" WHERE table_schema = 'mysql' AND grantee IN ({named})"
            )
        )

    def lacks(self, *rights: str) -> bool:
        """Whether none of these is there; the second is one that includes the first."""
        return self.everywhere.isdisjoint(rights)

    def grant(self, right: str, where: str = "*.*") -> str:
        """The line that grants it."""
        return f"GRANT {right} ON {where} TO {self.me};"


def _switched_on(session: Session) -> Iterator[str]:
    """Roles that are on, as the list of rights names them."""
    for name, *host in session.execute("SELECT * FROM information_schema.enabled_roles"):
        if name is not None:
            yield literal(name)
            yield f"{literal(name)}@{literal(host[0] if host else '')}"


def _server(session: Session, *, is_cluster: bool) -> Iterator[str]:
    server = session.server
    oldest = OLDEST_MARIADB if server.is_mariadb else OLDEST_MYSQL
    if server.numbers < oldest:
        words = ".".join(map(str, oldest))
        yield f"{server} is older than {words}, the oldest that is supported"
    [(read_only,)] = session.execute("SELECT @@global.read_only")
    if read_only:
        yield "the server is read-only; lead connection.url to the one that is written to"
    if server.is_mariadb and not is_cluster:
        [(wsrep,)] = session.execute("SELECT @@global.wsrep_on")
        if wsrep:
            yield "the server is one of a Galera cluster; name the cluster in connection.cluster"


def _rights(session: Session, granted: Granted, roles: Roles) -> Iterator[str]:
    mariadb = session.server.is_mariadb
    connection_admin = "CONNECTION ADMIN" if mariadb else "CONNECTION_ADMIN"
    if granted.lacks("CREATE USER"):
        yield f"cannot make accounts: {granted.grant('CREATE USER')}"
    if not session.sees_sessions:
        yield f"cannot see sessions: {granted.grant('PROCESS')}"
    if granted.lacks(connection_admin, "SUPER"):
        yield f"cannot end sessions: {granted.grant(connection_admin)}"
    if mariadb:
        if "SELECT" not in granted.on_mysql:
            yield f"cannot read accounts: {granted.grant('SELECT', 'mysql.*')}"
        if _use(roles, "member_of") and "UPDATE" not in granted.on_mysql:
            yield f"cannot set default roles: {granted.grant('UPDATE', 'mysql.*')}"
    elif not session.may("SELECT user, host, password_last_changed FROM mysql.user LIMIT 1"):
        columns = "SELECT (user, host, password_last_changed)"
        yield f"cannot read accounts: {granted.grant(columns, 'mysql.user')}"
    if any(role.get("definer_objects") != definers.LEAVE for role in roles):
        rights = ["SHOW VIEW", "TRIGGER", "EVENT", *([] if mariadb else ["SHOW_ROUTINE"])]
        if lacking := [right for right in rights if granted.lacks(right)]:
            line = granted.grant(", ".join(lacking))
            yield f"cannot see what names an account as its DEFINER: {line}"
    if _use(roles, "reassign_definer_to") and (right := _definer_right(session, granted)):
        yield f"cannot set another DEFINER: {granted.grant(right)}"


def _anonymous(session: Session) -> Iterator[str]:
    """Accounts without a name: a login from a host that they name more exactly is theirs."""
    if not session.may(_READ_ACCOUNTS):
        return  # which is told already
    for (host,) in session.execute("SELECT host FROM mysql.user WHERE user = ''"):
        anonymous = f"''@{literal(host)}"
        yield (
            f"the anonymous account {anonymous} is taken for accounts of ours that come from there:"
            f" DROP USER {anonymous};"
        )


def _definer_right(session: Session, granted: Granted) -> str | None:
    if session.server.is_mariadb:
        return "SET USER" if granted.lacks("SET USER", "SUPER") else None
    if session.server.numbers < _SET_ANY_DEFINER_SINCE:
        return "SET_USER_ID" if granted.lacks("SET_USER_ID", "SUPER") else None
    return "SET_ANY_DEFINER" if granted.lacks("SET_ANY_DEFINER") else None


def _groups(session: Session, granted: Granted, roles: Roles) -> Iterator[str]:
    mariadb = session.server.is_mariadb
    lists = [role["member_of"] for role in roles if "member_of" in role]
    if mariadb:
        for listed in lists:
            if len(listed) > 1:
                yield (
                    "MariaDB switches on one role at login, so member_of cannot list"
                    f" {', '.join(listed)}; grant them to one role and name that"
                )
    grantable = {
        name
        for name, may in session.execute(
            "SELECT role_name, is_grantable FROM information_schema.applicable_roles"
        )
        if may == "YES"
    }
    for group in sorted({group for listed in lists for group in listed}):
        if not _exists(session, group):
            yield f"role {group} is missing: CREATE ROLE {identifier(group)};"
        elif group not in grantable and (mariadb or granted.lacks("ROLE_ADMIN", "SUPER")):
            grant = f"GRANT {identifier(group)} TO {granted.me} WITH ADMIN OPTION;"
            yield f"cannot grant role {group}: {grant}"


def _heirs(session: Session, roles: Roles) -> Iterator[str]:
    for heir in sorted(set(_use(roles, "reassign_definer_to"))):
        name, host = definers.read_login(heir)
        if not _exists(session, name, host):
            account = f"{literal(name)}@{literal(host)}"
            yield f"account {heir} is missing: CREATE USER {account} ACCOUNT LOCK;"


def _exists(session: Session, name: str, host: str | None = None) -> bool:
    query, values = "SELECT 1 FROM mysql.user WHERE user = %s", [name]
    if host is not None:
        query, values = f"{query} AND host = %s", [name, host]
    # That accounts cannot be read is told already.
    return bool(session.execute(query, values)) if session.may(_READ_ACCOUNTS) else True


def _use(roles: Roles, option: str) -> list[Any]:
    return [role[option] for role in roles if option in role]
