"""`leasehold status`: how the daemon fares."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import DIFFERS
from leasehold.cli.output import examples, json_option, print_json, print_pairs


@click.command(
    "status",
    epilog=examples("leasehold status", "leasehold status --json | jq .degraded"),
)
@json_option
@daemon_option
def status(as_json: bool, daemon: Daemon) -> None:
    """Say how the daemon fares, what is overdue first.

    Exit code 2 when an account may stand past the end of its lease; good for a monitoring check.
    """
    found = daemon().status()
    if as_json:
        print_json(found)
    else:
        leases = ", ".join(f"{count} {state}" for state, count in found["leases"].items() if count)
        print_pairs(
            {
                "overdue": found["overdue"],
                "quarantined": found["quarantined"],
                "leases": leases or "none",
                "generation": f"{found['generation']} (policy {found['policy_digest'][:12]})",
                "events waiting": found["events_waiting"],
                "clock": "suspect: nothing is issued" if found["clock_suspect"] else "steady",
                "version": found["version"],
                "deployment": found["deployment"],
            }
        )
        for line in found["degraded"]:
            click.echo(f"degraded: {line}")
    if found["overdue"]:
        raise click.exceptions.Exit(DIFFERS)
