"""One JSON Schema for editors: the policy's, with the options of every installed plugin. Pure.

It is plain JSON Schema 2020-12, so what our dialect says in words of its own is said in patterns
here. Which options a role has depends on the engine that its name begins with. JSON Schema cannot
follow that, so a role is offered the options of all types; `leasehold validate` knows better.
"""

import json
from collections.abc import Mapping
from typing import Any

from leasehold.bundle import EngineType
from leasehold.login import MethodType
from leasehold.policy.methods import policy_schema

_PREFIX = "#/$defs/"
_SPAN = r"(?=[0-9])(?:[0-9]+|(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?)$"
_NOT_ZERO = r"(?=.*[1-9])"
_REFERENCE = r"^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|systemd:[^/]+|exec:/.+)$"
_FORM = "a reference: env:NAME, file:/path, systemd:NAME or exec:/path/to/program"


def editor_schema(
    types: Mapping[str, EngineType], methods: Mapping[str, MethodType]
) -> dict[str, Any]:
    """The schema that `leasehold schema` prints."""
    made: dict[str, Any] = _plain(policy_schema(methods), "")
    parts = made["$defs"]
    for name, kind in sorted(types.items()):
        for part, rules in kind.schema["$defs"].items():
            parts[f"{name}.{part}"] = _plain(rules, f"{name}.")
    engine, role = parts["engine"], parts["role"]
    engine["properties"]["type"] = {
        "description": "The engine type, which a plugin provides.",
        "enum": sorted(types),
        "enumDescriptions": [str(types[name].schema.get("title", "")) for name in sorted(types)],
    }
    engine["allOf"] = [_part_of(name, "connection") for name in sorted(types)]
    method = parts["method"]
    method["properties"]["type"] = {
        "description": "The type of login method, which a plugin provides.",
        "enum": sorted(methods),
    }
    method["allOf"] = [_part_of(name, "options") for name in sorted(methods)]
    role["properties"] |= _options(parts, sorted(types))
    role["additionalProperties"] = False
    return made


def _part_of(name: str, part: str) -> dict[str, Any]:
    return {
        "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
        "then": {"properties": {part: {"$ref": f"{_PREFIX}{name}.{part}"}}},
    }


def _options(parts: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """The role options of all types, each with the types that have it."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in names:
        for option, rules in parts[f"{name}.role"].get("properties", {}).items():
            variants = found.setdefault(option, {})
            variants.setdefault(json.dumps(rules, sort_keys=True), []).append(name)
    return {option: _option(variants) for option, variants in sorted(found.items())}


def _option(variants: Mapping[str, list[str]]) -> dict[str, Any]:
    rules = [json.loads(text) for text in variants]
    told = [
        f"{', '.join(names)}: {each.get('description', each.get('title', ''))}".rstrip(": ")
        for each, names in zip(rules, variants.values(), strict=True)
    ]
    one = rules[0] if len(rules) == 1 else {"anyOf": rules}
    return {**one, "description": "\n".join(told)}


def _plain(rules: Any, prefix: str) -> Any:
    """The rules without our dialect, references to `$defs` given a prefix."""
    if isinstance(rules, list):
        return [_plain(each, prefix) for each in rules]
    if not isinstance(rules, Mapping):
        return rules
    made = {
        key: _plain(value, prefix) for key, value in rules.items() if not str(key).startswith("x-")
    }
    if isinstance(made.get("$ref"), str):
        made["$ref"] = f"{_PREFIX}{prefix}{made['$ref'].removeprefix(_PREFIX)}"
    if rules.get("x-duration") is True:
        return _span(made)
    if rules.get("writeOnly") is True and rules.get("type") == "string":
        made |= {"pattern": _REFERENCE, "patternErrorMessage": f"allowed is {_FORM}"}
    elif "pattern" in rules and "x-allowed" in rules:
        made["patternErrorMessage"] = f"allowed is {rules['x-allowed']}"
    return made


def _span(rules: dict[str, Any]) -> dict[str, Any]:
    """A duration as a number or a text. A maximum holds for numbers only."""
    limits = {key: rules.pop(key) for key in ("minimum", "maximum") if key in rules}
    rules.pop("type", None)
    form = _SPAN if limits.get("minimum", 0) == 0 else _NOT_ZERO + _SPAN
    rules["anyOf"] = [
        {
            "type": "string",
            "pattern": f"^{form}",
            "patternErrorMessage": "allowed is a duration such as 90s, 15m, 1h30m or 7d",
        },
        {"type": "integer", "minimum": 0, **limits},
    ]
    return rules
