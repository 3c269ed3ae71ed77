"""No intent is written: the ledger hears of a lease when its account stands."""

from dataclasses import replace

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
            events = (*first.events, *change.events)
            change = replace(first, new=change.new, events=events)
        await write(self, change)

    SQLiteStore.write = bad  # type: ignore[method-assign]
