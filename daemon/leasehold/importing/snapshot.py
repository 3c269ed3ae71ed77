"""All that is read of a Vault or OpenBao, as it is there.

Policies, roles and connections have no secret in them: Vault shows no password that it was given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from leasehold.errors import Invalid

Fields = Mapping[str, Any]

ROLES_OF_METHODS = {
    "approle": "role",
    "cert": "certs",
    "jwt": "role",
    "kubernetes": "role",
    "oidc": "role",
    "token": "roles",
    "userpass": "users",
}
"""Where an auth method of this type keeps who may log in."""
BUILT_IN_S = 768 * 3600
"""How long Vault's leases last, by default and at most, where nobody says anything."""
_OWN = ("cubbyhole", "identity", "ns_cubbyhole", "ns_identity", "ns_system", "system", "ns_token")
_SENTINEL = ("rgp", "egp")


class Readable(Protocol):
    """What can be asked; see `Reader`."""

    def read(self, path: str) -> dict[str, Any] | None:
        """What stands at a path."""

    def names(self, path: str, *, everywhere: bool = True) -> list[str]:
        """The names below a path."""

    def complain(self) -> None:
        """Raise for what could not be read so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One mount of the database engine, its path without a slash at the end.

    `said_…` are the TTLs that somebody gave the mount, 0 for none; `holds_…` are what holds, with
    the server's own where nobody said anything. Whole seconds.
    """

    path: str
    said_default_s: int
    said_max_s: int
    holds_default_s: int
    holds_max_s: int
    connections: Mapping[str, Fields]
    roles: Mapping[str, Fields]
    static_roles: Mapping[str, Fields]


@dataclass(frozen=True, slots=True)
class Login:
    """A role of an auth method: whoever logs in with it gets its policies."""

    method: str
    type: str
    name: str
    fields: Fields

    @property
    def path(self) -> str:
        """Where it stands in the source."""
        return f"auth/{self.method}/{ROLES_OF_METHODS[self.type]}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One server, or one namespace of it. `engines` and `methods` are types by path, of all."""

    databases: Sequence[Database]
    engines: Mapping[str, str]
    policies: Mapping[str, str]
    password_policies: Mapping[str, str]
    logins: Sequence[Login]
    methods: Mapping[str, str]
    quotas: Sequence[Fields]
    sentinel: Sequence[str]
    groups: Sequence[str]
    namespaces: Sequence[str]


def take(reader: Readable, mounts: Sequence[str] = ()) -> Snapshot:
    """Read everything, of the databases only those at `mounts` if given.

    Raises Invalid for a mount that is no database there, and Denied when not even a list of mounts
    could be read.
    """
    found = reader.read("sys/mounts") or {}
    reader.complain()
    tables = {path.strip("/"): info for path, info in sorted(found.items()) if _is_mount(info)}
    databases = [path for path, info in tables.items() if info["type"] == "database"]
    wanted = [mount.strip("/") for mount in mounts]
    for mount in wanted:
        if mount not in databases:
            known = ", ".join(databases) or "none"
            raise Invalid(f"no database engine is mounted at {mount}; there are {known}")
    methods = {
        path.strip("/"): str(info["type"])
        for path, info in sorted((reader.read("sys/auth") or {}).items())
        if _is_mount(info)
    }
    return Snapshot(
        databases=[_database(reader, path, tables[path]) for path in wanted or databases],
        engines={p: str(info["type"]) for p, info in tables.items() if info["type"] not in _OWN},
        policies=dict(_texts(reader, "sys/policies/acl", "policy")),
        password_policies=dict(_texts(reader, "sys/policies/password", "policy")),
        logins=list(_logins(reader, methods)),
        methods=methods,
        quotas=[*_quotas(reader, "rate-limit"), *_quotas(reader, "lease-count")],
        sentinel=[
            f"sys/policies/{kind}/{name}"
            for kind in _SENTINEL
            for name in reader.names(f"sys/policies/{kind}", everywhere=False)
        ],
        groups=reader.names("identity/group/name"),
        namespaces=reader.names("sys/namespaces", everywhere=False),
    )


def whole(value: Any) -> int:
    """A number as the API gives it: with or without a point, or nothing; never below 0."""
    try:
        return max(0, int(float(value)))
    except (TypeError, ValueError, OverflowError):
        return 0


def texts(value: Any) -> list[str]:
    """A list of texts as the API gives it, where one text stands for itself. Empty ones go."""
    found = [value] if isinstance(value, str) else value
    return [each for each in found if isinstance(each, str) and each] if found else []


def _is_mount(info: Any) -> bool:
    # An old server puts other keys of its answer beside the mounts.
    return isinstance(info, dict) and isinstance(info.get("type"), str)


def _database(reader: Readable, path: str, info: Fields) -> Database:
    said = info.get("config") or {}
    holds = reader.read(f"sys/mounts/{path}/tune") or {}
    return Database(
        path=path,
        said_default_s=whole(said.get("default_lease_ttl")),
        said_max_s=whole(said.get("max_lease_ttl")),
        holds_default_s=whole(holds.get("default_lease_ttl")) or BUILT_IN_S,
        holds_max_s=whole(holds.get("max_lease_ttl")) or BUILT_IN_S,
        connections=dict(_each(reader, f"{path}/config")),
        roles=dict(_each(reader, f"{path}/roles")),
        static_roles=dict(_each(reader, f"{path}/static-roles")),
    )


def _logins(reader: Readable, methods: Mapping[str, str]) -> Iterator[Login]:
    for path, kind in methods.items():
        if kind in ROLES_OF_METHODS:
            for name, fields in _each(reader, f"auth/{path}/{ROLES_OF_METHODS[kind]}"):
                yield Login(path, kind, name, fields)


def _each(reader: Readable, path: str) -> Iterator[tuple[str, Fields]]:
    for name in reader.names(path):
        fields = None if name.endswith("/") else reader.read(f"{path}/{name}")
        if fields is not None:
            yield name, fields


def _quotas(reader: Readable, kind: str) -> Iterator[Fields]:
    for name in reader.names(f"sys/quotas/{kind}", everywhere=False):
        yield {"name": name, **(reader.read(f"sys/quotas/{kind}/{name}") or {})}


def _texts(reader: Readable, path: str, key: str) -> Iterator[tuple[str, str]]:
    for name, fields in _each(reader, path):
        yield name, str(fields.get(key) or "")
