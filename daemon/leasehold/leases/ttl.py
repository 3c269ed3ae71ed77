"""How long: the arithmetic of TTLs. Pure; whole seconds in, whole seconds out.

The same rules as Vault's (`increment` counts from now, may shorten, is capped with a warning),
except that a lease's maximum is fixed when it is issued and no later change of policy can lengthen
it.
"""

from dataclasses import dataclass

from leasehold.errors import Invalid


@dataclass(frozen=True, slots=True)
class Granted:
    """A span of `ttl_s` seconds, and what to tell the caller about it."""

    ttl_s: int
    warnings: tuple[str, ...] = ()


def grant(asked_s: int | None, *, default_s: int, max_s: int) -> Granted:
    """The TTL of a new lease: what was asked or the default, at most `max_s`."""
    wanted = default_s if asked_s is None or asked_s == 0 else asked_s
    if wanted < 0:
        raise Invalid("a ttl cannot be negative; give seconds, or a duration such as 15m")
    return _capped(wanted, max_s)


def extend(
    asked_s: int | None, *, default_s: int, max_s: int, elapsed_s: int, left_s: int
) -> Granted:
    """The TTL of a renewed lease, from now.

    `max_s` is the role's maximum as it stands now, `elapsed_s` the lease's age, `left_s` what is
    left until the maximum that was fixed at issue. Raises Invalid when nothing is left.
    """
    remaining = min(left_s, max_s - elapsed_s)
    if remaining <= 0:
        raise Invalid("past the max TTL, cannot renew")
    return _capped(grant(asked_s, default_s=default_s, max_s=max_s).ttl_s, remaining)


def _capped(wanted_s: int, cap_s: int) -> Granted:
    if wanted_s <= cap_s:
        return Granted(wanted_s)
    return Granted(cap_s, (f"TTL of {wanted_s}s exceeds what is allowed; capped at {cap_s}s",))
