"""The routes that seal the daemon: for operators, and as Vault's clients ask for it."""

from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.reconcile.sealing import Sealing

_DONE = 204


class SealHandlers:
    """It is durable before it is answered; the daemon stops then, and comes back sealed."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    @described(
        Field("reason", Holds.TEXT, "Why, for the audit and for subscribers.", must=True),
        answers=(_DONE,),
    )
    async def seal(self, ask: Ask) -> Reply:
        """`leasehold/seal`: stop everything, and forget the key."""
        await self._sealing.seal(ask.caller, ask.fields.text("reason"), must_say=True)
        return Reply(_DONE)

    @described(answers=(_DONE,))
    async def seal_as_vault(self, ask: Ask) -> Reply:
        """`sys/seal`: the same for Vault's clients, which give no reason."""
        await self._sealing.seal(ask.caller, ask.reason, must_say=False)
        return Reply(_DONE)
