"""Credentials under another name: `/api/v1/secrets/{path}` where Vault's clients ask `/v1/{path}`.

The operation may be left out of a path where only one of the engine's is open to the caller. What
is rotated is replaced first and ended after that, so that the caller is never without.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import REASON_FIELD, TTL, Ask, Handlers
from leasehold.api.replies import Reply
from leasehold.bundle import EngineType
from leasehold.errors import (
    Denied,
    EngineError,
    Frozen,
    Invalid,
    LimitReached,
    NotFound,
    Unsupported,
)
from leasehold.issuance import Issuance
from leasehold.model import Caller

_ISSUING = (Denied, NotFound, Frozen, LimitReached, EngineError)
_DEFAULT = "creds"


class SecretsHandlers:
    """Serves them by the handler `serve.issue`; `types` have the operations of engines."""

    def __init__(
        self,
        access: Access,
        issuance: Issuance,
        serve: Handlers,
        types: Mapping[str, EngineType],
    ) -> None:
        self._access = access
        self._issuance = issuance
        self._serve = serve
        self._types = types

    @described(TTL, REASON_FIELD, refusals=_ISSUING)
    async def read(self, ask: Ask) -> Reply:
        """`/api/v1/secrets/<path>`: a credential and its lease."""
        return await self._serve.issue(self._at_role(ask))

    @described(
        TTL,
        REASON_FIELD,
        Field(
            "lease_id",
            Holds.TEXT,
            "The caller's lease at the same path, which the new replaces.",
        ),
        refusals=_ISSUING,
    )
    async def rotate(self, ask: Ask) -> Reply:
        """`/api/v1/secrets/<path>/rotate`: a new credential, and the end of the one it replaces.

        The lease named by `lease_id` is revoked once the reply has been delivered.
        """
        new = replace(self._at_role(ask), alone=True)
        lease_id = ask.fields.text("lease_id")
        if not lease_id:
            return await self._serve.issue(new)
        await self._check(ask.caller, lease_id, "/".join(new.path.values()))
        reply = await self._serve.issue(new)
        replaced = partial(self._issuance.replaced, ask.caller, lease_id)
        return replace(reply, delivered=(*reply.delivered, replaced))

    @described(answers=(), refusals=(Unsupported,))
    async def keep(self, ask: Ask) -> Reply:
        """`/api/v1/secrets/<path>`: that values of the caller's own are not stored."""
        raise Unsupported(
            "values are not stored here: a secret is made when it is asked for and ends with its"
            " lease; GET a role's path, or POST it with /rotate at the end"
        )

    async def _check(self, caller: Caller, lease_id: str, path: str) -> None:
        """Refuse to rotate what is not the caller's, before anything is made."""
        try:
            lease = await self._access.own_lease(caller, lease_id, "revoke")
        except NotFound as error:
            raise Invalid("lease not found") from error
        if lease.path != path:
            raise Invalid(f"lease_id: found a lease of {lease.path}; allowed is one of {path}")

    def _at_role(self, ask: Ask) -> Ask:
        match ask.path["path"].split("/"):
            case [mount, operation, role]:
                pass
            case [mount, role]:
                operation = self._operation(ask.caller, mount, role)
            case _:
                raise Invalid("the path is not that of a role; allowed is such as database/reader")
        return replace(ask, path={"mount": mount, "operation": operation, "role": role})

    def _operation(self, caller: Caller, mount: str, name: str) -> str:
        """The only operation open to the caller; where none is, one that it is then refused."""
        bundle = self._access.generation().bundle
        role = bundle.roles.get((mount, name))
        if role is None:
            return _DEFAULT
        offered = sorted(self._types[bundle.engines[role.engine].type].operations)
        is_open = partial(self._access.decide, caller, verb="issue")
        open_ = [each for each in offered if is_open(path=f"{mount}/{each}/{name}").allowed]
        if len(open_) > 1:
            paths = ", ".join(f"{mount}/{each}/{name}" for each in open_)
            raise Invalid(f"{mount}/{name} is served in several ways; allowed are {paths}")
        return (open_ or offered)[0]
