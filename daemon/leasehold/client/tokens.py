"""What a client does with tokens: logs in for one, looks at them, makes, renews and ends them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from leasehold.client.calls import Calls
from leasehold.secret import Secret

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token, which ends in `ttl_s` seconds, and the identities that it speaks for now.

    `text` is empty where only the accessor was given.
    """

    text: Secret
    accessor: str
    ttl_s: int
    renewable: bool
    identities: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def issued_token(body: Mapping[str, Any]) -> IssuedToken:
    """The token in a reply with `auth`."""
    auth = body["auth"]
    return IssuedToken(
        text=Secret(auth["client_token"]),
        accessor=auth["accessor"],
        ttl_s=auth["lease_duration"],
        renewable=auth["renewable"],
        identities=tuple(auth["policies"]),
        warnings=tuple(body.get("warnings") or ()),
    )


class TokenCalls(Calls):
    """The calls of a client that are about tokens."""

    def login(
        self,
        method: str = "unix",
        ttl: str | int | None = None,
        proof: Mapping[str, object] | None = None,
    ) -> IssuedToken:
        """A token for whoever the connection proves: by the kernel (`unix`), or by TLS (`cert`).

        Other methods are those of the policy; `proof` is what they want, such as `{"jwt": text}`.
        """
        body = {**(proof or {}), **({} if ttl is None else {"ttl": ttl})}
        return issued_token(self._put(f"auth/{quote(method, safe='')}/login", body).body)

    def login_methods(self) -> Mapping[str, Mapping[str, Any]]:
        """The ways to log in, by path with a slash at its end."""
        data: Mapping[str, Mapping[str, Any]] = self._get("sys/auth", {}).body["data"]
        return data

    def create_token(self, **asked: object) -> IssuedToken:
        """A token below the one that asks; `asked` is what `auth/token/create` takes."""
        return issued_token(self._put("auth/token/create", asked).body)

    def token(self, accessor: str | None = None) -> Mapping[str, Any]:
        """What is known of a token; without an accessor, of the one that asks, or of who asks."""
        if accessor is None:
            reply = self._get("auth/token/lookup-self", {})
        else:
            reply = self._put("auth/token/lookup-accessor", {"accessor": accessor})
        data: Mapping[str, Any] = reply.body["data"]
        return data

    def tokens(self) -> Iterator[Mapping[str, Any]]:
        """Tokens in order of accessors, page by page: the caller's, or all for a lister."""
        after: str | None = ""
        while after is not None:
            page = self._get(
                "leasehold/tokens", {"limit": PAGE} | ({"after": after} if after else {})
            )
            yield from page.body["data"]["tokens"]
            after = page.body["data"]["next"]

    def renew_token(
        self, accessor: str | None = None, increment: str | int | None = None
    ) -> IssuedToken:
        """Move a token's end; without an accessor, of the one that asks."""
        asked: dict[str, object] = {} if increment is None else {"increment": increment}
        if accessor is None:
            return issued_token(self._put("auth/token/renew-self", asked).body)
        return issued_token(
            self._put("auth/token/renew-accessor", {**asked, "accessor": accessor}).body
        )

    def revoke_token(self, accessor: str | None = None) -> None:
        """End a token, all below it, and its leases; without an accessor, the one that asks."""
        if accessor is None:
            self._put("auth/token/revoke-self", {})
        else:
            self._put("auth/token/revoke-accessor", {"accessor": accessor})
