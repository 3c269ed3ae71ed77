"""Which deployment it is (rule W11): a mark that leasehold leaves there.

MongoDB gives a deployment no identity that every kind of it has. So there is an account that has no
role and whose password nobody knows. The server draws its `userId`, which replicates, survives a
change of administrators, and goes with a backup.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from leasehold_plugins.mongodb.recipes import ADMIN

MARK = "leasehold-target"
LOOK = {"usersInfo": {"user": MARK, "db": ADMIN}}


def creation() -> dict[str, Any]:
    """The command that leaves a mark; the server takes it once."""
    password = secrets.token_urlsafe(48)
    return {"createUser": MARK, "pwd": password, "roles": [], "mechanisms": ["SCRAM-SHA-256"]}


def touch() -> dict[str, Any]:
    """A command that writes and changes nothing; MARK has no custom data of its own."""
    return {"updateUser": MARK, "customData": {}}


def found_in(looked: Mapping[str, Any]) -> str:
    """The identity in the reply to `usersInfo`, empty when the mark is not among the users."""
    for user in looked["users"]:
        if (user["user"], user["db"]) == (MARK, ADMIN):
            return bytes(user["userId"]).hex()
    return ""
