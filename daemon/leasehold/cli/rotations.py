"""`leasehold rotations`: the passwords that leasehold rotates."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, print_table, span


@click.command(
    "rotations",
    epilog=examples(
        "leasehold rotations",
        "leasehold rotations --json | jq '.engines[] | select(.failures > 0)'",
    ),
)
@json_option
@daemon_option
def rotations(as_json: bool, daemon: Daemon) -> None:
    """Show the passwords that leasehold rotates: since when they hold, and when the next is due.

    One that fails, or that a crash left open, says why.
    """
    found = daemon().rotations()
    if as_json:
        print_json(found)
        return
    print_table(
        ["ENGINE", "ACCOUNT", "EVERY", "ROTATED", "NEXT"],
        [
            (
                each["engine"],
                each["account"] or "-",
                "-" if each["every"] is None else span(each["every"]),
                each["rotated_at"] or "never",
                each["next_at"] or "-",
            )
            for each in found["engines"]
        ],
    )
    if found["static_roles"]:
        click.echo()
        print_table(
            ["ROLE", "ACTIVE", "ROTATED", "NEXT", "LIVES ON", "UNTIL", "WAITING FOR"],
            [
                (
                    each["role"],
                    each["active"],
                    each["rotated_at"] or "never",
                    each["next_at"] or "-",
                    each["predecessor"] or "-",
                    each["ends_at"] or "-",
                    ", ".join(each["waiting_for"]) or "-",
                )
                for each in found["static_roles"]
            ],
        )
    for each in (*found["engines"], *found["static_roles"]):
        if each["last_error"]:
            click.echo(f"{each.get('role', each['engine'])}: {each['last_error']}")
