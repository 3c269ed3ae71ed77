"""What the fake of SQL Server holds: logins, databases with users and roles, connections."""

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakes.mssql_link import FakeLink


@dataclass
class Login:
    """`checked`: it follows the policy of the host, so it takes no verifier, nor one twice."""

    secret: str
    database: str = "master"
    disabled: bool = False
    checked: bool = False

    def opens(self, password: str) -> bool:
        if not self.secret.startswith("0x0200"):
            return self.secret == password
        salt = bytes.fromhex(self.secret[6:14])
        digest = hashlib.sha512(password.encode("utf-16-le") + salt).hexdigest()
        return self.secret[14:] == digest


@dataclass
class User:
    """`login` is whose user it is, also when that is gone; a `password` makes it contained."""

    login: str | None
    password: str | None = None
    owns: list[tuple[str, str | None, str]] = field(default_factory=list)


@dataclass
class Database:
    """`enters`: whether the administrator is a user of it."""

    users: dict[str, User] = field(default_factory=dict)
    roles: dict[str, set[str]] = field(default_factory=dict)
    enters: bool = True
    contained: bool = False


class State:
    """What a server holds. `lacks` are rights that we have not; `log` is what was run.

    Statements that match a key of `fails` are refused with its number, and so is the n-th statement
    that is a key of `faulty`; for 0 the connection is lost instead.
    """

    def __init__(self, *, edition: int = 3, version: str = "16.0.4135.4") -> None:
        self.edition, self.version = edition, version
        self.logins = {"leasehold": Login("adm1n")}
        self.databases = {"master": Database()}
        self.sessions: dict[int, FakeLink] = {}
        self.lacks: set[str] = set()
        self.log: list[str] = []
        self.windows_only = False
        self.contained_logins = True
        self.dying: set[int] = set()
        self.fails: dict[str, int] = {}
        self.faulty: dict[int, int] = {}
        self._numbers = itertools.count(51)
