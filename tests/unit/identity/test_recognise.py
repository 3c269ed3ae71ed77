"""Who a caller is, from what the kernel or a certificate says alone."""

from hypothesis import given
from hypothesis import strategies as st

from leasehold.bundle import Identity, Match, TlsMatch, UnixMatch
from leasehold.identity.lacking import lacking, near_processes
from leasehold.identity.recognise import recognise
from leasehold.model import NOBODY, Caller, Process, TlsPeer


def names(caller: Caller, **matches: Match) -> list[str]:
    identities = {
        name: Identity(name=name, owner="o", tenant="t", match=(match,))
        for name, match in matches.items()
    }
    return [identity.name for identity in recognise(identities, caller)]


def caller(uid: int, gid: int = 100, *groups: int) -> Caller:
    return Caller(uid=uid, gid=gid, pid=1, groups=frozenset({gid, *groups}))


def peer(*sans: str, issuers: tuple[str, ...] = ("ca",)) -> Caller:
    return Caller.over_tls(TlsPeer(names=sans, issuers=issuers, address="192.0.2.7"))


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


NAME = "dns:billing.internal"


def test_one_of_the_names_of_a_certificate_is_enough() -> None:
    assert names(peer("email:a@b.c", NAME), a=TlsMatch(san=NAME)) == ["a"]


@given(st.text(max_size=20) | st.sampled_from(["dns:Billing.internal", "uri:billing.internal"]))
def test_a_name_matches_itself_and_nothing_else(name: str) -> None:
    assert names(peer(NAME), a=TlsMatch(san=name)) == (["a"] if name == NAME else [])
    assert names(peer(name), a=TlsMatch(san=NAME)) == (["a"] if name == NAME else [])


def test_a_certificate_of_another_authority_does_not_match_where_one_is_named() -> None:
    match = TlsMatch(san=NAME, issuer="ca")
    assert names(peer(NAME, issuers=("old", "ca")), a=match) == ["a"]
    assert names(peer(NAME, issuers=("other",)), a=match) == []
    assert names(peer(NAME, issuers=()), a=match) == []


@given(uid=st.none() | st.integers(0, 2**32 - 1), gid=st.none() | st.integers(0, 2**32 - 1))
def test_a_caller_by_tls_is_no_local_user_whatever_a_match_says(
    uid: int | None, gid: int | None
) -> None:
    assert names(peer(NAME), a=UnixMatch(uid=uid, gid=gid)) == []


def test_a_local_user_has_no_certificate() -> None:
    assert names(caller(0, 0), a=TlsMatch(san=NAME)) == []


def test_callers_are_told_apart_by_their_names_and_authority() -> None:
    callers = [
        caller(7),
        peer(NAME),
        peer(NAME, "dns:a.b"),
        peer(NAME, issuers=("other",)),
        peer(),
        Caller.over_tls(TlsPeer(address="192.0.2.8")),
    ]
    assert len({each.who for each in callers}) == len(callers)
    assert [each.is_nobody for each in callers] == [False, False, False, False, True, True]
    assert peer(NAME, "dns:a.b").who == peer("dns:a.b", NAME).who
    assert [each.local_uid for each in callers[:2]] == [7, None]


BILLING = UnixMatch(uid=7, process=(("unit", "billing.service"), ("exe", "/usr/bin/billing")))


def running(uid: int = 7, **facts: str) -> Caller:
    return Caller(uid=uid, gid=uid, pid=1, process=Process(facts))


def test_facts_of_the_process_narrow_and_all_of_them_must_agree() -> None:
    both = {"unit": "billing.service", "exe": "/usr/bin/billing"}
    assert names(running(**both), it=BILLING) == ["it"]
    assert names(running(8, **both), it=BILLING) == []
    assert names(running(**{**both, "exe": "/usr/bin/bilking"}), it=BILLING) == []
    assert names(running(unit="billing.service"), it=BILLING) == []
    assert names(running(), it=BILLING) == []


def test_facts_of_the_process_alone_match_nobody() -> None:
    assert names(running(unit="a.service"), it=UnixMatch(process=(("unit", "a.service"),))) == []


def test_a_cgroup_means_those_below_it_too() -> None:
    match = UnixMatch(uid=7, process=(("cgroup", "/system.slice"),))
    for path, found in (
        ("/system.slice", ["it"]),
        ("/system.slice/a.service/b", ["it"]),
        ("/system.slicer", []),
        ("/", []),
    ):
        assert names(running(cgroup=path), it=match) == found


def test_what_a_caller_lacks_is_told_where_it_has_something_of_it() -> None:
    identities = {
        name: Identity(name=name, owner="o", tenant="t", match=(match,))
        for name, match in (
            ("billing", BILLING),
            ("mine", UnixMatch(uid=7)),
            ("other", UnixMatch(uid=8)),
        )
    }
    caller = running(unit="billing.service", exe="/bin/sh")
    assert lacking(identities, caller, everything=False) == [("billing", ("exe",))]
    assert lacking(identities, caller, everything=True) == [
        ("billing", ("exe",)),
        ("other", ("uid",)),
    ]
    assert near_processes(identities, caller) == [
        "billing is exe /usr/bin/billing, and this one's is /bin/sh"
    ]
    assert near_processes(identities, running(8, exe="/bin/sh")) == []
