"""How a command tells of what takes a while: in place on a terminal, else line by line."""

import sys
import time

import click

NOT_YET = "not all have ended; the daemon goes on until they have"
LINE_S = 5.0
"""How often to say so where nobody watches."""


class Telling:
    """A line on stderr that changes in its place."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._width = 0
        self._next_s = time.monotonic() + LINE_S

    def tell(self, line: str) -> None:
        """Say how far it is."""
        if self._live:
            click.echo("\r" + line.ljust(self._width), nl=False, err=True)
            self._width = len(line)
        elif time.monotonic() >= self._next_s:
            click.echo(line, err=True)
            self._next_s = time.monotonic() + LINE_S

    def end(self) -> None:
        """Take the line away from a terminal."""
        if self._width:
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)
