"""`leasehold engines`: the configured engines."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, print_table


@click.command(
    "engines",
    epilog=examples(
        "leasehold engines",
        "leasehold engines --json | jq '.engines[] | select(.state != \"ready\")'",
    ),
)
@json_option
@daemon_option
def engines(as_json: bool, daemon: Daemon) -> None:
    """List the engines and how they fare.

    An engine that is down, or lacks a right, says why.
    """
    found = daemon().engines()
    if as_json:
        print_json({"engines": list(found)})
        return
    print_table(
        ["ENGINE", "TYPE", "MOUNT", "STATE", "OPERATIONS", "REVOCABILITY", "REHEARSAL", "VERSION"],
        [
            (
                engine["name"],
                engine["type"],
                engine["mount"],
                engine["state"],
                ",".join(engine["operations"]),
                engine["revocability"],
                "offered" if engine["rehearsal"] else "not offered",
                engine["version"] or "-",
            )
            for engine in found
        ],
    )
    for engine in found:
        if engine["reason"]:
            click.echo(f"{engine['name']}: {engine['reason']}")
        for missing in engine["missing"]:
            click.echo(f"{engine['name']}: missing: {missing}")
