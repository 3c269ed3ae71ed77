"""Passwords made by a policy, for engines (rule S5)."""

import secrets
import string
from dataclasses import replace

from leasehold.bundle import PasswordPolicy

__all__ = ["PasswordPolicy", "make_password", "varied"]

_KINDS = {
    "digits": string.digits,
    "lowercase": string.ascii_lowercase,
    "uppercase": string.ascii_uppercase,
}


def varied(policy: PasswordPolicy) -> PasswordPolicy:
    """The policy with a digit, a small and a capital letter required, where it has room for them.

    For targets that refuse what lacks one: a draw of 32 has no digit once in 280.
    """
    required = {**dict.fromkeys(_KINDS, 1), **policy.required}
    return replace(policy, required=required) if sum(required.values()) <= policy.length else policy


def make_password(policy: PasswordPolicy) -> str:
    """Draw a password from the operating system's random source.

    Letters and digits are always in the alphabet, symbols only when the policy requires some. Each
    required kind is drawn first, the rest from the whole alphabet, then all are shuffled.
    """
    alphabets = dict(_KINDS)
    if policy.required.get("symbols"):
        alphabets["symbols"] = policy.allowed_symbols
    chosen = [
        secrets.choice(alphabets[kind])
        for kind, count in policy.required.items()
        for _ in range(count)
    ]
    everything = "".join(alphabets.values())
    chosen += [secrets.choice(everything) for _ in range(policy.length - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)
