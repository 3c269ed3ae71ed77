"""One line of the log tells a password."""

import logging
from typing import Any

from leasehold.creation import Creation
from leasehold.secret import Secret

logger = logging.getLogger("leasehold.planted")


def install() -> None:
    make = Creation.make

    async def bad(self: Creation, *args: Any, **how: Any) -> Any:
        made = await make(self, *args, **how)
        password = made.issued.credential["password"]
        assert isinstance(password, Secret)
        logger.warning("made %s with %s", made.lease.account, password.reveal())
        return made

    Creation.make = bad  # type: ignore[method-assign]
