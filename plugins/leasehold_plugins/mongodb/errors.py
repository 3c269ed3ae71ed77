"""What MongoDB's and its driver's errors mean, by number. A driver's text never goes further.

Numbers are those of the server's error_codes.yml; 51003 has no name there.
"""

from pymongo import errors

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass

USER_NOT_FOUND, UNAUTHORIZED, AUTHENTICATION_FAILED, ROLE_NOT_FOUND = 11, 13, 18, 31
USER_EXISTS = 51003
_NOT_RUN = (10107, 13435, 13436)
"""Who answered is no primary, so nothing was done."""
STEPPED_DOWN = (91, 189, 11600, 11602)
"""The primary gave up while it worked; the work may be done, and may be undone."""
_TEMPORARY = (
    *(*_NOT_RUN, *STEPPED_DOWN),
    *(6, 7, 24, 46, 50, 64, 89, 100, 112, 133, 134, 202, 262, 9001, 11601),
)
_CLASSES = {
    USER_NOT_FOUND: ErrorClass.ABSENT,
    ROLE_NOT_FOUND: ErrorClass.ABSENT,
    USER_EXISTS: ErrorClass.CONFLICT,
    59: ErrorClass.UNSUPPORTED,
    238: ErrorClass.UNSUPPORTED,
}
_TLS_MARKS = ("[SSL", "SSL handshake failed")
_WORDS = {
    USER_NOT_FOUND: "there is no such account",
    ROLE_NOT_FOUND: "a role that the account is to have does not exist",
    USER_EXISTS: "an account of that name exists already",
    50: "it took too long",
    59: "the server has no such command",
    64: "a majority of the replica set did not confirm in time",
    100: "too few members of the replica set are there for a majority",
    238: "the server does not offer that",
}


def translate(error: errors.PyMongoError, command: str = "", *, sent: bool = True) -> EngineError:
    """The engine's error for a driver's, at `command`; `sent` when the server may have it."""
    if isinstance(error, errors.ServerSelectionTimeoutError):
        return EngineTemporary("no primary of MongoDB can be reached")
    if isinstance(error, errors.WaitQueueTimeoutError):
        return EngineTemporary("no connection to MongoDB in time")
    code = error.code if isinstance(error, errors.OperationFailure) else None
    if isinstance(error, errors.NotPrimaryError):
        code = int(dict(error.details).get("code", 0)) or _NOT_RUN[0]
    if code is not None:
        return refused(code, command)
    if isinstance(error, errors.ConnectionFailure):
        return EngineTemporary("the connection to MongoDB was lost", outcome_unknown=sent)
    return EnginePermanent(
        f"the driver refused: {type(error).__name__}", error_class=ErrorClass.INVALID
    )


def refused(code: int, command: str) -> EngineError:
    """The engine's error for a number that the server gave for `command`."""
    if code == AUTHENTICATION_FAILED:
        return EnginePermanent(
            "MongoDB refuses the administrator's login; look at username, password and authSource",
            error_class=ErrorClass.DENIED,
        )
    if code == UNAUTHORIZED:
        return EnginePermanent(
            f"MongoDB does not let the administrator run {command}; `leasehold engines` shows what"
            " to grant",
            error_class=ErrorClass.DENIED,
        )
    words = f"MongoDB refused {command}: {_WORDS.get(code, 'error')} ({code})"
    if code in _TEMPORARY:
        return EngineTemporary(words, outcome_unknown=code not in _NOT_RUN)
    return EnginePermanent(words, error_class=_CLASSES.get(code, ErrorClass.INVALID))


def is_about_tls(error: Exception | None) -> bool:
    """Whether TLS is why a server is not reached, by what the driver keeps of that: a text."""
    return any(mark in str(error) for mark in _TLS_MARKS)
