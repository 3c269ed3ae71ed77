"""Schema errors in words. Pure.

A connection, or the options of a login method, may hold a secret where a reference belongs, so
nothing found in one is ever quoted.
"""

from typing import Any

from jsonschema.exceptions import ValidationError

from leasehold.policy.durations import FORM
from leasehold.policy.problems import Path, nearest, shortened

_KINDS = {
    "object": "a map",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
}
_YAML = {True: "true", False: "false", None: "nothing"}


def words(error: ValidationError, path: Path) -> str:
    """What was found at `path` and what is allowed, in one line."""
    limit: Any = error.validator_value
    found: Any = error.instance
    shown = _kind(found) if path[2:3] in (("connection",), ("options",)) else _shown(found)
    if said := _allowed(error):
        return f"found {shown}; allowed is {said}"
    match error.validator:
        case "type":
            kinds = [limit] if isinstance(limit, str) else limit
            wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds)
            hint = f"; write [{found}]" if kinds == ["array"] and shown == f"'{found}'" else ""
            return f"found {shown}; allowed is {wanted}{hint}"
        case "enum":
            texts = [str(each) for each in limit]
            return f"found {shown}; allowed are {', '.join(texts)}{nearest(str(found), texts)}"
        case "const":
            return f"found {shown}; allowed is {_shown(limit)}"
        case "minimum":
            return f"found {_shown(found)}; allowed is {limit} or more"
        case "maximum":
            return f"found {_shown(found)}; allowed is {limit} or less"
        case "minItems" | "minLength" | "minProperties":
            return _sized(found, "least", limit) if found else "is empty"
        case "maxItems" | "maxLength" | "maxProperties":
            return _sized(found, "most", limit)
        case "pattern":
            return f"found {shown}; allowed is what matches {limit}"
        case "uniqueItems":
            return "holds the same item twice; remove one"
        case _:
            return f"found {shown}, which is not allowed here"


def _allowed(error: ValidationError) -> str:
    """What the schema itself says in words, for errors that are about the value's form."""
    if error.validator == "x-duration":
        return error.message
    if error.validator not in ("type", "pattern", "oneOf", "anyOf"):
        return ""
    rules: Any = error.schema
    said: str = rules.get("x-allowed", FORM if "x-duration" in rules else "")
    return said


def _sized(found: Any, word: str, limit: Any) -> str:
    what = "characters" if isinstance(found, str) else "items"
    return f"has {len(found)} {what}; allowed are at {word} {limit}"


def _kind(value: Any) -> str:
    match value:
        case bool() | None:
            return _YAML[value]
        case int():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a map"


def _shown(value: Any) -> str:
    """The value itself where it is a single one."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return _kind(value)
    return f"'{shortened(value)}'" if isinstance(value, str) else shortened(str(value))
