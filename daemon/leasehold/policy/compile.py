"""A merged document as one bundle, with everything checked that takes two places. Pure.

What a file may not say alone (its shape) was checked by schema; here names meet their owners,
limits meet each other, and what nobody said gets its default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leasehold.bundle import (
    AccessTest,
    Bundle,
    EngineConfig,
    Identity,
    Match,
    Mount,
    PasswordPolicy,
    Safety,
    TlsMatch,
    TokenLimits,
)
from leasehold.errors import Invalid
from leasehold.login import MethodConfig, roles_of
from leasehold.policy import passwords as password_policies
from leasehold.policy.conditions import instant
from leasehold.policy.connections import compile_connection
from leasehold.policy.draft import Draft
from leasehold.policy.durations import seconds, text
from leasehold.policy.facts import facts_under
from leasehold.policy.grants import compile_grants, served_paths
from leasehold.policy.limits import Limits, limits_of, mount_faults
from leasehold.policy.logins import LOCAL_KINDS, flat, match_of
from leasehold.policy.problems import Path, nearest
from leasehold.policy.questions import NEEDS_ROLE
from leasehold.policy.quotas import compile_quotas
from leasehold.policy.roles import compile_roles
from leasehold.policy.static_roles import compile_static_roles
from leasehold.policy.users import NoSuchMatch, NotOnThisHost

RESERVED_MOUNTS = ("auth", "cubbyhole", "identity", "leasehold", "sys")
RESERVED_METHODS = ("cert", "token", "unix")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A bundle, and the limits of its roles with who said them."""

    bundle: Bundle
    limits: Mapping[tuple[str, str], Limits]


def compile_bundle(draft: Draft, digest: str) -> Compiled:
    """The bundle; it is good only if nothing was broken and the draft has no faults afterwards."""
    engines = _engines(draft)
    mount_limits = _mount_limits(draft)
    passwords = _password_policies(draft)
    roles, limits = compile_roles(draft, engines, mount_limits, passwords)
    bundle = Bundle(
        digest=digest,
        engines=engines,
        roles=roles,
        identities=_identities(draft),
        grants=compile_grants(draft),
        mount_limits={
            mount: each["max_leases"]
            for mount, each in mount_limits.items()
            if "max_leases" in each
        },
        quotas=compile_quotas(draft),
        safety=_safety(draft),
        tests=_tests(draft),
        mounts=_mounts(engines, mount_limits),
        places=_places(draft),
        tokens=_tokens(draft),
        auth=_methods(draft),
        static_roles=compile_static_roles(draft, engines, passwords),
    )
    return Compiled(bundle, limits)


def _engines(draft: Draft) -> dict[str, EngineConfig]:
    engines = {}
    for name, engine in draft.whole("engines"):
        path, mount = ("engines", name), engine.get("mount", name)
        if mount in RESERVED_MOUNTS:
            reserved = ", ".join(RESERVED_MOUNTS)
            where = (*path, "mount") if "mount" in engine else path
            draft.fault(where, f"found the mount {mount}; reserved are {reserved}", key=True)
        rules = draft.types[engine["type"]].schema["$defs"]["connection"].get("properties", {})
        connection, faults = compile_connection(engine["connection"], rules)
        for key, fault in faults.items():
            draft.fault((*path, "connection", key), fault)
        engines[name] = EngineConfig(
            name=name,
            type=engine["type"],
            mount=mount,
            connection=connection,
            root_rotation_s=_root_rotation_s(draft, path, engine),
        )
    return engines


def _root_rotation_s(draft: Draft, path: Path, engine: Mapping[str, Any]) -> int | None:
    if "root_rotation" not in engine:
        return None
    kind = draft.types[engine["type"]]
    if "root" not in kind.rotates:
        draft.fault(
            (*path, "root_rotation"),
            f"engine type {engine['type']} rotates no administrator; remove it",
            key=True,
        )
    if kind.root_secret not in engine["connection"]:
        draft.fault(
            (*path, "root_rotation"),
            f"the connection has no {kind.root_secret}, and nothing else of it is rotated; remove"
            " it",
            key=True,
        )
    return seconds(engine["root_rotation"]["every"])


def _methods(draft: Draft) -> dict[str, MethodConfig]:
    made = {}
    for name, method in draft.whole("auth"):
        if name in RESERVED_METHODS:
            reserved = ", ".join(RESERVED_METHODS)
            draft.fault(
                ("auth", name), f"found the method {name}; reserved are {reserved}", key=True
            )
        schema = draft.methods[method["type"]].schema
        rules = schema["$defs"]["options"].get("properties", {})
        options, faults = compile_connection(method["options"], rules)
        for key, fault in faults.items():
            draft.fault(("auth", name, "options", key), fault)
        made[name] = MethodConfig(
            name=name,
            type=method["type"],
            options=options,
            fields=schema.get("x-login", {}),
            roles=roles_of(draft.methods[method["type"]], method["options"]),
        )
    return made


