"""Taking accounts away: login off, sessions ended, objects looked after, account dropped.

Each stage can be repeated, and each is few statements for many accounts. An account that is gone
counts as removed, since the connection was checked to lead to the server that it was made at;
whether it is gone is read, not guessed from an error. A name may stand for several hosts, since a
role's own statements choose them: all go. DROP USER ends no session, so they are ended before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pymysql

from leasehold.plugin import (
    Account,
    EngineError,
    EnginePermanent,
    ErrorClass,
    Removal,
    Stage,
    TargetChanged,
    failpoint,
    removed,
)
from leasehold_plugins.mysql import definers, recipes
from leasehold_plugins.mysql.errors import (
    DEFINER_IN_USE,
    GONE_ALREADY,
    NO_SUCH_THREAD,
    describe,
    is_lost,
    number_of,
    translate,
)
from leasehold_plugins.mysql.recipes import Login
from leasehold_plugins.mysql.session import Session
from leasehold_plugins.mysql.statements import literal

AT_ONCE = 50
"""How many one DROP USER takes: it holds up every login meanwhile, some milliseconds an account
where 10,000 stand."""
Logins = Mapping[str, Sequence[Login]]
"""What stands under each name."""
Trouble = dict[str, EngineError]
"""Why the account of a name was not disabled."""


def remove(session: Session, accounts: Sequence[Account]) -> list[Removal | EngineError]:
    """One result an account, in order. Raises EngineError when nothing could be done at all."""
    session.end_given_up()
    names = [account.name for account in accounts if account.target == session.target]
    standing = look(session, names)
    raised = _raised(session, standing)
    trouble = _lock(session, standing)
    failpoint("mysql.revoke.locked")
    ended = _end_sessions(session, names, trouble)
    failpoint("mysql.revoke.disabled")
    objects = definers.look(session, _careful(accounts, standing))
    plain = [
        login
        for account in accounts
        if not account.role.get("revocation_statements") and account.name not in trouble
        for login in standing.get(account.name, ())
        if login not in objects
    ]
    dropped = _drop_together(session, plain)
    failpoint("mysql.revoke.dropped")
    results: list[Removal | EngineError] = []
    for account in accounts:
        logins = standing.get(account.name, ())
        if account.target != session.target:
            results.append(
                TargetChanged("the connection leads to another MySQL than the account was made at")
            )
        elif account.name in trouble:
            results.append(trouble[account.name])
        elif dropped.issuperset(logins):
            results.append(
                removed(
                    was_there=bool(logins),
                    sessions=ended[account.name],
                    raised=account.name in raised and "member_of" in account.role,
                )
            )
        else:
            results.append(_one(session, account, logins, objects, ended[account.name]))
    return results


def look(session: Session, names: Sequence[str]) -> Logins:
    """The accounts that stand under these names."""
    standing: defaultdict[str, list[Login]] = defaultdict(list)
    if names:
        listed = ", ".join(map(literal, names))
        query = f"SELECT user, host FROM mysql.user WHERE user IN ({listed})"  # noqa: S608 (quoted)
        for name, host in session.execute(query):
            standing[name].append((name, host))
    return standing


def _careful(accounts: Iterable[Account], standing: Logins) -> list[Login]:
    return [
        login
        for account in accounts
        if account.role.get("definer_objects") != definers.LEAVE
        for login in standing.get(account.name, ())
    ]


def _lock(session: Session, standing: Logins) -> Trouble:
    logins = [login for group in standing.values() for login in group]
    if not logins or _done(session, recipes.lock(logins)) is None:
        return {}
    # One of them was refused, and so perhaps all: each by itself, that none holds up the others.
    tried = {name: _done(session, recipes.lock(group)) for name, group in standing.items()}
    return {name: error for name, error in tried.items() if error is not None}


def _raised(session: Session, standing: Logins) -> frozenset[str]:
    """Who has rights over the whole server, which no `member_of` gives; MariaDB shows that."""
    if not standing or not session.server.is_mariadb:
        return frozenset()
    listed = ", ".join(map(literal, standing))
    query = (
        f"SELECT user FROM mysql.user WHERE user IN ({listed})"  # noqa: S608 (quoted)
        " AND 'Y' IN (super_priv, grant_priv, create_user_priv, select_priv)"
    )
    return frozenset(name for (name,) in session.execute(query))


def _end_sessions(session: Session, names: Iterable[str], trouble: Trouble) -> Counter[str]:
    """End what these accounts have open; also of those that somebody dropped before us.

    Returns how many of each were ended, and adds to `trouble` why one could not be.
    """
    if not session.sees_sessions:
        raise EnginePermanent(
            "sessions of accounts cannot be seen, so the accounts stay locked; the administrator"
            " lacks PROCESS",
            error_class=ErrorClass.DENIED,
        )
    ours, ended = frozenset(names), Counter[str]()
    for number, user, *_ in session.execute("SHOW PROCESSLIST"):
        if user not in ours:
            continue
        if error := _done(session, f"KILL {number}", but=NO_SUCH_THREAD):
            trouble[user] = error
        else:
            ended[user] += 1
    return ended


def _done(session: Session, statement: str, but: int = 0) -> EngineError | None:
    """Run a statement, and return why the server refused it, `but` this number being well."""
    try:
        session.execute(statement)
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        return None if number_of(error) == but else translate(error)
    return None


def _drop_together(session: Session, logins: Sequence[Login]) -> frozenset[Login]:
    """Drop accounts on which nothing hangs; of a statement that is refused none counts as gone."""
    dropped: set[Login] = set()
    for at in range(0, len(logins), AT_ONCE):
        some = logins[at : at + AT_ONCE]
        if _done(session, recipes.drop(some)) is None:
            dropped.update(some)
    return frozenset(dropped)


def _one(
    session: Session,
    account: Account,
    logins: Sequence[Login],
    objects: Mapping[Login, Sequence[definers.Object]],
    ended: int,
) -> Removal | EngineError:
    if not session.is_open():
        return EnginePermanent("the batch was cut short", error_class=ErrorClass.TRANSIENT)
    try:
        return _by_itself(session, account, logins, objects, ended)
    except pymysql.MySQLError as error:
        number = number_of(error)
        if is_lost(error):
            return translate(error)
        if number == DEFINER_IN_USE:
            return _disabled("objects name the account as their DEFINER (4006)")
        return _disabled(describe(number))
    except EngineError as error:
        return error


def _by_itself(
    session: Session,
    account: Account,
    logins: Sequence[Login],
    objects: Mapping[Login, Sequence[definers.Object]],
    ended: int,
) -> Removal:
    for command in recipes.revocation(account.role, account.name):
        try:
            session.execute(command)
        except pymysql.MySQLError as error:
            if number_of(error) not in GONE_ALREADY:
                raise
    owned = ""
    if heir := account.role.get("reassign_definer_to"):
        if any(objects.get(login) for login in logins):
            owned = f"what named it as DEFINER went to {heir}"
        for login in logins:
            found = objects.get(login, ())
            definers.reassign(session, found, login, definers.read_login(heir))
    left = definers.look(session, _careful([account], {account.name: logins}))
    if count := sum(map(len, left.values())):
        return _disabled(f"{count} objects name the account as their DEFINER")
    session.execute(recipes.drop(logins))
    return removed(sessions=ended, owned=owned)


def _disabled(residue: str) -> Removal:
    return Removal(stage=Stage.DISABLED, residue=residue)
