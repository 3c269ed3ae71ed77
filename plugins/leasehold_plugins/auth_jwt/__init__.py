"""Logging in with a JSON Web Token (RFC 7519) that an issuer has signed.

The signature, and every claim that says for whom, by whom and when (RFC 8725), are proven here.
What the other claims say becomes facts, if the policy asks for them; a token without one of those
has one fact less.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from leasehold.plugin import (
    BadLogin,
    LoginMethod,
    LoginRefused,
    LoginRequest,
    Proven,
    hookimpl,
    like,
)
from leasehold_plugins.auth_jwt.claims import check_times, texts_of
from leasehold_plugins.auth_jwt.keys import KeySource
from leasehold_plugins.auth_jwt.signature import verified

MOST_CHARS = 16_384
LEEWAY_S = 60


class JwtLogin(LoginMethod):
    """One issuer."""

    type: ClassVar[str] = "jwt"

    def __init__(self, name: str, options: Mapping[str, Any], clock: Callable[[], float]) -> None:
        self._name = name
        self._issuer: str = options["issuer"]
        self._audiences = frozenset(options["audiences"])
        self._algorithms = frozenset(options["algorithms"])
        self._keys = KeySource(options, clock)
        self._leeway_s: int = options.get("leeway", LEEWAY_S)
        self._wanted = ("sub", *(each for each in options.get("claims", ()) if each != "sub"))
        self._bound: Mapping[str, str | list[str]] = options.get("bound_claims", {})
        self._globs = options.get("bound_claims_type") == "glob"

    async def attest(self, request: LoginRequest) -> Proven:
        """Who holds the token, if all of it is right."""
        text = request.text("jwt")
        if not text:
            raise BadLogin("missing token")
        if len(text) > MOST_CHARS:
            raise BadLogin(f"jwt: has {len(text)} characters; allowed are {MOST_CHARS}")
        claims = await verified(text, self._algorithms, self._keys)
        if claims.get("iss") != self._issuer:
            raise LoginRefused("the token is of another issuer")
        audiences = sorted(self._audiences.intersection(texts_of(claims.get("aud"))))
        if not audiences:
            raise LoginRefused("the token is for another audience")
        check_times(claims, request.now.timestamp(), self._leeway_s)
        self._check_bound(claims)
        return Proven(
            facts=[
                ("issuer", self._issuer),
                *(("audience", each) for each in audiences),
                *self._facts(claims),
            ],
            name=f"{self._name}-{next(texts_of(claims.get('sub')), 'nobody')}",
        )

    def _check_bound(self, claims: Mapping[str, Any]) -> None:
        for name, allowed in self._bound.items():
            found = list(texts_of(claims.get(name)))
            wanted = [allowed] if isinstance(allowed, str) else allowed
            if not found:
                raise LoginRefused(f"the claim {name} is missing")
            if not any(self._agrees(has, each) for has in found for each in wanted):
                raise LoginRefused(f"the claim {name} is not what bound_claims ask for")

    def _agrees(self, found: str, allowed: str) -> bool:
        return like(found, allowed) if self._globs else found == allowed

    def _facts(self, claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for name in self._wanted:
            for value in texts_of(claims.get(name)):
                yield f"claims.{name}", value


@hookimpl
def leasehold_login_method() -> type[LoginMethod]:
    """See `leasehold.plugin.hooks`."""
    return JwtLogin
