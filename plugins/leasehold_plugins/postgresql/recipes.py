"""The statements of a role's life: what makes an account, moves its expiry, takes its rights away.

Issuing, renewing, revoking and rehearsing run the same ones. Pure.
"""

import re
from collections.abc import Mapping
from typing import Any

from leasehold.plugin.statements import EXPIRIES, NAMES, BadStatement
from leasehold_plugins.postgresql import statements

AWS_ACCOUNT_GROUP = "rds_iam"
"""Members of it log in by token only (Amazon RDS user guide, \"IAM database authentication\")."""

_NOTHING: Mapping[str, str] = dict.fromkeys(statements.KNOWN, "")

_MAY_GRANT = re.compile(r"\s*(?:grant|alter\s+default\s+privileges|do)\b", re.IGNORECASE)
_GRANT_ON = re.compile(
    r"\bgrant\b(?!\s+option)[^;]*?\bon\s+(?:all\s+)?(?P<kind>\w*)", re.IGNORECASE
)
_LONG_LISTS = re.compile(
    r"(?:database|schema|function|procedure|routine|language|type|domain|tablespace|foreign"
    r"|parameter)s?",
    re.IGNORECASE,
)
"""What has its rights in a catalogue with TOAST, which tables and large objects have not."""


def creation(role: Mapping[str, Any], name: str, secret: str, expiry: str) -> list[str]:
    """What makes the account `name`, `secret` being the verifier of its password."""
    if custom := role.get("creation_statements"):
        return statements.render(custom, _values(name, expiry, secret))
    groups = ", ".join(map(statements.identifier, groups_of(role)))
    password = "" if by_token(role) else f" PASSWORD {statements.literal(secret)}"
    return [
        f"CREATE ROLE {statements.identifier(name)} LOGIN{password}"
        f" VALID UNTIL {statements.literal(expiry)} IN ROLE {groups}"
    ]


def by_token(role: Mapping[str, Any]) -> bool:
    """Whether accounts of the role log in with a token of AWS, and have no password."""
    return role.get("login") == "rds_iam"


def groups_of(role: Mapping[str, Any]) -> list[str]:
    """The group roles that an account becomes a member of."""
    groups: list[str] = list(role.get("member_of", ()))
    return [*groups, AWS_ACCOUNT_GROUP] if by_token(role) else groups


def rollback(role: Mapping[str, Any], name: str, secret: str, expiry: str) -> list[str]:
    """What cleans up after a creation that failed; empty when the role says nothing."""
    return statements.render(role.get("rollback_statements", []), _values(name, expiry, secret))


def renewal(role: Mapping[str, Any], name: str, expiry: str) -> list[str]:
    """What moves the account's expiry; there is no password any more."""
    if custom := role.get("renew_statements"):
        return statements.render(custom, _values(name, expiry))
    until = statements.literal(expiry)
    return [f"ALTER ROLE {statements.identifier(name)} VALID UNTIL {until}"]


def revocation(role: Mapping[str, Any], name: str) -> list[str]:
    """What takes away all that keeps the account from being dropped.

    The role's own statements run once; those of ours in each database where it is anything.
    """
    if custom := role.get("revocation_statements"):
        return statements.render(custom, _values(name))
    commands = [f"DROP OWNED BY {statements.identifier(name)}"]
    if heir := role.get("reassign_owned_to"):
        ours, theirs = statements.identifier(name), statements.identifier(heir)
        commands.insert(0, f"REASSIGN OWNED BY {ours} TO {theirs}")
    return commands


def _values(name: str, expiry: str = "", secret: str = "") -> Mapping[str, str]:
    return {
        **_NOTHING,
        **dict.fromkeys(NAMES, name),
        **dict.fromkeys(EXPIRIES, expiry),
        **dict.fromkeys(statements.PASSWORDS, secret),
    }


def grants_on_tables(role: Mapping[str, Any]) -> bool:
    """Whether each account is granted something on a table by name (see `ceilings`)."""
    return any(not _LONG_LISTS.fullmatch(kind) for kind in _granted_on(role))


def grants_on_others(role: Mapping[str, Any]) -> bool:
    """Whether each account is granted something on what is no table: a database, a schema."""
    return any(_LONG_LISTS.fullmatch(kind) for kind in _granted_on(role))


def _granted_on(role: Mapping[str, Any]) -> list[str]:
    """The word behind ON of each GRANT to an account; of tables it may be a name, or empty."""
    try:
        made = statements.render(role.get("creation_statements", []), statements.EXAMPLE)
    except BadStatement:
        return []
    granting = [text for text in made if _MAY_GRANT.match(text)]
    return [found["kind"] for text in granting for found in _GRANT_ON.finditer(text)]
