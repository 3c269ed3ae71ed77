"""What callers lack of the identities that they are not. Pure; decides nothing."""

from collections.abc import Iterator, Mapping, Sequence

from leasehold.bundle import Identity, Match, TlsMatch, UnixMatch
from leasehold.identity.recognise import agrees_by_ids, misses
from leasehold.login import LoginMatch
from leasehold.model import Caller

MOST = 3


def lacking(
    identities: Mapping[str, Identity], caller: Caller, *, everything: bool
) -> list[tuple[str, tuple[str, ...]]]:
    """The identities that the caller is not, by name, and what the nearest match of each lacks.

    Only those with a match of which some fact agrees, unless `everything` is asked for.
    """
    found = []
    for name in sorted(identities):
        missed = [(match, misses(match, caller)) for match in identities[name].match]
        if not all(lacks for _, lacks in missed):
            continue
        near = [lacks for match, lacks in missed if everything or len(lacks) < _asked(match)]
        if near:
            found.append((name, min(near, key=len)))
    return found


def _asked(match: Match) -> int:
    """How many facts a match names; those of another kind of caller count as one."""
    if isinstance(match, TlsMatch):
        return 1 if match.issuer is None else 2
    if isinstance(match, LoginMatch):
        return len(match.facts) + len(match.globs)
    return (match.uid is not None) + (match.gid is not None) + len(match.process)


def near_processes(identities: Mapping[str, Identity], caller: Caller) -> Sequence[str]:
    """Identities of the caller's user or group but of another process, one line each."""
    return [
        f"{name} {line}"
        for name in sorted(identities)
        for match in identities[name].match
        if isinstance(match, UnixMatch) and match.process and agrees_by_ids(match, caller)
        for line in _differences(match, caller)
    ][:MOST]


def _differences(match: UnixMatch, caller: Caller) -> Iterator[str]:
    facts, untold = caller.process.facts, caller.process.untold
    lacks = misses(match, caller)
    for name, value in match.process:
        if name in lacks:
            found = facts.get(name) or f"unknown: {untold.get(name, 'there is none')}"
            yield f"is {name} {value}, and this one's is {found}"
