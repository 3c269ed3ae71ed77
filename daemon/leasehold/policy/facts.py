"""Facts about somebody who may ask, as people write them: `unix:user=billing,group=db`. Pure.

Facts are pairs of a name and a value, since one caller may be in several groups. They are of one
kind: those of a process on this host, of a client certificate, or of a login, where the kind is the
type of a method and values are percent-encoded where they must be.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from leasehold.bundle import PROCESS_FACTS, Fact, Facts
from leasehold.errors import Invalid
from leasehold.policy.logins import LOCAL_KINDS, flat, login_with
from leasehold.policy.schemas import schema, validator

_NAMES = {
    "unix": ("user", "uid", "group", "gid", "self", *PROCESS_FACTS),
    "tls": ("san", "issuer"),
}
_FORMS = {
    "unix": "unix:user=NAME,uid=NUMBER,group=NAME,gid=NUMBER or unix:self,"
    " groups as often as needed, and unit, user_unit, slice, cgroup, exe or sha256",
    "tls": "tls:san=dns:NAME,issuer=FINGERPRINT, san as often as needed",
}
_LOGIN_FORM = "TYPE:NAME=VALUE,… of a login"
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_NAME = re.compile(r"[A-Za-z_][^\x00-\x20,=]{0,254}")
_NUMBERS = ("uid", "gid")
_LISTS = ("group", "gid", "san", "issuer")
_CHECKED = {
    **{name: name for name in PROCESS_FACTS},
    **{"unit": "unit", "user_unit": "unit", "exe": "path", "cgroup": "path"},
    **{"san": "san", "issuer": "fingerprint"},
}
"""What the policy's schema has a form for, by the name of that."""
_MOST = 4_294_967_294


def parse(text: str) -> Facts:
    """The facts that a text names. Raises Invalid."""
    kind, _, rest = text.partition(":")
    if kind not in _NAMES and _KIND.fullmatch(kind) and "=" in rest:
        return frozenset(_login_pair(kind, part) for part in rest.split(","))
    if kind not in _NAMES:
        allowed = "; or ".join((*_FORMS.values(), _LOGIN_FORM))
        raise Invalid(f"found '{text[:60]}'; allowed is {allowed}")
    found = [_pair(kind, part) for part in rest.split(",")]
    for name in _NAMES[kind]:
        if name not in _LISTS and sum(each == name for each, _ in found) > 1:
            raise Invalid(f"{name} stands twice; nobody has two of them")
    return frozenset(found)


def facts_of(written: Mapping[str, Any]) -> Facts:
    """Facts from names and values, where groups and names may be lists."""
    return frozenset(_pairs(written))


def facts_under(kind: str, written: Mapping[str, Any]) -> Facts:
    """The facts under a key `unix`, `tls`, or that of a login method."""
    return facts_of(written if kind in LOCAL_KINDS else flat(kind, written))


def agree(match: Mapping[str, Any], known: Facts) -> bool:
    """Whether somebody with the facts `known` has all that a match names, as both are written.

    Whoever is in a cgroup is in those above it.
    """
    return all(
        fact in known or (fact[0] == "cgroup" and any(_below(fact, each) for each in known))
        for fact in match.items()
    )


def _below(above: Fact, fact: Fact) -> bool:
    return fact[0] == above[0] and str(fact[1]).startswith(f"{above[1]}/")


def kind_of(facts: Iterable[Fact]) -> str:
    """`unix`, `tls`, or the type of a login method."""
    facts = list(facts)
    for name, _ in facts:
        kind, dot, _rest = name.partition(".")
        if dot:
            return kind
    return "tls" if any(name in _NAMES["tls"] for name, _ in facts) else "unix"


def shown(facts: Iterable[Fact]) -> str:
    """The facts as `parse` reads them, in an order that is always the same."""
    facts = list(facts)
    kind = kind_of(facts)
    if kind not in LOCAL_KINDS:
        return login_with(kind, facts).who
    ordered = sorted(facts, key=lambda fact: (_NAMES[kind].index(fact[0]), str(fact[1])))
    return f"{kind}:" + ",".join(
        name if value is True else f"{name}={value}" for name, value in ordered
    )


def _pairs(written: Mapping[str, Any]) -> Iterator[Fact]:
    for name, value in written.items():
        for each in value if isinstance(value, list) else [value]:
            yield name, each


def _login_pair(kind: str, part: str) -> Fact:
    name, _, value = part.partition("=")
    if not _NAME.fullmatch(name) or not value:
        raise Invalid(f"found '{part[:60]}'; allowed is {_LOGIN_FORM}")
    return f"{kind}.{name}", unquote(value)


def _pair(kind: str, part: str) -> Fact:
    name, _, value = part.partition("=")
    if name == "self" and kind == "unix" and value in ("", "true"):
        return name, True
    if name not in _NAMES[kind] or name == "self" or not value:
        raise Invalid(f"found '{part[:60]}'; allowed is {_FORMS[kind]}")
    if name in _CHECKED:
        rules = schema("policy")["$defs"][_CHECKED[name]]
        if any(validator(rules).iter_errors(value)):
            raise Invalid(f"{name}: found '{value[:60]}'; allowed is {rules['x-allowed']}")
    if name not in _NUMBERS:
        return name, value
    if not (value.isascii() and value.isdecimal() and len(value) <= 10 and int(value) <= _MOST):
        raise Invalid(f"{name}: found '{value[:60]}'; allowed is a whole number up to {_MOST}")
    return name, int(value)
