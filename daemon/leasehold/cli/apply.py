"""`leasehold apply`: serve what the policy source has."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import DIFFERS, PARTLY
from leasehold.cli.output import complain, examples, json_option, print_json
from leasehold.cli.plan_text import as_text
from leasehold.client import Client
from leasehold.errors import Invalid, Stale


@click.command(
    "apply",
    epilog=examples(
        "leasehold apply",
        "leasehold apply --checksum 9c41-77aa-02d1",
        "leasehold apply --yes --allow-unsafe max-deletes",
    ),
)
@click.option("--checksum", metavar="SUM", help="Refuse if the plan has another checksum now.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--allow-unsafe", "allow", metavar="CODE", multiple=True, help="Break this safety limit once."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when something changed.")
@json_option
@daemon_option
def apply(
    checksum: str | None,
    yes: bool,
    allow: tuple[str, ...],
    detailed_exitcode: bool,
    as_json: bool,
    daemon: Daemon,
) -> None:
    """Serve what the policy source has now.

    Shows the plan and asks, unless --yes or --checksum says that somebody has looked at it. What is
    applied is what was shown; when that changed meanwhile, nothing is done, and with --yes the new
    plan is shown and applied.

    Exit codes: 0, 2 something changed (with --detailed-exitcode), 3 refused by a safety limit, 4
    the plan is another one now, 5 somebody else is at an apply, 6 the policy is invalid, 7 served,
    but some leases are not yet as it says (the daemon goes on).
    """
    client = daemon()
    if checksum is None:
        done = _shown_and_applied(client, allow, yes=yes, as_json=as_json)
    else:
        done = client.apply(checksum, allow)
    if as_json:
        print_json(done)
    elif done["changed"]:
        click.echo(f"generation {done['generation']} is served")
    else:
        click.echo(f"nothing changed; generation {done['generation']} is served")
    if done["orders_waiting"]:
        complain("some leases are not yet as the policy says; see the log")
        raise click.exceptions.Exit(PARTLY)
    if detailed_exitcode and done["changed"]:
        raise click.exceptions.Exit(DIFFERS)


def _shown_and_applied(
    client: Client, allow: tuple[str, ...], *, yes: bool, as_json: bool
) -> Mapping[str, Any]:
    checksum = _looked_at(client, yes=yes, as_json=as_json)
    try:
        return client.apply(checksum, allow)
    except Stale:
        if not yes:
            raise
    # A daemon that takes changes by itself was quicker, or the files were written just now.
    return client.apply(_looked_at(client, yes=yes, as_json=as_json), allow)


def _looked_at(client: Client, *, yes: bool, as_json: bool) -> str:
    """The checksum of the plan that a person has agreed to."""
    if not yes and not sys.stdin.isatty():
        raise Invalid("nobody is here to look at the plan; give --checksum SUM, or --yes")
    plan = client.plan()
    if not as_json:
        click.echo(as_text(plan))
    if not yes and not plan["empty"]:
        click.confirm("Apply this?", abort=True)
    checksum: str = plan["checksum"]
    return checksum
