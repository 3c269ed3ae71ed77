"""What the server's error numbers mean. A driver's text never goes further than here.

Source: Database Engine events and errors, Microsoft Learn; the same numbers stand in
`sys.messages` of a server.
"""

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass
from leasehold_plugins.mssql.link import Lost, SqlError

NO_SUCH_SESSION = frozenset({6101, 6106})
"""What KILL says of a session that ended before it, or of a number that no session has."""
GONE_OR_DENIED = 15151
"""It cannot be found, or we may not: the server does not say which."""
POLICY_REFUSES_NOW = frozenset({15114, 15115})
"""The password was changed too recently, or was used before."""
_BUSY = {
    701: "it is out of memory",
    802: "it is out of memory",
    1105: "its disk is full",
    1204: "it is out of locks",
    1205: "a deadlock",
    1222: "a lock was not free in time",
    3906: "the database is read-only",
    3960: "an update conflict",
    4221: "its databases are not ready",
    6005: "it is shutting down",
    8645: "it is out of memory",
    9001: "the log of the database is not there",
    9002: "the log of the database is full",
    10928: "it has too many sessions",
    10929: "it is too busy",
    17142: "it is paused",
    17809: "it has too many connections",
    18401: "it is starting",
    40197: "it is being moved",
    40501: "it is too busy",
    40613: "the database is not ready",
    49918: "it is too busy",
    49919: "it is too busy",
    49920: "it is too busy",
}
_LOGIN_REFUSED = frozenset({18450, 18452, 18456, 18470, 18486, 18487, 18488})
"""A wrong password, a login that is disabled, locked or expired; or no right to the database."""
_WORDS = {
    102: "the statement cannot be read",
    156: "the statement cannot be read",
    208: "no such object",
    229: "a right to an object is missing",
    262: "a right in the database is missing",
    297: "a right is missing",
    300: "a right at the server is missing",
    911: "no such database",
    916: "the administrator is no user of the database",
    1088: "no such object, or no right to it",
    4060: "the database cannot be opened",
    4064: "the login's database cannot be opened",
    6102: "no right to end sessions",
    6104: "a session cannot end itself",
    15007: "no such login",
    15023: "the user stands already",
    15025: "the login stands already",
    15063: "the login is a user of the database already",
    15114: "the server's policy lets nobody change the password so soon again",
    15115: "the server's policy does not take the password now, as when it was used before",
    15116: "the password does not satisfy the server's policy",
    15118: "the password does not satisfy the server's policy",
    15136: "code runs as the account (EXECUTE AS)",
    15138: "the account owns a schema or a role",
    15141: "the account owns something at the server",
    15151: "it is not there, or a right is missing",
    15170: "the login owns jobs",
    15173: "the login has granted rights to others",
    15174: "the login owns databases",
    15183: "the account owns objects",
    15247: "a right is missing",
    15284: "the account has granted rights to others",
    15410: "no such user",
    15421: "the account owns a role",
    15434: "the login still has sessions",
    33233: "the database has no contained users",
    33234: "the database has no contained users",
    40508: "USE is not known here",
}
_CLASSES = {
    **dict.fromkeys(_LOGIN_REFUSED, ErrorClass.DENIED),
    **dict.fromkeys((229, 262, 297, 300, 916, 6102, 15151, 15247), ErrorClass.DENIED),
    **dict.fromkeys((208, 911, 4060, 4064, 15007, 15410), ErrorClass.ABSENT),
    **dict.fromkeys((15023, 15025, 15063), ErrorClass.CONFLICT),
    **dict.fromkeys((33233, 33234, 40508), ErrorClass.UNSUPPORTED),
}


def refuses_login(error: SqlError) -> bool:
    """Whether the server says no to this very account."""
    return error.number in _LOGIN_REFUSED


def translate(error: Exception) -> EngineError:
    """The engine's error for one of the link's."""
    if isinstance(error, Lost):
        return EngineTemporary("the connection to SQL Server was lost", outcome_unknown=True)
    number = error.number if isinstance(error, SqlError) else 0
    if number in _BUSY:
        return EngineTemporary(f"SQL Server cannot just now: {_BUSY[number]} ({number})")
    found = _CLASSES.get(number, ErrorClass.INVALID)
    return EnginePermanent(describe(number), error_class=found)


def describe(number: int) -> str:
    """A refusal in fixed words, by its number."""
    if number in _LOGIN_REFUSED:
        return f"SQL Server refused the login ({number})"
    words = _WORDS.get(number)
    if words is None:
        return f"SQL Server refused with error {number}"
    return f"SQL Server refused: {words} ({number})"
