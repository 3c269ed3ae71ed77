"""What stands beside a handler so that its route can be described. Pure.

A handler's docstring says what it does, `described` what it takes and gives; the OpenAPI document
is made of both. A test holds the fields against those that the handler's code reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from leasehold.errors import Denied, LeaseholdError

Handler = TypeVar("Handler", bound=Callable[..., Any])

_NAME = "described"


class Holds(StrEnum):
    """What a field may hold, by the name of what reads it in `Fields`."""

    TEXT = "text"
    TEXTS = "texts"
    PAIRS = "pairs"
    FLAG = "flag"
    COUNT = "count"
    SPAN = "span_s"
    MAP = "texts_by_name"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a request; `must` says that nothing is done without it."""

    name: str
    holds: Holds
    about: str
    must: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """`answers` are the statuses of success, `content` their type, `refusals` what may be raised.

    Every route may refuse what is malformed, too large, over a limit, or not possible just now;
    `refusals` are the others.
    """

    fields: tuple[Field, ...] = ()
    answers: tuple[int, ...] = (200,)
    refusals: tuple[type[LeaseholdError], ...] = (Denied,)
    enveloped: bool = True
    content: str = "application/json"


def described(
    *fields: Field,
    answers: tuple[int, ...] = (200,),
    refusals: tuple[type[LeaseholdError], ...] = (Denied,),
    enveloped: bool = True,
    content: str = "application/json",
) -> Callable[[Handler], Handler]:
    """Describe the handler below."""

    def describe(handler: Handler) -> Handler:
        setattr(handler, _NAME, Description(fields, answers, refusals, enveloped, content))
        return handler

    return describe


def description_of(handler: Callable[..., Any]) -> Description:
    """What stands beside the handler; without anything, that it takes no fields."""
    found: Description = getattr(handler, _NAME, Description())
    return found


def summary_of(handler: Callable[..., Any]) -> tuple[str, str]:
    """The docstring as a line and the rest, without the path that it begins with."""
    first, _, rest = (handler.__doc__ or "").strip().partition("\n")
    _, found, told = first.partition("`: ")
    line = told if found else first
    return line[:1].upper() + line[1:], " ".join(rest.split())
