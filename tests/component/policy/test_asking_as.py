"""Somebody by facts is who the kernel would say it is on this host."""

import grp
import os
import pwd

import pytest

from leasehold.bundle import Identity, UnixMatch
from leasehold.errors import Invalid
from leasehold.identity.recognise import recognise
from leasehold.model import Caller
from leasehold.policy.facts import facts_of, parse
from leasehold.policy.users import UNKNOWN, caller_with, own_facts

NOBODY_HERE = 4_000_000_001


def test_a_user_is_in_the_groups_that_the_host_gives_it() -> None:
    for entry in pwd.getpwall():
        groups = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
        for facts in (f"unix:user={entry.pw_name}", f"unix:uid={entry.pw_uid}"):
            caller = caller_with(parse(facts))
            assert caller.uid == entry.pw_uid
            assert entry.pw_gid in caller.groups
            if pwd.getpwuid(entry.pw_uid) == entry:  # some names share an id
                assert caller.groups == groups


def test_groups_that_are_given_are_all_there_are() -> None:
    entry = grp.getgrall()[-1]
    asked = parse(f"unix:uid=0,group={entry.gr_name},gid={NOBODY_HERE}")
    assert caller_with(asked).groups == {entry.gr_gid, NOBODY_HERE}


def test_a_uid_that_nobody_has_is_in_no_group() -> None:
    assert caller_with(parse(f"unix:uid={NOBODY_HERE}")) == Caller(NOBODY_HERE, UNKNOWN, 0)


def test_self_is_the_user_of_this_process() -> None:
    assert caller_with(parse("unix:self")).uid == os.geteuid()


def test_a_group_alone_matches_no_user() -> None:
    caller = caller_with(parse("unix:gid=7"))
    identities = {
        name: Identity(name=name, owner="o", tenant="t", match=(match,))
        for name, match in (
            ("group", UnixMatch(gid=7)),
            ("user", UnixMatch(uid=0)),
            ("both", UnixMatch(uid=0, gid=7)),
        )
    }
    assert [identity.name for identity in recognise(identities, caller)] == ["group"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ("unix:user=no-such-user-qqq", "this host has no user no-such-user-qqq"),
        ("unix:group=no-such-group-qqq", "this host has no group no-such-group-qqq"),
        ("unix:user=root,uid=1", "these facts name the uids 0 and 1 on this host"),
    ],
)
def test_facts_that_nobody_has_here_are_refused(facts: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        caller_with(parse(facts))


def test_what_is_known_of_this_process_is_all_the_kernel_would_tell() -> None:
    facts = own_facts()
    assert ("uid", os.geteuid()) in facts
    assert {value for name, value in facts if name == "gid"} == {os.getegid(), *os.getgroups()}
    assert facts >= facts_of({"user": pwd.getpwuid(os.geteuid()).pw_name})
