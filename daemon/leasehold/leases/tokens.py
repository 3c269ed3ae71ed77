"""Tokens as they are kept, and the moves of their life. Pure but for the random source.

A token stands for a caller that was attested once, where it logged in. It holds the facts of that
login and no name of an identity, so that each use is judged by the policy that is served then. Its
text is random and given away once; what is kept is its SHA-256. The accessor names it for all who
must not have the text.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from leasehold.model import TOKEN_HOLDER, Caller, Cause
from leasehold.secret import Secret

PREFIX = "lht_"
"""What the text of a token begins with, so that people and scanners know it for one."""
WRAPPING_PREFIX = "lhw_"
"""The same for what unwraps a response, once."""
OURS = (PREFIX, WRAPPING_PREFIX)
DEEPEST = 16
"""How many tokens may stand above a token; each use looks at all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """`hash` is of its text; `path` is where it was made; `parent` is an accessor or empty.

    `uses` is how often it may still be used, None for any number. `max_expires_ms` is what no
    renewal passes. `next_ms` is when the daemon must look at it: when it expires, or at once when
    `cause` says why it ended.
    """

    accessor: str
    hash: str
    facts: Caller
    path: str
    display_name: str
    issued_ms: int
    ttl_ms: int
    expires_ms: int
    max_expires_ms: int
    next_ms: int
    version: int = 0
    parent: str = ""
    depth: int = 0
    renewable: bool = True
    uses: int | None = None
    renewed_ms: int | None = None
    cause: Cause | None = None
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def holder(self) -> str:
        """The holder of leases that were made by it."""
        return f"{TOKEN_HOLDER}{self.accessor}"


def new_text(prefix: str = PREFIX) -> Secret:
    """The text of a new token: 256 random bits behind the prefix."""
    return Secret(prefix + secrets.token_urlsafe(32))


def new_accessor() -> str:
    """A name of 128 random bits, which is no secret."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def digest(text: str) -> str:
    """What a token is found by. The text has 256 random bits, so no salt makes it any safer."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def stands(line: Sequence[Token], now_ms: int) -> bool:
    """Whether a token may be used, by itself and those above it: none over, none missing."""
    return (
        bool(line)
        and not line[-1].parent
        and all(each.cause is None and now_ms < each.expires_ms for each in line)
    )


def use(token: Token) -> Token:
    """The token with one use less, if its uses are counted."""
    left = None if token.uses is None else token.uses - 1
    return replace(token, uses=left, version=token.version + 1)


def renew(token: Token, now_ms: int, expires_ms: int) -> Token:
    """The token with another end."""
    return replace(
        token,
        renewed_ms=now_ms,
        expires_ms=expires_ms,
        next_ms=expires_ms,
        version=token.version + 1,
    )


def orphan(token: Token) -> Token:
    """The token without a parent."""
    return replace(token, parent="", version=token.version + 1)


def end(token: Token, now_ms: int, cause: Cause) -> Token:
    """The token, over; what it leaves behind is due at once."""
    return replace(token, cause=cause, next_ms=now_ms, version=token.version + 1)
