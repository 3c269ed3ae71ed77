"""The access rules, and the identities, that come near, for operators who look for the one that
is missing. Pure; decides nothing.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from leasehold.bundle import Bundle, Effect, Grant, Identity, TlsMatch
from leasehold.conditions import Circumstances
from leasehold.login import LoginMatch
from leasehold.model import Caller, Login
from leasehold.policy.decide import covers, decide

MOST = 3
_NAMED = 4
"""How many names one line tells."""


def near_misses(
    bundle: Bundle,
    identities: Sequence[Identity],
    path: str,
    verb: str,
    circumstances: Circumstances,
) -> tuple[str, ...]:
    """Rules that agree in two of three (who, where, what), one line each, the nearest first.

    Before them those that agree in all three, and are closed at that hour, lack a field, or count
    for less than a rule that denies.
    """
    names = {identity.name for identity in identities}
    allowing = [grant for grant in bundle.grants if grant.effect is Effect.ALLOW]
    found = {miss for grant in allowing for miss in _miss(grant, names, path, verb)}
    found |= {
        (-1, why)
        for grant in allowing
        if verb in grant.verbs and names.intersection(grant.identities)
        if any(covers(pattern, path) for pattern in grant.paths)
        for why in [_alone(bundle, grant, identities, path, verb, circumstances)]
    }
    return tuple(text for _, text in sorted(found)[:MOST])


def near_identities(identities: Mapping[str, Identity], caller: Caller) -> tuple[str, ...]:
    """Identities that the caller's certificate or login nearly is, one line each, nearest first."""
    if caller.login is not None:
        return _near_logins(identities, caller.login)
    if caller.tls is None:
        return ()
    names, issuers = caller.tls.names, caller.tls.issuers
    found = []
    for identity in identities.values():
        for match in identity.match:
            if not isinstance(match, TlsMatch):
                continue
            if match.san in names and match.issuer not in (None, *issuers):
                found.append((0, f"{identity.name} is {match.san} of another issuer"))
            elif match.san not in names and difflib.get_close_matches(match.san, names, 1):
                found.append((1, f"{identity.name} is {match.san}"))
    return tuple(text for _, text in sorted(found)[:MOST])


def _alone(
    bundle: Bundle,
    grant: Grant,
    identities: Sequence[Identity],
    path: str,
    verb: str,
    circumstances: Circumstances,
) -> str:
    """What the rule says where no other does."""
    decision = decide(replace(bundle, grants=(grant,)), identities, path, verb, circumstances)
    return f"{grant.source} alone would allow it" if decision.allowed else decision.rule


def _near_logins(identities: Mapping[str, Identity], login: Login) -> tuple[str, ...]:
    """Identities that agree in some facts of a login, with those that do not."""
    found = []
    for identity in identities.values():
        for match in identity.match:
            if not isinstance(match, LoginMatch) or match.kind != login.kind:
                continue
            missing = match.misses(login)
            if 0 < len(missing) < len(match.facts) + len(match.globs):
                line = f"{identity.name} has another {_listed(sorted(set(missing)))}"
                found.append((len(missing), line))
    return tuple(text for _, text in sorted(found)[:MOST])


def _miss(grant: Grant, names: set[str], path: str, verb: str) -> Iterator[tuple[int, str]]:
    who = bool(names.intersection(grant.identities))
    where = any(covers(pattern, path) for pattern in grant.paths)
    what = verb in grant.verbs
    if (who, where, what) == (True, True, False):
        yield 0, f"{grant.source} allows {_listed(sorted(grant.verbs))} there, not {verb}"
    elif (who, where, what) == (False, True, True):
        yield 1, f"{grant.source} allows it to {_listed(sorted(grant.identities))}"
    elif (who, where, what) == (True, False, True):
        yield 2, f"{grant.source} allows {verb} at {_listed(sorted(grant.paths))}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
