"""The ways to log in: each turns what is proven of somebody into the facts of a token. Pure.

A method attests and nothing else. What comes of the facts (a token, its life, who that is under the
served policy) is the same for all, so a method that is added needs to know nothing of tokens.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from leasehold.errors import Invalid
from leasehold.model import Caller

Attest = Callable[[Caller], Caller]
"""From the caller of the connection to the facts that are proven. Raises Invalid."""


def unix(peer: Caller) -> Caller:
    """What the kernel says of a caller on this host."""
    if peer.tls is not None:
        raise Invalid("method unix: the kernel knows nothing of a caller by TLS; use method cert")
    return facts_of(peer)


def cert(peer: Caller) -> Caller:
    """What the client certificate of a TLS connection says."""
    if peer.tls is None or not peer.tls.names:
        raise Invalid("method cert: there is no client certificate; connect by TLS and send one")
    return facts_of(peer)


def facts_of(caller: Caller) -> Caller:
    """What is proven of a caller, without what it asks now or by which token."""
    return replace(caller, request="", token="", peer="")


METHODS: Mapping[str, Attest] = {"unix": unix, "cert": cert}
"""By name; `auth/<name>/login` is the path of each."""


def display_name(method: str, facts: Caller) -> str:
    """What a token of a login is called where nobody names it: `unix-1000`, `cert-dns:web`."""
    who = facts.uid if facts.tls is None else next(iter(facts.tls.names), "nobody")
    return f"{method}-{who}"


def method_of(caller: Caller) -> str:
    """The method by which the caller of a connection is known, or would log in."""
    return "unix" if caller.tls is None else "cert"
