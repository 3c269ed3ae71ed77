"""How the demo tells its story: numbered steps, commands, what was found, events as they come."""

import os
from typing import Any

import click


def step(number: int, text: str) -> None:
    """Open a step."""
    _say(f"\n{number:2}  {text}", bold=True)


def command(text: str) -> None:
    """Show what a person would type for what happens now."""
    _say(f"    $ {text}", fg="green")


def line(text: str) -> None:
    """Show what was found."""
    plain(f"    {text}")


def event(topic: str, event: dict[str, Any]) -> None:
    """Show an event that arrived under `topic`."""
    lease = event["data"]
    _say(f"    mqtt      {topic}  account {lease['account']}, {lease['state']}", fg="cyan")


def plain(text: str) -> None:
    """Show text as it is."""
    click.echo(text)


def _say(text: str, *, fg: str | None = None, bold: bool = False) -> None:
    # Colour is decoration only, and left out where NO_COLOR asks for that or nobody looks.
    plain(text if os.environ.get("NO_COLOR") else click.style(text, fg=fg, bold=bold))
