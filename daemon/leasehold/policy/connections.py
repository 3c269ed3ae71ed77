"""An engine's connection: secrets become references, clear ones are refused. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from leasehold.policy.references import SCHEMES, parse

_FORMS = ", ".join(f"{scheme}:…" for scheme in SCHEMES)


def compile_connection(
    connection: Mapping[str, Any], rules: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The connection with `Reference` values, and by key what is wrong. No value is ever quoted.

    `rules` are the properties of the engine's schema: `writeOnly` marks secrets, `x-reference`
    what may be a reference besides.
    """
    made: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for key, value in connection.items():
        rule = rules.get(key, {})
        secret, may_refer = rule.get("writeOnly", False), rule.get("x-reference", False)
        reference = parse(value) if isinstance(value, str) and (secret or may_refer) else None
        made[key] = value if reference is None else reference
        if secret and reference is None:
            faults[key] = f"a secret stands in clear; refer to it with one of {_FORMS}"
        elif reference is None and isinstance(value, str) and _has_password(value):
            faults[key] = "a password stands in the URL; put it under `password`, by reference"
    return made, faults


def _has_password(text: str) -> bool:
    try:
        return urlsplit(text).password is not None
    except ValueError:
        return False
