"""Who a caller is, from what the kernel says alone."""

from hypothesis import given
from hypothesis import strategies as st

from leasehold.bundle import Identity, UnixMatch
from leasehold.identity.recognise import recognise
from leasehold.model import NOBODY, Caller


def names(caller: Caller, **matches: UnixMatch) -> list[str]:
    identities = {
        name: Identity(name=name, owner="o", tenant="t", match=(match,))
        for name, match in matches.items()
    }
    return [identity.name for identity in recognise(identities, caller)]


def caller(uid: int, gid: int = 100, *groups: int) -> Caller:
    return Caller(uid=uid, gid=gid, pid=1, groups=frozenset({gid, *groups}))


def test_every_fact_that_is_named_must_agree() -> None:
    both = UnixMatch(uid=7, gid=200)
    assert names(caller(7, 100, 200), it=both) == ["it"]
    assert names(caller(7, 100), it=both) == []
    assert names(caller(8, 200), it=both) == []


def test_a_supplementary_group_counts_like_the_primary_one() -> None:
    assert names(caller(7, 200), a=UnixMatch(gid=200)) == ["a"]
    assert names(caller(7, 100, 200), a=UnixMatch(gid=200)) == ["a"]


def test_several_identities_come_in_order_of_their_names() -> None:
    match = UnixMatch(uid=7)
    assert names(caller(7), b=match, a=match, c=UnixMatch(uid=8)) == ["a", "b"]


def test_root_is_nobody_in_particular() -> None:
    assert names(caller(0, 0), a=UnixMatch(uid=7), b=UnixMatch(gid=100)) == []


@given(uid=st.sampled_from(sorted(NOBODY)), gid=st.integers(0, 2**32 - 1))
def test_whom_the_kernel_cannot_map_matches_nothing(uid: int, gid: int) -> None:
    assert names(caller(uid, gid), a=UnixMatch(uid=uid), b=UnixMatch(gid=gid)) == []


@given(uid=st.integers(0, 2**32 - 1), gid=st.integers(0, 2**32 - 1))
def test_a_match_without_a_fact_matches_nobody(uid: int, gid: int) -> None:
    assert names(caller(uid, gid), a=UnixMatch()) == []
