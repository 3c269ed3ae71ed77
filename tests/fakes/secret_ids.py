"""A world with the AppRole method `ci`, whose operator makes secret ids over their routes."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fakes.asking import making_a_request
from fakes.logging_in import LoggingIn
from fakes.policy import NOBODY_KNOWN, OPERATOR
from fakes.world import World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.api.secret_ids import SecretIdHandlers
from leasehold.bundle import Identity
from leasehold.model import Caller, TlsPeer
from leasehold.policy.logins import match_of

ROLES: Mapping[str, Mapping[str, Any]] = {
    "deploy": {"secret_id_num_uses": 3, "secret_id_ttl": 600},
    "other": {"role_id": "other-role-id", "secret_id_num_uses": 0},
    "near": {"secret_id_bound_cidrs": ["10.0.0.0/8", "2001:db8::/32"]},
    "brief": {"token_ttl": 60, "token_max_ttl": 120, "token_num_uses": 5},
}


def somebody_at(address: str) -> Caller:
    """Who comes by TLS without a certificate."""
    return Caller.over_tls(TlsPeer(address=address))


class AppRole:
    """The method `ci` of a world, with `ROLES`, and identities for `deploy` and `brief`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.logging_in = LoggingIn(world, "approle", {"roles": ROLES}, {"role": "deploy"})
        served = world.generation.bundle
        match = (match_of("approle", {"role": "brief"}),)
        brief = Identity(name="brief", owner="o", tenant="t", match=match)
        world.serve(replace(served, identities={**served.identities, "brief": brief}))
        self.routes = SecretIdHandlers(world.access, world.secret_ids)

    def ask(self, role: str, caller: Caller = OPERATOR, **fields: Any) -> Ask:
        asking = making_a_request(caller)
        return Ask(asking, {"method": "ci", "role": role}, Fields(fields))

    async def reply(self, name: str, role: str = "deploy", **fields: Any) -> Reply:
        """What a route answers an operator."""
        reply: Reply = await getattr(self.routes, name)(self.ask(role, **fields))
        return reply

    async def data(self, name: str, role: str = "deploy", **fields: Any) -> dict[str, Any]:
        reply = await self.reply(name, role, **fields)
        data: dict[str, Any] = reply.body["data"]
        return data

    async def pair(self, role: str = "deploy", **wish: Any) -> dict[str, str]:
        """What logs in once or more: a role id, and a new secret id."""
        made = await self.data("make", role, **wish)
        role_id = (await self.data("role_id", role))["role_id"]
        return {"role_id": role_id, "secret_id": made["secret_id"]}

    async def login(self, pair: Mapping[str, str], peer: Caller = NOBODY_KNOWN) -> dict[str, Any]:
        return await self.logging_in.login(peer, **pair)

    async def keys(self, role: str = "deploy") -> list[str]:
        return [each.accessor for each in self.world.secret_ids.of(("ci", role))]

    def audited(self, event: str) -> list[dict[str, Any]]:
        """What the audit's lines of a kind tell."""
        text = (self.world.state_dir / "audit.jsonl").read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        return [line["detail"] for line in lines if line["event"] == event]
