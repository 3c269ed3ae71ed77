"""The quotas of a policy: each is somebody's whom the policy knows. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from leasehold.policy.draft import Draft
from leasehold.policy.durations import seconds
from leasehold.policy.problems import nearest
from leasehold.quota import REFUSE_PCT, WARN_PCT, Kind, Quota, Quotas, Rate

_KINDS = {"identities": Kind.IDENTITY, "tenants": Kind.TENANT, "engines": Kind.ENGINE}


def compile_quotas(draft: Draft) -> Quotas:
    """Every quota that is not broken."""
    known = {
        "identities": draft.named("identities").keys(),
        "tenants": _tenants(draft),
        "engines": draft.named("engines").keys(),
    }
    named: dict[tuple[Kind, str], Quota] = {}
    defaults: dict[Kind, Quota] = {}
    for section, quotas in draft.whole("quotas"):
        if section == "defaults":
            defaults = {_KINDS[each]: _quota(said) for each, said in quotas.items()}
            continue
        for name, said in quotas.items():
            _check_known(draft, section, name, known[section])
            named[_KINDS[section], name] = _quota(said)
    quotas = Quotas(named=named, defaults=defaults)
    for name in draft.named("engines"):
        _check_shares(draft, name, quotas)
    return quotas


def _check_shares(draft: Draft, engine: str, quotas: Quotas) -> None:
    holds = quotas.of(Kind.ENGINE, engine)
    warn, refuse = holds.ceiling_warn_pct or WARN_PCT, holds.ceiling_refuse_pct or REFUSE_PCT
    if warn > refuse:
        own = (Kind.ENGINE, engine) in quotas.named
        path = ("quotas", "engines", engine) if own else ("quotas", "defaults", "engines")
        message = f"warns of ceilings at {warn} % and refuses at {refuse} %; warn earlier"
        if not any(fault.path == path for fault in draft.faults):
            draft.fault(path, message, key=True)


def _tenants(draft: Draft) -> set[str]:
    return {
        tenant
        for identity in draft.named("identities").values()
        if isinstance(identity, Mapping) and isinstance(tenant := identity.get("tenant"), str)
    }


def _check_known(draft: Draft, section: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        all_of_them = ", ".join(sorted(known)) or "none"
        noun = "no identity has the tenant" if section == "tenants" else f"no {_KINDS[section]} is"
        message = f"{noun} {name}; {section} are {all_of_them}{nearest(name, known)}"
        draft.fault(("quotas", section, name), message, key=True)


def _quota(said: Mapping[str, Any]) -> Quota:
    issues = None
    if "issues" in said:
        count, _, span = said["issues"].partition("/")
        issues = Rate(int(count), seconds(span))
    return Quota(**{**said, "issues": issues})
