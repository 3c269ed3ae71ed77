"""What the servers' error numbers mean. A driver's text never goes further than here.

Numbers below 3000 are mostly shared; MySQL goes on from 3000, MariaDB between 1901 and 1999 and
from 4000. Sources: MySQL's Server Error Message Reference, MariaDB's Error Codes.
"""

from pymysql import err
from pymysql.constants import CR

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass

NO_SUCH_THREAD = 1094
DEFINER_IN_USE = 4006
"""MySQL, since 8.0.22: DROP USER refused, since objects name the account as their DEFINER."""
GONE_ALREADY = frozenset({1141, 1147, 1269, 1396, 3162, 3523})
"""What REVOKE and DROP USER say of an account, or of a right, that is not there any more."""

_LOST = frozenset({CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, 0})
_AWAY = frozenset({CR.CR_CONNECTION_ERROR, CR.CR_CONN_HOST_ERROR})
_BUSY = {
    1021: "its disk is full",
    1037: "it is out of memory",
    1038: "it is out of memory",
    1040: "it has too many connections",
    1041: "it is out of memory",
    1047: "this node of its cluster is not ready",
    1053: "it is shutting down",
    1077: "it is shutting down",
    1129: "it blocks this host after failed connections; FLUSH HOSTS ends that",
    1203: "the administrator has too many connections",
    1205: "a lock was not free in time",
    1213: "a deadlock",
    1226: "the administrator has used up a limit of its own",
    1290: "it is read-only",
    1317: "the statement was interrupted",
    1836: "it is read-only",
    1927: "the connection was killed",
    1969: "the statement took too long",
    3024: "the statement took too long",
    3168: "it is not ready",
    3169: "the connection was killed",
}
_DENIED = frozenset({1044, 1045, 1095, 1130, 1142, 1143, 1227, 1370, 1410, 1419, 1698})
_LOGIN_REFUSED = frozenset({1045, 1130, 1698, 1820, 1862, 3118, 3955, 4151})
"""A wrong password, a host that may not, an account that is locked or whose password expired."""
_CLASSES = {
    **dict.fromkeys(_DENIED | _LOGIN_REFUSED, ErrorClass.DENIED),
    **dict.fromkeys((1049, 1141, 1146, 1305, 1959, 3523), ErrorClass.ABSENT),
    **dict.fromkeys((1396, 1007, 1050), ErrorClass.CONFLICT),
    **dict.fromkeys((1193, 1235, 1524), ErrorClass.UNSUPPORTED),
}


def number_of(error: Exception) -> int:
    """The server's or the driver's number; 0 for a connection that was closed on this side."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else -1


def is_lost(error: Exception) -> bool:
    """Whether the connection is gone, so that nobody knows whether the server did its work."""
    return number_of(error) in _LOST


def refuses_login(error: Exception) -> bool:
    """Whether the server says no to this very account."""
    return number_of(error) in _LOGIN_REFUSED


def translate(error: Exception) -> EngineError:
    """The engine's error for a driver's."""
    number = number_of(error)
    if number in _AWAY:
        return EngineTemporary("MySQL cannot be reached")
    if number == CR.CR_SSL_CONNECTION_ERROR:
        return EngineTemporary("MySQL offers no TLS, so it was sent nothing")
    if is_lost(error):
        return EngineTemporary("the connection to MySQL was lost", outcome_unknown=True)
    if number in _BUSY:
        return EngineTemporary(f"MySQL cannot just now: {_BUSY[number]} ({number})")
    if number < 0 or isinstance(error, err.InterfaceError):
        return EnginePermanent(
            f"the driver refused: {type(error).__name__}", error_class=ErrorClass.INVALID
        )
    found = _CLASSES.get(number, ErrorClass.INVALID)
    return EnginePermanent(describe(number), error_class=found)


def describe(number: int) -> str:
    """A refusal in fixed words, by its number."""
    words = _WORDS.get(number)
    return f"MySQL refused: {words} ({number})" if words else f"MySQL refused with error {number}"


_WORDS = {
    1044: "no right to the database",
    1045: "access denied",
    1049: "no such database",
    1064: "the statement cannot be read",
    1095: "no right to end other accounts' sessions",
    1130: "this host may not connect",
    1133: "no such account",
    1141: "no such grant",
    1142: "no right to the table",
    1143: "no right to the column",
    1146: "no such table",
    1193: "no such setting",
    1227: "a right is missing",
    1305: "no such routine",
    1396: "the account stands already, or does not",
    1410: "no right to make accounts",
    1419: "SUPER is needed while the server keeps a binary log",
    1449: "the DEFINER does not exist",
    1470: "a name is too long",
    1524: "the server has no such authentication plugin",
    1698: "no right to grant the role",
    1819: "the password does not satisfy the server's policy",
    1820: "the password has to be changed first",
    1862: "the password expired",
    1959: "no such role",
    3118: "the account is locked",
    3523: "no such role",
    3955: "the account is locked for a time after failed logins",
    4006: "objects name the account as their DEFINER",
    4151: "the account is locked",
}
