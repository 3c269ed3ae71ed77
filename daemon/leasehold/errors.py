"""Every error leasehold raises on purpose, in one tree. Pure.

    LeaseholdError
    ├── ConfigError                 the operator's fault: settings, files, modes
    │   └── PolicyRefused           a policy with problems
    ├── RequestError                the caller's fault
    │   ├── Invalid                 malformed, or breaks a rule the caller can mend
    │   ├── Denied                  no rule allows it
    │   ├── Frozen                  an incident is open that covers it
    │   ├── NotFound                no such thing, or not the caller's
    │   ├── Unsupported             leasehold does not do this here
    │   ├── Conflict                somebody else changed it first
    │   ├── Locked                  somebody else is at it
    │   ├── Stale                   what was approved is not what would be done now
    │   ├── Unsafe                  over a safety limit that nobody allowed
    │   ├── TooLarge                over a limit of size
    │   └── LimitReached            over a limit of count or rate
    │       └── QuotaReached        that one stands in the policy, or is the target's own
    ├── EngineError                 the target's fault, classified
    │   ├── EngineTemporary         worth another try
    │   ├── EnginePermanent         another try will fail alike
    │   └── TargetChanged           this is not the target that the account was made at
    └── Unavailable                 leasehold cannot keep its promise just now, so it refuses
        ├── NotReady                a new account did not work in time
        ├── Sealed                  somebody had it forget its key, until it is unsealed
        └── Quarantined             its store may be an old one, until somebody releases it

Whose fault it was decides what happens: an operator mends a file, a caller mends a request, the
remover tries again. A text here is shown to people, so it never carries a secret nor the text of a
driver. Anything outside this tree is a defect of leasehold and becomes "internal".
"""

from enum import StrEnum


class LeaseholdError(Exception):
    """The root. `code` is stable and may be matched by programs; `str()` is one clear line."""

    code = "internal"


class ConfigError(LeaseholdError):
    """Settings, files or modes that leasehold will not run with."""

    code = "config"


class PolicyRefused(ConfigError):
    """A policy with problems; `lines` holds one line each, sorted."""

    code = "policy"

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__(f"the policy has {len(lines)} problem(s); run leasehold validate")
        self.lines = lines


class RequestError(LeaseholdError):
    """A request that can never succeed as it stands."""

    code = "invalid"


class Invalid(RequestError):
    """Malformed, or against a rule that the caller can mend."""


class Denied(RequestError):
    """No rule allows it."""

    code = "denied"


class Frozen(RequestError):
    """An open incident covers it; the text tells the id of that, and no more."""

    code = "frozen"


class NotFound(RequestError):
    """No such thing; things of other callers answer alike."""

    code = "not-found"


class Unsupported(RequestError):
    """Something that is not done here, or not in this way; the text says what is."""

    code = "unsupported"


class Conflict(RequestError):
    """The lease was changed by somebody else between read and write."""

    code = "conflict"


class Locked(RequestError):
    """Somebody else is at work on the same thing; the text says who and since when."""

    code = "locked"


class Stale(RequestError):
    """What was approved is not what would be done now."""

    code = "stale"


class Unsafe(RequestError):
    """A change over a safety limit that nobody allowed."""

    code = "unsafe"


class TooLarge(RequestError):
    """Over a limit of size."""

    code = "too-large"


class LimitReached(RequestError):
    """Over a limit of count or rate. `retry_after_s` says when to come back, in seconds."""

    code = "limit-reached"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QuotaReached(LimitReached):
    """Somebody has had all that is allowed.

    `kind` and `name` say who (`identity`, `billing-api`), `what` of what (`max_leases`); `used` of
    `most` are in use.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        name: str,
        what: str,
        used: int,
        most: int,
        retry_after_s: int = 1,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.kind = kind
        self.name = name
        self.what = what
        self.used = used
        self.most = most


class Unavailable(LeaseholdError):
    """leasehold cannot keep its promise now (no audit, no disk, clock in doubt, stopping)."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Sealed(Unavailable):
    """The daemon has no key and does nothing until it is unsealed, or is about to be so."""

    code = "sealed"


class Quarantined(Unavailable):
    """The store may be older than what happened, and nobody has released it yet."""

    code = "quarantined"


class NotReady(Unavailable):
    """A new account did not let anybody in within the span that its role allows; it is revoked."""

    code = "not-ready"


class ErrorClass(StrEnum):
    """What a failed engine call means (rule Q5). An unknown error counts as transient."""

    TRANSIENT = "transient"
    ABSENT = "absent"
    DENIED = "denied"
    CONFLICT = "conflict"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    TARGET_CHANGED = "target-changed"


class EngineError(LeaseholdError):
    """A call to a target failed.

    `error_class` classifies it. `reason` is a short text made by the engine from a fixed vocabulary
    (such as an SQLSTATE with its name), never the driver's text. `outcome_unknown` is true when the
    target may have done the work although the call failed (lost reply, timeout, cancel).
    """

    code = "engine"

    def __init__(
        self, reason: str, *, error_class: ErrorClass, outcome_unknown: bool = False
    ) -> None:
        super().__init__(reason)
        self.error_class = error_class
        self.outcome_unknown = outcome_unknown

    @property
    def reason(self) -> str:
        """The text, free of secrets."""
        return str(self)


class EngineTemporary(EngineError):
    """The target is away, busy or restarting: worth another try."""

    code = "engine-temporary"

    def __init__(self, reason: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(reason, error_class=ErrorClass.TRANSIENT, outcome_unknown=outcome_unknown)


class EnginePermanent(EngineError):
    """The target said no, and will say no again until somebody changes something."""

    code = "engine-permanent"


def outcome_of(error: BaseException) -> dict[str, str]:
    """How a call to a target went, as the audit keeps it: the error's class, or `unknown`.

    Nothing for an error that is not a target's.
    """
    if not isinstance(error, EngineError):
        return {}
    return {"outcome": "unknown" if error.outcome_unknown else error.error_class}


class TargetChanged(EngineError):
    """The connection leads to another server than the one the account was made at (rule W11)."""

    code = "target-changed"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, error_class=ErrorClass.TARGET_CHANGED)
