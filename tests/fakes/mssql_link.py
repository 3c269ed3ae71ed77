"""A connection to the fake of SQL Server: the statements that the engine sends, and no others."""

import re
from collections.abc import Callable

from fakes.mssql_passwords import PASSWORDS
from fakes.mssql_state import Database, Login, State, User
from fakes.tsql import ID, TEXT, parted, texts, unquoted
from leasehold_plugins.mssql.link import Lost, Row, SqlError

GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


class FakeLink:
    """A connection of `who`, being in `database`."""

    def __init__(self, server: State, who: str, database: str, number: int) -> None:
        self.server, self.who, self.database, self.number = server, who, database, number

    def is_alive(self) -> bool:
        return self.number in self.server.sessions

    is_open = is_alive

    def abort(self) -> None:
        self.server.sessions.pop(self.number, None)

    close = abort

    def execute(self, statement: str) -> list[Row]:
        if not self.is_alive():
            raise Lost
        rows: list[Row] = []
        for one in parted(statement):
            self.server.log.append(one)
            rows = self._one(one)
        return rows

    def _one(self, one: str) -> list[Row]:
        if "IN ()" in one:
            raise SqlError(102)
        for begins, number in self.server.fails.items():
            if re.search(begins, one):
                raise SqlError(number)
        if (number := self.server.faulty.get(len(self.server.log))) is not None:
            raise SqlError(number) if number else self._lost()
        for pattern, act in SHAPES:
            if found := re.fullmatch(pattern, one, re.DOTALL):
                return act(self, *unquoted(found)) or []
        raise AssertionError(f"the fake does not know: {one}")

    def _lost(self) -> Lost:
        self.abort()
        return Lost()

    # What changes something.

    def create_login(self, name: str, hashed: str, clear: str, database: str) -> None:
        if name in self.server.logins:
            raise SqlError(15025)
        if hashed and self.server.edition in (5, 8):
            raise SqlError(102)
        self.server.logins[name] = Login(hashed or clear, database or "master")

    def create_user(self, name: str, login: str) -> None:
        if login not in self.server.logins:
            raise SqlError(15007)
        if name in self.here.users:
            raise SqlError(15023)
        self.here.users[name] = User(login)

    def create_contained(self, name: str, password: str) -> None:
        if not self.here.contained:
            raise SqlError(33233)
        if name in self.here.users:
            raise SqlError(15023)
        self.here.users[name] = User(None, password)

    def add_member(self, role: str, name: str) -> None:
        if role not in self.here.roles or name not in self.here.users:
            raise SqlError(15151)
        self.here.roles[role].add(name)

    def disable(self, name: str) -> None:
        if name not in self.server.logins:
            raise SqlError(15151)
        self.server.logins[name].disabled = True

    def drop_user(self, name: str) -> None:
        if self.here.users.get(name, User(None)).owns:
            raise SqlError(15138)
        if self.here.users.pop(name, None):
            for members in self.here.roles.values():
                members.discard(name)

    def drop_login(self, name: str) -> None:
        if name not in self.server.logins:
            raise SqlError(15151)
        if any(link.who == name for link in self.server.sessions.values()):
            raise SqlError(15434)
        del self.server.logins[name]

    def kill(self, number: str) -> None:
        if int(number) not in self.server.sessions:
            raise SqlError(6106)
        if int(number) not in self.server.dying:
            del self.server.sessions[int(number)]

    def give(self, kind: str, schema: str, name: str, heir: str) -> None:
        for user in self.here.users.values():
            user.owns = [it for it in user.owns if it != (kind, schema or None, name)]

    def enter(self, database: str) -> None:
        if database not in self.server.databases:
            raise SqlError(911)
        self.database = database

    def inside(self, database: str, inner: str) -> list[Row]:
        if not self.server.databases[database].enters:
            raise SqlError(916)
        before, self.database = self.database, database
        try:
            return self.execute(inner)
        finally:
            self.database = before

    def nothing(self) -> None:
        return

    # What is asked.

    @property
    def here(self) -> Database:
        return self.server.databases[self.database]

    def about(self) -> list[Row]:
        server = self.server
        return [(server.version, server.edition, "DB1\\MAIN", self.database, GUID)]

    def may(self, right: str) -> list[Row]:
        return [(int(right not in self.server.lacks),)]

    def may_change_role(self, role: str) -> list[Row]:
        return [
            (
                int(role in self.here.roles and "ALTER ROLE" not in self.server.lacks) or None,
                int(role in self.here.roles),
            )
        ]

    def has_access(self, name: str) -> list[Row]:
        found = self.server.databases.get(name)
        return [(None if found is None else int(found.enters),)]

    def logins_named(self, names: str) -> list[Row]:
        return [(name,) for name in texts(names) if name in self.server.logins]

    def contained_named(self, names: str) -> list[Row]:
        return [
            (name,)
            for name in texts(names)
            if name in self.here.users and self.here.users[name].password is not None
        ]

    def page(self, size: str, kind: str, after: str) -> list[Row]:
        names = list(self.server.logins)
        if kind.startswith("database"):
            names = [name for name, user in self.here.users.items() if user.password is not None]
        return [(name,) for name in sorted(names) if name > after][: int(size)]

    def users(self, query: str) -> list[Row]:
        rows: list[Row] = []
        for part in query.split(" UNION ALL "):
            [database] = texts(part.partition(" COLLATE")[0])
            names = texts(part.rpartition(" IN ")[2])
            for name, user in self.server.databases[database].users.items():
                login = user.login if user.login in self.server.logins else None
                if name in names or login in names:
                    rows.append((database, name, login))
        return rows

    def sessions(self, names: str) -> list[Row]:
        return [
            (link.number, link.who)
            for link in self.server.sessions.values()
            if link.who in texts(names)
        ]

    def entered(self) -> list[Row]:
        return [(name,) for name, it in self.server.databases.items() if it.enters]

    def known(self, name: str) -> list[Row]:
        return [(name,)] if name in self.server.databases else []

    def owned(self, name: str) -> list[Row]:
        return list(self.here.users[name].owns) if name in self.here.users else []

    def connections(self) -> list[Row]:
        return [(len(self.server.sessions), 32767)]


