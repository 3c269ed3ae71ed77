"""Secret ids as they are kept, and the moves of their life. Pure but for the random source.

A secret id is half of a login; the role id, which is not as secret, is the other half. Its text is
random and given away once. What is kept is its SHA-256, and an accessor that names it.
"""

import hmac
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any

from leasehold.leases.store import Document
from leasehold.leases.tokens import digest, new_accessor, new_text
from leasehold.plugin.secret_ids import Network
from leasehold.secret import Secret

KIND = "secret-id"
PREFIX = "lhs_"
"""What the text of a secret id begins with, so that people and scanners know it for one."""

Place = tuple[str, str]
"""A role: the name of its method, and its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretId:
    """`hash` is of its text. `uses` is how often it may still be used, None for any number.

    `networks` are those that whoever made it asked for, beside the role's. `meta` has its texts.
    """

    accessor: str
    hash: str
    method: str
    role: str
    issued_ms: int
    expires_ms: int
    uses: int | None
    networks: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    used_ms: int | None = None

    @property
    def place(self) -> Place:
        """The role that it is of."""
        return self.method, self.role

    def document(self) -> Document:
        """How it is stored."""
        value = asdict(self)
        return Document(KIND, value.pop("hash"), value)

    def none(self) -> Document:
        """How its place is emptied."""
        return Document(KIND, self.hash, None)


def stored(document: Document) -> SecretId:
    """The secret id in a document."""
    value: dict[str, Any] = dict(document.value or {})
    return SecretId(**{**value, "hash": document.name, "networks": tuple(value["networks"])})


def new(
    place: Place, now_ms: int, ttl_s: int, uses: int | None, **more: Any
) -> tuple[Secret, SecretId]:
    """A new secret id of a role, with its text."""
    text = new_text(PREFIX)
    made = SecretId(
        accessor=new_accessor(),
        hash=digest(text.reveal()),
        method=place[0],
        role=place[1],
        issued_ms=now_ms,
        expires_ms=now_ms + ttl_s * 1000,
        uses=uses,
        **more,
    )
    return text, made


def use(kept: SecretId, now_ms: int) -> SecretId:
    """The secret id after one use more."""
    left = None if kept.uses is None else kept.uses - 1
    return replace(kept, uses=left, used_ms=now_ms)


def new_role_id() -> str:
    """The id of a role for which the policy has none."""
    return str(uuid.uuid4())


def named(role_ids: Mapping[str, str], role_id: str) -> str:
    """The role that has this id, empty for none. Takes as long whichever it is (rule I7)."""
    asked, found = role_id.encode(errors="surrogatepass"), ""
    for role, its in role_ids.items():
        if its and hmac.compare_digest(its.encode(), asked):
            found = role
    return found


def within(address: str, networks: Iterable[Network]) -> bool:
    """Whether an IP address is in one of the networks."""
    at = ip_address(address)
    return any(at.version == each.version and at in each for each in networks)


def beyond(wanted: Iterable[str], allowed: Sequence[Network]) -> list[str]:
    """Those of the networks that are not wholly in one that is allowed. Raises ValueError."""
    networks = {text: ip_network(text) for text in wanted}
    return [text for text, network in networks.items() if allowed and not _inside(network, allowed)]


def _inside(network: Network, allowed: Sequence[Network]) -> bool:
    # The two versions are told apart first: subnet_of raises for one of each.
    return any(
        network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
        for each in allowed
    )
