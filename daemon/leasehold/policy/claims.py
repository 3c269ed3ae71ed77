"""The claims under `tests:`, proved against the rules beside them. Pure.

Facts are compared as they are written, so a claim means the same on every host.
"""

from collections.abc import Iterator

from leasehold.bundle import AccessTest, Bundle
from leasehold.policy.decide import Allowed, Decision, decide, longest_s
from leasehold.policy.durations import text
from leasehold.policy.facts import shown
from leasehold.policy.problems import Fault
from leasehold.policy.questions import identities_with, role_at


def refuted(bundle: Bundle) -> Iterator[Fault]:
    """Every claim of the bundle that does not hold, with what holds instead."""
    for claim in bundle.tests:
        decision = decide(
            bundle.grants, identities_with(bundle, claim.facts), claim.path, claim.verb
        )
        for message in _against(bundle, claim, decision):
            yield Fault(("tests", claim.index), message)


def _against(bundle: Bundle, claim: AccessTest, decision: Decision) -> Iterator[str]:
    asked = f"{claim.verb} at {claim.path}"
    if not isinstance(decision, Allowed):
        if claim.allowed:
            yield f"expects allow, but no rule allows {asked} to {shown(claim.facts)}"
        return
    if not claim.allowed:
        yield (
            f"expects deny, but {decision.rule} allows {asked} to {decision.identity.name},"
            f" which {shown(claim.facts)} is"
        )
        return
    role = role_at(bundle, claim.path)
    found_s = decision.max_ttl_s if role is None else longest_s(role, decision)
    if claim.ttl_s is not None and found_s != claim.ttl_s:
        found = "no limit" if found_s is None else text(found_s)
        yield f"expects a ttl of {text(claim.ttl_s)}, but {decision.rule} gives {found}"
