"""What a sealed daemon answers. It has no key, no store and no policy, so it says no to the rest.

Whoever presents the key unseals it, from anywhere. Root, and the daemon's own user, may have it
read the key file again: both could read that themselves, and no rule of a policy can be asked.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.api.state import health, seal_status
from leasehold.clock import Clock
from leasehold.errors import Denied, Invalid, Sealed
from leasehold.keys.keyfile import Key, key_from, load_or_create
from leasehold.model import Caller

logger = logging.getLogger(__name__)

SEALED_STATUS = 503
RETRY_S = 30


class SealedHandlers:
    """Sealed since `since`. `key_id` names the key of the store; `unsealed` gets key and caller."""

    def __init__(
        self,
        clock: Clock,
        since: datetime,
        key_file: Path,
        key_id: str,
        unsealed: Callable[[Key, Caller], None],
    ) -> None:
        self._clock = clock
        self._since = since
        self._key_file = key_file
        self._key_id = key_id
        self._unsealed = unsealed

    async def health(self, ask: Ask) -> Reply:
        """`sys/health`: 503, or what `sealedcode` says."""
        return health(ask, self._clock, "sealedcode", SEALED_STATUS, sealed=True)

    async def seal_status(self, ask: Ask) -> Reply:
        """`sys/seal-status`: sealed."""
        return seal_status(sealed=True)

    async def init(self, ask: Ask) -> Reply:
        """`sys/init`: that the key was made."""
        return Reply(body={"initialized": True}, enveloped=False)

    async def refuse(self, ask: Ask) -> Reply:
        """Everything else."""
        raise Sealed(
            f"the daemon is sealed since {self._since.isoformat(timespec='seconds')}: nothing is"
            " issued, renewed or revoked; its operators run leasehold unseal",
            retry_after_s=RETRY_S,
        )

    async def unseal(self, ask: Ask) -> Reply:
        """`sys/unseal`: by the key, or by the key file. The daemon starts after the answer."""
        text = ask.fields.text("key")
        if ask.fields.flag("reset", default=False):
            return seal_status(sealed=True)
        key = await self._presented(ask.caller, text)
        if key is None or key.id != self._key_id:
            logger.warning("%s tried to unseal with a wrong key", ask.caller.who)
            raise Invalid(
                "key: found another key than that of this state directory; allowed is what its key"
                " file holds, in base64"
            )

        async def go_on() -> None:
            self._unsealed(key, ask.caller)

        status = seal_status(sealed=False)
        return Reply(body=status.body, enveloped=False, delivered=(go_on,), undelivered=go_on)

    async def _presented(self, caller: Caller, text: str) -> Key | None:
        if text:
            return key_from(text.encode())
        if caller.local_uid not in (0, os.geteuid()):
            logger.warning("%s tried to unseal without the key", caller.who)
            raise Denied("only root and the daemon's user may unseal without presenting the key")
        return await asyncio.to_thread(load_or_create, self._key_file, may_create=False)
