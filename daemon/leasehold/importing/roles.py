"""Roles of the database engine as roles of a policy. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from leasehold.bundle import EngineType
from leasehold.importing.snapshot import Fields, texts

STATEMENTS = (
    "creation_statements",
    "revocation_statements",
    "renew_statements",
    "rollback_statements",
)
_PASSWORD = "password"  # noqa: S105 (a type's name)
_GRANT = re.compile(
    r"""\b(GRANT\b[^;'$]*?\bTO)\s+(?:"\{\{\s*(?:user)?name\s*\}\}"|\{\{\s*(?:user)?name\s*\}\})""",
    re.IGNORECASE,
)
_MEMBERSHIP = re.compile(r'GRANT\s+"?(\w+)"?\s+TO', re.IGNORECASE)


class NotTaken(Exception):
    """The role has no equal; the message says why, and what to do."""


def role_options(
    fields: Fields, connection: Fields, kind: EngineType, policies: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """What makes and removes accounts, and comments. Raises NotTaken.

    `policies` has our name for each password policy that could be taken over.
    """
    made = str(fields.get("credential_type") or _PASSWORD)
    if made != _PASSWORD:
        raise NotTaken(f"credential_type {made}: accounts have passwords here")
    known = kind.schema["$defs"]["role"].get("properties", {})
    options: dict[str, Any] = {}
    comments = []
    for key in STATEMENTS:
        if (found := [text for text in texts(fields.get(key)) if text.strip()]) and key in known:
            options[key] = found
        elif found:
            comments.append(f"The source has {key} too, which {kind.name} has not.")
    config = fields.get("credential_config")
    named = config.get("password_policy") if isinstance(config, Mapping) else None
    policy = named or connection.get("password_policy")
    if isinstance(policy, str) and policy:
        if policy in policies:
            options["password_policy"] = policies[policy]
        else:
            comments.append(f"The password policy {policy} could not be taken over.")
    return options, comments


def rights(statements: Sequence[str]) -> tuple[list[str], list[str]]:
    """What each account got by GRANT: roles that it became a member of, and all other GRANTs.

    The latter end before the account's name, so that a group's can follow. Both are hints for
    people: what stands in quotes or in functions is not looked into.
    """
    found = [grant for text in statements for grant in _GRANT.findall(text)]
    groups = [group[1] for grant in found if (group := _MEMBERSHIP.fullmatch(grant))]
    others = [" ".join(grant.split()) for grant in found if not _MEMBERSHIP.fullmatch(grant)]
    return groups, others
