"""An account that is not there counts as gone, whichever server was asked."""

from typing import Any

from leasehold_plugins.postgresql.pools import Pools


class Anything(str):
    """Is what it is compared with."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def install() -> None:
    def bad(self: Pools, conn: Any) -> str:
        return Anything("any")

    Pools.target_of = bad  # type: ignore[method-assign]
