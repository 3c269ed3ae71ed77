"""From attested facts to identities. Pure."""

from collections.abc import Iterator, Mapping

from leasehold.bundle import Identity, Match, TlsMatch, UnixMatch
from leasehold.login import LoginMatch
from leasehold.model import NOBODY, Caller, Process, TlsPeer


def recognise(identities: Mapping[str, Identity], caller: Caller) -> list[Identity]:
    """The identities that the caller's facts match, in order of their names.

    Being root matches nothing by itself, and a caller whom the kernel cannot map is nobody (rule
    I2), whatever a policy says. A caller by TLS is known by its certificate alone, one on this host
    never by a certificate, and one who logged in by what its login attested alone. What is asked of
    a process and is not known of it does not match.
    """
    return [
        identities[name]
        for name in sorted(identities)
        if any(not misses(match, caller) for match in identities[name].match)
    ]


def misses(match: Match, caller: Caller) -> tuple[str, ...]:
    """The facts of the match that do not agree, by name; none when the caller is who is meant."""
    if isinstance(match, LoginMatch):
        return match.misses(caller.login)
    if isinstance(match, TlsMatch):
        return ("tls",) if caller.tls is None else tuple(_tls_misses(match, caller.tls))
    if caller.tls is not None or caller.login is not None:
        return ("unix",)
    return (*_id_misses(match, caller), *_process_misses(match, caller.process))


def agrees_by_ids(match: UnixMatch, caller: Caller) -> bool:
    """Whether all that the match says of user and group agrees."""
    return caller.local_uid is not None and not any(_id_misses(match, caller))


def agrees_by_process(match: UnixMatch, process: Process, *, but: str) -> bool:
    """Whether all that the match says of the process agrees, except for the fact `but`."""
    return all(name == but for name in _process_misses(match, process))


def _tls_misses(match: TlsMatch, peer: TlsPeer) -> Iterator[str]:
    """One of the names must be the match's, letter by letter, and the issuer too."""
    if match.san not in peer.names:
        yield "san"
    if match.issuer not in (None, *peer.issuers):
        yield "issuer"


def _id_misses(match: UnixMatch, caller: Caller) -> Iterator[str]:
    """Every id that the match names must agree; one that names none agrees with nobody."""
    nobody = caller.uid in NOBODY or (match.uid is None and match.gid is None)
    if nobody or match.uid not in (None, caller.uid):
        yield "uid"
    if match.gid is not None and (match.gid in NOBODY or match.gid not in caller.groups):
        yield "gid"


def _process_misses(match: UnixMatch, process: Process) -> Iterator[str]:
    for name, value in match.process:
        found = process.facts.get(name, "")
        if found != value and not (name == "cgroup" and found.startswith(f"{value}/")):
            yield name
