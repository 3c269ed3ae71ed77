"""One field of what a command shows, for scripts."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from leasehold.errors import Invalid

Command = TypeVar("Command", bound=Callable[..., Any])


def field_option(command: Command) -> Command:
    """`--field` and `-field`, passed as `field`."""
    return click.option(
        "--field", "-field", metavar="NAME", help="Print this field only, as in the JSON."
    )(command)


def print_field(shown: Mapping[str, Any], field: str) -> None:
    """Print one field; what is not there is an empty line. Raises Invalid for an unknown name."""
    if field not in shown:
        raise Invalid(f"no field {field}; there are {', '.join(sorted(shown))}")
    value = shown[field]
    if isinstance(value, bool):
        value = str(value).lower()
    click.echo("" if value is None else value)
