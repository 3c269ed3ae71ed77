"""A fake of Oracle Database, behind the engine's own link: no TNS, no rights but lists.

It reads the statements that the engine sends and no others, keeps users, roles and sessions on two
instances, and refuses with the numbers that a database has for it. It shows that the engine does
the right things in the right order; whether a real database takes each it cannot show.
"""

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from leasehold.plugin import EngineTemporary
from leasehold_plugins.oracle.address import Address
from leasehold_plugins.oracle.link import Lost, Row, SqlError

ID = r'"([^"]+)"'
TEXT = r"'((?:[^']|'')*)'"
LOGIN, CONNECTED, OWNS = "CREATE SESSION", 1940, 1922


@dataclass
class Account:
    """`remembers`: its profile takes no password that was used before."""

    password: str
    granted: set[str] = field(default_factory=set)
    locked: bool = False
    owns: bool = False
    options: str = ""
    remembers: bool = False


class FakeDatabase:
    """One pluggable database, or one of Amazon RDS. `lacks` are rights the administrator has not.

    `log` is what was run. Statements that match a key of `fails` are refused with its number, and
    so is the n-th statement that is a key of `faulty`; for 0 the connection is lost. `lingering`
    sessions stay open when they are killed, until they close.
    """

    def __init__(self, *, rds: bool = False, version: str = "19.22.0.0.0") -> None:
        self.rds, self.version = rds, version
        self.users = {"LEASEHOLD": Account("adm1n", {LOGIN})}
        self.roles = {"APP_READONLY", "app_ro"}
        self.sessions: dict[int, FakeLink] = {}
        self.lacks: set[str] = set()
        self.log: list[str] = []
        self.mode, self.container = "READ WRITE", ("APP_PDB", 3)
        self.lingering: set[int] = set()
        self.fails: dict[str, int] = {}
        self.faulty: dict[int, int] = {}
        self._numbers = itertools.count(101)

    async def dial(
        self, where: Address, username: str, password: str, limit_s: float
    ) -> "FakeLink":
        if where.port == 1:
            raise EngineTemporary("Oracle cannot be reached")
        name = username.upper()
        user = self.users.get(name)
        if user is None or user.password != password:
            raise SqlError(1017)
        if user.locked:
            raise SqlError(28000)
        if LOGIN not in user.granted:
            raise SqlError(1045)
        link = FakeLink(self, name, next(self._numbers))
        self.sessions[link.number] = link
        return link


class FakeLink:
    """A connection of `who`; every other one is at the second instance."""

    def __init__(self, database: FakeDatabase, who: str, number: int) -> None:
        self.database, self.who, self.number = database, who, number
        self.instance = 1 + number % 2
        self.version = database.version

    def is_alive(self) -> bool:
        return self.number in self.database.sessions

    async def close(self) -> None:
        self.database.sessions.pop(self.number, None)

    async def execute(self, statement: str) -> list[Row]:
        if not self.is_alive():
            raise Lost
        self.database.log.append(statement)
        if "IN ()" in statement:
            raise SqlError(936)
        for begins, number in self.database.fails.items():
            if re.search(begins, statement):
                raise SqlError(number)
        if (number := self.database.faulty.get(len(self.database.log))) is not None:
            if number == 0:
                await self.close()
                raise Lost
            raise SqlError(number)
        for pattern, act in SHAPES:
            if found := re.fullmatch(pattern, statement.strip(), re.DOTALL):
                groups = [(it or "").replace("''", "'") for it in found.groups()]
                return list(act(self, *groups) or [])
        raise AssertionError(f"the fake does not know: {statement}")

    def _needs(self, right: str, number: int = 1031) -> None:
        if right in self.database.lacks:
            raise SqlError(number)

    def _user(self, name: str) -> Account:
        if name not in self.database.users:
            raise SqlError(1918)
        return self.database.users[name]

    def create(self, name: str, password: str, options: str) -> None:
        self._needs("CREATE USER")
        if name in self.database.users:
            raise SqlError(1920)
        if len(password) > 30 and self.database.version < "23":
            raise SqlError(972)
        self.database.users[name] = Account(password, options=options)

    def grant(self, what: str, name: str) -> None:
        user = self._user(name)
        for each in (it.strip().strip('"') for it in what.split(",")):
            if each != LOGIN and each not in self.database.roles:
                raise SqlError(1919)
            user.granted.add(each)

    def set_password(self, name: str, password: str) -> None:
        if name != self.who:
            self._needs("ALTER USER")
        user = self._user(name)
        if len(password) > 30 and self.database.version < "23":
            raise SqlError(972)
        if user.remembers and user.password == password:
            raise SqlError(28007)
        user.password = password

    def lock(self, name: str) -> None:
        self._user(name).locked = True

    def drop(self, name: str, cascade: str) -> None:
        user = self._user(name)
        if any(link.who == name for link in self.database.sessions.values()):
            raise SqlError(CONNECTED)
        if user.owns and not cascade:
            raise SqlError(OWNS)
        del self.database.users[name]

    def kill(self, sid: str, serial: str, instance: str) -> None:
        if self.database.rds:
            raise SqlError(1031)
        self._kill(int(sid), int(serial), int(instance))

    def kill_at_rds(self, sid: str, serial: str) -> None:
        if not self.database.rds:
            raise SqlError(6550)
        self._kill(int(sid), int(serial), self.database.sessions[int(sid)].instance)

    def _kill(self, sid: int, serial: int, instance: int) -> None:
        link = self.database.sessions.get(sid)
        assert link is None or (serial, instance) == (sid + 7, link.instance)
        if link is not None and sid not in self.database.lingering:
            del self.database.sessions[sid]

    def standing(self, names: str) -> Iterable[Row]:
        return [(name,) for name in texts(names) if name in self.database.users]

    def page(self, after: str, size: str) -> Iterable[Row]:
        return [(name,) for name in sorted(self.database.users) if name > after][: int(size)]

    def open_sessions(self, names: str) -> Iterable[Row]:
        self._needs("gv_$session", 942)
        return [
            (link.number, link.number + 7, link.instance, link.who)
            for link in self.database.sessions.values()
            if link.who in texts(names)
        ]

    def about(self) -> Iterable[Row]:
        self._needs("v_$database", 942)
        return [(1234567890, 42)]

    def state(self) -> Iterable[Row]:
        name, number = self.database.container
        return [(self.database.mode, name, str(number))]

    def is_rds(self) -> Iterable[Row]:
        return [(1,)] if self.database.rds else []

    def see(self, view: str) -> Iterable[Row]:
        self._needs({"gv$session": "gv_$session", "v$parameter": "v_$parameter"}[view], 942)
        return [(1,)]

    def rights(self) -> Iterable[Row]:
        every = {"CREATE USER", "ALTER USER", "DROP USER", "ALTER SYSTEM"}
        return [(right,) for right in every - self.database.lacks]

    def given_on(self) -> Iterable[Row]:
        return [] if "CREATE SESSION WITH ADMIN" in self.database.lacks else [(LOGIN,)]

    def granted(self) -> Iterable[Row]:
        return [(role,) for role in self.database.roles]

    def counted(self) -> Iterable[Row]:
        return [(len(self.database.sessions), 472)]

    def nothing(self) -> None:
        return


