"""A policy bundle after validation: engines, roles, identities, grants, limits. Pure.

`policy/compile.py` makes these values; everything else reads them. Spans are whole seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from leasehold.conditions import Requirement, Window
from leasehold.handing import Ready, Succession, WarmPool
from leasehold.login import LoginMatch, MethodConfig
from leasehold.passwords import ANY, PasswordRules
from leasehold.quota import NO_QUOTAS, Quotas
from leasehold.standing import PasswordPolicy as PasswordPolicy
from leasehold.standing import StaticRole

DEFAULT_TTL_S = 3_600
DEFAULT_MAX_TTL_S = 86_400

Fact = tuple[str, str | int]
"""One thing that is known of somebody, such as `user`, `gid` or `san`, with its value.

What a login method attests has the method's type before its name: `jwt.issuer`.
"""
Facts = frozenset[Fact]


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
    options. `logs_in` says whether a credential can be tried there, `passwords` what it takes for
    one. `faults` and `lint` look deeper into a role's options: errors and warnings, one line each.
    They import the driver, and raise ConfigError when it is not installed. `rotates` has `root` and
    `static` where its engines rotate such passwords, the former's being `root_secret` of the
    connection.
    """

    name: str
    schema: Mapping[str, Any]
    operations: frozenset[str]
    name_limit: int
    faults: Callable[[Mapping[str, Any]], list[str]]
    lint: Callable[[Mapping[str, Any]], list[str]]
    rotates: frozenset[str] = frozenset()
    root_secret: str = "password"  # noqa: S105 (the name of an option)
    logs_in: bool = True
    passwords: PasswordRules = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """One configured target. `connection` holds the engine's own options.

    Secrets in `connection` are `Reference` values until the daemon resolves them. The
    administrator's password is rotated every `root_rotation_s` seconds, None for never.
    """

    name: str
    type: str
    mount: str
    connection: Mapping[str, Any]
    root_rotation_s: int | None = None


class OnRemoval(StrEnum):
    """What becomes of live leases when their role leaves the bundle."""

    DRAIN = "drain"
    """They live on until they end, and cannot be renewed."""
    REVOKE = "revoke"


class OnChange(StrEnum):
    """When a shorter `max_ttl` meets live leases."""

    RENEW = "renew"
    """At their next renewal."""
    ENFORCE = "enforce"
    """At once: those that are older end now."""


class Bind(StrEnum):
    """What a lease ends with, besides its time."""

    NONE = "none"
    PROCESS = "process"
    """The process that asked for it."""
    UNIT = "unit"
    """The systemd unit that this process was in."""
    CONNECTION = "connection"
    """The connection that it was asked for on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A recipe for accounts on one engine, asked for as `<mount>/<operation>/<name>`.

    `options` are the engine's own (`member_of`, `creation_statements`, …), validated by its
    schema. `default_ttl_s` and `max_ttl_s` are what holds after role, engine and built-in limits
    were merged; `max_leases` counts live leases of this role, None for no limit. `drill_every_s` is
    how often a drill proves that the role works, None for never. `ready` is what a credential must
    pass before it is handed out, `warm` how many accounts are made ahead, `succession` how a lease
    is replaced, None for nothing. `require` are the fields that a request must have. `annotate`
    says whether the target is told whose an account is, and why. `share_s` is how long a holder
    that asks again gets the same lease, None for never.
    """

    name: str
    engine: str
    default_ttl_s: int = DEFAULT_TTL_S
    max_ttl_s: int = DEFAULT_MAX_TTL_S
    max_leases: int | None = None
    password_policy: PasswordPolicy = field(default_factory=PasswordPolicy)
    username_template: str | None = None
    on_removal: OnRemoval = OnRemoval.DRAIN
    on_change: OnChange = OnChange.RENEW
    bind: Bind = Bind.NONE
    share_s: int | None = None
    drill_every_s: int | None = None
    ready: Ready | None = None
    warm: WarmPool | None = None
    succession: Succession | None = None
    require: tuple[Requirement, ...] = ()
    annotate: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


