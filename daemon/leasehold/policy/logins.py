"""Facts of logins, as policies write them: maps, made flat, with the method's type before names.

`jwt: {issuer: I, claims: {ref: R}, globs: {claims.sub: S*}}` is `jwt.issuer`, `jwt.claims.ref` and
`jwt.globs.claims.sub`. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from leasehold.bundle import Fact
from leasehold.login import LoginMatch
from leasehold.model import Login

LOCAL_KINDS = ("unix", "tls")
"""What the connection itself proves; every other kind is that of a login method."""
_GLOBS = "globs."


def flat(kind: str, written: Mapping[str, Any]) -> dict[str, Any]:
    """What stands under the key `kind` of a match, with one name a value."""
    return dict(_flat(f"{kind}.", written))


def match_of(kind: str, written: Mapping[str, Any]) -> LoginMatch:
    """The match that is written under the key `kind`."""
    pairs = sorted(_flat("", written))
    return LoginMatch(
        kind=kind,
        facts=tuple(pair for pair in pairs if not pair[0].startswith(_GLOBS)),
        globs=tuple(
            (name.removeprefix(_GLOBS), value) for name, value in pairs if name.startswith(_GLOBS)
        ),
    )


def login_with(kind: str, facts: Iterable[Fact]) -> Login:
    """Somebody whose login attested these facts, and nothing else."""
    pairs = {(name.removeprefix(f"{kind}."), str(value)) for name, value in facts}
    return Login(kind, tuple(sorted(pairs)))


def _flat(before: str, written: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in written.items():
        # Under `globs` names are those of facts already, dots and all.
        if isinstance(value, Mapping):
            yield from _flat(f"{before}{name}.", value)
        else:
            yield f"{before}{name}", value
