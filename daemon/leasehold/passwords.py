"""Which passwords a target takes. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRules:
    """Which passwords targets of one type take; None is no rule.

    No target takes more than `max_length` characters, and some version of it no more than
    `safe_length`. `symbols` are those that it takes besides letters and digits.
    """

    max_length: int | None = None
    safe_length: int | None = None
    symbols: str | None = None


ANY = PasswordRules()
