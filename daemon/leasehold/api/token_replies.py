"""What is asked of tokens and answered about them, in the shapes of Vault's `auth/token`. Pure.

Identities stand where Vault has policies. A `num_uses` of 0 is no limit, and -1 is used up.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from leasehold.api.described import Field, Holds
from leasehold.api.handlers import Ask
from leasehold.clock import Clock, rfc3339
from leasehold.errors import Invalid
from leasehold.leases.tokens import Token
from leasehold.model import Caller
from leasehold.plugin import Proven
from leasehold.tokens.tokens import Wish

NAME_CHARS = 128
META_CHARS = 2_048
MOST_USES = 1_000_000


WISHES = (
    Field("ttl", Holds.SPAN, "A shorter or longer life than the policy's default; it is capped."),
    Field("explicit_max_ttl", Holds.SPAN, "What no renewal passes; it is capped."),
    Field("num_uses", Holds.COUNT, "How often it may be used; any number by default."),
    Field("renewable", Holds.FLAG, "Whether its end may be moved, as by default."),
    Field("meta", Holds.MAP, "Texts to be shown with it."),
)
"""What may be asked of a new token."""


def wish(ask: Ask, name: str) -> Wish:
    """What a request asks of a new token, which is called `name`. Raises Invalid."""
    meta = ask.fields.texts_by_name("meta")
    if sum(len(key) + len(value) for key, value in meta.items()) > META_CHARS:
        raise Invalid(f"meta: has more than the {META_CHARS} characters allowed")
    if len(name) > NAME_CHARS:
        raise Invalid(f"display_name: has {len(name)} characters; allowed are {NAME_CHARS}")
    return Wish(
        ttl_s=ask.fields.span_s("ttl"),
        max_ttl_s=ask.fields.span_s("explicit_max_ttl"),
        uses=ask.fields.count("num_uses", default=0, least=0, most=MOST_USES) or None,
        renewable=ask.fields.flag("renewable", default=True),
        display_name=name,
        meta=meta,
    )


def on_terms(wanted: Wish, proven: Proven) -> Wish:
    """What is wished of the token of a login, within the terms that its method sets."""
    terms = proven.terms
    return replace(
        wanted,
        ttl_s=wanted.ttl_s or terms.ttl_s,
        max_ttl_s=_least(wanted.max_ttl_s, terms.max_ttl_s),
        uses=_least(wanted.uses, terms.uses),
        meta={**wanted.meta, **proven.meta},
    )


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each), default=None)


def auth(token: Token, text: str, policies: Sequence[str], clock: Clock) -> dict[str, Any]:
    """The `auth` of a reply that hands a token over, or a later end of one."""
    return {
        "client_token": text,
        "accessor": token.accessor,
        "policies": list(policies),
        "token_policies": list(policies),
        "metadata": dict(token.meta) or None,
        "lease_duration": _left_s(token, clock),
        "renewable": token.renewable,
        "entity_id": "",
        "token_type": "service",
        "orphan": not token.parent,
        "mfa_requirement": None,
        "num_uses": _uses(token),
    }


def looked_up(token: Token, text: str, policies: Sequence[str], clock: Clock) -> dict[str, Any]:
    """The `data` of a look at a token; `text` is empty for whoever need not have it."""
    return {
        "id": text,
        "accessor": token.accessor,
        "policies": list(policies),
        "path": token.path,
        "meta": dict(token.meta) or None,
        "display_name": token.display_name,
        "num_uses": _uses(token),
        "orphan": not token.parent,
        "creation_time": int(clock.wall(token.issued_ms).timestamp()),
        "creation_ttl": token.ttl_ms // 1000,
        "issue_time": rfc3339(clock.wall(token.issued_ms)),
        "expire_time": rfc3339(clock.wall(token.expires_ms)),
        "last_renewal": rfc3339(clock.wall(token.renewed_ms)) if token.renewed_ms else None,
        "last_renewal_time": (
            int(clock.wall(token.renewed_ms).timestamp()) if token.renewed_ms else 0
        ),
        "ttl": _left_s(token, clock),
        "explicit_max_ttl": (token.max_expires_ms - token.issued_ms) // 1000,
        "renewable": token.renewable,
        "entity_id": "",
        "type": "service",
    }


def of_peer(caller: Caller, method: str, name: str, policies: Sequence[str]) -> dict[str, Any]:
    """The same for a caller without a token, whom the connection proves for as long as it is."""
    return {
        "id": "",
        "accessor": "",
        "policies": list(policies),
        "path": f"auth/{method}",
        "meta": {"caller": caller.who},
        "display_name": name,
        "num_uses": 0,
        "orphan": True,
        "creation_time": 0,
        "creation_ttl": 0,
        "issue_time": None,
        "expire_time": None,
        "last_renewal": None,
        "last_renewal_time": 0,
        "ttl": 0,
        "explicit_max_ttl": 0,
        "renewable": False,
        "entity_id": "",
        "type": "service",
    }


def _uses(token: Token) -> int:
    return 0 if token.uses is None else token.uses or -1


def _left_s(token: Token, clock: Clock) -> int:
    return max(0, round((token.expires_ms - clock.now_ms()) / 1000))
