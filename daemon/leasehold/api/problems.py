"""Errors as HTTP: the only place with the status of a failure. Pure.

The body is Vault's, `{"errors": ["text"]}`, with the error's stable code beside it. Unknown leases
answer 400, as Vault's do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leasehold.errors import (
    ConfigError,
    Conflict,
    Denied,
    EngineError,
    Frozen,
    Invalid,
    LeaseholdError,
    LimitReached,
    Locked,
    NotFound,
    PolicyRefused,
    Stale,
    TooLarge,
    Unavailable,
    Unsafe,
    Unsupported,
)

_STATUSES: Mapping[type[LeaseholdError], int] = {
    Invalid: 400,
    ConfigError: 400,
    Denied: 403,
    NotFound: 404,
    Unsupported: 405,
    Conflict: 409,
    Locked: 409,
    Stale: 409,
    Unsafe: 409,
    TooLarge: 413,
    Frozen: 423,
    LimitReached: 429,
    EngineError: 502,
    Unavailable: 503,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A failure as it is answered."""

    status: int
    errors: tuple[str, ...]
    code: str
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: LeaseholdError) -> Problem:
    """The answer for an error raised on purpose."""
    headers = {}
    if isinstance(error, LimitReached | Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    errors = error.lines if isinstance(error, PolicyRefused) else (str(error),)
    return Problem(status_of(type(error)), errors, error.code, headers)


def status_of(kind: type[LeaseholdError]) -> int:
    """The status of an error of this kind."""
    return next((status for known, status in _STATUSES.items() if issubclass(kind, known)), 500)


def internal(request_id: str) -> Problem:
    """The answer for a defect; what happened stands in the log under the request's id."""
    text = f"internal error; the daemon's log has it under {request_id}"
    return Problem(500, (text,), "internal")


def no_route(path: str) -> Problem:
    """Nothing is served at this path."""
    return Problem(404, (f"no handler for route {path[:200]!r}",), NotFound.code)


def wrong_method(method: str, allowed: str) -> Problem:
    """The path is served, this method is not."""
    text = f"unsupported operation {method}; allowed are {allowed}"
    return Problem(405, (text,), Unsupported.code, {"Allow": allowed})
