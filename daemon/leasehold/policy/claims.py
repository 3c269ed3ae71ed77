"""The claims under `tests:`, proved against the rules beside them. Pure.

Facts are compared as they are written, so a claim means the same on every host.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from leasehold.bundle import AccessTest, Bundle, Identity
from leasehold.policy.decide import Allowed, Decision, decide
from leasehold.policy.durations import text
from leasehold.policy.problems import Fault


def refuted(bundle: Bundle) -> Iterator[Fault]:
    """Every claim of the bundle that does not hold, with what holds instead."""
    for claim in bundle.tests:
        decision = decide(
            bundle.grants, identities_with(bundle, claim.facts), claim.path, claim.verb
        )
        for message in _against(bundle, claim, decision):
            yield Fault(("tests", claim.index), message)


def identities_with(bundle: Bundle, facts: Mapping[str, Any]) -> list[Identity]:
    """The identities that somebody with `facts`, and no others, would be, by name."""
    return [
        identity
        for _, identity in sorted(bundle.identities.items())
        if any(match.items() <= facts.items() for match in identity.facts)
    ]


def longest_s(bundle: Bundle, path: str, decision: Allowed) -> int | None:
    """The longest lease that a decision gives at a path, None where there is no such role."""
    mount, _, rest = path.partition("/")
    role = bundle.roles.get((mount, rest.partition("/")[2]))
    if role is None:
        return decision.max_ttl_s
    return min(role.max_ttl_s, decision.max_ttl_s or role.max_ttl_s)


def _against(bundle: Bundle, claim: AccessTest, decision: Decision) -> Iterator[str]:
    asked = f"{claim.verb} at {claim.path}"
    if not isinstance(decision, Allowed):
        if claim.allowed:
            yield f"expects allow, but no rule allows {asked} to {_who(claim.facts)}"
        return
    if not claim.allowed:
        yield (
            f"expects deny, but {decision.rule} allows {asked} to {decision.identity.name},"
            f" which {_who(claim.facts)} is"
        )
        return
    found_s = longest_s(bundle, claim.path, decision)
    if claim.ttl_s is not None and found_s != claim.ttl_s:
        found = "no limit" if found_s is None else text(found_s)
        yield f"expects a ttl of {text(claim.ttl_s)}, but {decision.rule} gives {found}"


def _who(facts: Mapping[str, Any]) -> str:
    return "unix " + ", ".join(
        name if value is True else f"{name}={value}" for name, value in sorted(facts.items())
    )
