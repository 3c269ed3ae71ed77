"""Roles of a bundle: what each makes, on which engine, within which limits. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from leasehold.bundle import (
    Bind,
    EngineConfig,
    OnChange,
    OnRemoval,
    PasswordPolicy,
    Role,
)
from leasehold.errors import ConfigError
from leasehold.policy import conditions, handing, passwords, templates
from leasehold.policy.draft import Draft
from leasehold.policy.durations import seconds, text
from leasehold.policy.limits import Limits, limits_of, role_faults
from leasehold.policy.problems import Fault, Path, nearest
from leasehold.policy.validate import common_role_keys

_OPTION = re.compile(r"(?P<option>\w+)(?:\[(?P<item>\d+)\])?: (?P<message>.*)", re.DOTALL)
MOST_SHARE_S = 900
Place = tuple[str, str]
"""The mount and the name of a role."""


def compile_roles(
    draft: Draft,
    engines: Mapping[str, EngineConfig],
    mount_limits: Mapping[str, Mapping[str, Any]],
    policies: Mapping[str, PasswordPolicy],
) -> tuple[dict[Place, Role], dict[Place, Limits]]:
    """Every role that is not broken, with its limits."""
    _check_names(draft)
    roles, limits = {}, {}
    for key, role in draft.whole("roles"):
        engine_name, _, name = key.partition("/")
        engine = engines.get(engine_name)
        if engine is None:
            continue
        path, place = ("roles", key), (engine.mount, name)
        of_mount = mount_limits.get(engine.mount, {})
        for wrong, fault in role_faults(role, of_mount, engine.mount):
            draft.fault((*path, wrong), fault)
        limits[place] = limits_of(role, of_mount)
        options = {each: role[each] for each in role if each not in common_role_keys()}
        _check_options(draft, path, options, engine)
        _check_references(draft, path, role, engine)
        policy = policies.get(role.get("password_policy", ""), PasswordPolicy())
        passwords.check(draft, path, role.get("password_policy"), policy, draft.types[engine.type])
        roles[place] = Role(
            name=name,
            engine=engine.name,
            default_ttl_s=limits[place].default_ttl_s,
            max_ttl_s=limits[place].max_ttl_s,
            max_leases=limits[place].max_leases,
            password_policy=policy,
            username_template=role.get("username_template"),
            on_removal=OnRemoval(role.get("on_removal", OnRemoval.DRAIN)),
            on_change=OnChange(role.get("on_change", OnChange.RENEW)),
            bind=Bind(role.get("bind", Bind.NONE)),
            share_s=_share_s(draft, path, role, limits[place].default_ttl_s),
            succession=handing.succession(draft, path, role, limits[place]),
            warm=handing.warm(draft, path, role, limits[place]),
            ready=handing.ready(draft, path, role, draft.types[engine.type]),
            drill_every_s=seconds(role["drill"]["every"]) if "drill" in role else None,
            require=conditions.requirements(draft, path, role),
            annotate=role.get("annotate", True),
            options=options,
        )
    return roles, limits


def _share_s(draft: Draft, path: Path, role: Mapping[str, Any], ttl_s: int) -> int | None:
    """How long a lease is given again. Beyond half of its life it is not (see `sharing.py`)."""
    if "share" not in role:
        return None
    within_s, most_s = seconds(role["share"]["within"]), min(MOST_SHARE_S, ttl_s // 2)
    if within_s > most_s:
        draft.fault(
            (*path, "share", "within"),
            f"found {text(within_s)}; allowed is at most {text(most_s)}: half of default_ttl"
            f" ({text(ttl_s)}), and {text(MOST_SHARE_S)}",
        )
    if role.get("bind") == Bind.CONNECTION:
        draft.fault(
            (*path, "share"),
            "leases that end with a connection are not shared; take out share, or bind",
            key=True,
        )
    return within_s


def _check_names(draft: Draft) -> None:
    """Every role has an engine, and no other role of its mount has its name."""
    mounts = draft.mounts()
    seen: dict[Place, str] = {}
    for key in draft.named("roles"):
        engine, slash, name = key.partition("/")
        if not slash:
            continue  # the schema has told
        if engine not in mounts:
            known = ", ".join(sorted(mounts)) or "none"
            near = nearest(engine, mounts)
            message = f"no engine is named {engine}; engines are {known}{near}"
            draft.fault(("roles", key), message, key=True)
            continue
        other = seen.setdefault((mounts[engine], name), key)
        if other != key:
            place = draft.places.of_key(("roles", other))
            message = (
                f"{other} at {place.file}:{place.line} is on the mount {mounts[engine]} too;"
                " rename one"
            )
            draft.fault(("roles", key), message, key=True)


def _check_options(
    draft: Draft, path: Path, options: Mapping[str, Any], engine: EngineConfig
) -> None:
    """What the engine type says about its own options."""
    kind = draft.types[engine.type]
    try:
        draft.faults.extend(_at_option(path, options, kind.faults(options)))
        draft.warnings.extend(_at_option(path, options, kind.lint(options)))
    except ConfigError as missing:
        draft.warn(
            ("engines", engine.name, "type"), f"options of its roles were not looked at: {missing}"
        )


def _at_option(path: Path, options: Mapping[str, Any], texts: Iterable[str]) -> Iterable[Fault]:
    """Faults where they belong: at an option, at one item of its list, or else at the role."""
    for each in texts:
        found = _OPTION.fullmatch(each)
        if found is None or found["option"] not in options:
            yield Fault(path, each, key=True)
        else:
            item = (int(found["item"]),) if found["item"] else ()
            yield Fault((*path, found["option"], *item), found["message"], key=True)


def _check_references(
    draft: Draft, path: Path, role: Mapping[str, Any], engine: EngineConfig
) -> None:
    policy, template = role.get("password_policy"), role.get("username_template")
    policies = draft.named("password_policies")
    if policy is not None and policy not in policies:
        known = ", ".join(sorted(policies)) or "none"
        near = nearest(policy, policies)
        draft.fault(
            (*path, "password_policy"),
            f"no password policy is named {policy}; policies are {known}{near}",
        )
    if template is not None:
        for fault in templates.faults(template, draft.types[engine.type].name_limit):
            draft.fault((*path, "username_template"), fault)
