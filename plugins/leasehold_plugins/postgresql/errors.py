"""What PostgreSQL's and psycopg's errors mean. A driver's text never goes further than here."""

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout, TooManyRequests

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass

_TEMPORARY = ("08", "40", "53", "55P03", "57")
_CLASSES = {
    "28": ErrorClass.DENIED,
    "42501": ErrorClass.DENIED,
    "42704": ErrorClass.ABSENT,
    "42710": ErrorClass.CONFLICT,
}
DEPENDENT_OBJECTS = "2BP01"
"""DROP ROLE refused, since something in a database still depends on the role."""


def translate(error: psycopg.Error, *, sent: bool) -> EngineError:
    """The engine's error for a driver's; `sent` when statements may have reached the server."""
    if isinstance(error, PoolTimeout | TooManyRequests):
        return EngineTemporary("no connection to PostgreSQL in time")
    state = error.sqlstate
    if state is None:
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return EngineTemporary("the connection to PostgreSQL was lost", outcome_unknown=sent)
        return EnginePermanent(
            f"the driver refused: {type(error).__name__}", error_class=ErrorClass.INVALID
        )
    words = describe(state)
    if state.startswith(_TEMPORARY):
        return EngineTemporary(words, outcome_unknown=sent and state.startswith(("08", "57P")))
    found = _CLASSES.get(state) or _CLASSES.get(state[:2], ErrorClass.INVALID)
    return EnginePermanent(words, error_class=found)


def describe(state: str) -> str:
    """An SQLSTATE with its name."""
    try:
        name = errors.lookup(state).__name__
    except KeyError:
        return f"PostgreSQL refused with SQLSTATE {state}"
    return f"PostgreSQL refused: {name} ({state})"
