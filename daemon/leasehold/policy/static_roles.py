"""Static roles of a bundle: accounts that stand, and when their passwords change. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cronsim import CronSim, CronSimError

from leasehold.bundle import EngineConfig, PasswordPolicy
from leasehold.conditions import is_zone
from leasehold.errors import Invalid
from leasehold.policy import passwords
from leasehold.policy.conditions import instant
from leasehold.policy.draft import Draft
from leasehold.policy.durations import seconds
from leasehold.policy.problems import Path, nearest
from leasehold.standing import On, Schedule, StaticRole

_TIMES = ("every", "cron", "by")
_EPOCH = datetime(2026, 1, 1)  # noqa: DTZ001 (any instant will do to read an expression)


def compile_static_roles(
    draft: Draft, engines: Mapping[str, EngineConfig], policies: Mapping[str, PasswordPolicy]
) -> dict[tuple[str, str], StaticRole]:
    """Every static role that is not broken, by mount and name."""
    made = {}
    taken: dict[tuple[str, str], str] = {}
    for key, role in draft.whole("static_roles"):
        engine_name, _, name = key.partition("/")
        path, engine = ("static_roles", key), engines.get(engine_name)
        if engine is None:
            if engine_name not in draft.mounts():
                known = ", ".join(sorted(draft.mounts())) or "none"
                near = nearest(engine_name, draft.mounts())
                message = f"no engine is named {engine_name}; engines are {known}{near}"
                draft.fault(path, message, key=True)
            continue
        if ("username" in role) == ("pair" in role):
            both = "both" if "pair" in role else "neither"
            draft.fault(path, f"has {both} of username and pair; write one of them", key=True)
            continue
        accounts = tuple(role["pair"]) if "pair" in role else (role["username"],)
        _check_place(draft, path, engine, name)
        _check_accounts(draft, path, engine, accounts, taken)
        policy = role.get("password_policy")
        if policy is not None and policy not in draft.named("password_policies"):
            known = ", ".join(sorted(policies)) or "none"
            message = f"no password policy is named {policy}; policies are {known}"
            draft.fault((*path, "password_policy"), message)
        elif policy in policies:  # without one, the engine makes what its target takes
            passwords.check(draft, path, policy, policies[policy], draft.types[engine.type])
        _check_grace(draft, path, role)
        made[engine.mount, name] = StaticRole(
            name=name,
            engine=engine.name,
            accounts=accounts,
            schedule=_schedule(draft, (*path, "rotation"), role["rotation"]),
            password_policy=policies.get(policy or "", PasswordPolicy()),
            rotate_at_adoption=role.get("rotate_at_adoption", False),
            grace_max_s=seconds(role["grace_max"]) if "grace_max" in role else None,
        )
    return made


def _check_grace(draft: Draft, path: Path, role: Mapping[str, Any]) -> None:
    if "grace_max" not in role:
        return
    every = role["rotation"].get("every")
    if "pair" not in role:
        message = "only a pair has a grace; remove it, or write pair"
        draft.fault((*path, "grace_max"), message, key=True)
    elif every is not None and seconds(role["grace_max"]) > seconds(every):
        message = f"found {role['grace_max']}; allowed is up to every, which is {every}"
        draft.fault((*path, "grace_max"), message)


def _check_place(draft: Draft, path: Path, engine: EngineConfig, name: str) -> None:
    """The engine can do it, and nothing else of its mount has the name."""
    if "static" not in draft.types[engine.type].rotates:
        draft.fault(path, f"engine type {engine.type} rotates no static roles", key=True)
    mounts = draft.mounts()
    for section in ("roles", "static_roles"):
        for other in draft.named(section):
            its_engine, _, its_name = other.partition("/")
            here = (section, other) != path and mounts.get(its_engine) == engine.mount
            if here and its_name == name and (section, other) < path:
                place = draft.places.of_key((section, other))
                message = f"{other} at {place.file}:{place.line} is on the mount {engine.mount} too"
                draft.fault(path, f"{message}; rename one", key=True)


def _check_accounts(
    draft: Draft,
    path: Path,
    engine: EngineConfig,
    accounts: tuple[str, ...],
    taken: dict[tuple[str, str], str],
) -> None:
    for account in accounts:
        key = "pair" if len(accounts) > 1 else "username"
        if account == engine.connection.get("username"):
            draft.fault(
                (*path, key),
                f"{account} is the engine's administrator, whose password root_rotation changes",
            )
        other = taken.setdefault((engine.name, account), str(path[1]))
        if other != path[1]:
            draft.fault((*path, key), f"{account} belongs to {other} already; remove one")


def _schedule(draft: Draft, path: Path, said: Mapping[str, Any]) -> Schedule:
    times = [key for key in _TIMES if key in said]
    if len(times) > 1:
        draft.fault(path, f"has {' and '.join(times)}; write one of them", key=True)
    if not times and "on" not in said:
        draft.fault(path, f"says no time; write one of {', '.join(_TIMES)}, or on", key=True)
    if "window" in said and "every" in said:
        draft.fault((*path, "window"), "belongs to cron and by; remove it", key=True)
    zone = said.get("timezone", "UTC")
    if not is_zone(zone):
        message = f"this host knows no time zone {zone}; allowed are names such as Europe/Berlin"
        draft.fault((*path, "timezone"), message)
        zone = "UTC"
    by = None
    try:
        by = instant(said["by"]) if "by" in said else None
    except Invalid as wrong:
        draft.fault((*path, "by"), str(wrong))
    return Schedule(
        every_s=seconds(said["every"]) if "every" in said else None,
        cron=_cron(draft, (*path, "cron"), said["cron"]) if "cron" in said else None,
        timezone=zone,
        by=by,
        window_s=seconds(said["window"]) if "window" in said else None,
        on=frozenset(map(On, said.get("on", ()))),
    )


def _cron(draft: Draft, path: Path, text: str) -> str:
    try:
        if next(CronSim(text, _EPOCH), None) is None:
            draft.fault(path, f"found '{text}', which never comes")
    except CronSimError:
        draft.fault(
            path,
            f"found '{text[:40]}'; allowed are five fields (minute, hour, day, month, weekday),"
            " such as 0 3 * * 6",
        )
    return text
