"""A secret that a command is given: from a file or standard input, never from its words."""

import sys
from pathlib import Path

import click

from leasehold.errors import Invalid
from leasehold.secret import Secret


def read_secret(what: str, most: int, file: Path | None = None) -> Secret:
    """The secret in `file`, else on standard input, of `most` characters; perhaps empty.

    A terminal is asked for `what`, and does not show it. Raises Invalid, OSError.
    """
    try:
        if file is not None:
            with file.open() as opened:
                text = opened.read(most)
        elif sys.stdin.isatty():
            text = click.prompt(what, hide_input=True, err=True)
        else:
            text = sys.stdin.read(most)
    except UnicodeDecodeError:
        raise Invalid(f"the {what} is not a text; allowed is UTF-8") from None
    return Secret(text.strip())
