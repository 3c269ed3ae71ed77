"""Validated documents as one bundle, with everything checked that takes two places. Pure.

What a file may not say alone (its shape) was checked by schema; here names meet their owners,
limits meet each other, and what nobody said gets its default.
"""

from collections.abc import Callable, Mapping
from typing import Any

from leasehold.bundle import (
    DEFAULT_MAX_TTL_S,
    DEFAULT_TTL_S,
    Bundle,
    EngineConfig,
    EngineType,
    Grant,
    Identity,
    PasswordPolicy,
    Role,
    UnixMatch,
)
from leasehold.policy import durations, passwords, templates
from leasehold.policy.connections import compile_connection
from leasehold.policy.decide import covers
from leasehold.policy.problems import Path, Places, Problem, nearest
from leasehold.policy.validate import common_role_keys

RESERVED_MOUNTS = frozenset({"sys", "auth", "leasehold", "identity", "cubbyhole"})


class Compiler:
    """Makes a bundle of documents without schema errors; faults are collected on the way.

    `lookup` turns a `unix:` match into ids, or into the text of what is wrong with it.
    """

    def __init__(
        self,
        places: Places,
        types: Mapping[str, EngineType],
        lookup: Callable[[Mapping[str, Any]], UnixMatch | str],
    ) -> None:
        self._places = places
        self._types = types
        self._lookup = lookup
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def compile(self, document: Mapping[str, Any], digest: str) -> Bundle:
        """The bundle; it is good only if there are no `problems` afterwards."""
        limits = document.get("lease_limits", {})
        policies = self._password_policies(document.get("password_policies", {}))
        engines = self._engines(document.get("engines", {}))
        for mount in limits:
            mounts = {engine.mount for engine in engines.values()}
            if mount not in mounts:
                self._fault(
                    ("lease_limits", mount), f"no engine has this mount{nearest(mount, mounts)}"
                )
        roles = self._roles(document.get("roles", {}), engines, limits, policies)
        identities = self._identities(document.get("identities", {}))
        grants = self._grants(document.get("access", []), identities, roles, engines)
        return Bundle(
            digest=digest,
            engines=engines,
            roles=roles,
            identities=identities,
            grants=grants,
            mount_limits={
                mount: each["max_leases"] for mount, each in limits.items() if "max_leases" in each
            },
        )

    def _fault(self, path: Path, message: str, *, key: bool = False) -> None:
        self.problems.append(self._places.problem(path, message, key=key))

    def _warn(self, path: Path, message: str) -> None:
        self.warnings.append(self._places.problem(path, message))

    def _engines(self, section: Mapping[str, Any]) -> dict[str, EngineConfig]:
        engines = {}
        for name, engine in section.items():
            mount = engine.get("mount", name)
            path = ("engines", name)
            if mount in RESERVED_MOUNTS:
                reserved = ", ".join(sorted(RESERVED_MOUNTS))
                self._fault((*path, "mount"), f"found {mount}; reserved are {reserved}")
            rules = self._types[engine["type"]].schema["$defs"]["connection"]["properties"]
            connection, faults = compile_connection(engine["connection"], rules)
            for key, fault in faults.items():
                self._fault((*path, "connection", key), fault)
            engines[name] = EngineConfig(
                name=name, type=engine["type"], mount=mount, connection=connection
            )
        return engines

    def _password_policies(self, section: Mapping[str, Any]) -> dict[str, PasswordPolicy]:
        made = {}
        for name, policy in section.items():
            made[name] = PasswordPolicy(**policy)
            for fault in passwords.faults(made[name]):
                self._fault(("password_policies", name), fault)
        return made

    def _roles(
        self,
        section: Mapping[str, Any],
        engines: Mapping[str, EngineConfig],
        limits: Mapping[str, Any],
        policies: Mapping[str, PasswordPolicy],
    ) -> dict[tuple[str, str], Role]:
        roles: dict[tuple[str, str], Role] = {}
        for key, section_role in section.items():
            engine_name, _, name = key.partition("/")
            engine = engines.get(engine_name)
            if engine is None:
                near = nearest(engine_name, engines)
                self._fault(("roles", key), f"no engine is named {engine_name}{near}", key=True)
                continue
            place = (engine.mount, name)
            if place in roles:
                other = f"{roles[place].engine}/{name}"
                self._fault(
                    ("roles", key), f"{engine.mount} has a role {name} already, {other}", key=True
                )
            roles[place] = self._role(key, section_role, engine, limits, policies)
        return roles

    def _role(
        self,
        key: str,
        role: Mapping[str, Any],
        engine: EngineConfig,
        limits: Mapping[str, Any],
        policies: Mapping[str, PasswordPolicy],
    ) -> Role:
        path, mount_limits = ("roles", key), limits.get(engine.mount, {})
        kind = self._types[engine.type]
        options = {name: value for name, value in role.items() if name not in common_role_keys()}
        for fault in kind.faults(options):
            self._fault(path, fault)
        for warning in kind.lint(options):
            self._warn(path, warning)
        default_s, max_s = self._ttls(path, role, engine.mount, mount_limits)
        policy = role.get("password_policy")
        if policy is not None and policy not in policies:
            near = nearest(policy, policies)
            self._fault((*path, "password_policy"), f"no password policy is named {policy}{near}")
        template = role.get("username_template")
        if template is not None:
            for fault in templates.faults(template, kind.name_limit):
                self._fault((*path, "username_template"), fault)
        return Role(
            name=key.partition("/")[2],
            engine=engine.name,
            default_ttl_s=default_s,
            max_ttl_s=max_s,
            max_leases=role.get("max_leases", mount_limits.get("max_leases_per_role")),
            password_policy=policies.get(policy or "", PasswordPolicy()),
            username_template=template,
            options=options,
        )

    def _ttls(
        self, path: Path, role: Mapping[str, Any], mount: str, limits: Mapping[str, Any]
    ) -> tuple[int, int]:
        """What holds: the role's own, else the mount's, else what is built in."""
        said_max = role.get("max_ttl", limits.get("max_ttl"))
        if said_max is None:
            self._warn(
                path, f"names no max_ttl, nor does {mount}; {_text(DEFAULT_MAX_TTL_S)} holds"
            )
        max_s = DEFAULT_MAX_TTL_S if said_max is None else durations.seconds(said_max)
        said_default = role.get("default_ttl", limits.get("default_ttl"))
        default_s = (
            min(DEFAULT_TTL_S, max_s) if said_default is None else durations.seconds(said_default)
        )
        if "max_ttl" in role and "max_ttl" in limits:
            most_s = durations.seconds(limits["max_ttl"])
            if max_s > most_s:
                self._fault(
                    (*path, "max_ttl"), f"found {_text(max_s)}; {mount} allows {_text(most_s)}"
                )
        if default_s > max_s:
            key = "default_ttl" if "default_ttl" in role else "max_ttl"
            self._fault(
                (*path, key), f"default_ttl is {_text(default_s)}, over max_ttl {_text(max_s)}"
            )
        return default_s, max_s

    def _identities(self, section: Mapping[str, Any]) -> dict[str, Identity]:
        made = {}
        for name, identity in section.items():
            matches = []
            for index, match in enumerate(identity["match"]):
                found = self._lookup(match["unix"])
                if isinstance(found, str):
                    self._fault(("identities", name, "match", index, "unix"), found)
                else:
                    matches.append(found)
            made[name] = Identity(
                name=name,
                owner=identity["owner"],
                tenant=identity["tenant"],
                match=tuple(matches),
            )
        return made

    def _grants(
        self,
        section: list[Mapping[str, Any]],
        identities: Mapping[str, Identity],
        roles: Mapping[tuple[str, str], Role],
        engines: Mapping[str, EngineConfig],
    ) -> tuple[Grant, ...]:
        asked_for = [
            f"{mount}/{operation}/{name}"
            for (mount, name), role in roles.items()
            for operation in self._types[engines[role.engine].type].operations
        ]
        made = []
        for index, grant in enumerate(section):
            path = ("access", index)
            for number, name in enumerate(grant["identities"]):
                if name not in identities:
                    near = nearest(name, identities)
                    self._fault((*path, "identities", number), f"no identity is named {name}{near}")
            for number, pattern in enumerate(grant["paths"]):
                served = (*asked_for, "leasehold/status", "leasehold/engines")
                if not any(covers(pattern, place) for place in served):
                    near = nearest(pattern, asked_for)
                    self._fault((*path, "paths", number), f"no role is at {pattern}{near}")
            place = self._places.of(path)
            made.append(
                Grant(
                    identities=tuple(grant["identities"]),
                    paths=tuple(grant["paths"]),
                    verbs=frozenset(grant["verbs"]),
                    max_ttl_s=durations.seconds(grant["max_ttl"]) if "max_ttl" in grant else None,
                    source=f"{place.file}:{place.line}",
                )
            )
        return tuple(made)


def _text(span_s: int) -> str:
    return durations.text(span_s)
