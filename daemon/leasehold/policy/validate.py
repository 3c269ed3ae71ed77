"""Schema errors as problems with a place: what was found, what is allowed, what is nearest."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from leasehold.bundle import EngineType
from leasehold.policy import durations
from leasehold.policy.problems import Path, Places, Problem, nearest
from leasehold.policy.schemas import schema

_KINDS = {
    "object": "a map",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
}
_NAME = "lower-case letters, digits, - and _, beginning with a letter or digit, at most 63"
_PATTERNS = {
    "^[a-z0-9][a-z0-9_-]{0,62}$": _NAME,
    "^[a-z0-9][a-z0-9_-]{0,62}/[a-z0-9][a-z0-9_-]{0,62}$": "engine/role, each of " + _NAME,
    "^[a-z0-9_/-]*[*]?$": "mount/operation/role, perhaps ending with *",
}


def check(
    document: Mapping[str, Any], places: Places, types: Mapping[str, EngineType]
) -> Iterator[Problem]:
    """What the policy schema, and those of the engine types, say against the document."""
    yield from _errors(document, schema("policy"), (), places)
    engines = _map(document, "engines")
    for name, engine in engines.items():
        if not isinstance(engine, Mapping):
            continue
        found = engine.get("type")
        if isinstance(found, str) and found not in types:
            installed = ", ".join(sorted(types)) or "none"
            yield places.problem(
                ("engines", name, "type"),
                f"unknown engine type {found}; installed are {installed}{nearest(found, types)}",
            )
        elif isinstance(found, str) and isinstance(engine.get("connection"), Mapping):
            rules = _part(types[found], "connection")
            yield from _errors(engine["connection"], rules, ("engines", name, "connection"), places)
    for key, role in _map(document, "roles").items():
        engine = engines.get(key.partition("/")[0])
        kind = engine.get("type") if isinstance(engine, Mapping) else None
        if isinstance(role, Mapping) and isinstance(kind, str) and kind in types:
            rules = _with_common_keys(_part(types[kind], "role"))
            yield from _errors(role, rules, ("roles", key), places)


def common_role_keys() -> frozenset[str]:
    """The keys of a role that are leasehold's own and not the engine's."""
    return frozenset(schema("policy")["$defs"]["role"]["properties"])


def _map(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def _part(engine_type: EngineType, part: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{part}", "$defs": engine_type.schema["$defs"]}


def _with_common_keys(rules: dict[str, Any]) -> dict[str, Any]:
    """The engine's rules for a role, which also has leasehold's own keys; those are checked once."""
    own = rules["$defs"]["role"]
    known = {**dict.fromkeys(common_role_keys(), True), **own.get("properties", {})}
    role = {**own, "properties": known}
    return {**rules, "$defs": {**rules["$defs"], "role": role}}


def _errors(value: Any, rules: Mapping[str, Any], path: Path, places: Places) -> Iterator[Problem]:
    for error in Draft202012Validator(rules).iter_errors(value):
        yield from _problems(error, (*path, *error.absolute_path), places)
    yield from _durations(value, path, places)


def _problems(error: ValidationError, path: Path, places: Places) -> Iterator[Problem]:
    allowed = error.validator_value
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for key in error.instance:
            if key not in known:
                yield places.problem(
                    (*path, key),
                    f"unknown key; allowed are {', '.join(sorted(known))}{nearest(key, known)}",
                    key=True,
                )
        return
    if error.validator == "required":
        for key in allowed:
            if key not in error.instance:
                yield places.problem(path, f"lacks {key}")
        return
    if error.parent is not None and error.parent.validator == "propertyNames":
        yield places.problem((*path, error.instance), _words(error), key=True)
        return
    yield places.problem(path, _words(error))


def _words(error: ValidationError) -> str:
    allowed, found = error.validator_value, error.instance
    match error.validator:
        case "type":
            kinds = [allowed] if isinstance(allowed, str) else allowed
            wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds)
            return f"found {_kind(found)}; allowed is {wanted}"
        case "enum":
            listed = ", ".join(map(str, allowed))
            return f"found {_shown(found)}; allowed are {listed}{nearest(str(found), allowed)}"
        case "pattern":
            return f"found {_shown(found)}; allowed are {_PATTERNS.get(allowed, allowed)}"
        case "minimum":
            return f"found {found}; allowed is {allowed} or more"
        case "maximum":
            return f"found {found}; allowed is {allowed} or less"
        case "minItems" | "minLength" | "minProperties":
            return f"is empty; allowed is {allowed} or more"
        case "maxLength":
            return f"is too long; allowed are {allowed} characters"
        case "uniqueItems":
            return "holds the same item twice"
        case "const":
            return f"found {_shown(found)}; allowed is {str(allowed).lower()}"
        case "oneOf":
            return f"found {_kind(found)} that fits none of the allowed forms"
        case _:
            return "is not allowed here"


def _durations(value: Any, path: Path, places: Places) -> Iterator[Problem]:
    """Texts under keys that are durations; JSON Schema has no words for them."""
    if isinstance(value, Mapping) and path[:1] != ("engines",):
        for key, inner in value.items():
            if key in ("default_ttl", "max_ttl") and isinstance(inner, str) and len(path) != 1:
                try:
                    span_s = durations.seconds(inner)
                except ValueError:
                    message = f"found {_shown(inner)}; allowed is {durations.FORM}"
                    yield places.problem((*path, key), message)
                    continue
                if span_s < 1:
                    yield places.problem((*path, key), "found 0; allowed is 1s or more")


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case None:
            return "nothing"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a map"


def _shown(value: Any) -> str:
    """The value itself where it is short; secrets never come here, since no rule quotes them."""
    text = str(value)
    return f"'{text}'" if len(text) <= 60 else f"'{text[:57]}…'"
