"""Facts are written as they are shown, and what is no fact is refused in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.errors import Invalid
from leasehold.model import Caller, TlsPeer
from leasehold.policy.facts import agree, facts_of, parse, shown
from leasehold.policy.users import caller_with

names = st.from_regex(r"[a-z_][a-z0-9_.-]{0,10}", fullmatch=True)
ids = st.integers(0, 4_294_967_294)
somebody = st.fixed_dictionaries(
    {},
    optional={
        "user": names,
        "uid": ids,
        "group": names | st.lists(names, min_size=1, max_size=3, unique=True),
        "gid": ids | st.lists(ids, min_size=1, max_size=3, unique=True),
        "self": st.just(True),
        "unit": st.just("billing@1.service"),
        "user_unit": st.just("billing.scope"),
        "slice": st.just("system-billing.slice"),
        "cgroup": st.just("/system.slice/billing.service"),
        "exe": st.just("/opt/billing/bin/billing-api"),
        "sha256": st.just("0" * 64),
    },
).filter(bool)


sans = st.sampled_from(
    ["dns:billing.internal", "dns:a_b-c", "uri:spiffe://internal/ns/a=b?c#d", "email:a.b+c@D.org"]
)
certificates = st.fixed_dictionaries(
    {"san": sans | st.lists(sans, min_size=1, max_size=3, unique=True)},
    optional={"issuer": st.text("0123456789abcdef", min_size=64, max_size=64)},
)


@given(somebody | certificates)
def test_what_is_shown_can_be_asked_for_again(written: dict) -> None:
    facts = facts_of(written)
    assert parse(shown(facts)) == facts


@given(somebody, st.randoms())
def test_the_order_in_which_facts_are_given_is_not_shown(unix: dict, random) -> None:
    parts = shown(facts_of(unix)).removeprefix("unix:").split(",")
    random.shuffle(parts)
    assert shown(parse(f"unix:{','.join(parts)}")) == shown(facts_of(unix))


def test_what_a_caller_by_tls_is_called_can_be_asked_about() -> None:
    peer = TlsPeer(("uri:spiffe://a/b", "dns:a.b"), issuers=("0" * 64, "1" * 64))
    caller = Caller.over_tls(peer)
    assert caller_with(parse(caller.who)).who == caller.who


def test_the_user_is_shown_first_and_a_flag_without_its_value() -> None:
    facts = facts_of({"self": True, "gid": [7, 5], "group": "db", "user": "billing"})
    assert shown(facts) == "unix:user=billing,group=db,gid=5,gid=7,self"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "allowed is unix:"),
        ("user=billing", "found 'user=billing'; allowed is unix:"),
        ("unix:", "found ''; allowed is unix:"),
        ("unix:user", "found 'user'; allowed is unix:"),
        ("unix:user=", "found 'user='; allowed is unix:"),
        ("unix:name=billing", "found 'name=billing'; allowed is unix:"),
        ("unix:self=false", "found 'self=false'; allowed is unix:"),
        ("unix:user=a,user=b", "user stands twice; nobody has two of them"),
        ("unix:uid=1,uid=1", "uid stands twice"),
        ("unix:uid=-1", "uid: found '-1'; allowed is a whole number up to 4294967294"),
        ("unix:gid=4294967295", "allowed is a whole number up to 4294967294"),
        ("unix:uid=٣", "allowed is a whole number"),
        (f"unix:uid={'9' * 5_000}", "allowed is a whole number"),
        ("unix:uid=1,unit=billing", "unit: found 'billing'; allowed is a unit's whole name"),
        ("unix:uid=1,slice=a.service", "slice: found 'a.service'; allowed is a slice's"),
        ("unix:uid=1,exe=app", "exe: found 'app'; allowed is an absolute path"),
        ("unix:uid=1,cgroup=/a/", "cgroup: found '/a/'; allowed is an absolute path"),
        ("unix:uid=1,sha256=AB", "sha256: found 'AB'; allowed is 64 hexadecimal digits"),
        ("tls:", "found ''; allowed is tls:"),
        ("tls:uid=1", "found 'uid=1'; allowed is tls:"),
        ("unix:san=dns:a", "found 'san=dns:a'; allowed is unix:"),
        ("tls:self", "found 'self'; allowed is tls:"),
        ("tls:san=billing.internal", "san: found 'billing.internal'; allowed is dns:NAME"),
        ("tls:san=dns:A", "san: found 'dns:A'; allowed is dns:NAME in lower case"),
        ("tls:san=dns:*.a", "san: found 'dns:*.a'; allowed is dns:NAME"),
        ("tls:san=dns:a,issuer=AB", "issuer: found 'AB'; allowed is 64 hexadecimal digits"),
    ],
)
def test_what_is_no_fact_is_refused(text: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(text)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


def test_who_is_in_a_cgroup_is_in_those_above_it() -> None:
    known = parse("unix:uid=7,cgroup=/system.slice/a.service")
    assert agree({"uid": 7, "cgroup": "/system.slice"}, known)
    assert not agree({"uid": 7, "cgroup": "/system"}, known)
    assert not agree({"uid": 7, "cgroup": "/system.slice/a.service/b"}, known)
