"""The claims under `tests:`, proved against the rules beside them. Pure.

Facts are compared as they are written, so a claim means the same on every host.
"""

from collections.abc import Iterator, Sequence

from leasehold.bundle import AccessTest, Bundle, Grant, Identity
from leasehold.conditions import Circumstances
from leasehold.policy.decide import NO_RULE, Allowed, Decision, covers, decide, longest_s, role_at
from leasehold.policy.durations import text
from leasehold.policy.facts import shown
from leasehold.policy.problems import Fault
from leasehold.policy.questions import identities_with


def refuted(bundle: Bundle) -> Iterator[Fault]:
    """Every claim of the bundle that does not hold, with what holds instead."""
    for claim in bundle.tests:
        identities = identities_with(bundle, claim.facts)
        if claim.at is None and (timed := _timed(bundle, claim, identities)):
            yield Fault(
                ("tests", claim.index),
                f"{timed.source} holds {timed.when} only; say at which instant, such as"
                " at: 2026-01-05T09:00+01:00",
            )
            continue
        circumstances = Circumstances(claim.at, claim.fields)
        decision = decide(bundle, identities, claim.path, claim.verb, circumstances)
        for message in _against(bundle, claim, decision):
            yield Fault(("tests", claim.index), message)


def _timed(bundle: Bundle, claim: AccessTest, identities: Sequence[Identity]) -> Grant | None:
    """A rule on the claim that does not hold at all hours."""
    names = {identity.name for identity in identities}
    for grant in bundle.grants:
        if grant.when is None or claim.verb not in grant.verbs:
            continue
        here = any(covers(pattern, claim.path) for pattern in grant.paths)
        if here and names.intersection(grant.identities):
            return grant
    return None


def _against(bundle: Bundle, claim: AccessTest, decision: Decision) -> Iterator[str]:
    asked = f"{claim.verb} at {claim.path}"
    if not isinstance(decision, Allowed):
        if claim.allowed:
            if decision.rule == NO_RULE:
                yield f"expects allow, but no rule allows {asked} to {shown(claim.facts)}"
            else:
                yield f"expects allow of {asked} to {shown(claim.facts)}, but {decision.rule}"
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
