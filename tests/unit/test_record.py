import json
import string

from hypothesis import given
from hypothesis import strategies as st

from fakes.leases import a_lease
from leasehold.model import (
    Caller,
    Cause,
    Event,
    EventType,
    Lease,
    LeaseState,
    Login,
    Recipe,
    TlsPeer,
)
from leasehold.record import (
    LEASE_FIELDS,
    dump_event,
    dump_recipe,
    lease_from,
    lease_values,
    load_event,
    load_recipe,
)
from leasehold.secret import Secret

texts = st.text(max_size=20)
counts = st.integers(0, 2**53)
instants = st.integers(-(2**53), 2**53)
leases = st.builds(
    Lease,
    state=st.sampled_from(LeaseState),
    **dict.fromkeys(
        (
            *("id", "mount", "operation", "role", "engine", "engine_type", "identity", "owner"),
            *("tenant", "account", "target", "recipe_id", "last_error", "holder"),
        ),
        texts,
    ),
    **dict.fromkeys(("version", "generation", "attempts"), counts),
    **dict.fromkeys(("issued_ms", "ttl_ms", "expires_ms", "max_expires_ms"), instants),
    **dict.fromkeys(("next_ms", "renewed_ms", "ended_ms"), st.none() | instants),
    **dict.fromkeys(("warned", "overdue", "quarantined", "unproven"), st.booleans()),
    cause=st.none() | st.sampled_from(Cause),
    labels=st.dictionaries(texts, texts, max_size=3),
    handle=st.dictionaries(texts, texts, max_size=3),
)
many = st.lists(texts, max_size=3).map(tuple)
callers = (
    st.builds(
        Caller,
        *(counts, counts, counts),
        st.frozensets(counts, max_size=4),
        token=texts,
        peer=texts,
    )
    | st.builds(TlsPeer, many, many, texts, texts).map(Caller.over_tls)
    | st.builds(Login, texts, st.lists(st.tuples(texts, texts), max_size=3).map(tuple), texts).map(
        Caller.logged_in
    )
)
events = st.builds(
    Event,
    id=texts,
    type=st.sampled_from(EventType),
    at_ms=instants,
    lease=st.none() | leases,
    caller=st.none() | callers,
    detail=st.dictionaries(texts, texts, max_size=3),
)
names = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8)
options = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.builds(Secret, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
recipes = st.builds(
    Recipe,
    id=texts,
    engine=texts,
    engine_type=texts,
    connection=st.dictionaries(names, options, max_size=4),
    role=st.dictionaries(names, options, max_size=4),
)


@given(leases)
def test_a_lease_comes_back_from_its_row_as_it_was(lease) -> None:
    row = dict(zip(LEASE_FIELDS, lease_values(lease), strict=True))
    assert lease_from(row) == lease


@given(leases)
def test_a_row_holds_what_json_and_sqlite_can_hold(lease) -> None:
    values = lease_values(lease)
    assert all(isinstance(value, str | int | None) for value in values)
    assert json.loads(json.dumps(values)) == values


@given(events)
def test_an_event_comes_back_from_its_line_as_it_was(event) -> None:
    line = dump_event(event)
    assert load_event(line) == event
    if event.caller is not None:
        assert load_event(line).caller.told() == event.caller.told()
    assert "\n" not in line


@given(recipes)
def test_a_recipe_comes_back_with_its_secrets(recipe) -> None:
    assert load_recipe(recipe.id, dump_recipe(recipe)) == recipe


def test_a_lease_with_flags_as_sqlite_gives_them_is_the_same() -> None:
    """SQLite has no booleans."""
    lease = a_lease(warned=True, quarantined=True)
    row = dict(zip(LEASE_FIELDS, lease_values(lease), strict=True))
    given = {name: int(value) if isinstance(value, bool) else value for name, value in row.items()}
    assert lease_from(given) == lease
    assert lease_from(given).warned is True
