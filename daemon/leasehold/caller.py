"""Who asks: what is proven of a caller, and by what. Pure.

Nothing that a caller says about itself is here. To the parts of the daemon it comes with the other
values that travel, from `leasehold.model`.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, overload
from urllib.parse import quote

from leasehold.hosts import counted_as

NOBODY = frozenset({65_534, 4_294_967_295})
"""What the kernel shows for ids that it cannot map; nobody is matched by them (rule I2)."""

TOKEN_HOLDER = "token:"
"""What the holder of a lease begins with when it is a token; the accessor follows."""


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """Who is at the other end of a TLS connection (rule I5).

    `names` are what its client certificate is made out to, typed: `dns:billing.internal`,
    `uri:spiffe://…`, `email:…`; none without a certificate. `issuers` are the SHA-256 fingerprints,
    in hexadecimal, of the trusted authorities whose key signed it. `serial` and `address` are for
    records only. No text holds a comma or a blank.
    """

    names: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    serial: str = ""
    address: str = ""


class PeerSocket(Protocol):
    """A connected Unix socket, or asyncio's view of one: what the kernel is asked by."""

    @overload
    def getsockopt(self, level: int, name: int, /) -> int: ...
    @overload
    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


class Line(Protocol):
    """The connection that a request comes by, as far as leases can be bound to it."""

    @property
    def name(self) -> str:
        """Names this connection and no other, of whichever daemon."""

    @property
    def stays(self) -> bool:
        """Whether the request that is made leaves it open."""

    @property
    def holds(self) -> bool:
        """Whether it does nothing any more but hold leases."""

    def holding(self, ended: Callable[[], None]) -> AbstractContextManager[None]:
        """Have it hold what is made within, unless that fails; `ended` is called at its end.

        Raises LimitReached when too many connections do, Invalid when it has ended.
        """

    def let_go(self) -> None:
        """End it, since nothing is bound to it any more."""


@dataclass(frozen=True, slots=True)
class Process:
    """What is known of the caller's process (rule I4).

    `facts` has `cgroup`, `slice`, `unit`, `user_unit`, `exe` and `sha256`, as far as somebody asked
    for them and they could be read; `untold` says of others why they could not. `namespaces` says
    of `mount` and `user` whether it is in the `host`'s or in `another`.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    untold: Mapping[str, str] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)


_PLAIN = "!\"#$&'()*+-./:;<=>?@[\\]^_`{|}~"
"""What stands for itself in a fact as it is shown: printable ASCII but for `%`, comma and blank."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who logged in by something else than its connection, such as a signed token.

    `kind` is the type of the method that attested it (`jwt`). `facts` are names with values, in
    order; one name may have several. `address` is where it came from, for records only.
    """

    kind: str
    facts: tuple[tuple[str, str], ...]
    address: str = ""

    @property
    def who(self) -> str:
        """All facts in one text, as `can-i --as` takes them."""
        pairs = (f"{name}={quote(value, safe=_PLAIN)}" for name, value in self.facts)
        return f"{self.kind}:{','.join(pairs)}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: by the kernel's word at connect time (rule I2), a TLS handshake, or a login.

    `groups` holds the primary and all supplementary group ids. `pid`, and the id of the `request`
    that is being made, are for records only. Whoever comes by `tls`, or is known by its `login`,
    has the ids of nobody. `token` is the accessor of the token that it speaks by; the facts are
    then those of the token's login, and `peer` is where the token was sent from, for records and
    limits only. `process` has what rules ask for beyond the ids. `socket` is
    its connection on this host, by which the kernel can be asked for more as long as that stands;
    `line` is the connection of whoever connects, from anywhere, and speaks for itself.
    """

    uid: int
    gid: int
    pid: int
    groups: frozenset[int] = frozenset()
    request: str = ""
    tls: TlsPeer | None = None
    token: str = ""
    process: Process = field(default=Process(), hash=False)
    socket: PeerSocket | None = field(default=None, compare=False, repr=False)
    login: Login | None = None
    peer: str = field(default="", compare=False)
    line: Line | None = field(default=None, compare=False, repr=False)

    @classmethod
    def over_tls(cls, peer: TlsPeer) -> "Caller":
        """Somebody who is not on this host, or whose uid is not told."""
        nobody = max(NOBODY)
        return cls(uid=nobody, gid=nobody, pid=0, tls=peer)

    @classmethod
    def logged_in(cls, login: Login) -> "Caller":
        """Somebody who is known by a login and by nothing else, wherever it connects from."""
        nobody = max(NOBODY)
        return cls(uid=nobody, gid=nobody, pid=0, login=login)

    @property
    def who(self) -> str:
        """Who it is in one text: what limits and records go by.

        For a certificate, and a login, it is what `can-i --as` takes.
        """
        if self.login is not None:
            return self.login.who
        if self.tls is None:
            return f"unix:uid={self.uid}"
        if not self.tls.names:
            return f"tls:address={self.tls.address}"
        names = [f"san={name}" for name in sorted(self.tls.names)]
        return "tls:" + ",".join([*names, *(f"issuer={issuer}" for issuer in self.tls.issuers)])

    @property
    def address(self) -> str:
        """Where it connects from: the uid on this host, or an address."""
        if self.peer:
            return self.peer
        if self.login is not None:
            return self.login.address
        return self.who if self.tls is None else self.tls.address

    @property
    def origin(self) -> str:
        """The same, as limits count it: an address of IPv6 as its network."""
        return counted_as(self.address)

    @property
    def seat(self) -> str:
        """Who it is, as connections are counted; without a certificate, all of its origin."""
        nameless = self.tls is not None and not self.tls.names
        return f"tls:address={self.origin}" if nameless else self.who

    @property
    def is_nobody(self) -> bool:
        """Whether nothing is known that tells this caller from others."""
        if self.login is not None:
            return not self.login.facts
        return self.uid in NOBODY if self.tls is None else not self.tls.names

    @property
    def local_uid(self) -> int | None:
        """The uid as the kernel told it, None for a caller by TLS or by a login."""
        return self.uid if self.tls is None and self.login is None else None

    def told(self) -> dict[str, str | int]:
        """What the audit keeps of the caller."""
        token = {"token": self.token, "from": self.peer} if self.token else {}
        if self.login is not None:
            return {"who": self.who, "address": self.login.address, **token}
        if self.tls is None:
            return {"uid": self.uid, "gid": self.gid, "pid": self.pid, **token}
        return {"who": self.who, "serial": self.tls.serial, "address": self.tls.address, **token}

    @property
    def holder(self) -> str:
        """What a lease that is made for this caller is bound to; empty for nothing."""
        return f"{TOKEN_HOLDER}{self.token}" if self.token else ""
