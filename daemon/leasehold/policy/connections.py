"""An engine's connection: secrets become references, clear ones are refused. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from leasehold.policy import durations
from leasehold.policy.references import SCHEMES, BadReference, parse

_FORMS = ", ".join(f"{scheme}:…" for scheme in SCHEMES)
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]*@|password\s*=", re.IGNORECASE)
"""`//user:password@host`, and `password=` as a parameter, which libpq reads from a URL too."""


def compile_connection(
    connection: Mapping[str, Any], rules: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The connection with `Reference` values, and by key what is wrong. No value is ever quoted.

    `rules` are the properties of the engine's schema: `writeOnly` marks secrets, `x-reference`
    what may be a reference besides, `x-duration` what becomes whole seconds.
    """
    made: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for key, value in connection.items():
        rule = rules.get(key, {})
        try:
            made[key] = _compiled(value, rule)
        except ValueError as fault:
            faults[key] = str(fault)
    return made, faults


def _compiled(value: Any, rule: Mapping[str, Any]) -> Any:
    if rule.get("x-duration"):
        return durations.seconds(value)
    each = rule.get("additionalProperties")
    if isinstance(value, Mapping) and isinstance(each, Mapping) and "properties" in each:
        return {name: _spans(part, each["properties"]) for name, part in value.items()}
    secret = rule.get("writeOnly", False)
    if not isinstance(value, str):
        return value
    if secret or rule.get("x-reference"):
        reference = parse(value)
        if reference is not None:
            return reference
    if secret:
        raise BadReference(f"a secret stands in clear; refer to it with one of {_FORMS}")
    if _PASSWORD.search(value):
        raise BadReference("a password stands in the text; put it under `password`, by reference")
    return value


def _spans(part: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
    """One of a map of maps of options, which holds no secrets, with whole seconds for durations."""
    return {
        key: durations.seconds(value) if rules.get(key, {}).get("x-duration") else value
        for key, value in part.items()
    }
