"""`leasehold quotas`: how much of each limit is used."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, print_table


@click.command("quotas", epilog=examples("leasehold quotas", "leasehold quotas --json"))
@json_option
@daemon_option
def quotas(as_json: bool, daemon: Daemon) -> None:
    """Show how much of each limit of the policy is used, the fullest first.

    Limits are those of roles and mounts, and the quotas of identities, tenants and engines,
    with what the targets themselves allow.
    """
    found = daemon().quotas()
    if as_json:
        print_json({"quotas": found})
        return
    print_table(
        ("USED", "OF", "FULL", "LIMIT", "KIND", "NAME"),
        [
            (
                str(each["used"]),
                str(each["most"]),
                f"{each['percent']}%",
                each["limit"],
                each["kind"],
                each["name"],
            )
            for each in found
        ],
    )
