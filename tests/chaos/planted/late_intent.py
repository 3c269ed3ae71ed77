"""The intent is written when the account was made, and not before."""

from leasehold.leases.sqlite import SQLiteStore
from leasehold.leases.store import Change
from leasehold.model import LeaseState


def install() -> None:
    write = SQLiteStore.write
    intents: dict[str, Change] = {}

    async def bad(self: SQLiteStore, change: Change) -> None:
        if change.old is None and change.new.state is LeaseState.PENDING:
            intents[change.new.id] = change
            return
        if first := intents.pop(change.new.id, None):
            await write(self, first)
        await write(self, change)

    SQLiteStore.write = bad  # type: ignore[method-assign]
