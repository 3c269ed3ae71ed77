"""Who may do what: the one decision, default deny, and what is denied is denied for good. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from leasehold.bundle import Bundle, Effect, Grant, Identity, Role
from leasehold.conditions import Circumstances, Requirement
from leasehold.standing import StaticRole

VERBS = ("issue", "renew", "revoke", "revoke-any", "list", "operate")
TAKES_FIELDS = "issue"
"""The verb whose requests have fields of the policy's own; a lease then keeps them."""
STATIC_CREDS = "static-creds"
"""The path word of static roles."""
NO_RULE = "no rule allows it"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes: for which identity, for how long at most (seconds), and by which rule.

    `required` are the fields that role and rule ask for.
    """

    identity: Identity
    max_ttl_s: int | None
    rule: str
    required: tuple[Requirement, ...] = ()
    allowed: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Refused:
    """No, and why; `lacking` are the fields that it would take to be a yes.

    `explicit` says that a rule denies it.
    """

    rule: str
    lacking: tuple[Requirement, ...] = ()
    explicit: bool = False
    allowed: ClassVar[bool] = False


Decision = Allowed | Refused


def decide(
    bundle: Bundle,
    identities: Sequence[Identity],
    path: str,
    verb: str,
    circumstances: Circumstances,
) -> Decision:
    """Whether one of `identities` may do `verb` at `path`, under the circumstances.

    One rule that denies counts for more than all that allow. Of several rules that allow it, the
    one with the longest lease counts; among equal ones the identity that is first by name, so that
    it does not depend on the order of files. A path that ends with `*` stands for all that begin
    so, and is denied where any of them is.
    """
    names = {identity.name for identity in identities}
    at = circumstances.at
    concerned = [
        grant
        for grant in bundle.grants
        if verb in grant.verbs and names.intersection(grant.identities)
    ]
    denying = [
        _denies(grant)
        for grant in concerned
        if grant.effect is Effect.DENY
        and (grant.when is None or at is None or grant.when.holds(at))
        and any(_meets(pattern, path) for pattern in grant.paths)
    ]
    if denying:
        return Refused(min(denying), explicit=True)
    allowed: list[Allowed] = []
    refused: list[tuple[int, str, Refused]] = []
    for grant in concerned:
        if grant.effect is Effect.DENY or not any(covers(each, path) for each in grant.paths):
            continue
        required = requirements(bundle, grant, path, verb)
        lacking = circumstances.lacking(required)
        if grant.when is not None and (at is None or not grant.when.holds(at)):
            refused.append((1, grant.source, Refused(_closed(grant, circumstances))))
        elif lacking:
            wanted = " and ".join(str(each) for each in lacking)
            why = Refused(f"{grant.source} allows it, with {wanted}", lacking)
            refused.append((0, grant.source, why))
        else:
            allowed += [
                Allowed(identity, grant.max_ttl_s, grant.source, required)
                for identity in identities
                if identity.name in grant.identities
            ]
    if allowed:
        return min(allowed, key=_preference)
    nearest = min(refused, key=lambda it: (it[0], it[1], it[2].rule), default=None)
    return Refused(NO_RULE) if nearest is None else nearest[2]


def requirements(bundle: Bundle, grant: Grant, path: str, verb: str) -> tuple[Requirement, ...]:
    """The fields that the role at `path`, and the rule that allows it, ask for."""
    if verb != TAKES_FIELDS:
        return ()
    role = role_at(bundle, path)
    return (*(() if role is None else role.require), *grant.require)


def role_at(bundle: Bundle, path: str) -> Role | None:
    """The role that a path `<mount>/<operation>/<name>` leads to, whatever the operation."""
    mount, _, rest = path.partition("/")
    return bundle.roles.get((mount, rest.partition("/")[2]))


def static_role_at(bundle: Bundle, path: str) -> StaticRole | None:
    """The static role that is given out at `path`."""
    mount, _, rest = path.partition("/")
    word, _, name = rest.partition("/")
    return bundle.static_roles.get((mount, name)) if word == STATIC_CREDS else None


def covers(pattern: str, path: str) -> bool:
    """Whether a pattern, exact or with a trailing `*`, covers the path."""
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == pattern


def reaches(grants: Sequence[Grant], identities: Sequence[Identity], prefix: str) -> bool:
    """Whether any rule allows one of `identities` anything at a path that begins with `prefix`."""
    names = {identity.name for identity in identities}
    return any(
        pattern.startswith(prefix) or (pattern.endswith("*") and prefix.startswith(pattern[:-1]))
        for grant in grants
        if grant.effect is Effect.ALLOW and names.intersection(grant.identities)
        for pattern in grant.paths
    )


def longest_s(role: Role, decision: Allowed) -> int:
    """The longest a lease may live: the role's maximum, or less where the access rule says so."""
    if decision.max_ttl_s is None:
        return role.max_ttl_s
    return min(role.max_ttl_s, decision.max_ttl_s)


def _meets(pattern: str, path: str) -> bool:
    """Whether a pattern covers the path or, where that stands for many, any one of those."""
    return covers(pattern, path) or (
        path.endswith("*") and pattern.removesuffix("*").startswith(path[:-1])
    )


def _denies(grant: Grant) -> str:
    when = "" if grant.when is None else f" {grant.when}"
    return f"{grant.source} denies it{when}"


def _closed(grant: Grant, circumstances: Circumstances) -> str:
    window, at = grant.when, circumstances.at
    if window is None or at is None:
        return f"{grant.source} allows it {window}, and the clock is in doubt"
    return f"{grant.source} allows it {window}, and it is {window.told(at)} there"


def _preference(decision: Allowed) -> tuple[float, str, str]:
    cap_s = float("inf") if decision.max_ttl_s is None else decision.max_ttl_s
    return -cap_s, decision.identity.name, decision.rule
