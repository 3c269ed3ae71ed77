"""`leasehold generations`: the policies that were applied."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, print_table


@click.command(
    "generations",
    epilog=examples(
        "leasehold generations",
        "leasehold generations --json | jq -r '.generations[0].origin.commit'",
    ),
)
@json_option
@daemon_option
def generations(as_json: bool, daemon: Daemon) -> None:
    """List the policies that were applied, the newest first.

    The first one is served. The daemon keeps the last twenty.
    """
    found = daemon().generations()
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
