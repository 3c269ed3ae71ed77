"""The interface of a login method: from what somebody sends to facts that are proven of it.

A method attests and nothing else. It knows no identity, makes no token, keeps no count of failures:
the daemon does, for all methods alike.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar


class LoginRefused(Exception):
    """The proof does not hold. The reason goes to the audit; the caller hears of a denial only.

    The reason is made by the method and holds nothing secret. An `answer`, if there is one, is what
    the caller hears instead, with status 400, where clients of Vault expect a text of its own.
    """

    def __init__(self, reason: str, *, answer: str = "") -> None:
        super().__init__(reason)
        self.answer = answer


class BadLogin(Exception):
    """The request is not one that could be judged; the caller hears the text."""


class LoginUnavailable(Exception):
    """Nothing can be said now, since what the method asks does not answer; the text says what."""


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The role that a secret id was made for, and the texts that whoever made it gave it."""

    role: str
    meta: Mapping[str, str]


async def _no_secret_ids(role_id: str, secret_id: str) -> Redeemed:
    raise LoginRefused("no secret ids are kept here")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """What was sent, from where, and when. `fields` holds secrets: never log it.

    `redeem` takes a role id and a secret id, and counts that as a use; raises LoginRefused,
    LoginUnavailable. It is for methods of `leasehold.plugin.SecretIdMethod`.
    """

    fields: Mapping[str, Any] = field(repr=False)
    address: str
    now: datetime
    redeem: Callable[[str, str], Awaitable[Redeemed]] = field(default=_no_secret_ids, repr=False)

    def text(self, name: str) -> str:
        """A field that is a text, empty when it is missing. Raises BadLogin."""
        value = self.fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise BadLogin(f"{name}: allowed is a text")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTerms:
    """What holds for the token of a login: its life in seconds if nobody asks for another one, and
    the most of life and uses that there may be. None is what the policy says of all tokens.
    """

    ttl_s: int | None = None
    max_ttl_s: int | None = None
    uses: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Who it is: facts as names with values, a `name` for listings, and texts shown with the token.

    Names are those that a `match` has, with dots between the keys of nested maps: `claims.sub`.
    """

    facts: Sequence[tuple[str, str]]
    name: str
    meta: Mapping[str, str] = field(default_factory=dict)
    terms: TokenTerms = TokenTerms()


class LoginMethod(ABC):
    """One configured way to log in.

    It is made when a policy is prepared, from options that its schema took, and does no I/O then;
    raises ValueError, whose text names no secret, for what no schema can say. `clock` gives seconds
    that only move forward. One object serves all logins until its options change.
    """

    type: ClassVar[str]

    @abstractmethod
    def __init__(
        self, name: str, options: Mapping[str, Any], clock: Callable[[], float]
    ) -> None: ...

    @abstractmethod
    async def attest(self, request: LoginRequest) -> Proven:
        """What is proven. Raises LoginRefused, BadLogin, LoginUnavailable."""
