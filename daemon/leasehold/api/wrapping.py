"""Replies that are handed over later, to whoever has the wrapping token, as Vault wraps them."""

from typing import Any

from leasehold.access import STRANGER, Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply, envelope
from leasehold.clock import rfc3339
from leasehold.errors import Invalid
from leasehold.secret import Secret
from leasehold.tokens.wrapping import BAD, Wrapped, Wrapping

WRAP_TTL = "X-Vault-Wrap-TTL"
_TOKEN = Field("token", Holds.TEXT, "The wrapping token, unless it is sent as a token is.")


class WrappingHandlers:
    """Wraps the replies of all routes; its own need a wrapping token and nothing else."""

    def __init__(self, access: Access, wrapping: Wrapping) -> None:
        self._access = access
        self._wrapping = wrapping

    async def wrapped(self, ask: Ask, reply: Reply, path: str) -> Reply:
        """What is answered instead of `reply` to a request at `path`.

        What waits takes memory, so it waits for identities, and those who have just become one by
        a login. Raises Denied for others.
        """
        if ask.wrap_s is None or reply.body is None:
            return reply
        body = envelope(ask.caller.request, reply.body, reply.warnings)
        try:
            if "auth" not in reply.body and not self._access.identities(ask.caller):
                raise await self._access.denied(ask.caller, path, "wrap", STRANGER)
            token, made = await self._wrapping.wrap(
                *(ask.caller, path, ask.wrap_s, body),
                undelivered=reply.undelivered,
                delivered=reply.delivered,
                secret_id=reply.secret_id,
            )
        except BaseException:  # cancelled too: what was made is nobody's then
            if reply.undelivered is not None:
                await reply.undelivered()
            raise
        return self._handed(token, made)

    @described()
    async def wrap(self, ask: Ask) -> Reply:
        """`sys/wrapping/wrap`: wraps what the body says."""
        if ask.wrap_s is None:
            raise Invalid(f"{WRAP_TTL} must say for how long, such as 5m")
        return Reply(body={"data": dict(ask.fields.everything())})

    @described(_TOKEN, refusals=(), enveloped=False)
    async def unwrap(self, ask: Ask) -> Reply:
        """`sys/wrapping/unwrap`: the reply as it would have been, once."""
        found = await self._wrapping.unwrap(ask.caller, _token(ask))
        return Reply(
            body=found.response(),
            enveloped=False,
            undelivered=found.undelivered,
            delivered=found.delivered,
        )

    @described(_TOKEN, refusals=())
    async def lookup(self, ask: Ask) -> Reply:
        """`sys/wrapping/lookup`: what a wrapping token is for, without using it."""
        found = self._wrapping.look(_token(ask))
        return Reply(
            body={
                "data": {
                    "creation_ttl": found.ttl_s,
                    "creation_time": self._time(found),
                    "creation_path": found.path,
                }
            }
        )

    @described(_TOKEN, refusals=(), enveloped=False)
    async def rewrap(self, ask: Ask) -> Reply:
        """`sys/wrapping/rewrap`: another wrapping token for the same reply; the old one is over."""
        return self._handed(*await self._wrapping.rewrap(ask.caller, _token(ask)))

    def _handed(self, token: Secret, made: Wrapped) -> Reply:
        async def undelivered() -> None:
            await self._wrapping.undelivered(token)

        info: dict[str, Any] = {
            "token": token.reveal(),
            "accessor": made.accessor,
            "ttl": made.ttl_s,
            "creation_time": self._time(made),
            "creation_path": made.path,
        }
        if "token" in made.note:
            info["wrapped_accessor"] = made.note["token"]
        return Reply(
            body=envelope("", {"wrap_info": info}, ()), enveloped=False, undelivered=undelivered
        )

    def _time(self, wrapped: Wrapped) -> str:
        return rfc3339(self._wrapping.clock.wall(wrapped.created_ms))


def _token(ask: Ask) -> str:
    token = ask.fields.text("token") or ask.bearer.reveal()
    if not token:
        raise Invalid(BAD)
    return token
