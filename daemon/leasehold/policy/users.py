"""Users and groups that a `unix:` match names, as ids of this host."""

import grp
import os
import pwd
from collections.abc import Mapping
from typing import Any

from leasehold.bundle import UnixMatch
from leasehold.model import NOBODY
from leasehold.policy.problems import nearest


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
    return UnixMatch(uid=uid, gid=gid)


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
