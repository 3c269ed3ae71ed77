"""`leasehold revoke`: end leases now."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import FAILED
from leasehold.cli.output import complain, examples, json_option, print_json
from leasehold.client import Unreachable
from leasehold.errors import LeaseholdError


@click.command(
    "revoke",
    epilog=examples("leasehold revoke database/creds/app-readonly/01k…"),
)
@click.argument("lease_ids", metavar="LEASE_ID...", nargs=-1, required=True)
@click.option("--no-wait", is_flag=True, help="Queue it and return; it is tried until done.")
@json_option
@daemon_option
def revoke(lease_ids: tuple[str, ...], no_wait: bool, as_json: bool, daemon: Daemon) -> None:
    """End leases now.

    The account is gone when this returns 0, or `queued` is said: then the target did not answer,
    and the daemon tries until the account is gone. One lease that fails does not keep the others.
    """
    client = daemon()
    outcomes: dict[str, str] = {}
    failed = False
    for lease_id in lease_ids:
        try:
            gone = client.revoke(lease_id, wait=not no_wait)
            outcomes[lease_id] = "revoked" if gone else "queued"
        except Unreachable:
            raise
        except LeaseholdError as error:
            failed = True
            outcomes[lease_id] = "failed"
            complain(f"{lease_id}: {error}")
        if not as_json and outcomes[lease_id] != "failed":
            click.echo(f"{lease_id} {outcomes[lease_id]}")
    if as_json:
        print_json({"leases": outcomes})
    if failed:
        raise click.exceptions.Exit(FAILED)
