"""The quotas of a policy: each is somebody's whom the policy knows. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from leasehold.policy.draft import Draft
from leasehold.policy.durations import seconds
from leasehold.policy.problems import nearest
from leasehold.quota import Kind, Quota, Quotas, Rate

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
    return Quotas(named=named, defaults=defaults)


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
    return Quota(max_leases=said.get("max_leases"), issues=issues)
