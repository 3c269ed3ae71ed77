"""Password policies of Vault as ours, where ours can say the same. Pure.

Vault draws from all charsets together and asks for `min-chars` of each. Ours always draws from all
letters and digits, and from symbols where some are required.
"""

import string
from typing import Any

from leasehold.importing import hcl
from leasehold.importing.hcl import NotUnderstood
from leasehold.importing.yaml_text import Entry

LEAST = 20
_KINDS = {
    "digits": frozenset(string.digits),
    "lowercase": frozenset(string.ascii_lowercase),
    "uppercase": frozenset(string.ascii_uppercase),
}
_ALPHABET = frozenset[str]().union(*_KINDS.values())
_SYMBOLS = frozenset("-_.~!#&()*+,/:;<=>?@^{|}")
"""What a policy of ours may name as `allowed_symbols`."""


class NoEqual(Exception):
    """The policy asks for what ours cannot say; the message says what."""


def password_policy(place: str, text: str) -> Entry:
    """The policy that says the same. Raises NoEqual, NotUnderstood."""
    body = hcl.parse(text)
    length, rules = body.attributes.get("length"), [_rule(*block) for block in body.blocks]
    if not isinstance(length, int) or isinstance(length, bool) or not rules:
        raise NotUnderstood("it has no length, or no rule")
    drawn = frozenset[str]().union(*(charset for charset, _ in rules))
    if missing := _ALPHABET - drawn:
        left = "".join(sorted(missing))
        raise NoEqual(f"it never uses {left}; ours draws from all letters and digits")
    symbols, required = drawn - _ALPHABET, dict[str, int]()
    for charset, least in rules:
        kind = "symbols" if charset == symbols else _kind(charset)
        if least and kind:
            required[kind] = max(least, required.get(kind, 0))
        elif least and charset != drawn:
            raise NoEqual(f"it asks for {least} characters of a set that is none of ours")
    comments = [f"From {place}."]
    value: dict[str, Any] = {"length": max(length, LEAST)}
    if length < LEAST:
        comments.append(f"The source had length {length}; {LEAST} is the least here.")
    if symbols:
        allowed = symbols & _SYMBOLS
        if not allowed:
            raise NoEqual("none of its symbols may be used here")
        if "symbols" not in required:
            comments.append("The source may leave symbols out; here a password has one at least.")
        if left := "".join(sorted(symbols - allowed)):
            comments.append(f"Without the symbols {left}, which are not used here.")
        required.setdefault("symbols", 1)
        value["allowed_symbols"] = "".join(sorted(allowed))
    if required:
        value["required"] = dict(sorted(required.items()))
    return Entry(value, comments)


def _rule(kind: str, label: str, body: hcl.Block) -> tuple[frozenset[str], int]:
    charset = body.attributes.get("charset")
    least = body.attributes.get("min-chars", body.attributes.get("min_chars", 0))
    known = body.attributes.keys() <= {"charset", "min-chars", "min_chars"} and not body.blocks
    if (kind, label) != ("rule", "charset") or not known or not isinstance(charset, str):
        raise NotUnderstood(f"it has {kind} {label!r} in a form that is not known")
    if not isinstance(least, int) or not charset:
        raise NotUnderstood("it has a charset that is empty, or no number as min-chars")
    return frozenset(charset), max(least, 0)


def _kind(charset: frozenset[str]) -> str:
    return next((kind for kind, all_of_it in _KINDS.items() if charset == all_of_it), "")
