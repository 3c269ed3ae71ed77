"""What the schemas say against a document: where, what was found, what is allowed. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema.exceptions import ValidationError

from leasehold.bundle import EngineType
from leasehold.login import MethodType
from leasehold.policy.methods import options_schema, policy_schema
from leasehold.policy.problems import Fault, Path, nearest
from leasehold.policy.schemas import Validator, schema, validator
from leasehold.policy.words import words


def check_sections(document: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with one file's sections: their names, and whether each is a map or a list."""
    rules = schema("policy")
    kinds = {name: {"type": about["type"]} for name, about in rules["properties"].items()}
    yield from _faults(validator({**rules, "properties": kinds}), document, ())


def check(
    document: Mapping[str, Any], types: Mapping[str, EngineType], methods: Mapping[str, MethodType]
) -> Iterator[Fault]:
    """What the policy schema, and those of the plugins, say against the merged document."""
    yield from _faults(validator(policy_schema(methods)), document, ())
    yield from _check_methods(document.get("auth", {}), methods)
    engines = document.get("engines", {})
    for name, engine in engines.items():
        if not isinstance(engine, Mapping):
            continue
        kind, connection = engine.get("type"), engine.get("connection")
        if isinstance(kind, str) and kind not in types:
            yield Fault(("engines", name, "type"), _unknown("engine type", kind, types))
        elif isinstance(kind, str) and isinstance(connection, Mapping):
            rules = _part(types[kind], "connection")
            yield from _faults(validator(rules), connection, ("engines", name, "connection"))
    validators = {
        name: validator(_with_common_keys(_part(kind, "role"))) for name, kind in types.items()
    }
    for key, role in document.get("roles", {}).items():
        engine = engines.get(key.partition("/")[0])
        kind = engine.get("type") if isinstance(engine, Mapping) else None
        if isinstance(role, Mapping) and isinstance(kind, str) and kind in validators:
            yield from _faults(validators[kind], role, ("roles", key))


def _unknown(what: str, kind: str, known: Iterable[str]) -> str:
    installed = ", ".join(sorted(known)) or "none"
    return f"unknown {what} {kind}; installed are {installed}{nearest(kind, known)}"


def _check_methods(
    document: Mapping[str, Any], methods: Mapping[str, MethodType]
) -> Iterator[Fault]:
    for name, method in document.items():
        if not isinstance(method, Mapping):
            continue
        kind, options = method.get("type"), method.get("options")
        if isinstance(kind, str) and kind not in methods:
            yield Fault(("auth", name, "type"), _unknown("login method", kind, methods))
        elif isinstance(kind, str) and isinstance(options, Mapping):
            rules = validator(options_schema(methods[kind]))
            yield from _faults(rules, options, ("auth", name, "options"))


@cache
def common_role_keys() -> frozenset[str]:
    """The keys of a role that are leasehold's own and not the engine's."""
    return frozenset(schema("policy")["$defs"]["role"]["properties"])


def _part(engine_type: EngineType, part: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{part}", "$defs": engine_type.schema["$defs"]}


def _with_common_keys(rules: dict[str, Any]) -> dict[str, Any]:
    """The engine's rules for a role, which has leasehold's own keys too; those are checked once."""
    own = rules["$defs"]["role"]
    known = {**dict.fromkeys(common_role_keys(), True), **own.get("properties", {})}
    role = {**own, "properties": known}
    return {**rules, "$defs": {**rules["$defs"], "role": role}}


def _faults(rules: Validator, value: Any, path: Path) -> Iterator[Fault]:
    for error in rules.iter_errors(value):
        yield from _of(error, (*path, *error.absolute_path))


def _of(error: ValidationError, path: Path) -> Iterator[Fault]:
    rules: Any = error.schema
    required: Any = error.validator_value
    found: Any = error.instance
    match error.validator:
        case "additionalProperties":
            known = rules.get("properties", {})
            for key in found:
                if key not in known:
                    allowed = ", ".join(sorted(known))
                    near = nearest(key, known)
                    yield Fault((*path, key), f"unknown key; allowed are {allowed}{near}", key=True)
        case "required":
            for key in required:
                if key not in found:
                    yield Fault(path, f"lacks the key {key}", key=True)
        case "oneOf" | "anyOf" if chosen := _meant(error):
            for inner in chosen:
                yield from _of(inner, (*path, *inner.relative_path))
        case _ if "propertyNames" in error.absolute_schema_path:
            yield Fault((*path, found), words(error, path), key=True)
        case _:
            yield Fault(path, words(error, path))


def _meant(error: ValidationError) -> list[ValidationError]:
    """The errors of the one alternative that is of the right type, if there is just one."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [
        errors
        for errors in branches.values()
        if not any(inner.validator == "type" and not inner.relative_path for inner in errors)
    ]
    return fitting[0] if len(fitting) == 1 else []
