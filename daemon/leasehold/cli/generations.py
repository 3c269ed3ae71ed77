"""`leasehold generations`: the policies that were applied."""

from pathlib import Path

import click

from leasehold.cli.asking import socket_option
from leasehold.cli.output import examples, json_option, print_json, print_table
from leasehold.client import Client


@click.command(
    "generations",
    epilog=examples(
        "leasehold generations",
        "leasehold generations --json | jq -r '.generations[0].origin.commit'",
    ),
)
@json_option
@socket_option
def generations(as_json: bool, socket: Path) -> None:
    """List the policies that were applied, the newest first.

    The first one is served. The daemon keeps the last twenty.
    """
    found = Client(socket).generations()
    if as_json:
        print_json({"generations": list(found)})
        return
    print_table(
        ["NUMBER", "APPLIED", "BY", "DIGEST", "COMMIT", "FROM"],
        [
            (
                each["number"],
                each["applied_at"],
                each["by"],
                each["digest"][:12],
                each["origin"].get("commit", "")[:12] or "-",
                each["origin"].get("location", "-"),
            )
            for each in found
        ],
    )