Act = Callable[..., list[Row] | None]
SHAPES: list[tuple[str, Act]] = [
    (
        rf"CREATE LOGIN {ID} WITH PASSWORD = (?:(0x\w+) HASHED|N?'([^']*)')"
        rf"(?:, DEFAULT_DATABASE = {ID}.*)?",
        FakeLink.create_login,
    ),
    (rf"CREATE USER {ID} FOR LOGIN {ID}", FakeLink.create_user),
    (rf"CREATE USER {ID} WITH PASSWORD = {TEXT}", FakeLink.create_contained),
    (rf"ALTER ROLE {ID} ADD MEMBER {ID}", FakeLink.add_member),
    *PASSWORDS,
    (rf"ALTER LOGIN {ID} DISABLE", FakeLink.disable),
    (rf"DROP USER IF EXISTS {ID}", FakeLink.drop_user),
    (rf"DROP LOGIN {ID}", FakeLink.drop_login),
    (r"KILL (\d+)", FakeLink.kill),
    (
        rf"ALTER AUTHORIZATION ON (\w+)::(?:{ID}\.)?{ID} TO {ID}",
        FakeLink.give,
    ),
    (rf"USE {ID}", FakeLink.enter),
    (rf"EXEC {ID}\.sys\.sp_executesql {TEXT}", FakeLink.inside),
    (r"SET XACT_ABORT ON|SET LOCK_TIMEOUT \d+|GRANT .*", FakeLink.nothing),
    (r"SELECT CONVERT\(nvarchar\(128\), SERVERPROPERTY\('ProductVersion'\)\).*", FakeLink.about),
    (
        rf"SELECT HAS_PERMS_BY_NAME\(N'{ID}', N'ROLE', N'ALTER'\),.*",
        FakeLink.may_change_role,
    ),
    (rf"SELECT HAS_PERMS_BY_NAME\(.*, {TEXT}\)", FakeLink.may),
    (r"SELECT SUSER_SNAME\(\)", lambda link: [(link.who,)]),
    (
        r"SELECT CONVERT\(int, SERVERPROPERTY\('IsIntegratedSecurityOnly'\)\)",
        lambda link: [(int(link.server.windows_only),)],
    ),
    (
        r"SELECT containment FROM sys\.databases WHERE name = DB_NAME\(\)",
        lambda link: [(int(link.here.contained),)],
    ),
    (
        r"SELECT CONVERT\(int, value_in_use\) FROM sys\.configurations.*",
        lambda link: [(int(link.server.contained_logins),)],
    ),
    (rf"SELECT HAS_DBACCESS\({TEXT}\)", FakeLink.has_access),
    (
        r"SELECT IS_ROLEMEMBER\(N'db_owner'\)",
        lambda link: [(int("db_owner" not in link.server.lacks),)],
    ),
    (
        r"SELECT name FROM sys\.server_principals WHERE type = 'S' AND name IN (.*)",
        FakeLink.logins_named,
    ),
    (
        r"SELECT name FROM sys\.database_principals WHERE type = 'S'"
        r" AND authentication_type = 2 AND name IN (.*)",
        FakeLink.contained_named,
    ),
    (
        rf"SELECT TOP \((\d+)\) name FROM sys\.(\w+) WHERE type = 'S'"
        rf"(?: AND authentication_type = 2)? AND name > {TEXT} ORDER BY name",
        FakeLink.page,
    ),
    (r"(SELECT N'.* COLLATE DATABASE_DEFAULT, .*)", FakeLink.users),
    (r"SELECT session_id, original_login_name FROM .* IN (.*)", FakeLink.sessions),
    (
        r"SELECT name FROM sys\.databases WHERE state = 0 AND HAS_DBACCESS\(name\) = 1",
        FakeLink.entered,
    ),
    (rf"SELECT name FROM sys\.databases WHERE name = {TEXT}", FakeLink.known),
    (rf"SELECT N'SCHEMA', NULL, name FROM sys\.schemas.*USER_ID\({TEXT}\)", FakeLink.owned),
    (r"SELECT \(SELECT COUNT\(\*\) FROM sys\.dm_exec_sessions.*", FakeLink.connections),
]
