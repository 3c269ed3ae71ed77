"""A policy bundle after validation: engines, roles, identities, grants, limits. Pure.

`policy/compile.py` makes these values; everything else reads them. Spans are whole seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_TTL_S = 3_600
DEFAULT_MAX_TTL_S = 86_400


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret stands, since it never stands in a policy file.

    `scheme` is `env`, `file`, `systemd` or `exec`; `target` is the rest after the colon.
    """

    scheme: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineType:
    """What a plugin says about its engines before its driver is imported.

    `schema` is a JSON Schema whose `$defs.connection` and `$defs.role` describe the two maps of
    options. `faults` and `lint` look deeper into a role's options: errors and warnings, one line
    each. They import the driver, and raise ConfigError when it is not installed.
    """

    name: str
    schema: Mapping[str, Any]
    operations: frozenset[str]
    name_limit: int
    faults: Callable[[Mapping[str, Any]], list[str]]
    lint: Callable[[Mapping[str, Any]], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """One configured target. `connection` holds the engine's own options.

    Secrets in `connection` are `Reference` values until the daemon resolves them.
    """

    name: str
    type: str
    mount: str
    connection: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """How passwords are made: `length` characters, at least `required[kind]` of each kind.

    Kinds are `digits`, `lowercase`, `uppercase`, `symbols`; symbols are drawn from
    `allowed_symbols`.
    """

    length: int = 32
    required: Mapping[str, int] = field(default_factory=dict)
    allowed_symbols: str = "-_.~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A recipe for accounts on one engine, asked for as `<mount>/<operation>/<name>`.

    `options` are the engine's own (`member_of`, `creation_statements`, …), validated by its
    schema. `default_ttl_s` and `max_ttl_s` are what holds after role, engine and built-in limits
    were merged; `max_leases` counts live leases of this role, None for no limit.
    """

    name: str
    engine: str
    default_ttl_s: int = DEFAULT_TTL_S
    max_ttl_s: int = DEFAULT_MAX_TTL_S
    max_leases: int | None = None
    password_policy: PasswordPolicy = PasswordPolicy()
    username_template: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixMatch:
    """A Unix peer: every field that is set must agree. Names were resolved to ids at load."""

    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A named caller with an owner and a tenant, recognised by any one of `match`."""

    name: str
    owner: str
    tenant: str
    match: tuple[UnixMatch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One entry of `access`: who may do what where, and for how long at most (seconds)."""

    identities: tuple[str, ...]
    paths: tuple[str, ...]
    verbs: frozenset[str]
    max_ttl_s: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """All YAML files of one policy directory as one value.

    `roles` is keyed by `(mount, role name)`; `mount_limits` holds the most live leases by mount.
    `digest` is the SHA-256 of the sources in hexadecimal.
    """

    digest: str
    engines: Mapping[str, EngineConfig]
    roles: Mapping[tuple[str, str], Role]
    identities: Mapping[str, Identity]
    grants: tuple[Grant, ...]
    mount_limits: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One applied bundle; the daemon serves exactly one.

    `connections` holds the engines' connections by engine name, references resolved to `Secret`.
    """

    number: int
    bundle: Bundle
    connections: Mapping[str, Mapping[str, Any]]
