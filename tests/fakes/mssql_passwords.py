"""Other passwords for accounts that stand, as the fake of SQL Server sets them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fakes.mssql_state import User
from fakes.tsql import ID, TEXT
from leasehold_plugins.mssql.link import Row, SqlError

if TYPE_CHECKING:
    from fakes.mssql_link import FakeLink


def set_password(link: "FakeLink", name: str, password: str, old: str) -> None:
    user = link.here.users.get(name, User(None))
    if user.password is None or not may_set(link, "ALTER ANY USER", knows=old == user.password):
        raise SqlError(15151)
    user.password = password


def set_login(link: "FakeLink", name: str, hashed: str, clear: str, old: str) -> None:
    login = link.server.logins.get(name)
    if login is None or not may_set(link, "ALTER ANY LOGIN", knows=login.opens(old)):
        raise SqlError(15151)
    if hashed and (login.checked or link.server.edition in (5, 8)):
        raise SqlError(102)
    if login.checked and login.opens(clear):
        raise SqlError(15115)
    login.secret = hashed or clear


def may_set(link: "FakeLink", right: str, *, knows: bool) -> bool:
    return right not in link.server.lacks or knows


def login_state(link: "FakeLink", name: str) -> list[Row]:
    login = link.server.logins.get(name)
    return [] if login is None else [(int(login.checked), int(login.disabled))]


def how_we_enter(link: "FakeLink") -> list[Row]:
    user = link.here.users.get(link.who)
    return [(link.who, 2)] if user and user.password is not None else [("dbo", 1)]


PASSWORDS: list[tuple[str, Callable[..., Any]]] = [
    (rf"ALTER USER {ID} WITH PASSWORD = {TEXT}(?: OLD_PASSWORD = {TEXT})?", set_password),
    (
        rf"ALTER LOGIN {ID} WITH PASSWORD = (?:(0x\w+) HASHED|{TEXT})(?: OLD_PASSWORD = {TEXT})?",
        set_login,
    ),
    (
        r"SELECT CONVERT\(int, is_policy_checked\), CONVERT\(int, is_disabled\)"
        rf" FROM sys\.sql_logins WHERE name = {TEXT}",
        login_state,
    ),
    (
        r"SELECT USER_NAME\(\), CONVERT\(int, authentication_type\)"
        r" FROM sys\.database_principals WHERE principal_id = USER_ID\(\)",
        how_we_enter,
    ),
]
