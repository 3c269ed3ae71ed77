"""Who asks: what is proven of a caller, and by what. Pure.

Nothing that a caller says about itself is here. To the parts of the daemon it comes with the other
values that travel, from `leasehold.model`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, overload

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


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: by the kernel's word at connect time (rule I2), or by a TLS handshake.

    `groups` holds the primary and all supplementary group ids. `pid`, and the id of the `request`
    that is being made, are for records only. Whoever comes by `tls` has the ids of nobody. `token`
    is the accessor of the token that it speaks by; the facts are then those of the token's login.
    `process` has what rules ask for beyond the ids. `socket` is its connection on this host, by
    which the kernel can be asked for more as long as that stands.
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

    @classmethod
    def over_tls(cls, peer: TlsPeer) -> "Caller":
        """Somebody who is not on this host, or whose uid is not told."""
        nobody = max(NOBODY)
        return cls(uid=nobody, gid=nobody, pid=0, tls=peer)

    @property
    def who(self) -> str:
        """Who it is in one text: what limits and records go by.

        For a certificate it is what `can-i --as` takes.
        """
        if self.tls is None:
            return f"unix:uid={self.uid}"
        if not self.tls.names:
            return f"tls:address={self.tls.address}"
        names = [f"san={name}" for name in sorted(self.tls.names)]
        return "tls:" + ",".join([*names, *(f"issuer={issuer}" for issuer in self.tls.issuers)])

    @property
    def is_nobody(self) -> bool:
        """Whether nothing is known that tells this caller from others."""
        return self.uid in NOBODY if self.tls is None else not self.tls.names

    @property
    def local_uid(self) -> int | None:
        """The uid as the kernel told it, None for a caller by TLS."""
        return self.uid if self.tls is None else None

    def told(self) -> dict[str, str | int]:
        """What the audit keeps of the caller."""
        token = {"token": self.token} if self.token else {}
        if self.tls is None:
            return {"uid": self.uid, "gid": self.gid, "pid": self.pid, **token}
        return {"who": self.who, "serial": self.tls.serial, "address": self.tls.address, **token}

    @property
    def holder(self) -> str:
        """What a lease that is made for this caller is bound to; empty for nothing."""
        return f"{TOKEN_HOLDER}{self.token}" if self.token else ""
