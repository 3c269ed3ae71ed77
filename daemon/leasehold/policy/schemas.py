r"""The JSON Schemas, and the dialect they are written in.

`x-allowed` says in words what is allowed; `x-duration` marks durations, whose `minimum` and
`maximum` are seconds. A pattern's `$` is the end of the text and `\d` an ASCII digit, as in ECMA
262, which JSON Schema refers to. In Python `$` would let a line break through.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from leasehold.policy import durations

_DOLLAR = re.compile(r"(\\.|\[(?:\\.|[^\]])*\])|\$")


class Validator(Protocol):
    """What is needed of a jsonschema validator."""

    def iter_errors(self, instance: Any) -> Iterator[ValidationError]:
        """Every error."""


@cache
def schema(name: str) -> dict[str, Any]:
    """The schema `<name>.schema.json`, of the installed package or in the checkout's `schemas/`."""
    installed = files("leasehold") / "schemas"
    folder = installed if installed.is_dir() else Path(__file__).resolve().parents[3] / "schemas"
    found: dict[str, Any] = json.loads((folder / f"{name}.schema.json").read_text())
    return found


def validator(rules: Mapping[str, Any]) -> Validator:
    """A validator for `rules` in our dialect."""
    made: Validator = _Dialect(rules)
    return made


def _pattern(_: Any, pattern: str, found: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(found, str) and not _regex(pattern).search(found):
        yield ValidationError("does not match")


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(_DOLLAR.sub(lambda part: part[1] or r"\Z", pattern), re.ASCII)


def _duration(_: Any, marked: bool, found: Any, rules: Any) -> Iterator[ValidationError]:
    if not marked or isinstance(found, bool) or not isinstance(found, str | int):
        return
    try:
        span_s = found if isinstance(found, int) else durations.seconds(found)
    except ValueError:
        yield ValidationError(durations.FORM)
        return
    least_s, most_s = rules.get("minimum", 0), rules.get("maximum", span_s)
    if span_s < least_s:
        yield ValidationError(f"{durations.text(least_s)} or more")
    if span_s > most_s:
        yield ValidationError(f"{durations.text(most_s)} or less")


def _unless_duration(name: str) -> Any:
    plain = Draft202012Validator.VALIDATORS[name]

    def check(validator: Any, limit: Any, found: Any, rules: Any) -> Any:
        return () if "x-duration" in rules else plain(validator, limit, found, rules)

    return check


_Dialect: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _pattern,
        "x-duration": _duration,
        "minimum": _unless_duration("minimum"),
        "maximum": _unless_duration("maximum"),
    },
)
