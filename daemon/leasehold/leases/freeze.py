"""What may not be issued or renewed just now, since an incident is open that covers it.

It is asked at the last instant before an intent is written, so that a lease is either refused here
or known to the store before the incident is. The incidents themselves stand in the store; until
they were read nothing is issued.
"""

from collections.abc import Mapping, Sequence

from leasehold.errors import Frozen, Sealed, Unavailable
from leasehold.leases.hold import Hold
from leasehold.leases.matching import Match


class Freeze:
    """The matches of open incidents, by the incident's id."""

    def __init__(self, hold: Hold | None = None) -> None:
        self._hold = hold or Hold()
        self._open: dict[str, Match] | None = None
        self.everything = False
        """Whether nothing at all is issued or renewed, since the daemon is being sealed."""

    @property
    def known(self) -> bool:
        """Whether the store was read."""
        return self._open is not None

    def load(self, matches: Mapping[str, Match]) -> None:
        """Freeze what the store says, and nothing else."""
        self._open = dict(matches)

    def stand(self, incident: str, match: Match) -> None:
        """Freeze this too. Raises Unavailable when the others are not known."""
        self._known()[incident] = match

    def lift(self, incident: str) -> None:
        """Let go of what one incident froze."""
        self._known().pop(incident, None)

    def check(self, facts: Mapping[str, str]) -> None:
        """Raise Frozen when an open incident covers the facts (see `matching.facts_of`).

        Raises Sealed when everything is frozen, Quarantined in quarantine.
        """
        self._hold.check()
        if self.everything:
            raise Sealed("the daemon is being sealed, so nothing is issued or renewed any more")
        for incident, match in self._known().items():
            if match.covers(facts):
                raise Frozen(
                    f"issue and renewal are frozen here by incident {incident}; ask those who"
                    " operate leasehold, and come back when it is closed"
                )

    def troubles(self) -> Sequence[str]:
        """What is frozen, one line each."""
        if self._open is None:
            return ("the open incidents could not be read yet: nothing is issued",)
        return [
            f"incident {incident} is open: issue and renewal are frozen for {match}"
            for incident, match in self._open.items()
        ]

    def _known(self) -> dict[str, Match]:
        if self._open is None:
            raise Unavailable("the open incidents could not be read yet, so nothing is issued")
        return self._open
