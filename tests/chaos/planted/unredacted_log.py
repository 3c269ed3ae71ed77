"""One line of the log tells a password."""

import logging
from typing import Any

from leasehold.creation import Creation
from leasehold.secret import Secret

logger = logging.getLogger("leasehold.planted")


def install() -> None:
    make = Creation.make

    async def bad(self: Creation, *args: Any, **how: Any) -> Any:
        lease, issued = await make(self, *args, **how)
        password = issued.credential["password"]
        assert isinstance(password, Secret)
        logger.warning("made %s with %s", lease.account, password.reveal())
        return lease, issued

    Creation.make = bad  # type: ignore[method-assign]
