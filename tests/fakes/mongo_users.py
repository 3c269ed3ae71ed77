"""Users and roles as a MongoDB deployment keeps them, and who may do what to them.

Commands, fields, numbers of errors and rights are those of MongoDB 7.0, as its manual and its
sources say. It is a fake: what it takes, a mongod may still refuse.
"""

import contextlib
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from bson import Binary
from bson.regex import Regex

from fakes.mongo_scram import Verifier, verifier

User = tuple[str, str]
EVERYWHERE = {"db": "", "collection": ""}
CLUSTER = {"cluster": True}
BUILT_IN = ("read", "readWrite", "dbOwner", "userAdmin")
ROOT = [
    {"resource": EVERYWHERE, "actions": ["createUser", "dropUser", "changeCustomData", "find"]},
    {"resource": EVERYWHERE, "actions": ["changePassword"]},
    {"resource": EVERYWHERE, "actions": ["grantRole", "viewRole", "viewUser", "createRole"]},
    {"resource": CLUSTER, "actions": ["viewUser", "killAnySession", "serverStatus"]},
    {"resource": CLUSTER, "actions": ["invalidateUserCache"]},
]


class Refusal(Exception):
    """An error by its number."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class Users:
    """What all members of a deployment share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users: dict[User, dict[str, Any]] = {}
        self.verifiers: dict[User, Verifier] = {}
        self.roles: dict[tuple[str, str], list[dict[str, Any]]] = {("root", "admin"): ROOT}
        self.longest = 16_000_000

    def has_role(self, role: str, db: str) -> bool:
        return (role, db) in self.roles or role in BUILT_IN

    def privileges(self, user: User | None) -> Iterator[Mapping[str, Any]]:
        for role in self.users.get(user, {}).get("roles", []) if user else []:
            found = self.roles.get((role["role"], role["db"]), [])
            read = {"resource": {"db": role["db"], "collection": ""}, "actions": ["find"]}
            yield from (*found, *([read] if role["role"] in ("read", "readWrite") else []))

    def require(self, user: User | None, action: str, db: str | None) -> None:
        """Raise what a server says to those without the right."""
        for privilege in self.privileges(user):
            on = privilege["resource"]
            fits = on.get("cluster") if db is None else on.get("db") in ("", db)
            if action in privilege["actions"] and fits:
                return
        raise Refusal(13, f"not authorized on {db or 'admin'} to {action}")

    def create(self, me: User | None, db: str, command: Mapping[str, Any]) -> None:
        self.require(me, "createUser", db)
        name, roles = command["createUser"], self._roles(me, db, command["roles"])
        if db in ("local", "config"):
            raise Refusal(2, f"Cannot create users in the {db} database")
        if db == "$external":
            if "pwd" in command or "mechanisms" in command:
                raise Refusal(2, "Cannot set the password for users defined on '$external'")
        elif not isinstance(command.get("pwd"), str) or not command["pwd"]:
            raise Refusal(2, "Must provide a 'pwd' field for all user documents")
        with self.lock:
            if (name, db) in self.users:
                raise Refusal(51003, f'User "{name}@{db}" already exists')
            if "pwd" in command:
                assert command["mechanisms"] == ["SCRAM-SHA-256"]
            self.add(name, command.get("pwd"), roles, db, command.get("customData"))

    def add(
        self,
        name: str,
        password: str | None,
        roles: list[dict[str, str]],
        db: str = "admin",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        with self.lock:
            self.users[name, db] = {
                "_id": f"{db}.{name}",
                "userId": Binary.from_uuid(uuid.uuid4()),
                "user": name,
                "db": db,
                "roles": roles,
                **({"customData": data} if data is not None else {}),
            }
            if password is not None:
                self.users[name, db]["mechanisms"] = ["SCRAM-SHA-256"]
                self.verifiers[name, db] = verifier(password)

    def _roles(self, me: User | None, home: str, given: list[Any]) -> list[dict[str, str]]:
        found = []
        for role in given:
            pair = {"role": role, "db": home} if isinstance(role, str) else role
            self.require(me, "grantRole", pair["db"])
            if not self.has_role(pair["role"], pair["db"]):
                raise Refusal(31, f"No role named {pair['role']}@{pair['db']}")
            found.append(pair)
        return found

    def update(self, me: User | None, db: str, command: Mapping[str, Any]) -> None:
        if "customData" in command:
            self.require(me, "changeCustomData", db)
        if "pwd" in command:
            self._require_change(me, (command["updateUser"], db))
        with self.lock:
            user = self.users.get((command["updateUser"], db))
            if user is None:
                raise Refusal(11, f"User {command['updateUser']}@{db} not found")
            if "customData" in command:
                user["customData"] = command["customData"]
            if "pwd" in command:
                user["mechanisms"] = command.get("mechanisms", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
                self.verifiers[command["updateUser"], db] = verifier(command["pwd"])

    def _require_change(self, me: User | None, user: User) -> None:
        """The right to one's own password, or to those of a database."""
        if me == user:
            with contextlib.suppress(Refusal):
                return self.require(me, "changeOwnPassword", user[1])
        return self.require(me, "changePassword", user[1])

    def drop(self, me: User | None, db: str, command: Mapping[str, Any]) -> None:
        self.require(me, "dropUser", db)
        with self.lock:
            if self.users.pop((command["dropUser"], db), None) is None:
                raise Refusal(11, f"User '{command['dropUser']}@{db}' not found")
            self.verifiers.pop((command["dropUser"], db), None)

    def info(self, me: User | None, db: str, command: Mapping[str, Any]) -> dict[str, Any]:
        about = command["usersInfo"]
        with self.lock:
            users = list(self.users.values())
        if isinstance(about, dict) and about.get("forAllDBs"):
            self.require(me, "viewUser", None)
        elif about == 1:
            self.require(me, "viewUser", db)
            users = [user for user in users if user["db"] == db]
        else:
            if (about["user"], about["db"]) != me:
                self.require(me, "viewUser", about["db"])
            users = [it for it in users if (it["user"], it["db"]) == (about["user"], about["db"])]
        found = [user for user in users if matches(user, command.get("filter", {}))]
        if 300 * len(found) > self.longest:
            raise Refusal(10334, "BSONObj size is invalid")
        return {"users": found}


def matches(user: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a user fits the filter, which may say what the engine and its second line say."""
    return all(_fits(_value(user, key), rule) for key, rule in wanted.items())


def _value(user: Mapping[str, Any], path: str) -> Any:
    found: Any = user
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _fits(value: Any, rule: Mapping[str, Any]) -> bool:
    [(operator, wanted)] = rule.items()
    match operator:
        case "$in":
            return any(
                re.search(it.pattern, value) if isinstance(it, Regex) else it == value
                for it in wanted
            )
        case "$regex":
            return re.search(wanted, value) is not None
        case "$not":
            return not _fits(value, wanted)
        case "$lt":
            return value is not None and value < wanted
    raise Refusal(2, f"unknown operator: {operator}")
