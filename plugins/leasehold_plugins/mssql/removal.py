"""Taking accounts away: login off, sessions ended, users dropped in every database, login dropped.

Each stage can be repeated, and each is few statements for many accounts. The server says the same
of what is gone and of what we may not see (error 15151), so what is gone is read, not guessed from
an error, and only by an administrator who sees all. DROP LOGIN leaves the users of a login behind,
so they go first, wherever they are; a login is dropped when none is left.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby, product
from typing import TypeVar

from leasehold.plugin import (
    Account,
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    PasswordPolicy,
    Removal,
    Stage,
    TargetChanged,
    failpoint,
    make_password,
    varied,
)
from leasehold_plugins.mssql import recipes
from leasehold_plugins.mssql.errors import GONE_OR_DENIED, NO_SUCH_SESSION, describe, translate
from leasehold_plugins.mssql.link import SqlError
from leasehold_plugins.mssql.recipes import User
from leasehold_plugins.mssql.session import Session

T = TypeVar("T")
REMOVED = Removal(stage=Stage.REMOVED)
AT_ONCE = 50
"""How many statements of a kind go in one batch."""
NAMES, DATABASES = 100, 10
"""How many names are looked for in how many databases by one query; with some ten thousand texts in
it the server would run out of what it needs to plan it (error 8623)."""
SETTLE_S = 2.0
"""How long a session that was ended may undo its work before its account is left for later."""
_LOOK_S = 0.05
_DATABASES = "SELECT name FROM sys.databases WHERE state = 0 AND HAS_DBACCESS(name) = 1"
Results = dict[str, Removal | EngineError]
"""What became of an account, by its name."""


def remove(session: Session, accounts: Sequence[Account]) -> list[Removal | EngineError]:
    """One result an account, in order. Raises EngineError when nothing could be done at all."""
    ours = {it.name: it for it in accounts if it.target == session.target}
    done: Results = {}
    if ours:
        _see_all(session)
        done = _Removing(session, ours).run()
    elsewhere = TargetChanged(
        "the connection leads to another SQL Server than the account was made at"
    )
    return [done.get(it.name, elsewhere) for it in accounts]


def _see_all(session: Session) -> None:
    lacking = [] if session.sees_accounts else ["accounts"]
    lacking += [] if session.sees_sessions else ["sessions"]
    if lacking:
        raise EnginePermanent(
            f"{' and '.join(lacking)} of others cannot be seen, so nothing can be said to be gone;"
            " leasehold engines tells the right to grant",
            error_class=ErrorClass.DENIED,
        )


class _Removing:
    """Some accounts on their way out; what has a result is touched no further."""

    def __init__(self, session: Session, accounts: Mapping[str, Account]) -> None:
        self._session = session
        self._accounts = accounts
        self._done: Results = {}
        self._contained = session.contained
        self._troubles: dict[str, str] = {}

    def run(self) -> Results:
        self._disable()
        self._end_sessions()
        failpoint("mssql.revoke.disabled")
        self._own_statements()
        self._drop_users()
        if not self._contained:
            self._drop_logins()
        return {name: self._done.get(name, REMOVED) for name in self._accounts}

    def _left(self) -> list[str]:
        return [name for name in self._accounts if name not in self._done]

    def _standing(self) -> list[str]:
        """The names of what still stands, as we write them."""
        return self._of_these(self._left())

    def _of_these(self, names: Sequence[str]) -> list[str]:
        if not names:
            return []
        rows = self._session.execute(recipes.standing(names, contained=self._contained))
        found = {str(name).lower() for (name,) in rows}
        return [name for name in names if name.lower() in found]

    def _disable(self) -> None:
        for name in self._standing():
            scrap = make_password(varied(PasswordPolicy()))
            self._try(name, recipes.disable(name, scrap, contained=self._contained))

    def _end_sessions(self) -> None:
        deadline = time.monotonic() + SETTLE_S
        ended: set[int] = set()
        while (names := self._left()) and (open_ := self._session.execute(recipes.sessions(names))):
            for number, account in open_:
                # A number may be another's by the second time.
                if number not in ended:
                    ended.add(number)
                    self._try(self._named(account), recipes.kill(number), well=NO_SUCH_SESSION)
            if time.monotonic() > deadline:
                for _, account in open_:
                    self._done.setdefault(
                        self._named(account),
                        EngineTemporary("a session of the account is still undoing its work"),
                    )
                return
            time.sleep(_LOOK_S)

    def _named(self, found: str) -> str:
        """The account as we write it, of a server that may ignore case."""
        return next((name for name in self._accounts if name.lower() == found.lower()), found)

    def _own_statements(self) -> None:
        for name in self._left():
            if commands := recipes.revocation(self._accounts[name].role, name):
                for command in commands:
                    self._try(name, command, well=frozenset({GONE_OR_DENIED}), keep=_disabled)
                self._session.go_home()

    def _drop_users(self) -> None:
        reachable = self._databases()
        for name in self._left():
            for database in self._named_by(name):
                if trouble := self._trouble(database, reachable):
                    self._done[name] = _residue(trouble)
        users = self._users(reachable)
        for database, some in groupby(sorted(users, key=_by_database), _by_database):
            found = [user for user in some if user.account not in self._done]
            heirs = {user.account for user in found if self._heir(user)}
            plain = [user for user in found if user.account not in heirs]
            self._together(plain, partial(self._drop_of, database), lambda user: user.account)
            for user in found:
                if user.account in heirs:
                    self._reassign_and_drop(user)

    def _databases(self) -> list[str]:
        if self._contained:
            return [self._session.server.database]
        return [str(name) for (name,) in self._session.execute(_DATABASES)]

    def _named_by(self, name: str) -> Sequence[str]:
        """The databases in which the role has put users."""
        role = self._accounts[name].role
        if self._contained or "member_of" not in role:
            return []
        return recipes.databases_of(role, self._session.server.database)

    def _trouble(self, database: str, reachable: Iterable[str]) -> str:
        """Why users of a database that is there cannot be said to be gone; nothing if they can."""
        if database not in self._troubles:
            self._troubles[database] = self._look_for_trouble(database, reachable)
        return self._troubles[database]

    def _look_for_trouble(self, database: str, reachable: Iterable[str]) -> str:
        if database.lower() not in {name.lower() for name in reachable}:
            stands = self._session.execute(recipes.known(database))
            return f"database {database} cannot be entered" if stands else ""
        if not self._session.may("ALTER ANY USER", on=database):
            return f"users of database {database} cannot be seen"
        return ""

    def _users(self, databases: Sequence[str]) -> list[User]:
        if self._contained:
            [database] = databases
            return [User(database=database, name=it, account=it) for it in self._standing()]
        found = []
        for names, some in product(_parts(self._left(), NAMES), _parts(databases, DATABASES)):
            for database, name, login in self._session.execute(recipes.users(names, some)):
                known = [self._named(it) for it in (login, name) if it is not None]
                account = next(it for it in known if it in self._accounts)
                found.append(User(database=database, name=name, account=account))
        return found

    def _drop_of(self, database: str, users: Sequence[User]) -> str:
        return self._in(database, recipes.drop_users(users))

    def _heir(self, user: User) -> str | None:
        heir: str | None = self._accounts[user.account].role.get("reassign_owned_to")
        return heir

    def _reassign_and_drop(self, user: User) -> None:
        heir = self._heir(user)
        assert heir is not None  # noqa: S101 (asked for by the caller)
        try:
            rows = self._session.execute(self._in(user.database, recipes.owned(user.name)))
            for kind, schema, name in rows:
                given = recipes.reassign(kind, schema, name, heir)
                self._session.execute(self._in(user.database, given))
            self._session.execute(self._in(user.database, recipes.drop_users([user])))
        except SqlError as error:
            self._done[user.account] = _disabled(error)

    def _in(self, database: str, inner: str) -> str:
        return inner if self._contained else recipes.inside(database, inner)

    def _drop_logins(self) -> None:
        standing = self._standing()
        self._together(standing, recipes.drop_logins, str)
        # The server does not say whether a login is gone or hidden; somebody may have been faster.
        unknown = _residue(describe(GONE_OR_DENIED))
        refused = [name for name in standing if self._done.get(name) == unknown]
        for name in set(refused).difference(self._of_these(refused)):
            self._done[name] = REMOVED

    def _together(
        self,
        items: Sequence[T],
        statement: Callable[[Sequence[T]], str],
        account: Callable[[T], str],
    ) -> None:
        """Do it for many in one batch; of a batch that is refused each by itself."""
        for some in _parts(items, AT_ONCE):
            try:
                self._session.execute(statement(some))
            except SqlError:
                for item in some:
                    self._try(account(item), statement([item]), keep=_disabled)

    def _try(
        self,
        name: str,
        statement: str,
        *,
        well: frozenset[int] = frozenset(),
        keep: Callable[[SqlError], Removal | EngineError] = translate,
    ) -> None:
        """Run a statement for one account, and note why the server refused it."""
        try:
            self._session.execute(statement)
        except SqlError as error:
            if error.number not in well:
                self._done[name] = keep(error)


def _parts(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def _by_database(user: User) -> str:
    return user.database


def _disabled(error: SqlError) -> Removal:
    return _residue(describe(error.number))


def _residue(words: str) -> Removal:
    return Removal(stage=Stage.DISABLED, residue=words)
