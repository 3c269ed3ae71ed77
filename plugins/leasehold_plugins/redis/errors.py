"""What Redis' and its driver's errors mean. A driver's text never goes further than here."""

import re
import ssl

from redis import exceptions

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass

_CODE = re.compile(r"[A-Z]{2,20}")
_TEMPORARY = (
    exceptions.BusyLoadingError,
    exceptions.ClusterDownError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.TryAgainError,
)
_TEMPORARY_CODES = ("BUSY", "MISCONF")
_CONTAINERS = ("ACL", "CLIENT", "CLUSTER", "CONFIG")


class Away(EngineTemporary):
    """A server cannot be reached, so nothing was sent there."""


class Unsaved(EngineTemporary):
    """A change is in force and was not saved, so a restart would undo it."""


def translate(error: exceptions.RedisError, where: str, *, sent: bool = True) -> EngineError:
    """The engine's error for a driver's; `sent` when commands may have reached the server."""
    if is_refused_login(error):
        return EnginePermanent(
            f"Redis at {where} refuses the administrator's login; look at username and password",
            error_class=ErrorClass.DENIED,
        )
    if isinstance(error, exceptions.MaxConnectionsError):
        return EngineTemporary(f"no connection to Redis at {where} in time")
    if isinstance(error, _TEMPORARY) or code(error) in _TEMPORARY_CODES:
        return EngineTemporary(f"Redis at {where} cannot do it now ({code(error)})")
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        if sent:
            late = isinstance(error, exceptions.TimeoutError)
            words = "no answer in time from" if late else "the connection was lost to"
            return EngineTemporary(f"{words} Redis at {where}", outcome_unknown=True)
        if _caused_by(error, ssl.SSLError):
            return Away(
                f"Redis at {where} cannot be trusted or speaks no TLS; look at tls_ca, and at the"
                " names in its certificate"
            )
        return Away(f"Redis at {where} cannot be reached")
    return EnginePermanent(
        f"Redis at {where} refused ({code(error)})", error_class=ErrorClass.INVALID
    )


def refused(error: exceptions.ResponseError, command: tuple[str, ...], where: str) -> EngineError:
    """The engine's error for the server's reply to one command."""
    if isinstance(error, exceptions.NoPermissionError):
        return EnginePermanent(
            f"Redis at {where} does not let the administrator run {' '.join(_words(command))};"
            f" run: ACL SETUSER <administrator> +{right(command)}",
            error_class=ErrorClass.DENIED,
        )
    return translate(error, where)


def right(command: tuple[str, ...]) -> str:
    """The command as ACL rules name it: `acl|setuser`, `info`."""
    return "|".join(_words(command)).lower()


def code(error: exceptions.RedisError) -> str:
    """The word that the server's reply began with; ERR when it said nothing better."""
    word = error.status_code or str(error).partition(" ")[0]
    return word if _CODE.fullmatch(word) else "ERR"


def _words(command: tuple[str, ...]) -> tuple[str, ...]:
    return command[:2] if command[0] in _CONTAINERS else command[:1]


def is_refused_login(error: exceptions.RedisError) -> bool:
    """Whether the server knows no such user, or not with this password."""
    # Over a Unix socket the driver logs in while it connects, and wraps what comes of it.
    return _caused_by(error, exceptions.AuthenticationError)


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False
