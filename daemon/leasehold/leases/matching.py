"""Leases by who and where they are of, across mounts and prefixes. Pure.

Every value is exact, and all that are given must agree: what an emergency hits must be told in
advance, so there are no patterns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from leasehold.errors import Invalid
from leasehold.leases.store import LeaseStore
from leasehold.model import Lease, LeaseState

FIELDS = ("tenant", "owner", "identity", "engine", "role", "account")
VALUE_CHARS = 256


@dataclass(frozen=True, slots=True)
class Match:
    """`wanted` has values by names of `FIELDS`. A role is its name, or its whole path."""

    wanted: Mapping[str, str]

    def covers(self, facts: Mapping[str, str]) -> bool:
        """Whether all values agree; a fact that is not there agrees with none."""
        return all(_agrees(name, facts.get(name, ""), it) for name, it in self.wanted.items())

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.wanted.items())


def facts_of(lease: Lease) -> Mapping[str, str]:
    """What a lease is matched by."""
    return {
        "tenant": lease.tenant,
        "owner": lease.owner,
        "identity": lease.identity,
        "engine": lease.engine,
        "role": lease.path,
        "account": lease.account,
    }


def read_match(texts: Sequence[str]) -> Match:
    """What texts such as `tenant=payments` say. Raises Invalid."""
    allowed = f"allowed are {', '.join(f'{name}=…' for name in FIELDS)}"
    if not texts:
        raise Invalid(f"match: nothing is given, which would be everything; {allowed}")
    wanted: dict[str, str] = {}
    for text in texts:
        name, _, value = text.strip().partition("=")
        if name not in FIELDS or not value:
            raise Invalid(f"match: found '{text[:80]}'; {allowed}, each with its exact value")
        if len(value) > VALUE_CHARS:
            raise Invalid(f"match: {name} has {len(value)} characters; allowed are {VALUE_CHARS}")
        if name in wanted:
            raise Invalid(f"match: {name} is given twice; open an incident for each value")
        wanted[name] = value
    return Match({name: wanted[name] for name in FIELDS if name in wanted})


def _agrees(name: str, fact: str, wanted: str) -> bool:
    return fact == wanted or (name == "role" and fact.rpartition("/")[2] == wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """So many live leases of one identity for one role; none ends later than `until_ms`."""

    engine: str
    engine_type: str
    path: str
    identity: str
    owner: str
    tenant: str
    leases: int
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of an engine's leases that are to end.

    Of `total`, `revoked` have ended altogether, `forced` of them by force. Nobody can log in with
    `disabled` ones. An attempt at `failing` ones failed; `untold` were not told to end yet. The
    credentials of `unexpired` would live on by themselves, at most until `until_ms`: that counts
    where revoking ends nothing.
    """

    engine: str
    engine_type: str
    total: int
    revoked: int
    forced: int
    disabled: int
    failing: int
    untold: int
    unexpired: int
    until_ms: int


class MatchedLeases(LeaseStore, Protocol):
    """A store that also answers for leases that match. Raises Unavailable."""

    async def holdings(self, match: Match) -> Sequence[Holding]:
        """Who holds live leases that match, for which roles."""

    async def longest(
        self,
        match: Match,
        at_ms: int,
        states: Sequence[LeaseState],
        limit: int,
        after: Lease | None = None,
    ) -> list[Lease]:
        """Leases that match, issued up to `at_ms`, in these states; the latest end first.

        With `after`, the last one of the page before, only those that come behind it.
        """

    async def fates(self, match: Match, at_ms: int, since_ms: int, now_ms: int) -> Sequence[Fate]:
        """What became of those that were live at `at_ms`; an attempt is one since `since_ms`."""

    async def spans_ms(self, match: Match, at_ms: int, since_ms: int) -> Sequence[int]:
        """How long after `since_ms` each of them was gone, the shortest first."""
