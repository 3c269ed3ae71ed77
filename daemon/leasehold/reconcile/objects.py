"""The objects of a bundle by address, each as fields that people read. Pure.

No secret is among them: a connection's secrets are references in a bundle.
"""

import json
from collections.abc import Mapping
from typing import Any

from leasehold.bundle import Bundle, Effect, EngineConfig, Grant, Identity, Reference, Role
from leasehold.login import MethodConfig
from leasehold.policy.durations import text
from leasehold.policy.facts import facts_of, shown
from leasehold.quota import Quota
from leasehold.standing import PasswordPolicy, StaticRole

Fields = Mapping[str, str]


def objects(bundle: Bundle) -> dict[str, Fields]:
    """Every object of the bundle: its fields by its address."""
    found: dict[str, Fields] = {}
    for name, engine in bundle.engines.items():
        found[f"engine:{name}"] = _engine(engine)
    for (mount, _), role in bundle.roles.items():
        found[role_address(role)] = {"mount": mount, **_role(role)}
    for static in bundle.static_roles.values():
        found[f"static:{static.key}"] = _static(static)
    for name, method in bundle.auth.items():
        found[f"auth:{name}"] = _method(method)
    for name, identity in bundle.identities.items():
        found[f"identity:{name}"] = _identity(identity)
    found |= _rules(bundle)
    for mount, most in bundle.mount_limits.items():
        found[f"limits:{mount}"] = {"max_leases": str(most)}
    for name, quota in bundle.quotas:
        found[f"quota:{name}"] = _quota(quota)
    safety = {name: _plain(getattr(bundle.safety, name)) for name in bundle.safety.__slots__}
    found["safety"] = safety
    found["tokens"] = {
        "default_ttl": text(bundle.tokens.default_ttl_s),
        "max_ttl": text(bundle.tokens.max_ttl_s),
    }
    return found


def _rules(bundle: Bundle) -> dict[str, Fields]:
    """Access rules; of those that differ in their cap alone the longest counts, as in `decide`."""
    longest: dict[str, float] = {}
    for grant in bundle.grants:
        cap = float("inf") if grant.max_ttl_s is None else grant.max_ttl_s
        address = _grant_address(grant)
        longest[address] = max(cap, longest.get(address, 0))
    return {
        address: {"max_ttl": "" if cap == float("inf") else text(int(cap))}
        for address, cap in longest.items()
    }


def role_address(role: Role) -> str:
    """`role:<engine>/<name>`."""
    return f"role:{role.engine}/{role.name}"


def _engine(engine: EngineConfig) -> Fields:
    connection = {f"connection.{key}": _plain(value) for key, value in engine.connection.items()}
    every = _span(engine.root_rotation_s)
    return {"type": engine.type, "mount": engine.mount, "root_rotation.every": every, **connection}


def _method(method: MethodConfig) -> Fields:
    options = {f"options.{key}": _plain(value) for key, value in method.options.items()}
    return {"type": method.type, **options}


def _role(role: Role) -> Fields:
    fields = {
        "default_ttl": text(role.default_ttl_s),
        "max_ttl": text(role.max_ttl_s),
        "max_leases": _plain(role.max_leases),
        "password_policy": _passwords(role.password_policy),
        "username_template": _plain(role.username_template),
        "on_removal": role.on_removal.value,
        "on_change": role.on_change.value,
        "bind": role.bind.value,
        "share.within": _span(role.share_s),
        "drill.every": _span(role.drill_every_s),
        "ready.successes": "" if role.ready is None else str(role.ready.successes),
        "ready.within": "" if role.ready is None else text(role.ready.within_s),
        "overlap": "" if role.succession is None else text(role.succession.overlap_s),
        "grace": "" if role.succession is None else text(role.succession.grace_s),
        "warm.accounts": "" if role.warm is None else str(role.warm.accounts),
        "warm.kept": "" if role.warm is None else text(role.warm.kept_s),
        "require": ", ".join(map(str, role.require)),
        "annotate": _plain(role.annotate),
    }
    return {**fields, **{key: _plain(value) for key, value in role.options.items()}}


def _static(role: StaticRole) -> Fields:
    schedule = role.schedule
    return {
        "accounts": ", ".join(role.accounts),
        "rotation.every": _span(schedule.every_s),
        "rotation.cron": _plain(schedule.cron),
        "rotation.timezone": schedule.timezone if schedule.cron else "",
        "rotation.by": "" if schedule.by is None else schedule.by.isoformat(),
        "rotation.window": _span(schedule.window_s),
        "rotation.on": ", ".join(sorted(schedule.on)),
        "rotate_at_adoption": _plain(role.rotate_at_adoption),
        "grace_max": _span(role.grace_max_s),
        "password_policy": _passwords(role.password_policy),
    }


def _identity(identity: Identity) -> Fields:
    return {
        "owner": identity.owner,
        "tenant": identity.tenant,
        "match": ", ".join(sorted(shown(facts_of(match)) for match in identity.facts)),
    }


def _quota(quota: Quota) -> Fields:
    rate = quota.issues
    return {
        "max_leases": _plain(quota.max_leases),
        "issues": "" if rate is None else f"{rate.count}/{text(rate.span_s)}",
        "ceiling_warn_pct": _plain(quota.ceiling_warn_pct),
        "ceiling_refuse_pct": _plain(quota.ceiling_refuse_pct),
    }


def _grant_address(grant: Grant) -> str:
    who, where = ",".join(sorted(grant.identities)), ",".join(sorted(grant.paths))
    what = "+".join(sorted(grant.verbs))
    if grant.effect is Effect.DENY:
        what = f"not {what}"
    when = "" if grant.when is None else f" {grant.when}"
    return f"access:{who} {what} {where}{when}" + "".join(f" {each}" for each in grant.require)


def _passwords(policy: PasswordPolicy) -> str:
    return _plain(
        {
            "length": policy.length,
            "required": dict(policy.required),
            "allowed_symbols": policy.allowed_symbols,
        }
    )


def _span(span_s: int | None) -> str:
    return "" if span_s is None else text(span_s)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Reference):
        return f"{value.scheme}:{value.target}"
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
