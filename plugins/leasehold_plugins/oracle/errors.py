"""What the database's error numbers mean. A driver's text never goes further than here.

Source: Oracle Database Error Messages Reference.
"""

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass
from leasehold_plugins.oracle.link import Lost, SqlError

NO_SUCH_USER = 1918
STILL_CONNECTED = 1940
OWNS_OBJECTS = 1922
USED_BEFORE = 28007
_BUSY = {
    18: "it has too many sessions",
    20: "it has too many processes",
    51: "a lock was not free in time",
    54: "a lock was not free in time",
    60: "a deadlock",
    257: "its archive is full",
    1033: "it is starting or stopping",
    1034: "it is not started",
    1089: "it is shutting down",
    1090: "it is shutting down",
    1109: "the database is not open",
    1456: "it is read-only",
    4020: "a deadlock",
    4021: "a lock was not free in time",
    4031: "it is out of memory",
    12516: "its listener has no handler free",
    12519: "its listener has no handler free",
    12520: "its listener has no handler free",
    16000: "the database is read-only",
    30006: "a lock was not free in time",
}
_LOGIN_REFUSED = frozenset({1017, 1045, 28000, 28001})
"""A wrong password, an account that is locked or expired, or that may open no session."""
_CLASSES = {
    **dict.fromkeys(_LOGIN_REFUSED, ErrorClass.DENIED),
    **dict.fromkeys((1031, 1924, 1932, 990), ErrorClass.DENIED),
    **dict.fromkeys((942, 959, 1918, 1919, 2380, 4043), ErrorClass.ABSENT),
    **dict.fromkeys((1920,), ErrorClass.CONFLICT),
    **dict.fromkeys((439, 65040, 65066, 65096), ErrorClass.UNSUPPORTED),
}
_WORDS = {
    439: "the edition lacks the feature",
    900: "the statement cannot be read",
    922: "the statement cannot be read",
    933: "the statement cannot be read",
    942: "no such table or view, or no right to it",
    959: "no such tablespace",
    972: "a name is too long",
    988: "the password cannot be read",
    990: "a right is missing or not known",
    1031: "a right is missing",
    1045: "the account may not open a session",
    1918: "no such user",
    1919: "no such role",
    1920: "the user stands already",
    1922: "the account owns objects",
    1924: "the role is not ours to grant",
    1932: "the right is not ours to grant",
    1940: "the account still has sessions",
    2380: "no such profile",
    4043: "no such object",
    6550: "the block cannot be read, or a right is missing",
    28003: "the password does not satisfy the profile",
    28007: "the profile does not take a password that was used before",
    65040: "not inside of a pluggable database",
    65066: "a common user is changed in the root of the container database only",
    65096: "the root of a container database takes common users only",
}


def refuses_login(error: SqlError) -> bool:
    """Whether the database says no to this very account."""
    return error.number in _LOGIN_REFUSED


def translate(error: SqlError | Lost) -> EngineError:
    """The engine's error for one of the link's."""
    if isinstance(error, Lost):
        return EngineTemporary("the connection to Oracle was lost", outcome_unknown=True)
    if error.number in _BUSY:
        words = _BUSY[error.number]
        return EngineTemporary(f"Oracle cannot just now: {words} (ORA-{error.number:05})")
    found = _CLASSES.get(error.number, ErrorClass.INVALID)
    return EnginePermanent(describe(error.number), error_class=found)


def describe(number: int) -> str:
    """A refusal in fixed words, by its number."""
    words = _WORDS.get(number)
    if words is None and number in _LOGIN_REFUSED:
        words = "the login"
    return (
        f"Oracle refused: {words} (ORA-{number:05})"
        if words
        else f"Oracle refused with ORA-{number:05}"
    )
