"""What every store says of leases that are to end: how far they have come, and which do not."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from component.leases.home import Home, OnAStore
from component.leases.reading import (
    BRIEF,
    IDENTITIES,
    LIVE,
    PREFIXES,
    instants,
    numbers,
    populations,
)
from leasehold.leases import lifecycle
from leasehold.leases.store import Change, LeaseStore
from leasehold.model import LeaseState


class ProgressContract(OnAStore):
    """Subclass it, and say where stores live."""

    @BRIEF
    @given(populations, st.sampled_from(PREFIXES), st.none() | instants, st.none() | numbers)
    def test_how_far_the_end_of_leases_has_come_is_what_they_say(
        self, kept, prefix, at_ms, before
    ) -> None:
        async def body(_: Home, store: LeaseStore) -> None:
            await store.write_many([Change(old=None, new=lease) for lease in kept])
            meant = [
                lease
                for lease in kept
                if lease.id.startswith(prefix)
                and (at_ms is None or lease.issued_ms <= at_ms)
                and (before is None or lease.generation < before)
                and (lease.state in LIVE or (at_ms is not None and lease.ended_ms >= at_ms))
            ]
            failing = [
                lease
                for lease in meant
                if lease.state is LeaseState.REVOKING
                and lease.last_error
                and lease.next_ms > (at_ms or 0)
            ]
            ended = [x for x in meant if x.state in (LeaseState.DISABLED, LeaseState.REVOKED)]
            found = await store.progress(prefix, at_ms=at_ms, before_generation=before)
            assert (found.total, found.ended, found.failing) == (
                len(meant),
                len(ended),
                len(failing),
            )
            assert found.gone == sum(lease.state is LeaseState.REVOKED for lease in meant)
            assert found.forced == sum(lifecycle.was_forced(lease) for lease in meant)
            assert found.left == found.waiting + found.failing
            latest = max((lease.next_ms for lease in failing), default=None)
            errors = {lease.last_error for lease in failing if lease.next_ms == latest}
            assert found.last_error in (errors or {""})

        self.on_a_new_store(body)

    @BRIEF
    @given(populations, st.none() | st.lists(st.sampled_from(IDENTITIES)), st.integers(1, 10))
    def test_what_is_irrevocable_is_what_the_leases_say(self, kept, identities, limit) -> None:
        async def body(_: Home, store: LeaseStore) -> None:
            await store.write_many([Change(old=None, new=lease) for lease in kept])
            meant = [
                lease
                for lease in kept
                if lease.state in LIVE
                and (lease.overdue or lease.quarantined)
                and (identities is None or lease.identity in identities)
            ]
            found = await store.irrevocable(identities, limit)
            assert found == sorted(meant, key=lambda x: (x.expires_ms, x.id))[:limit]
            by_mount = await store.irrevocable_by_mount(identities)
            assert by_mount == Counter(lease.mount for lease in meant)

        self.on_a_new_store(body)
