"""The routes of leases that follow each other."""

from functools import partial

from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import REASON_FIELD, TTL, Ask, Handlers, given, lease_id_of
from leasehold.api.replies import Reply
from leasehold.clock import rfc3339
from leasehold.errors import Denied, EngineError, Frozen, Invalid, LimitReached, NotFound
from leasehold.replacing import Replacing


class ReplacingHandlers:
    """Serves them; what is issued is answered as `serve` answers an issue."""

    def __init__(self, replacing: Replacing, serve: Handlers) -> None:
        self._replacing = replacing
        self._serve = serve

    @described(
        Field("lease_id", Holds.TEXT, "The caller's lease that is to be replaced.", must=True),
        TTL,
        REASON_FIELD,
        refusals=(Denied, NotFound, Frozen, LimitReached, EngineError),
    )
    async def replace(self, ask: Ask) -> Reply:
        """`leasehold/leases/replace`: another credential of the same role, before the end of one.

        The lease that is replaced lives until the new one is acknowledged, or for the role's grace.
        """
        reason = ask.fields.text("reason") or ask.reason
        try:
            issued, before = await self._replacing.replace(
                ask.caller,
                lease_id_of(ask),
                ttl_s=ask.fields.span_s("ttl"),
                given=partial(given, ask.fields, reason),
            )
        except NotFound as error:
            raise Invalid("lease not found") from error
        clock = self._serve.clock
        own = {
            "replaces": before.id,
            "replaces_until": rfc3339(clock.wall(before.expires_ms)),
            "replaces_for": max(0, before.expires_ms - clock.now_ms()) // 1000,
        }
        return self._serve.reply_of(ask.caller, issued, own)

    @described(
        Field("lease_id", Holds.TEXT, "The caller's lease that took another's place.", must=True),
        Field("sync", Holds.FLAG, "Whether to wait for the attempt, as by default."),
        answers=(204, 202),
        refusals=(),
    )
    async def acknowledge(self, ask: Ask) -> Reply:
        """`leasehold/leases/acknowledge`: that the new credential is in use; the old one ends.

        204 when access with the old one has ended, 202 when it will.
        """
        wait = ask.fields.flag("sync", default=True)
        try:
            ended = await self._replacing.acknowledge(ask.caller, lease_id_of(ask), wait=wait)
        except NotFound as error:
            raise Invalid("lease not found") from error
        return Reply(status=204 if ended else 202)
