"""From attested facts to identities. Pure."""

from collections.abc import Mapping

from leasehold.bundle import Identity, UnixMatch
from leasehold.model import NOBODY, Caller


def recognise(identities: Mapping[str, Identity], caller: Caller) -> list[Identity]:
    """The identities that the caller's facts match, in order of their names.

    Being root matches nothing by itself, and a caller whom the kernel cannot map is nobody (rule
    I2), whatever a policy says.
    """
    if caller.uid in NOBODY:
        return []
    return [
        identities[name]
        for name in sorted(identities)
        if any(_agrees(match, caller) for match in identities[name].match)
    ]


def _agrees(match: UnixMatch, caller: Caller) -> bool:
    """Whether every fact that the match names agrees; one that names none agrees with nobody."""
    if match.uid is None and match.gid is None:
        return False
    return match.uid in (None, caller.uid) and (
        match.gid is None or (match.gid in caller.groups and match.gid not in NOBODY)
    )
