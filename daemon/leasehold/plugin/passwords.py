"""Passwords made by a policy, for engines (rule S5)."""

import secrets
import string

from leasehold.bundle import PasswordPolicy

__all__ = ["PasswordPolicy", "make_password"]

_KINDS = {
    "digits": string.digits,
    "lowercase": string.ascii_lowercase,
    "uppercase": string.ascii_uppercase,
}


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
