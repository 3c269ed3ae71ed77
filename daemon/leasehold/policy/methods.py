"""The policy's schema with what the installed login methods say of themselves. Pure.

A method's type is a key of `match`, and of `as` in a test, like `unix` and `tls`.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from leasehold.login import MethodType
from leasehold.policy.schemas import schema

_PREFIX = "#/$defs/"


def policy_schema(methods: Mapping[str, MethodType]) -> dict[str, Any]:
    """The schema of whole policies where these methods are installed."""
    made = deepcopy(schema("policy"))
    parts = made["$defs"]
    asked = made["properties"]["tests"]["items"]["properties"]["as"]["properties"]
    for name, method in sorted(methods.items()):
        for part, rules in method.schema["$defs"].items():
            parts[f"{name}.{part}"] = _moved(rules, f"{name}.")
        parts["match"]["properties"][name] = {"$ref": f"{_PREFIX}{name}.match"}
        asked[name] = {"$ref": f"{_PREFIX}{name}.facts"}
    return made


def options_schema(method: MethodType) -> dict[str, Any]:
    """The schema of a method's own options."""
    return {"$ref": f"{_PREFIX}options", "$defs": method.schema["$defs"]}


def _moved(rules: Any, prefix: str) -> Any:
    """The rules with their references led to where they stand now."""
    if isinstance(rules, list):
        return [_moved(each, prefix) for each in rules]
    if not isinstance(rules, Mapping):
        return rules
    made = {key: _moved(value, prefix) for key, value in rules.items()}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = f"{_PREFIX}{prefix}{made['$ref'].removeprefix(_PREFIX)}"
    return made
