"""A role's options as what an account is to be: where it lives, and which roles it has. Pure.

`roles` say it in YAML; `creation_statements` say the same in Vault's form, a JSON document with
`db` and `roles`. A role without `db` is one of the database in which the account lives.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ADMIN, EXTERNAL = "admin", "$external"
_NO_ACCOUNTS = ("local", "config")
_STRONG = ("userAdmin", "userAdminAnyDatabase", "dbOwner", "restore", "root", "__system")
"""Built-in roles that may make accounts, or give themselves the right to."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """An account to be made in `db`, with `roles` as pairs of role and database."""

    db: str
    roles: Sequence[tuple[str, str]]

    @property
    def by_certificate(self) -> bool:
        """Whether it logs in with a certificate; else with a password."""
        return self.db == EXTERNAL

    def user(self, name: str, subject: str) -> str:
        """The user that the account `name` is; `subject` stands behind its common name."""
        if not self.by_certificate:
            return name
        return f"CN={name},{subject}" if subject else f"CN={name}"


class BadRecipe(ValueError):
    """Options that say no account; the text begins with the option."""


def recipe(role: Mapping[str, Any]) -> Recipe:
    """What the options say. Raises BadRecipe."""
    certificate = role.get("authentication") == "x509"
    given, option = role, "roles"
    if "creation_statements" in role:
        given, option = _document(role["creation_statements"]), "creation_statements"
    home = given.get("db", ADMIN)
    if not isinstance(home, str) or not home or home in (*_NO_ACCOUNTS, EXTERNAL):
        raise BadRecipe(f"{_place(option, 'db')}: accounts live in admin or in a database of yours")
    roles = given.get("roles", [])
    if not isinstance(roles, list):
        raise BadRecipe(f"{option}: roles has to be a list")
    pairs = tuple(_pair(item, home, option) for item in roles)
    return Recipe(EXTERNAL if certificate else home, pairs)


def faults(role: Mapping[str, Any]) -> list[str]:
    """What is wrong with the options, one line each."""
    if ("roles" in role) == ("creation_statements" in role):
        both = "both" if "roles" in role else "neither"
        return [f"has {both} of roles and creation_statements; write one of them"]
    if "creation_statements" in role and "db" in role:
        return ["db: belongs to roles; creation_statements have a db of their own"]
    try:
        recipe(role)
    except BadRecipe as fault:
        return [str(fault)]
    return []


def lint(role: Mapping[str, Any]) -> list[str]:
    """Roles by which an account could make others."""
    option = "creation_statements" if "creation_statements" in role else "roles"
    try:
        pairs = recipe(role).roles
    except BadRecipe:
        return []
    return [
        f"{option}: {name} lets the account make accounts of its own, which outlive its lease"
        for name in dict.fromkeys(name for name, _ in pairs)
        if name in _STRONG
    ]


def _document(text: str | Sequence[str]) -> Mapping[str, Any]:
    texts = [text] if isinstance(text, str) else text
    if len(texts) != 1:
        raise BadRecipe("creation_statements: found several; allowed is one JSON document")
    if "{{" in texts[0]:
        raise BadRecipe(
            "creation_statements: no placeholder is known in it; name and password are set by"
            " leasehold"
        )
    try:
        found = json.loads(texts[0])
    except ValueError:
        found = None
    if not isinstance(found, dict) or "roles" not in found:
        raise BadRecipe(
            'creation_statements: is no JSON document such as {"db": "admin", "roles": [{"role":'
            ' "read", "db": "app"}]}'
        )
    if unknown := sorted(found.keys() - {"db", "roles"}):
        raise BadRecipe(f"creation_statements: has {unknown[0]}; allowed are db and roles")
    return found


def _pair(item: Any, home: str, option: str) -> tuple[str, str]:
    if isinstance(item, str) and item:
        return item, home
    if isinstance(item, dict) and item.keys() <= {"role", "db"} and "role" in item:
        name, db = item["role"], item.get("db", home)
        if isinstance(name, str) and name and isinstance(db, str) and db:
            return name, db
    raise BadRecipe(f'{option}: a role is its name, or {{"role": name, "db": database}}')


def _place(option: str, key: str) -> str:
    return key if option == "roles" else f"{option}: {key}"


def granted(recipes: Iterable[Recipe]) -> list[tuple[str, str]]:
    """Every role that any of these gives, in order and once."""
    return sorted({pair for each in recipes for pair in each.roles})
