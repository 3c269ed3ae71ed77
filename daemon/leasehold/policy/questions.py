"""Questions about access, answered by the one decision that binds the verbs too. Pure."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leasehold.bundle import Bundle, Facts, Identity, Role
from leasehold.conditions import Circumstances
from leasehold.login import LoginMatch
from leasehold.model import Login
from leasehold.policy.decide import (
    NO_RULE,
    Allowed,
    Decision,
    covers,
    decide,
    longest_s,
    role_at,
    static_role_at,
)
from leasehold.policy.facts import agree, kind_of, shown
from leasehold.policy.logins import LOCAL_KINDS, login_with
from leasehold.policy.misses import MOST, near_misses

NEEDS_ROLE = ("issue", "renew")

Operations = Mapping[str, frozenset[str]]
"""The path words by engine type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether any of `identities` may do `verb` at `path`.

    `ttl_s` is what a lease gets if nobody asks for another life, `max_ttl_s` the longest one; both
    None for verbs without a lease. `why` says why not, `near` what comes near, for operators.
    """

    path: str
    verb: str
    identities: tuple[Identity, ...]
    decision: Decision
    ttl_s: int | None = None
    max_ttl_s: int | None = None
    why: str = ""
    near: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether it would come to pass."""
        return not self.why


def can(
    bundle: Bundle,
    operations: Operations,
    identities: Sequence[Identity],
    path: str,
    verb: str,
    circumstances: Circumstances,
) -> Answer:
    """Whether somebody who is all of `identities` may do `verb` at `path`, by which rule."""
    decision = decide(bundle, identities, path, verb, circumstances)
    ttl_s = max_ttl_s = None
    near: Sequence[str] = ()
    why = ""
    if not isinstance(decision, Allowed):
        names = ", ".join(identity.name for identity in identities)
        why = decision.rule
        if decision.rule == NO_RULE:
            why = f"no rule allows {verb} at {path} to {names or 'somebody who is no identity'}"
        near = near_misses(bundle, identities, path, verb, circumstances)
    elif verb in NEEDS_ROLE and static_role_at(bundle, path) is None:
        role = role_at(bundle, path)
        if role is None or path not in _paths(bundle, operations, role):
            why = f"{decision.rule} allows it, but no role is at {path}"
            near = [f"a role is at {place}" for place in _like(bundle, operations, path)]
        else:
            max_ttl_s = longest_s(role, decision)
            ttl_s = min(role.default_ttl_s, max_ttl_s)
    return Answer(
        path=path,
        verb=verb,
        identities=tuple(identities),
        decision=decision,
        ttl_s=ttl_s,
        max_ttl_s=max_ttl_s,
        why=why,
        near=tuple(near),
    )


def who_can(
    bundle: Bundle, operations: Operations, path: str, verb: str, circumstances: Circumstances
) -> list[Answer]:
    """What `can` says to every identity that may, by name."""
    covering = [grant for grant in bundle.grants if any(covers(each, path) for each in grant.paths)]
    named = {name for grant in covering for name in grant.identities}
    answers = [
        can(bundle, operations, [identity], path, verb, circumstances)
        for name, identity in sorted(bundle.identities.items())
        if name in named
    ]
    return [answer for answer in answers if answer.allowed]


def identities_with(bundle: Bundle, known: Facts) -> list[Identity]:
    """The identities that somebody with these facts, and no others, would be, by name.

    Facts are compared as they are written.
    """
    kind = kind_of(known)
    login = None if kind in LOCAL_KINDS else login_with(kind, known)
    return [
        identity
        for _, identity in sorted(bundle.identities.items())
        if any(agree(match, known) for match in identity.facts)
        or (login is not None and _logged_in(identity, login))
    ]


def _logged_in(identity: Identity, login: Login) -> bool:
    return any(
        isinstance(match, LoginMatch) and not match.misses(login) for match in identity.match
    )


def can_json(answer: Answer, *, near: bool) -> dict[str, Any]:
    """The answer as `leasehold can-i --json` prints it; without `near`, as callers may see it."""
    decision = answer.decision
    identity = decision.identity if isinstance(decision, Allowed) else None
    return {
        "allowed": answer.allowed,
        "path": answer.path,
        "verb": answer.verb,
        "identities": [each.name for each in answer.identities],
        "identity": identity.name if identity else None,
        "owner": identity.owner if identity else None,
        "tenant": identity.tenant if identity else None,
        "ttl": answer.ttl_s,
        "max_ttl": answer.max_ttl_s,
        "rule": decision.rule if identity else None,
        "require": _required(decision),
        "why": answer.why,
        "near": list(answer.near) if near else [],
    }


def who_json(answers: Sequence[Answer], path: str, verb: str) -> dict[str, Any]:
    """The answers as `leasehold who-can --json` prints them."""
    told = []
    for answer in answers:
        identity = answer.identities[0]
        told.append(
            {
                "identity": identity.name,
                "owner": identity.owner,
                "tenant": identity.tenant,
                "match": [shown(match.items()) for match in identity.facts],
                "ttl": answer.ttl_s,
                "max_ttl": answer.max_ttl_s,
                "rule": answer.decision.rule,
                "require": _required(answer.decision),
            }
        )
    return {"path": path, "verb": verb, "identities": told}


def _required(decision: Decision) -> dict[str, str]:
    """The fields that a request must have, or would need to have, with their patterns."""
    wanted = decision.required if isinstance(decision, Allowed) else decision.lacking
    return {each.field: each.pattern for each in wanted}


def _paths(bundle: Bundle, operations: Operations, role: Role) -> list[str]:
    engine = bundle.engines[role.engine]
    return [f"{engine.mount}/{word}/{role.name}" for word in sorted(operations[engine.type])]


def _like(bundle: Bundle, operations: Operations, path: str) -> list[str]:
    """The paths of roles that are spelt most like `path`."""
    served = [place for role in bundle.roles.values() for place in _paths(bundle, operations, role)]
    return difflib.get_close_matches(path, sorted(served), MOST)
