"""How tokens are printed."""

import click

from leasehold.cli.output import print_json, warn
from leasehold.client import IssuedToken


def print_issued(issued: IssuedToken, *, as_json: bool) -> None:
    """The text of a token alone, so that a shell can take it; or all of it as JSON."""
    warn(issued.warnings)
    if not as_json:
        click.echo(issued.text.reveal())
        return
    print_json(
        {
            "token": issued.text.reveal(),
            "accessor": issued.accessor,
            "ttl": issued.ttl_s,
            "renewable": issued.renewable,
            "identities": list(issued.identities),
        }
    )
