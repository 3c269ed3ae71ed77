"""Another password for an account that stands: the administrator's own, or one of a static role.

An account is what the connection makes: a login, or with `contained` a user with a password of the
database. A login's password is sent as a verifier where the server takes one, which it does not for
logins that follow the policy of its host. Sessions that are open stay open.
"""

from leasehold.plugin import EnginePermanent, ErrorClass, Secret
from leasehold_plugins.mssql import recipes
from leasehold_plugins.mssql.errors import GONE_OR_DENIED, POLICY_REFUSES_NOW, describe
from leasehold_plugins.mssql.link import SqlError
from leasehold_plugins.mssql.session import Session
from leasehold_plugins.mssql.statements import identifier, literal
from leasehold_plugins.mssql.verifier import verifier

_BY_DATABASE = 2
"""`authentication_type` of a user with a password of its own."""
_HOW_WE_ENTER = (
    "SELECT USER_NAME(), CONVERT(int, authentication_type) FROM sys.database_principals"
    " WHERE principal_id = USER_ID()"
)


class NotNow(EnginePermanent):
    """A policy of the server forbids this password now; it may be the one that holds already."""


def give_ours(session: Session, password: Secret, old: str) -> None:
    """Have the administrator, who logs in with `old`, log in with `password` from now on."""
    if session.contained:
        [(me, how)] = session.execute(_HOW_WE_ENTER)
        if how == _BY_DATABASE:
            may = session.may("ALTER ANY USER", on=session.server.database)
            _give_user(session, str(me), password, "" if may else old)
            return
    if session.server.is_azure_database:
        raise EnginePermanent(
            "the administrator is a login, whose password Azure SQL Database changes in master"
            " only; make it a user of the database: CREATE USER … WITH PASSWORD",
            error_class=ErrorClass.UNSUPPORTED,
        )
    [(me,)] = session.execute("SELECT SUSER_SNAME()")
    _give_login(session, str(me), password, "" if session.may("ALTER ANY LOGIN") else old)


def give(session: Session, username: str, password: Secret, admin: str) -> None:
    """Have an account that stands log in with `password` from now on; not our own, `admin`."""
    if username.casefold() == admin.casefold():
        raise EnginePermanent(
            f"{username} is the administrator, whose password root_rotation changes",
            error_class=ErrorClass.INVALID,
        )
    if not session.contained:
        _give_login(session, username, password)
        return
    if not session.execute(recipes.standing([username], contained=True)):
        raise EnginePermanent(
            f"there is no user {username} with a password, or it may not be seen",
            error_class=ErrorClass.ABSENT,
        )
    _give_user(session, username, password)


def _give_login(session: Session, name: str, password: Secret, old: str = "") -> None:
    found = session.execute(recipes.login_state(name))
    if not found:
        raise EnginePermanent(
            f"there is no login {name} of SQL Server, or it may not be seen",
            error_class=ErrorClass.ABSENT,
        )
    [(follows_policy, disabled)] = found
    if disabled:
        raise EnginePermanent(
            f"the login {name} is disabled: ALTER LOGIN {identifier(name)} ENABLE;",
            error_class=ErrorClass.INVALID,
        )
    hashed = session.server.takes_verifier and not follows_policy and not old
    clear = password.reveal()
    secret = f"{verifier(clear)} HASHED" if hashed else literal(clear)
    grant = "ALTER ANY LOGIN, and CONTROL SERVER for a member of sysadmin"
    _run(session, recipes.password_of_login(name, secret, old), name, grant)


def _give_user(session: Session, name: str, password: Secret, old: str = "") -> None:
    statement = recipes.password_of_user(name, password.reveal(), old)
    _run(session, statement, name, "ALTER ANY USER")


def _run(session: Session, statement: str, name: str, grant: str) -> None:
    try:
        session.execute(statement)
    except SqlError as error:
        if error.number == GONE_OR_DENIED:
            raise EnginePermanent(
                f"the administrator may not set the password of {name}; it takes {grant}",
                error_class=ErrorClass.DENIED,
            ) from error
        if error.number in POLICY_REFUSES_NOW:
            raise NotNow(describe(error.number), error_class=ErrorClass.INVALID) from error
        raise