def texts(listed: str) -> list[str]:
    return [it.replace("''", "'") for it in re.findall(TEXT, listed)]


Act = Callable[..., Iterable[Row] | None]
_QUIET = r" EXCEPTION WHEN OTHERS THEN IF SQLCODE NOT IN \(-30, -31\) THEN RAISE; END IF; END;"
SHAPES: list[tuple[str, Act]] = [
    (rf"CREATE USER {ID} IDENTIFIED BY {ID}(.*)", FakeLink.create),
    (rf"GRANT (.*) TO {ID}", FakeLink.grant),
    (rf"ALTER USER {ID} IDENTIFIED BY {ID}", FakeLink.set_password),
    (rf"ALTER USER {ID} ACCOUNT LOCK", FakeLink.lock),
    (rf"DROP USER {ID}( CASCADE)?", FakeLink.drop),
    (
        r"BEGIN EXECUTE IMMEDIATE 'ALTER SYSTEM KILL SESSION ''(\d+),(\d+),@(\d+)'' IMMEDIATE';"
        + _QUIET,
        FakeLink.kill,
    ),
    (
        r"BEGIN rdsadmin\.rdsadmin_util\.kill\(sid => (\d+), serial => (\d+),"
        r" method => 'IMMEDIATE'\);" + _QUIET,
        FakeLink.kill_at_rds,
    ),
    (r"SELECT username FROM all_users WHERE username IN (.*)", FakeLink.standing),
    (
        rf"SELECT username FROM all_users WHERE username > {TEXT} ORDER BY .* FETCH FIRST (\d+).*",
        FakeLink.page,
    ),
    (r"SELECT sid, serial#, inst_id, username FROM gv\$session.* IN (.*)", FakeLink.open_sessions),
    (r"SELECT dbid, con_dbid FROM v\$database", FakeLink.about),
    (r"SELECT d\.open_mode, .*", FakeLink.state),
    (r"SELECT 1 FROM all_objects WHERE owner = 'RDSADMIN'.*", FakeLink.is_rds),
    (r"SELECT 1 FROM (gv\$session|v\$parameter) WHERE ROWNUM = 1", FakeLink.see),
    (r"SELECT privilege FROM session_privs", FakeLink.rights),
    (r"SELECT privilege FROM user_sys_privs.*", FakeLink.given_on),
    (r"SELECT granted_role FROM user_role_privs.*", FakeLink.granted),
    (r"SELECT \(SELECT COUNT\(\*\) FROM gv\$session.*", FakeLink.counted),
    (r"ALTER SESSION SET ddl_lock_timeout = \d+", FakeLink.nothing),
]
