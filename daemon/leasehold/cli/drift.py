"""`leasehold drift`: where the world is not as it should be."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import DIFFERS
from leasehold.cli.output import examples, json_option, print_json, print_table


@click.command(
    "drift",
    epilog=examples(
        "leasehold drift",
        "leasehold drift --detailed-exitcode || notify-somebody",
        "leasehold drift --accept postgres-prod",
    ),
)
@click.option(
    "--accept", metavar="ENGINE", multiple=True, help="Take its server as it is now, and look."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when anything is found.")
@json_option
@daemon_option
def drift(accept: tuple[str, ...], detailed_exitcode: bool, as_json: bool, daemon: Daemon) -> None:
    """Look now, and say where the world is not as it should be.

    Targets that are away, refuse the administrator, are other servers than before, or lack a right;
    a policy that is not served; accounts without a lease. Reports only, changes nothing.

    Exit codes: 0, 1 failed, 2 something is found (with --detailed-exitcode).
    """
    found = daemon().drift(accept=accept)
    if as_json:
        print_json(found)
    elif not found["findings"] and not found["accounts"]:
        click.echo("no drift")
    else:
        counted = [
            (
                "lease",
                f"engine:{each['engine']}",
                each["what"],
                each["first_seen"],
                f"{each['count']} of them",
            )
            for each in found["accounts"]
        ]
        print_table(
            ["KIND", "ABOUT", "WHAT", "SINCE", "WHY"],
            [
                (each["kind"], each["about"], each["what"], each["first_seen"], each["why"])
                for each in found["findings"]
            ]
            + counted,
        )
        if counted:
            click.echo("leasehold orphans tells which")
    if detailed_exitcode and (found["findings"] or found["accounts"]):
        raise click.exceptions.Exit(DIFFERS)
