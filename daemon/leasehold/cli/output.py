"""How commands print: examples in the help, tables for people, JSON for programs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """The end of a command's help: what one may type, line by line as it stands here."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def json_option(command: Command) -> Command:
    """`--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: object) -> None:
    """Print `value` for programs."""
    click.echo(json.dumps(value, indent=2))


def complain(text: str) -> None:
    """Say on stderr what is not well."""
    click.echo(f"leasehold: {text}", err=True)


def warn(warnings: Iterable[str]) -> None:
    """Say on stderr what the daemon warns of."""
    for warning in warnings:
        complain(f"warning: {warning}")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print `rows` in columns as wide as their widest cell."""
    cells = [tuple(headings), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def print_pairs(pairs: Mapping[str, object]) -> None:
    """Print one value a line beside its name."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        click.echo(f"{name.ljust(width)}  {value}")


def span(seconds: int) -> str:
    """Whole seconds as people write them: `2h5m`, `45s`, `0s`."""
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    if seconds or not parts:
        parts.append(f"{seconds}s")
    return "".join(parts)