PROCESS_FACTS = ("unit", "user_unit", "slice", "cgroup", "exe", "sha256")
"""What a match may ask of the process besides its ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixMatch:
    """A Unix peer: every field that is set must agree. Names were resolved to ids at load.

    `process` has facts of `PROCESS_FACTS` with their values. They narrow: a match without `uid` and
    `gid` matches nobody.
    """

    uid: int | None = None
    gid: int | None = None
    process: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsMatch:
    """A TLS peer: one name of its client certificate, and who issued that if `issuer` is set."""

    san: str
    issuer: str | None = None


Match = UnixMatch | TlsMatch | LoginMatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A named caller with an owner and a tenant, recognised by any one of `match`.

    `facts` are the matches as they are written, which mean the same on every host.
    """

    name: str
    owner: str
    tenant: str
    match: tuple[Match, ...]
    facts: tuple[Mapping[str, Any], ...] = ()


class Effect(StrEnum):
    """What an access rule does."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One entry of `access`: who may do what where, and for how long at most (seconds).

    Or who may not, whatever else allows it. `when` says at what hours that holds, None for
    always; `require` are the fields that a request must have.
    """

    identities: tuple[str, ...]
    paths: tuple[str, ...]
    verbs: frozenset[str]
    max_ttl_s: int | None = None
    effect: Effect = Effect.ALLOW
    when: Window | None = None
    require: tuple[Requirement, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """How much one apply may take away: objects, and leases, each as a number and per cent.

    Percentages hold from `min_for_pct` objects (or leases) on, since less is moved by one. None is
    no limit. `protected` has addresses, perhaps with a trailing `*`, that are never removed.
    """

    max_deletes: int | None = 3
    max_delete_pct: int | None = 20
    max_updates_pct: int | None = None
    max_leases_revoked: int | None = 10
    max_leases_revoked_pct: int | None = 20
    min_for_pct: int = 5
    access_widening: bool = True
    protected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLimits:
    """How long a token lives: if nobody asks, and with all renewals."""

    default_ttl_s: int = DEFAULT_TTL_S
    max_ttl_s: int = DEFAULT_MAX_TTL_S


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTest:
    """A claim about access: who has `facts` may, or may not, do `verb` at `path`.

    With `ttl_s`, for leases of so many seconds at most. `at` is when it asks, with `fields`.
    `index` is its place in the list.
    """

    facts: Facts
    path: str
    verb: str
    allowed: bool
    ttl_s: int | None
    index: int
    at: datetime | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """What holds on a mount for a role that says nothing of its own, in seconds."""

    default_ttl_s: int = DEFAULT_TTL_S
    max_ttl_s: int = DEFAULT_MAX_TTL_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """All YAML files of one policy directory as one value.

    `roles` and `static_roles` are keyed by `(mount, name)`; `mount_limits` holds the most live
    leases by mount.
    `mounts` has every mount of an engine. `places` says where each engine, role and identity
    stands, as `file:line`, by `engine:<name>`, `role:<engine>/<name>`, `identity:<name>`. `digest`
    is the SHA-256 of the sources in hexadecimal.
    """

    digest: str
    engines: Mapping[str, EngineConfig]
    roles: Mapping[tuple[str, str], Role]
    identities: Mapping[str, Identity]
    grants: tuple[Grant, ...]
    mount_limits: Mapping[str, int]
    quotas: Quotas = NO_QUOTAS
    safety: Safety = Safety()
    tests: tuple[AccessTest, ...] = ()
    mounts: Mapping[str, Mount] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict, compare=False)
    tokens: TokenLimits = TokenLimits()
    auth: Mapping[str, MethodConfig] = field(default_factory=dict)
    static_roles: Mapping[tuple[str, str], StaticRole] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One applied bundle; the daemon serves exactly one.

    `connections` holds the engines' connections by engine name, references resolved to `Secret`.
    """

    number: int
    bundle: Bundle
    connections: Mapping[str, Mapping[str, Any]]
