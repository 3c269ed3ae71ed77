"""Ways to log in as a policy has them: their types, those it configures, and what identities match
of their logins. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leasehold.caller import Login
from leasehold.globs import like


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodType:
    """What a plugin says about its way to log in before its code is imported.

    `schema` is a JSON Schema whose `$defs` describe its `options`, what a `match` of an identity
    may say of its logins, and what `facts` there are. `x-login` names the fields of a login request
    that `leasehold login` fills in: `role`, and `secret` for what comes from standard input.
    `x-roles` names the option whose keys are roles that secret ids are made for.
    """

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodConfig:
    """One configured way to log in, at `auth/<name>/login`.

    `options` are the type's own; secrets are `Reference` values until the daemon resolves them.
    `fields` is what the type says under `x-login`. `roles` are those that secret ids are made for.
    """

    name: str
    type: str
    options: Mapping[str, Any]
    fields: Mapping[str, str]
    roles: tuple[str, ...] = ()

    @property
    def paths(self) -> list[str]:
        """Where one must be allowed to see and to make the secret ids of its roles."""
        return [role_path(self.name, role) for role in self.roles]


def role_path(method: str, role: str) -> str:
    """The path of a role of a login method."""
    return f"auth/{method}/role/{role}"


def roles_of(kind: MethodType, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The roles that options of this type name, where it has secret ids; else none."""
    roles = options.get(kind.schema.get("x-roles", ""), {})
    return tuple(roles) if isinstance(roles, Mapping) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginMatch:
    """Somebody who logged in by a method of type `kind`: every fact must be one that was attested.

    `globs` are facts whose values may hold `*`.
    """

    kind: str
    facts: tuple[tuple[str, str], ...] = ()
    globs: tuple[tuple[str, str], ...] = ()

    def misses(self, login: Login | None) -> tuple[str, ...]:
        """The names of facts that are not as attested, none for who is meant.

        For a login of another kind, or none, that is the kind itself; and so for a match that names
        no fact, which agrees with nobody.
        """
        if login is None or login.kind != self.kind or not (self.facts or self.globs):
            return (self.kind,)
        return (
            *(name for name, value in self.facts if (name, value) not in login.facts),
            *(
                name
                for name, pattern in self.globs
                if not any(name == has and like(value, pattern) for has, value in login.facts)
            ),
        )
