"""`leasehold renew`: move the end of a lease."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, span, warn


@click.command(
    "renew",
    epilog=examples("leasehold renew database/creds/app-readonly/01k… --increment 30m"),
)
@click.argument("lease_id")
@click.option("--increment", metavar="SPAN", help="From now, such as 30m; else the role's default.")
@json_option
@daemon_option
def renew(lease_id: str, increment: str | None, as_json: bool, daemon: Daemon) -> None:
    """Move the end of a lease.

    The new end never passes the longest life that the policy gives the lease.
    """
    renewed = daemon().renew(lease_id, increment)
    warn(renewed.warnings)
    if as_json:
        print_json(
            {
                "lease_id": renewed.lease_id,
                "lease_duration": renewed.ttl_s,
                "renewable": renewed.renewable,
            }
        )
    else:
        click.echo(f"{renewed.lease_id} ends in {span(renewed.ttl_s)}")
