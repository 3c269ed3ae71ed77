"""How the demo tells its story: numbered steps, commands, what was found, events as they come."""

import json
import os
from typing import Any

import click


class Teller:
    """Tells people in text, or programs in one JSON object a line."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def step(self, number: int, text: str) -> None:
        """Open a step."""
        self._say({"step": number, "text": text}, f"\n{number:2}  {text}", bold=True)

    def command(self, text: str) -> None:
        """Show what a person would type for what happens now."""
        self._say({"command": text}, f"    $ {text}", fg="green")

    def line(self, text: str) -> None:
        """Show what was found."""
        self._say({"found": text}, f"    {text}")

    def event(self, topic: str, event: dict[str, Any]) -> None:
        """Show an event that arrived under `topic`."""
        lease = event["data"]
        text = f"    mqtt      {topic}  account {lease['account']}, {lease['state']}"
        self._say({"topic": topic, "event": event}, text, fg="cyan")

    def plain(self, text: str) -> None:
        """Show people a text as it is; programs do not need it."""
        if not self._as_json:
            click.echo(text)

    def _say(
        self, told: dict[str, Any], text: str, *, fg: str | None = None, bold: bool = False
    ) -> None:
        if self._as_json:
            click.echo(json.dumps(told))
            return
        # Colour is decoration only, and left out where NO_COLOR asks for that or nobody looks.
        click.echo(text if os.environ.get("NO_COLOR") else click.style(text, fg=fg, bold=bold))