def _mount_limits(draft: Draft) -> dict[str, Mapping[str, Any]]:
    limits, mounts = dict(draft.whole("lease_limits")), set(draft.mounts().values())
    for mount, each in limits.items():
        path = ("lease_limits", mount)
        if mount not in mounts:
            known = ", ".join(sorted(mounts)) or "none"
            near = nearest(mount, mounts)
            draft.fault(path, f"no engine has this mount; mounts are {known}{near}", key=True)
        for key, fault in mount_faults(each, mount):
            draft.fault((*path, key), fault)
    return limits


def _mounts(
    engines: Mapping[str, EngineConfig], mount_limits: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mount]:
    made = {}
    for engine in engines.values():
        holds = limits_of({}, mount_limits.get(engine.mount, {}))
        made[engine.mount] = Mount(default_ttl_s=holds.default_ttl_s, max_ttl_s=holds.max_ttl_s)
    return made


def _places(draft: Draft) -> dict[str, str]:
    found = {}
    kinds = {"engines": "engine", "roles": "role", "identities": "identity", "auth": "auth"}
    kinds["static_roles"] = "static"
    for section, kind in kinds.items():
        for name in draft.named(section):
            place = draft.places.of_key((section, name))
            found[f"{kind}:{name}"] = f"{place.file}:{place.line}"
    return found


def _password_policies(draft: Draft) -> dict[str, PasswordPolicy]:
    made = {}
    for name, policy in draft.whole("password_policies"):
        made[name] = PasswordPolicy(**policy)
        path = ("password_policies", name)
        for fault in password_policies.faults(made[name]):
            draft.fault(path, fault, key=True)
        if "allowed_symbols" in policy and not made[name].required.get("symbols"):
            draft.warn(
                (*path, "allowed_symbols"),
                "has no effect: passwords have symbols only when required.symbols is 1 or more",
                key=True,
            )
    return made


def _identities(draft: Draft) -> dict[str, Identity]:
    made = {}
    for name, identity in draft.whole("identities"):
        matches = []
        for index, match in enumerate(identity["match"]):
            try:
                matches.append(_match(draft, match))
            except NoSuchMatch as fault:
                path = ("identities", name, "match", index, "unix", fault.key)
                tell = draft.warn if isinstance(fault, NotOnThisHost) else draft.fault
                tell(path, str(fault), key=True)
        made[name] = Identity(
            name=name,
            owner=identity["owner"],
            tenant=identity["tenant"],
            match=tuple(matches),
            facts=tuple(
                written if kind in LOCAL_KINDS else flat(kind, written)
                for match in identity["match"]
                for kind, written in match.items()
            ),
        )
    return made


def _match(draft: Draft, match: Mapping[str, Any]) -> Match:
    [(kind, written)] = match.items()
    if kind == "unix":
        return draft.ids(written)
    return TlsMatch(**written) if kind == "tls" else match_of(kind, written)


def _safety(draft: Draft) -> Safety:
    if any(path[:1] == ("safety",) for path in draft.broken):
        return Safety()
    said = draft.named("safety")
    return Safety(**{**said, "protected": tuple(said.get("protected", ()))})


def _tokens(draft: Draft) -> TokenLimits:
    if any(path[:1] == ("tokens",) for path in draft.broken):
        return TokenLimits()
    spans = {f"{name}_s": seconds(span) for name, span in draft.named("tokens").items()}
    limits = TokenLimits(**spans)
    if limits.default_ttl_s > limits.max_ttl_s:
        said = "default_ttl" if "default_ttl_s" in spans else "max_ttl"
        found, most = text(limits.default_ttl_s), text(limits.max_ttl_s)
        draft.fault(("tokens", said), f"the default ttl of {found} is over the maximum of {most}")
    return limits


def _tests(draft: Draft) -> tuple[AccessTest, ...]:
    served = served_paths(draft)
    for index, test in draft.whole("tests"):
        path, place = ("tests", index), test["path"]
        if served is not None and place not in served:
            draft.fault((*path, "path"), f"no role is at {place}{nearest(place, served)}")
        if "ttl" in test and test["expect"] == "deny":
            draft.fault((*path, "ttl"), "stands beside `expect: deny`; remove one", key=True)
        elif "ttl" in test and test.get("verb", "issue") not in NEEDS_ROLE:
            allowed = " and ".join(NEEDS_ROLE)
            draft.fault((*path, "ttl"), f"only {allowed} give a lease a life; remove it", key=True)
    return tuple(
        AccessTest(
            facts=facts_under(*next(iter(test["as"].items()))),
            path=test["path"],
            verb=test.get("verb", "issue"),
            allowed=test["expect"] == "allow",
            ttl_s=seconds(test["ttl"]) if "ttl" in test else None,
            index=index,
            at=_instant(draft, ("tests", index, "at"), test),
            fields=test.get("fields", {}),
        )
        for index, test in draft.whole("tests")
    )


def _instant(draft: Draft, path: Path, test: Mapping[str, Any]) -> datetime | None:
    try:
        return instant(test["at"]) if "at" in test else None
    except Invalid as wrong:
        draft.fault(path, str(wrong))
        return None
