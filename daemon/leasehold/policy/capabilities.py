"""Access rules in Vault's words: what a caller may do at a path, and rules as policy text. Pure.

Vault names what an HTTP method does, our verbs what becomes of a lease. A role is issued with GET,
PUT or POST, so `issue` is read, create and update there; `list` is list, `operate` is sudo and, at
a path of leasehold's own, what its methods need. `renew`, `revoke` and `revoke-any` are used at
`sys/leases/`, where every lease is decided on by itself, so they have no word at a role.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from leasehold.bundle import Bundle, Effect, Grant, Identity
from leasehold.conditions import Circumstances
from leasehold.policy.decide import decide

DENY = ("deny",)
_OF_VERB: Mapping[str, frozenset[str]] = {
    "issue": frozenset({"create", "read", "update"}),
    "list": frozenset({"list"}),
    "operate": frozenset({"sudo"}),
}
_OWN = "leasehold/"
_OF_OPERATORS = frozenset({"create", "read", "update", "sudo"})
_OPEN: Mapping[str, frozenset[str]] = {
    "sys/leases/lookup": frozenset({"create", "list", "update"}),
    "sys/leases/renew": frozenset({"create", "update"}),
    "sys/leases/revoke": frozenset({"create", "update"}),
    "sys/capabilities-self": frozenset({"create", "update"}),
    "sys/internal/ui/mounts": frozenset({"read"}),
    "sys/mounts": frozenset({"read"}),
    "sys/auth": frozenset({"read"}),
    "leasehold/can-i": frozenset({"create", "update"}),
    "leasehold/leases": frozenset({"read"}),
}
"""What all who may connect may ask for, and is then decided on by itself."""


def capabilities(
    bundle: Bundle, identities: Sequence[Identity], path: str, circumstances: Circumstances
) -> tuple[str, ...]:
    """What somebody who is all of `identities` may do at `path`, sorted; `deny` for nothing."""
    path = path.strip("/")
    verbs = [
        verb for verb in _OF_VERB if decide(bundle, identities, path, verb, circumstances).allowed
    ]
    found = _words(verbs, path) | _open(path)
    return tuple(sorted(found)) or DENY


def policy_text(grants: Iterable[Grant], name: str) -> str:
    """The rules of the identity `name` as Vault would write them, each with its place and verbs."""
    return "".join(_stanzas(grants, name)) or "# no rule names this identity\n"


def _stanzas(grants: Iterable[Grant], name: str) -> Iterator[str]:
    for grant in grants:
        if name in grant.identities:
            for path in grant.paths:
                found = DENY if grant.effect is Effect.DENY else sorted(_words(grant.verbs, path))
                words = ", ".join(f'"{word}"' for word in found)
                yield f"# {grant.source}: {'; '.join(_told(grant))}\n"
                yield f'path "{path}" {{\n  capabilities = [{words}]\n}}\n'


def _told(grant: Grant) -> Iterator[str]:
    """What Vault's words do not say of a rule."""
    yield ", ".join(sorted(grant.verbs))
    if grant.when is not None:
        yield str(grant.when)
    yield from (f"needs {each}" for each in grant.require)


def _words(verbs: Iterable[str], path: str) -> frozenset[str]:
    found = frozenset[str]().union(*(_OF_VERB.get(verb, frozenset()) for verb in verbs))
    return found | _OF_OPERATORS if "sudo" in found and path.startswith(_OWN) else found


def _open(path: str) -> frozenset[str]:
    for place, words in _OPEN.items():
        if path == place or path.startswith(f"{place}/"):
            return words
    return frozenset()
