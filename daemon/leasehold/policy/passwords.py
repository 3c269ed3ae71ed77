"""Whether a password policy can be kept, also by targets, and cannot be guessed. Pure."""

import math

from leasehold.bundle import EngineType, PasswordPolicy
from leasehold.policy.draft import Draft
from leasehold.policy.problems import Path

MIN_BITS = 110
"""Under this a stored hash could be searched; S5 asks for 160 where the target hashes badly."""
_SIZES = {"digits": 10, "lowercase": 26, "uppercase": 26}


def faults(policy: PasswordPolicy) -> list[str]:
    """What is wrong with the policy, one line each."""
    found = []
    needed = sum(policy.required.values())
    if needed > policy.length:
        found.append(f"requires {needed} characters in a password of {policy.length}")
    if policy.required.get("symbols") and not policy.allowed_symbols:
        found.append("requires symbols and allows none; name some in allowed_symbols")
    found += [  # they would be drawn more often than others
        f"allowed_symbols holds {symbol} more than once; keep one"
        for symbol in sorted(set(policy.allowed_symbols))
        if policy.allowed_symbols.count(symbol) > 1
    ]
    # Each required kind is drawn from its own alphabet, the rest from all of them.
    symbols = len(set(policy.allowed_symbols)) if policy.required.get("symbols") else 0
    everything = sum(_SIZES.values()) + symbols
    sizes = {**_SIZES, "symbols": max(symbols, 1)}
    bits = sum(count * math.log2(sizes[kind]) for kind, count in policy.required.items())
    bits += max(0, policy.length - needed) * math.log2(everything)
    if not found and bits < MIN_BITS:
        found.append(
            f"makes passwords of {int(bits)} bits, at least {MIN_BITS} are needed; raise length,"
            " or require less"
        )
    return found


def check(
    draft: Draft, path: Path, named: str | None, policy: PasswordPolicy, kind: EngineType
) -> None:
    """Tell at a role whether its target takes what `policy` makes, which it `named` or not."""
    where = path if named is None else (*path, "password_policy")
    whose = "the policy that holds by default" if named is None else f"policy {named}"
    for misfit in misfits(policy, kind):
        draft.fault(where, f"{whose} {misfit}", key=named is None)
    for doubt in doubts(policy, kind):
        draft.warn(where, f"{whose} {doubt}", key=named is None)


def misfits(policy: PasswordPolicy, kind: EngineType) -> list[str]:
    """Why engines of this type cannot take what the policy makes, one line each."""
    found, rules = [], kind.passwords
    if rules.max_length is not None and policy.length > rules.max_length:
        found.append(
            f"makes passwords of {policy.length} characters; engines of type {kind.name} take"
            f" {rules.max_length} at most, so name a policy with length: {rules.max_length} or less"
        )
    drawn = policy.allowed_symbols if policy.required.get("symbols") else ""
    if rules.symbols is not None and (wrong := sorted(set(drawn) - set(rules.symbols))):
        take = f"the symbols {rules.symbols}" if rules.symbols else "no symbols"
        found.append(
            f"makes passwords with {' '.join(wrong)}; engines of type {kind.name} take {take}, so"
            " change allowed_symbols of the policy"
        )
    return found


def doubts(policy: PasswordPolicy, kind: EngineType) -> list[str]:
    """Why some engines of this type may not take it; the policy that nobody chose gives way."""
    safe = kind.passwords.safe_length
    if safe is None or policy.length <= safe or policy == PasswordPolicy():
        return []
    return [
        f"makes passwords of {policy.length} characters; some versions of {kind.name} take"
        f" {safe} at most, see the page of that engine"
    ]
