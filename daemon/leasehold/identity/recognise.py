"""From attested facts to identities. Pure."""

from collections.abc import Mapping

from leasehold.bundle import Identity, Match, TlsMatch, UnixMatch
from leasehold.model import NOBODY, Caller, TlsPeer


def recognise(identities: Mapping[str, Identity], caller: Caller) -> list[Identity]:
    """The identities that the caller's facts match, in order of their names.

    Being root matches nothing by itself, and a caller whom the kernel cannot map is nobody (rule
    I2), whatever a policy says. A caller by TLS is known by its certificate alone, and one on this
    host never by a certificate.
    """
    return [
        identities[name]
        for name in sorted(identities)
        if any(_agrees(match, caller) for match in identities[name].match)
    ]


def _agrees(match: Match, caller: Caller) -> bool:
    if isinstance(match, TlsMatch):
        return caller.tls is not None and _agrees_by_tls(match, caller.tls)
    return caller.tls is None and _agrees_by_unix(match, caller)


def _agrees_by_tls(match: TlsMatch, peer: TlsPeer) -> bool:
    """Whether one of the names is the match's, letter by letter, and the issuer too."""
    return match.san in peer.names and match.issuer in (None, *peer.issuers)


def _agrees_by_unix(match: UnixMatch, caller: Caller) -> bool:
    """Whether every fact that the match names agrees; one that names none agrees with nobody."""
    if caller.uid in NOBODY or (match.uid is None and match.gid is None):
        return False
    return match.uid in (None, caller.uid) and (
        match.gid is None or (match.gid in caller.groups and match.gid not in NOBODY)
    )
