"""Users and groups that a policy or a question names, as ids of this host; and askers by facts."""

import contextlib
import grp
import os
import pwd
from collections.abc import Mapping
from typing import Any

from leasehold.bundle import PROCESS_FACTS, Fact, Facts, UnixMatch
from leasehold.errors import Invalid
from leasehold.model import NOBODY, Caller, Process, TlsPeer
from leasehold.policy.facts import kind_of
from leasehold.policy.logins import LOCAL_KINDS, login_with
from leasehold.policy.problems import nearest

UNKNOWN = -1
"""No id of anybody."""


class NoSuchMatch(Exception):
    """A match that nobody could ever meet; `key` is the fact that is wrong."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class NotOnThisHost(NoSuchMatch):
    """A match that nobody meets on this host, where another host may well have the name.

    One bundle serves many hosts and is checked on a build machine that has none of their users.
    """


def unix_match(match: Mapping[str, Any]) -> UnixMatch:
    """The match by ids. Raises NoSuchMatch, or NotOnThisHost."""
    for keys in (("user", "uid", "self"), ("group", "gid")):
        given = [key for key in keys if key in match]
        if len(given) > 1:
            raise NoSuchMatch(given[1], f"stands beside {given[0]}; write one of {', '.join(keys)}")
    uid, gid = match.get("uid"), match.get("gid")
    if "self" in match:
        uid = os.geteuid()
    if "user" in match:
        uid = _uid(match["user"])
    if "group" in match:
        gid = _gid(match["group"])
    for key in match:
        if (gid if key in ("group", "gid") else uid) in NOBODY:
            raise NoSuchMatch(
                key, "is the id of nobody, which the kernel shows for everyone it cannot map"
            )
    narrow = tuple((name, str(match[name])) for name in PROCESS_FACTS if name in match)
    if narrow and len(narrow) == len(match):
        raise NoSuchMatch(
            narrow[0][0], "only narrows who is meant; write user, uid, group, gid or self beside it"
        )
    return UnixMatch(uid=uid, gid=gid, process=narrow)


def caller_with(facts: Facts) -> Caller:
    """Somebody with these facts, as the kernel here, a certificate or a login would tell. Blocks.

    Without a group, the ones that the host's database gives the user; without a user, nobody whom
    a match of one could mean. Raises Invalid.
    """
    kind = kind_of(facts)
    if kind not in LOCAL_KINDS:
        return Caller.logged_in(login_with(kind, facts))
    if kind == "tls":
        return Caller.over_tls(TlsPeer(_texts(facts, "san"), _texts(facts, "issuer")))
    try:
        uids = {_uid(str(value)) for name, value in facts if name == "user"}
        gids = {_gid(str(value)) for name, value in facts if name == "group"}
    except NotOnThisHost as unknown:
        raise Invalid(str(unknown)) from None
    uids |= {int(value) for name, value in facts if name == "uid"}
    uids |= {os.geteuid() for name, _ in facts if name == "self"}
    gids |= {int(value) for name, value in facts if name == "gid"}
    if len(uids) > 1:
        shown = " and ".join(map(str, sorted(uids)))
        raise Invalid(f"these facts name the uids {shown} on this host; nobody has two")
    uid = uids.pop() if uids else UNKNOWN
    groups = frozenset(gids or _groups(uid))
    process = Process({name: str(value) for name, value in facts if name in PROCESS_FACTS})
    gid = min(groups, default=UNKNOWN)
    return Caller(uid=uid, gid=gid, pid=0, groups=groups, process=process)


def _texts(facts: Facts, wanted: str) -> tuple[str, ...]:
    return tuple(sorted(str(value) for name, value in facts if name == wanted))


def own_facts() -> Facts:
    """What is known of this process, by names and by numbers."""
    uid, gids = os.geteuid(), {os.getegid(), *os.getgroups()}
    facts: set[Fact] = {("uid", uid), *(("gid", gid) for gid in gids)}
    with contextlib.suppress(KeyError):
        facts.add(("user", pwd.getpwuid(uid).pw_name))
    for gid in gids:
        with contextlib.suppress(KeyError):
            facts.add(("group", grp.getgrgid(gid).gr_name))
    return frozenset(facts)


def _groups(uid: int) -> list[int]:
    try:
        entry = pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return []
    return os.getgrouplist(entry.pw_name, entry.pw_gid)


def _uid(user: str) -> int:
    try:
        return pwd.getpwnam(user).pw_uid
    except (KeyError, ValueError):
        near = nearest(user, (entry.pw_name for entry in pwd.getpwall()))
        message = f"this host has no user {user}, so here it matches nobody{near}"
        raise NotOnThisHost("user", message) from None


def _gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        near = nearest(group, (entry.gr_name for entry in grp.getgrall()))
        message = f"this host has no group {group}, so here it matches nobody{near}"
        raise NotOnThisHost("group", message) from None
