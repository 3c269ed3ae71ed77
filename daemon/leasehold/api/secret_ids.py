"""The routes of secret ids, in the shapes of Vault's AppRole.

Whoever has `operate` at `auth/<method>/role/<role>` may make and destroy those of a role, and have
its role id; whoever has `list` there may see it and them, without a text. A login needs neither.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.api.token_replies import META_CHARS, MOST_USES
from leasehold.clock import rfc3339
from leasehold.errors import Denied, Invalid, NotFound, Unsupported
from leasehold.login import role_path
from leasehold.model import Cause
from leasehold.plugin import SecretIdRole
from leasehold.tokens.secret_id import Place, SecretId
from leasehold.tokens.secret_ids import SecretIds, SecretIdWish

LIST, OPERATE = "list", "operate"
MOST_NETWORKS = 32
_SECRET_ID = Field("secret_id", Holds.TEXT, "Its text.", must=True)
_ACCESSOR = Field("secret_id_accessor", Holds.TEXT, "What it is called.", must=True)


class SecretIdHandlers:
    """Looks at roles and secret ids, makes and destroys these."""

    def __init__(self, access: Access, secret_ids: SecretIds) -> None:
        self._access = access
        self._ids = secret_ids

    @described(refusals=(NotFound,))
    async def roles(self, ask: Ask) -> Reply:
        """LIST `auth/<method>/role`: the roles of a login method that the caller may see."""
        method = ask.path["method"]
        found = [role for role in self._ids.roles(method) if self._may_see(ask, method, role)]
        if not found:
            raise NotFound("")
        return Reply(body={"data": {"keys": sorted(found)}})

    def _may_see(self, ask: Ask, method: str, role: str) -> bool:
        path = role_path(method, role)
        return any(self._access.decide(ask.caller, path, verb).allowed for verb in (LIST, OPERATE))

    @described(refusals=(Denied, NotFound))
    async def role(self, ask: Ask) -> Reply:
        """`auth/<method>/role/<role>`: a role as it is configured."""
        (method, name), role = await self._role(ask, LIST)
        bundle = self._access.generation().bundle
        written = bundle.auth[method].options["roles"][name]
        told = {
            **{key: value for key, value in written.items() if key != "role_id"},
            "bind_secret_id": True,
            "secret_id_ttl": role.ttl_s,
            "secret_id_num_uses": role.uses,
            "secret_id_bound_cidrs": list(map(str, role.networks)),
            "configured_at": bundle.places.get(f"auth:{method}", ""),
        }
        return Reply(body={"data": told})

    @described(refusals=(Denied, NotFound))
    async def role_id(self, ask: Ask) -> Reply:
        """`auth/<method>/role/<role>/role-id`: by what a login names the role."""
        place, _ = await self._role(ask, OPERATE)
        return Reply(body={"data": {"role_id": await self._ids.role_id(place)}})

    @described(
        Field("ttl", Holds.SPAN, "A shorter life than the role's."),
        Field("num_uses", Holds.COUNT, "Fewer uses than the role's."),
        Field("cidr_list", Holds.TEXTS, "Networks, within the role's, that logins may come from."),
        Field("metadata", Holds.MAP, "Texts to be shown with the tokens of its logins."),
        Field("token_bound_cidrs", Holds.TEXTS, "Refused: tokens are not bound to networks."),
        refusals=(Denied, NotFound),
    )
    async def make(self, ask: Ask) -> Reply:
        """`auth/<method>/role/<role>/secret-id`: a new secret id, which is shown this once."""
        place, _ = await self._role(ask, OPERATE)
        uses = ask.fields.count("num_uses", default=-1, least=0, most=MOST_USES)
        wish = SecretIdWish(
            ttl_s=ask.fields.span_s("ttl"),
            uses=None if uses < 0 else uses,
            networks=ask.fields.texts("cidr_list"),
            meta=ask.fields.texts_by_name("metadata"),
        )
        if ask.fields.texts("token_bound_cidrs"):
            raise Invalid("token_bound_cidrs: tokens are not bound to networks here; leave it out")
        if len(wish.networks) > MOST_NETWORKS:
            raise Invalid(f"cidr_list: has {len(wish.networks)}; allowed are {MOST_NETWORKS}")
        if sum(len(key) + len(value) for key, value in wish.meta.items()) > META_CHARS:
            raise Invalid(f"metadata: has more than the {META_CHARS} characters allowed")
        path = role_path(*place)
        rule = self._access.decide(ask.caller, path, OPERATE).rule
        grounds = self._access.grounds(ask.caller, path, OPERATE, rule)
        text, made = await self._ids.make(ask.caller, place, wish, grounds)
        told = {
            "secret_id": text.reveal(),
            "secret_id_accessor": made.accessor,
            "secret_id_ttl": (made.expires_ms - made.issued_ms) // 1000,
            "secret_id_num_uses": made.uses or 0,
        }
        return Reply(
            body={"data": told},
            undelivered=partial(self._ids.undelivered, made.accessor),
            secret_id=made.accessor,
        )

    @described(refusals=(Denied, NotFound))
    async def accessors(self, ask: Ask) -> Reply:
        """LIST `auth/<method>/role/<role>/secret-id`: accessors of what may still be used."""
        place, _ = await self._role(ask, LIST)
        found = self._ids.of(place)
        if not found:
            raise NotFound("")
        return Reply(body={"data": {"keys": [each.accessor for each in found]}})

    @described(_SECRET_ID, answers=(200, 204), refusals=(Denied, NotFound))
    async def lookup(self, ask: Ask) -> Reply:
        """`…/secret-id/lookup`: the secret id with this text; 204 for one that is none."""
        place, _ = await self._role(ask, LIST)
        found = self._ids.find(place, _must(ask.fields.text("secret_id"), "secret_id"))
        return Reply(status=204) if found is None else Reply(body={"data": self._shown(found)})

    @described(_ACCESSOR, refusals=(Denied, NotFound))
    async def lookup_by(self, ask: Ask) -> Reply:
        """`…/secret-id-accessor/lookup`: the secret id that is called so."""
        place, _ = await self._role(ask, LIST)
        return Reply(body={"data": self._shown(self._called(ask, place))})

    @described(_SECRET_ID, answers=(204,), refusals=(Denied, NotFound))
    async def destroy(self, ask: Ask) -> Reply:
        """`…/secret-id/destroy`: the end of the one with this text; 204 for one that is none."""
        place, _ = await self._role(ask, OPERATE)
        found = self._ids.find(place, _must(ask.fields.text("secret_id"), "secret_id"))
        if found is not None:
            await self._ids.end(found, Cause.OPERATOR, ask.caller)
        return Reply(status=204)

    @described(_ACCESSOR, answers=(204,), refusals=(Denied, NotFound))
    async def destroy_by(self, ask: Ask) -> Reply:
        """`…/secret-id-accessor/destroy`: the end of the one that is called so."""
        place, _ = await self._role(ask, OPERATE)
        await self._ids.end(self._called(ask, place), Cause.OPERATOR, ask.caller)
        return Reply(status=204)

    @described(answers=(), refusals=(Unsupported,))
    async def refuse_custom(self, ask: Ask) -> Reply:
        """`…/custom-secret-id`: that secret ids are made here."""
        raise Unsupported(
            "a secret id that somebody chooses can be guessed; ask secret-id for one, and have it"
            " wrapped (X-Vault-Wrap-TTL) to hand it on unseen"
        )

    async def _role(self, ask: Ask, verb: str) -> tuple[Place, SecretIdRole]:
        """The role in the path, which the caller has `verb` for. Raises Denied, NotFound."""
        place = ask.path["method"], ask.path["role"]
        await self._access.require(ask.caller, role_path(*place), verb)
        role = self._ids.roles(place[0]).get(place[1])
        if role is None:
            raise NotFound(f"no login method {place[0][:64]} has a role {place[1][:64]}")
        return place, role

    def _called(self, ask: Ask, place: Place) -> SecretId:
        accessor = _must(ask.fields.text("secret_id_accessor"), "secret_id_accessor")
        found = self._ids.find_by_accessor(place, accessor)
        if found is None:
            raise NotFound("no secret id of the role is called so, or not any more")
        return found

    def _shown(self, found: SecretId) -> Mapping[str, Any]:
        wall = self._ids.clock.wall
        return {
            "secret_id_accessor": found.accessor,
            "secret_id_ttl": (found.expires_ms - found.issued_ms) // 1000,
            "secret_id_num_uses": found.uses or 0,
            "cidr_list": list(found.networks),
            "token_bound_cidrs": [],
            "metadata": dict(found.meta),
            "creation_time": rfc3339(wall(found.issued_ms)),
            "expiration_time": rfc3339(wall(found.expires_ms)),
            "last_updated_time": rfc3339(wall(found.used_ms or found.issued_ms)),
        }


def _must(text: str, name: str) -> str:
    if not text:
        raise Invalid(f"missing {name}")
    return text
