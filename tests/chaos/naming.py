"""What bears hostile names at a server, around the accounts of some leases: put there, and counted.

Each account is a member of a group, has an heir, and owns or defines things, all of them so named;
some accounts are given such a name too. Statements are quoted by the drivers or by hand, by no code
of leasehold.
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from psycopg import sql

from chaos.torture import names
from servers.mysql import PrivateMariadb
from servers.postgres import PostgresServer

DATABASE_EVERY = 10
"""A database takes long to make, so one account in so many has one."""
RENAMED_EVERY = 3


LONGEST_FILE = 250
_UNREADABLE = re.compile(r"ERROR: +(syntax error|unterminated)")


class Named(Protocol):
    """Hostile names at one server, `count` of each kind."""

    def recipes(self) -> Sequence[Mapping[str, Any]]:
        """Put groups and heirs there, and say the recipe of each account."""

    def entangle(self, number: int, account: str) -> None:
        """Let an account have what is named so."""

    def unsettled(self, number: int) -> Iterator[str]:
        """What is not as it should be when the account is gone."""

    def clear(self) -> None:
        """Take away what was put there."""

    def everything(self) -> Mapping[str, Sequence[object]]:
        """Whatever a statement that was pasted could have changed."""


class PostgresNamed:
    """Groups, heirs, accounts, schemas, tables, databases of a PostgreSQL."""

    def __init__(self, server: PostgresServer, dice: random.Random, count: int) -> None:
        self._server = server
        # Groups, heirs and accounts share one space of names, so they differ by their mark.
        self._groups, self._heirs, self._renamed = (
            list(islice(names(dice, _is_role, longest=63, mark=mark), count)) for mark in "ghr"
        )
        self._schemas, self._tables = (
            list(islice(names(dice, _is_role, longest=63, wide=True), count)) for _ in range(2)
        )
        self._databases: dict[int, str] = {}

    def recipes(self) -> Sequence[Mapping[str, Any]]:
        self._run("CREATE TABLE public.canary ()", "CREATE ROLE canary")
        made = [sql.SQL("CREATE ROLE {}").format(sql.Identifier(it)) for it in self._both()]
        self._run(*made)
        return [
            {"member_of": [group], "reassign_owned_to": heir}
            if number % 2
            else {"member_of": [group]}
            for number, (group, heir) in enumerate(zip(self._groups, self._heirs, strict=True))
        ]

    def entangle(self, number: int, account: str) -> None:
        who, schema = sql.Identifier(account), sql.Identifier(self._schemas[number])
        table = sql.Identifier(self._schemas[number], self._tables[number])
        self._run(
            sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(schema, who),
            sql.SQL("CREATE TABLE {} ()").format(table),
            sql.SQL("ALTER TABLE {} OWNER TO {}").format(table, who),
            sql.SQL("GRANT SELECT ON public.canary TO {}").format(who),
        )
        if number % (2 * DATABASE_EVERY) == 1:  # one with an heir, since DROP OWNED leaves it
            self._databases[number] = database = f"db {self._tables[number]}"[:20]
            made = "CREATE DATABASE {} TEMPLATE template0 OWNER {}"
            self._run(sql.SQL(made).format(sql.Identifier(database), who))
            theirs = sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(schema, who)
            self._run(theirs, database=database)
        if number % RENAMED_EVERY == 0:
            to = sql.Identifier(self._renamed[number])
            self._run(sql.SQL("ALTER ROLE {} RENAME TO {}").format(who, to))

    def unsettled(self, number: int) -> Iterator[str]:
        query = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s"
        with self._server.connect() as conn:
            found = conn.execute(query, (self._schemas[number],)).fetchall()
        wanted = [(self._heirs[number],)] if number % 2 else []
        if found != wanted:
            yield f"schema {self._schemas[number]!r} belongs to {found}, and not to {wanted}"

    def clear(self) -> None:
        databases = map(sql.Identifier, self._databases.values())
        self._run(*(sql.SQL("DROP DATABASE {}").format(it) for it in databases))
        schemas = map(sql.Identifier, self._schemas)
        self._run(*(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(it) for it in schemas))
        roles = map(sql.Identifier, self._both())
        self._run(*(sql.SQL("DROP ROLE {}").format(it) for it in roles))
        self._run("DROP TABLE public.canary", "DROP ROLE canary")

    def everything(self) -> Mapping[str, Sequence[object]]:
        return {
            "roles": self._server.execute(
                "SELECT rolname, rolsuper, rolcreaterole FROM pg_roles"
                " WHERE rolname !~ '^lh' ORDER BY 1"
            ),
            "schemas": self._server.execute("SELECT nspname FROM pg_namespace ORDER BY 1"),
            "tables": self._server.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " ORDER BY 1"
            ),
            "databases": self._server.execute("SELECT datname FROM pg_database ORDER BY 1"),
            "refusals": [
                line for line in self._server.log().splitlines() if _UNREADABLE.search(line)
            ],
        }

    def _both(self) -> Iterable[str]:
        return (*self._groups, *self._heirs)

    def _run(self, *statements: sql.Composed | str, database: str = "app") -> None:
        with self._server.connect(database) as conn:
            for statement in statements:
                conn.execute(statement)  # type: ignore[call-overload]


class MysqlNamed:
    """Roles, heirs, schemas, tables, views and events of a MariaDB."""

    def __init__(self, server: PrivateMariadb, dice: random.Random, count: int) -> None:
        self._server = server
        self._groups = list(islice(names(dice, _is_user, longest=80, mark="g"), count))
        self._heirs = list(islice(names(dice, _is_heir, longest=60, mark="h"), count))
        self._schemas, self._tables, self._views, self._events = (
            list(islice(names(dice, _is_schema, longest=60, mark=mark), count))
            for mark in ("", "", "v", "")
        )

    def recipes(self) -> Sequence[Mapping[str, Any]]:
        self._run("CREATE TABLE app.canary (id int)")
        self._run(*(f"CREATE ROLE {_quoted(it)}" for it in self._groups))
        self._run(*(f"CREATE USER {_quoted(it)}@'%'" for it in self._heirs))
        return [
            {"member_of": [group], "reassign_definer_to": f"{heir}@%"}
            for group, heir in zip(self._groups, self._heirs, strict=True)
        ]

    def entangle(self, number: int, account: str) -> None:
        schema = _quoted(self._schemas[number])
        table = f"{schema}.{_quoted(self._tables[number])}"
        column, who = _quoted(self._events[number]), f"{_quoted(account)}@'%'"
        self._run(
            f"CREATE DATABASE {schema}",
            f"CREATE TABLE {table} ({column} int)",
            f"CREATE DEFINER = {who} VIEW {schema}.{_quoted(self._views[number])}"
            f" AS SELECT {column} FROM {table}",
            f"CREATE DEFINER = {who} EVENT {schema}.{_quoted(self._events[number])}"
            f" ON SCHEDULE EVERY 1 YEAR COMMENT {self._text(self._views[number])} DO SELECT 1",
            f"GRANT SELECT ON {schema}.* TO {who}",
        )

    def unsettled(self, number: int) -> Iterator[str]:
        schema = self._text(self._schemas[number])
        wanted = f"{self._heirs[number]}@%"
        for kind, name in (("view", self._views[number]), ("event", self._events[number])):
            found = self._server.execute(
                f"SELECT definer FROM information_schema.{kind}s"
                f" WHERE {'table' if kind == 'view' else kind}_schema = {schema}"
            )
            if [definer for (definer,) in found] != [wanted]:
                yield f"{kind} {name!r} is defined by {found}, and not by {wanted!r}"

    def clear(self) -> None:
        self._run(*(f"DROP DATABASE IF EXISTS {_quoted(it)}" for it in self._schemas))
        self._run(*(f"DROP ROLE {_quoted(it)}" for it in self._groups))
        self._run(*(f"DROP USER {_quoted(it)}@'%'" for it in self._heirs))
        self._run("DROP TABLE app.canary")

    def everything(self) -> Mapping[str, Sequence[object]]:
        query = (
            "SELECT user, host, priv FROM mysql.global_priv WHERE user NOT LIKE 'lh%' ORDER BY 1, 2"
        )
        return {
            "users": self._server.execute(query),
            "schemas": self._server.execute("SHOW DATABASES"),
            "tables": self._server.execute("SHOW TABLES FROM app"),
        }

    def _text(self, text: str) -> str:
        with self._server.connect() as conn:
            return str(conn.escape(text))

    def _run(self, *statements: str) -> None:
        self._server.execute(*statements)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _is_role(name: str) -> bool:
    return name not in ("public", "none") and not name.startswith(("pg_", "lh"))


def _is_user(name: str) -> bool:
    return name.lower() not in ("public", "none", "current_user", "current_role")


def _is_heir(name: str) -> bool:
    """As `reassign_definer_to` takes them."""
    return _is_user(name) and not any(each in "'\"`\\" or each.isspace() for each in name)


def _is_schema(name: str) -> bool:
    """Its files bear the name, with `@` and four digits for most characters."""
    in_files = sum(1 if each.isascii() and each.isalnum() else 5 for each in name)
    return name.lower() not in ("app", "mysql", "other", "sys") and in_files < LONGEST_FILE
