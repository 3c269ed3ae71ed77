"""Policies as text, and an engine type that needs no plugin."""

from collections.abc import Mapping
from typing import Any

from leasehold.bundle import EngineType, UnixMatch
from leasehold.login import MethodType
from leasehold.policy.load import Loaded, load

SCHEMA = {
    "$defs": {
        "secret": {"type": "string", "minLength": 3},
        "connection": {
            "type": "object",
            "additionalProperties": False,
            "required": ["host"],
            "properties": {
                "host": {"type": "string", "pattern": "^[a-z.]+$"},
                "password": {"$ref": "#/$defs/secret", "writeOnly": True},
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "mode": {"enum": ["tls", "plain"]},
                "timeout": {"type": ["string", "integer"], "maximum": 60, "x-duration": True},
                "hosts": {
                    "oneOf": [{"type": "string"}, {"type": "array", "items": {"const": "a"}}]
                },
            },
        },
        "role": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "group": {"type": "string", "pattern": "^[a-z]+$"},
                "digits": {"type": "string", "pattern": r"^\d+$"},
                "words": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
            },
        },
    }
}


def engine_type(name: str = "fake", **changes: Any) -> EngineType:
    """An engine type with `SCHEMA`, no faults and no lint."""
    fields: dict[str, Any] = {
        "name": name,
        "schema": SCHEMA,
        "operations": frozenset({"creds"}),
        "name_limit": 63,
        "faults": lambda _: [],
        "lint": lambda _: [],
    }
    return EngineType(**{**fields, **changes})


TYPES = {"fake": engine_type()}
METHODS: Mapping[str, MethodType] = {}


def by_number(match: Mapping[str, Any]) -> UnixMatch:
    return UnixMatch(uid=match.get("uid"), gid=match.get("gid"))


def loaded(
    files: Mapping[str, str],
    types: Mapping[str, EngineType] = TYPES,
    methods: Mapping[str, MethodType] = METHODS,
) -> Loaded:
    """What comes of files that stand nowhere, by their names."""
    return load(((name, text.encode()) for name, text in files.items()), types, by_number, methods)


def lines(
    files: Mapping[str, str],
    types: Mapping[str, EngineType] = TYPES,
    methods: Mapping[str, MethodType] = METHODS,
) -> list[str]:
    """Every problem with the files, as it is printed."""
    return [problem.line() for problem in loaded(files, types, methods).problems]
