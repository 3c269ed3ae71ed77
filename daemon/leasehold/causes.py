"""Why a lease ends; it is kept with the lease, and told. Pure."""

from enum import StrEnum


class Cause(StrEnum):
    """Why a lease ended."""

    TTL = "ttl"
    HOLDER = "holder"
    OPERATOR = "operator"
    ISSUE_FAILED = "issue-failed"
    CRASH = "crash"
    UNDELIVERED = "undelivered"
    CONFIG = "config"
    DRILL = "drill"
    TOKEN = "token"
    HOLDER_ENDED = "holder-ended"
    UNUSED = "unused"
    REPLACED = "replaced"
