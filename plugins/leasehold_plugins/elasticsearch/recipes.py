"""Roles as what they make: a user with roles by name, one with a role of its own, or an API key.

Placeholders are filled in the parsed text, value by value, so a name can end no string and begin no
key. A query for document-level security is JSON in a text; there it is filled as JSON wants. Pure.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NAMES = ("name", "username")
EXAMPLE = "lhabcd_abcdefghijklmnop_abcd"
_ANOTHER = "lhabcd_ponmlkjihgfedcba_abcd"
_KNOWN = (*NAMES, "expiration")
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_VAULT_ROLES = "elasticsearch_roles"
_VAULT_DEFINITION = "elasticsearch_role_definition"
_OPTIONS = ("roles", "role_descriptors", "creation_statements")
_ADMINISTRATORS = ("superuser", "all_access", "security_manager", "security_rest_api_full_access")
_MAKES_ACCOUNTS = ("all", "manage_security", "manage_service_account")


class BadRecipe(Exception):
    """What is wrong with an option; the text begins with its name."""


@dataclass(frozen=True, slots=True)
class User:
    """A user with these roles; with `definition` also with a role of its own name."""

    roles: tuple[str, ...] = ()
    definition: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key with the rights of `descriptors`, as far as its maker has them."""

    descriptors: Mapping[str, Any] = field(default_factory=dict)


def recipe(role: Mapping[str, Any], name: str, expiry: str = "") -> User | ApiKey:
    """What a role makes for the account `name`. Raises BadRecipe."""
    if descriptors := role.get("role_descriptors"):
        return ApiKey(_filled("role_descriptors", descriptors, name, expiry))
    if roles := role.get("roles"):
        return User(tuple(_filled("roles", roles, name, expiry)))
    found = _vault(role.get("creation_statements", ""))
    if _VAULT_ROLES in found:
        roles = _filled("creation_statements", found[_VAULT_ROLES], name, expiry)
        return User(tuple(roles))
    made = _filled("creation_statements", found[_VAULT_DEFINITION], name, expiry)
    return User((name,), made)


def makes_keys(role: Mapping[str, Any]) -> bool:
    """Whether accounts of the role are API keys."""
    return bool(role.get("role_descriptors"))


def makes_users(role: Mapping[str, Any]) -> bool:
    """Whether accounts of the role are users."""
    return bool(role.get("roles") or role.get("creation_statements"))


def has_own_roles(role: Mapping[str, Any]) -> bool:
    """Whether each account of the role has a role of its own; also if that cannot be told."""
    if not makes_users(role):
        return not makes_keys(role)
    made = recipe(role, EXAMPLE)
    return isinstance(made, User) and made.definition is not None


def faults(role: Mapping[str, Any]) -> list[str]:
    """What is wrong with a role, one line each, as `Engine.faults` tells it."""
    given = [option for option in _OPTIONS if role.get(option)]
    if len(given) != 1:
        found = " and ".join(given) or "none of its recipes"
        return [f"has {found}; write one of {', '.join(_OPTIONS)}"]
    try:
        recipe(role, EXAMPLE)
    except BadRecipe as fault:
        return [str(fault)]
    return []


def lint(role: Mapping[str, Any]) -> list[str]:
    """What will hurt, one line each, as `Engine.lint` tells it."""
    try:
        made = recipe(role, EXAMPLE)
    except BadRecipe:
        return []
    [option] = [option for option in _OPTIONS if role.get(option)]
    if isinstance(made, ApiKey):
        held = {one for each in made.descriptors.values() for one in each.get("cluster", ())}
    else:
        held = {*made.roles, *(made.definition or {}).get("cluster", ())}
    found = [
        f"{option}: {one} lets the account make accounts of its own, which outlive its lease; give"
        " it what it needs by name"
        for one in sorted(held.intersection({*_ADMINISTRATORS, *_MAKES_ACCOUNTS}))
    ]
    if _own_role_is_alike(role):
        found.append(
            f"{option}: makes the same role for each account anew; a node of Elasticsearch keeps"
            " 10,000 roles at hand, and OpenSearch writes all of them with every account; make it"
            " once, and use roles"
        )
    return found


def _own_role_is_alike(role: Mapping[str, Any]) -> bool:
    """Whether each account has a role of its own with the same rights as every other one."""
    own = [
        made.definition
        for name in (EXAMPLE, _ANOTHER)
        if isinstance(made := recipe(role, name), User) and made.definition is not None
    ]
    return len(own) == 2 and own[0] == own[1]


def _vault(text: str | Sequence[str]) -> Mapping[str, Any]:
    """Vault's form: a map with one key as JSON, in a text or a list of one. Raises BadRecipe."""
    if not isinstance(text, str):
        if len(text) != 1:
            raise BadRecipe("creation_statements: allowed is one text of JSON; found several")
        [text] = text
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    fits = isinstance(found, dict) and len(found) == 1
    if fits and isinstance(found.get(_VAULT_DEFINITION), dict):
        return dict(found)
    roles = found.get(_VAULT_ROLES) if fits else None
    if not isinstance(roles, list) or not roles or not all(isinstance(it, str) for it in roles):
        raise BadRecipe(
            f'creation_statements: allowed is {{"{_VAULT_ROLES}": ["…"]}} or'
            f' {{"{_VAULT_DEFINITION}": {{…}}}}, as JSON'
        )
    return dict(found)


def _filled(option: str, value: Any, name: str, expiry: str, *, json_text: bool = False) -> Any:
    """`value` with the placeholders of all its texts filled; keys stay as they are."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda it: _value(option, it, name, expiry, json_text), value)
    if isinstance(value, Mapping):
        return {
            key: _filled(option, part, name, expiry, json_text=key == "query")
            for key, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_filled(option, part, name, expiry) for part in value]
    return value


def _value(option: str, found: re.Match[str], name: str, expiry: str, json_text: bool) -> str:
    if found[1] not in _KNOWN:
        allowed = ", ".join(f"{{{{{known}}}}}" for known in _KNOWN)
        raise BadRecipe(
            f"{option}: unknown placeholder {found[0]}; allowed are {allowed}, since leasehold sets"
            " the password"
        )
    text = name if found[1] in NAMES else expiry
    return json.dumps(text)[1:-1] if json_text else text


def wanted_roles(roles: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The roles that accounts are given by name, without those that are made with an account."""
    for role in roles:
        made = recipe(role, EXAMPLE)
        if isinstance(made, User) and made.definition is None:
            yield from made.roles
