"""Roles as ACL rules: what an account may do, in the words that `ACL SETUSER` takes. Pure.

Rules go to the server one argument each and are never split at spaces again, so no pattern can turn
into a rule. What belongs to leasehold (the password, whether the account is on) no role can say.
The account bears the end of its lease in a selector that grants nothing, since the server itself
ends nothing: whoever keeps the server can see what is overdue there.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

UNTIL = "leasehold-until"
"""The name of the pattern in that selector: `(~leasehold-until:<seconds since 1970>)`."""
NAMES = ("name", "username")
_PATTERNS = {"keys": "~", "read_keys": "%R~", "write_keys": "%W~", "channels": "&"}
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_OURS = ("reset", "on", "off", "nopass", "resetpass")
_OF_PASSWORDS = (">", "<", "#", "!")
_EXAMPLE = "lhabcd_abcdefghijklmnop_abcd"
_MAKES_ACCOUNTS = re.compile(r"@(all|admin|dangerous|slow)|acl(\|(setuser|load))?")
"""The rules after `+` that bring `ACL SETUSER` or `ACL LOAD`, and after `-` take it away."""


_NAME = re.compile(r"lh[a-z0-9]{4}_[a-z0-9]{16}")


class BadRule(Exception):
    """A text that holds no rules, or a placeholder that is not known."""


def is_ours(name: str) -> bool:
    """Whether `name` is one that leasehold gives; `default`, and an administrator's, are not."""
    return _NAME.search(name) is not None


def creation(role: Mapping[str, Any], name: str, digest: str, end: datetime) -> list[str]:
    """What makes the account, whatever it was before; `digest` is the SHA-256 of its password."""
    return ["reset", "resetchannels", *rules(role, name), until(end), "on", f"#{digest}"]


def renewal(role: Mapping[str, Any], name: str, end: datetime) -> list[str]:
    """What moves the end that the account bears. No password, so it revives no account."""
    selectors = [rule for rule in _whole(rules(role, name)) if rule.startswith("(")]
    return ["clearselectors", *selectors, until(end)]


def until(end: datetime) -> str:
    """The selector that says when the account should be gone, and grants nothing."""
    return f"(~{UNTIL}:{int(end.timestamp())})"


def rules(role: Mapping[str, Any], name: str) -> list[str]:
    """The role's own rules for the account `name`. Raises BadRule."""
    return [rule for _, rule in sourced(role, name)]


def sourced(role: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Each rule with the option that says it. Raises BadRule."""
    if custom := role.get("creation_statements"):
        for text in [custom] if isinstance(custom, str) else custom:
            for rule in _split(text):
                yield "creation_statements", _fill("creation_statements", rule, name)
        return
    for option, sign in _PATTERNS.items():
        for pattern in role.get(option, ()):
            yield option, sign + _fill(option, pattern, name)
    yield from (("commands", rule) for rule in role.get("commands", ()))


def faults(role: Mapping[str, Any]) -> list[str]:
    """What is wrong with a role, one line each, as `Engine.faults` tells it."""
    found = []
    if ("commands" in role) == ("creation_statements" in role):
        both = "both" if "commands" in role else "neither"
        found.append(f"has {both} of commands and creation_statements; write one of them")
    if "creation_statements" in role and (more := sorted(_PATTERNS.keys() & role.keys())):
        found.append(f"{more[0]}: creation_statements has every rule of the account; add it there")
    try:
        said = list(sourced(role, _EXAMPLE))
    except BadRule as fault:
        return [*found, str(fault)]
    if "creation_statements" in role and not said:
        found.append("creation_statements: has no rule; write ~pattern, +command and the like")
    for option, rule in said:
        plain = rule.strip("()").lower()
        if plain in _OURS or plain.startswith(_OF_PASSWORDS):
            shown = plain if plain in _OURS else f"{plain[0]}…"
            found.append(
                f"{option}: found {shown}; the password, and whether the account is on, are"
                " leasehold's; leave it out"
            )
    return found


def lint(role: Mapping[str, Any]) -> list[str]:
    """What will hurt, one line each, as `Engine.lint` tells it."""
    try:
        said = list(sourced(role, _EXAMPLE))
    except BadRule:
        return []
    risk: tuple[str, str] | None = None
    for option, rule in said:
        plain = {"allcommands": "+@all", "nocommands": "-@all"}.get(rule, rule).lstrip("(")
        if plain[:1] in "+-" and _MAKES_ACCOUNTS.fullmatch(plain[1:].rstrip(")")):
            risk = (option, rule) if plain[0] == "+" else None
    if risk is None:
        return []
    return [
        f"{risk[0]}: {risk[1]} lets the account make accounts of its own (ACL SETUSER), which"
        " outlive its lease; add -@admin after it"
    ]


def _split(text: str) -> list[str]:
    """The rules of a text: Vault's JSON list, or words. The server puts selectors together."""
    if not text.lstrip().startswith("["):
        return text.split()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(rule, str) for rule in found):
        raise BadRule("creation_statements: begins as a JSON list and is none of texts")
    return found


def _whole(said: Sequence[str]) -> Iterator[str]:
    """The rules with each selector in one piece."""
    open_selector: list[str] = []
    for rule in said:
        open_selector.append(rule)
        if not open_selector[0].startswith("(") or rule.endswith(")"):
            yield " ".join(open_selector)
            open_selector = []


def _fill(option: str, text: str, name: str) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in NAMES:
            allowed = ", ".join(f"{{{{{known}}}}}" for known in NAMES)
            raise BadRule(
                f"{option}: unknown placeholder {found[0]}; allowed are {allowed}, since leasehold"
                " sets the password, and the server knows no expiration"
            )
        return name

    return _PLACEHOLDER.sub(value, text)
