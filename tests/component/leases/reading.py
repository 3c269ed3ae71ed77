"""What every store keeps when it is read: each query against the same question asked of a list."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from component.leases.home import (
    RECIPE,
    Home,
    OnAStore,
    activated,
    end,
    ended,
    intent,
    issue,
    newer,
    pending,
    revoking,
)
from fakes.leases import START_MS
from leasehold.leases import lifecycle
from leasehold.leases.store import Change, LeaseStore
from leasehold.leases.tally import holders
from leasehold.model import Lease, LeaseState
from leasehold.quota import Kind

ROLES, IDENTITIES, ENGINES = ("a", "ab", "b"), ("one", "two"), ("main", "other")
HOLDERS = ("", "unit:a", "unit:ab")
LIVE = [state for state in LeaseState if state is not LeaseState.REVOKED]
PREFIXES = ("", "db/", "db/creds/a", "db/creds/a/", "db/creds/ab/0", "nowhere")
numbers = st.integers(0, 30)
instants = st.integers(START_MS, START_MS + 5_000)


@st.composite
def leases(draw: st.DrawFn) -> Lease:
    """A lease in any state, as some history may have left it."""
    state = draw(st.sampled_from(LeaseState))
    role = draw(st.sampled_from(ROLES))
    number = draw(numbers)
    return pending(
        number,
        id=f"db/creds/{role}/{number:02d}",
        mount="db",
        role=role,
        state=state,
        identity=draw(st.sampled_from(IDENTITIES)),
        engine=draw(st.sampled_from(ENGINES)),
        expires_ms=draw(instants) + 2_000,
        next_ms=None if state is LeaseState.REVOKED else draw(instants),
        quarantined=draw(st.booleans()),
        overdue=draw(st.booleans()),
        unproven=draw(st.booleans()),
        generation=draw(st.integers(1, 3)),
        issued_ms=START_MS - 1 + draw(st.sampled_from([0, 2_000])),
        ended_ms=draw(instants) if state is LeaseState.REVOKED else None,
        last_error=draw(st.sampled_from(["", "away", "denied"])),
        holder=draw(st.sampled_from(HOLDERS)),
    )


populations = st.lists(leases(), max_size=25, unique_by=lambda lease: lease.id)
BRIEF = settings(max_examples=40)


class ReadingContract(OnAStore):
    """Subclass it, and say where stores live."""

    @BRIEF
    @given(
        populations,
        st.sampled_from(PREFIXES),
        st.none() | st.lists(st.sampled_from([*IDENTITIES, "nobody"])),
        st.none() | st.lists(st.sampled_from(LeaseState)),
        st.integers(1, 10),
    )
    def test_leases_are_found_in_pages(self, kept, prefix, identities, states, limit) -> None:
        async def body(_: Home, store: LeaseStore) -> None:
            await store.write_many([Change(old=None, new=lease) for lease in kept])
            found: list[Lease] = []
            while page := await store.find(
                prefix=prefix,
                identities=identities,
                states=states,
                after=found[-1].id if found else "",
                limit=limit,
            ):
                assert len(page) <= limit
                found += page
            assert found == [
                lease
                for lease in sorted(kept, key=lambda lease: lease.id)
                if lease.id.startswith(prefix)
                and (identities is None or lease.identity in identities)
                and (states is None or lease.state in states)
            ]
            ids = await store.ids(prefix=prefix, identities=identities, states=states, limit=limit)
            assert ids == [lease.id for lease in found[:limit]]

        self.on_a_new_store(body)

    @BRIEF
    @given(populations, st.sampled_from([*ENGINES, "gone"]), instants, st.integers(1, 10))
    def test_what_is_due_stuck_and_next_is_what_the_leases_say(
        self, kept, engine, now_ms, limit
    ) -> None:
        async def body(_: Home, store: LeaseStore) -> None:
            await store.write_many([Change(old=None, new=lease) for lease in kept])
            mine = [lease for lease in kept if lease.engine == engine and lease.next_ms is not None]
            due = sorted(lease.next_ms for lease in mine if lease.next_ms <= now_ms)
            found = await store.due(engine, now_ms, limit)
            assert [lease.next_ms for lease in found] == due[:limit]
            assert all(lease in mine for lease in found)
            assert await store.next_ms(engine) == min((x.next_ms for x in mine), default=None)
            stuck = sorted(
                lease.expires_ms
                for lease in mine
                if lease.next_ms > now_ms
                and lease.state in (LeaseState.REVOKING, LeaseState.DISABLED)
                and not lease.quarantined
                and not (lease.state is LeaseState.DISABLED and lease.unproven)
            )
            waiting = await store.stuck(engine, now_ms, limit)
            assert [lease.expires_ms for lease in waiting] == stuck[:limit]
            assert all(lease in mine for lease in waiting)

        self.on_a_new_store(body)

    @BRIEF
    @given(populations)
    def test_pending_leases_and_live_engines_are_what_the_leases_say(self, kept) -> None:
        async def body(_: Home, store: LeaseStore) -> None:
            await store.write_many([Change(old=None, new=lease) for lease in kept])
            pending_ids = {lease.id for lease in kept if lease.state is LeaseState.PENDING}
            assert {lease.id for lease in await store.pending()} == pending_ids
            live = {lease.engine for lease in kept if lease.state in LIVE}
            assert set(await store.live_engines()) == live

        self.on_a_new_store(body)

    @BRIEF
    @given(populations, st.sampled_from(HOLDERS))
    def test_what_is_bound_to_a_holder_and_does_not_end_is_found(self, kept, holder) -> None:
        async def body(_: Home, store: LeaseStore) -> None:
            await store.write_many([Change(old=None, new=lease) for lease in kept])
            held = {lease.id for lease in await store.held_by(holder, 100)}
            assert held == {
                lease.id
                for lease in kept
                if holder == lease.holder != ""
                and lease.state in (LeaseState.PENDING, LeaseState.ACTIVE)
            }

        self.on_a_new_store(body)

    @BRIEF
    @given(st.sets(numbers, max_size=20), st.lists(numbers, max_size=20), st.data())
    def test_leases_are_found_by_what_their_accounts_names_bear(self, kept, asked, data) -> None:
        async def body(_: Home, store: LeaseStore) -> None:
            leases = {}
            for number in kept:
                path = f"db/creds/{ROLES[number % 3]}"
                lease = pending(number, id=f"{path}/{number:016d}abcdefghij")
                await store.write(intent(lease))
                if data.draw(st.booleans(), label="ended"):
                    ending = revoking(lease)
                    await store.write(ending)
                    lease = ended(ending.new).new
                    await store.write(Change(old=ending.new, new=lease))
                leases[f"{number:016d}"] = lease
            middles = [f"{number:016d}" for number in asked]
            assert await store.by_middle(middles) == {
                middle: leases[middle] for middle in middles if middle in leases
            }

        self.on_a_new_store(body)

    @BRIEF
    @given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(range(8))), max_size=60))
    def test_the_counts_equal_a_recount_after_any_history(self, history) -> None:
        async def body(home: Home, store: LeaseStore) -> None:
            known: dict[int, Lease] = {}
            for number, choice in history:
                change = next_change(known.get(number), number, choice)
                if change is not None:
                    await store.write(change)
                    known[number] = change.new
            await agree(store, list(known.values()))
            await store.close()
            store = await home.start()
            await agree(store, list(known.values()))

        self.on_a_new_store(body)

    @BRIEF
    @given(st.integers(1, 30), st.integers(0, 12), st.sampled_from(Kind))
    def test_of_many_issues_at_once_exactly_as_many_pass_as_the_limit_allows(
        self, asked, limit, kind
    ) -> None:
        async def body(_: Home, store: LeaseStore) -> None:
            results = await asyncio.gather(
                *(store.write(intent(pending(n), limits={kind: limit})) for n in range(asked)),
                return_exceptions=True,
            )
            assert results.count(None) == min(asked, limit)
            assert (await store.counts()).live == min(asked, limit)

        self.on_a_new_store(body)

    async def test_a_start_reads_no_lease(self, home: Home, caplog) -> None:
        """Were one read, its damage would be found; so a million cost what none cost."""
        async with home.opened() as store:
            leases = [pending(number) for number in range(10_000)]
            await store.write_many([intent(lease) for lease in leases])
        home.tamper_all(owner="somebody else")
        async with home.opened() as store:
            assert (await store.counts()).live == 10_000
            assert (await store.counts()).damaged == 0
            assert await store.live_engines() == ["postgres-prod"]
            assert not caplog.records

    async def test_names_that_nobody_counts_any_more_are_forgotten(self, home: Home) -> None:
        """Else each changed password would lengthen every write for ever."""
        async with home.opened() as store:
            for number in range(5):
                await end(store, await issue(store, number, recipe_id=f"recipe-{number}"))
            assert await store.live_recipes() == []
            assert await store.live_engines() == []
        assert home.tallied() == {("state", "revoked"): 5}


def next_change(lease: Lease | None, number: int, choice: int) -> Change | None:
    """One step of a lease's life, as `choice` says, or None at its end."""
    if lease is None:
        whose = {"identity": f"identity-{number % 3}", "tenant": f"tenant-{number % 2}"}
        return intent(pending(number, role=f"role-{number % 2}", **whose))
    if lease.state is LeaseState.PENDING:
        return activated(lease) if choice % 2 else revoking(lease)
    if lease.state is LeaseState.ACTIVE:
        return revoking(lease) if choice % 2 else newer(lease, warned=True)
    if lease.state is LeaseState.REVOKED:
        return None
    moves = [
        lambda: ended(lease).new,
        lambda: lifecycle.disable(lease, START_MS + 9, "objects"),
        lambda: lifecycle.mark_overdue(lease),
        lambda: lifecycle.fail(lease, START_MS, "no", 0.5),
    ]
    new = moves[choice % 4]()
    return Change(old=lease, new=new)


async def agree(store: LeaseStore, known: list[Lease]) -> None:
    counts = await store.counts()
    by_state = Counter(lease.state for lease in known)
    live = [lease for lease in known if lease.state is not LeaseState.REVOKED]
    assert counts.by_state == {state: by_state[state] for state in LeaseState}
    assert counts.live == len(live)
    assert counts.overdue == sum(lease.overdue for lease in live)
    assert counts.quarantined == sum(lease.quarantined for lease in live)
    assert counts.damaged == 0
    for kind in Kind:
        assert await store.live(kind) == Counter(dict(holders(lease))[kind] for lease in live)
    assert bool(await store.live_engines()) == bool(live)
    assert await store.live_recipes() == ([RECIPE.id] if live else [])
    assert await store.find(limit=100) == sorted(known, key=lambda lease: lease.id)
