"""`leasehold leases`: which leases there are."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, print_table, span

STATES = ("pending", "active", "revoking", "disabled", "revoked")
LIVE = STATES[:-1]


@click.command(
    "leases",
    epilog=examples(
        "leasehold leases database/creds/app-readonly",
        "leasehold leases --state revoking --state disabled --json",
    ),
)
@click.argument("prefix", default="")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only these.")
@click.option("--all", "everything", is_flag=True, help="Ended leases too.")
@json_option
@daemon_option
def leases(
    prefix: str, states: tuple[str, ...], everything: bool, as_json: bool, daemon: Daemon
) -> None:
    """List leases.

    Yours, or everybody's where the policy lets you list; only those below PREFIX if one is given.
    """
    wanted = states or (() if everything else LIVE)
    found = list(daemon().leases(prefix, wanted))
    if as_json:
        print_json({"leases": found})
    else:
        print_leases(found)


def print_leases(found: Sequence[Mapping[str, Any]]) -> None:
    """Print leases as a table, what is wrong with each last."""
    if not found:
        click.echo("no leases")
        return
    print_table(
        ["LEASE", "STATE", "ENDS IN", "IDENTITY", "ACCOUNT", "NOTE"],
        [
            (
                lease["lease_id"],
                lease["state"],
                span(lease["ttl"]) if lease["state"] == "active" else "-",
                lease["identity"],
                lease["account"],
                _note(lease),
            )
            for lease in found
        ],
    )


def _note(lease: Mapping[str, Any]) -> str:
    notes = [f"{name} {text}" for name, text in sorted(lease["labels"].items())]
    notes += [flag for flag in ("overdue", "quarantined") if lease[flag]]
    if lease["last_error"]:
        notes.append(f"{lease['attempts']} attempts, {lease['last_error']}")
    elif lease["cause"]:
        notes.append(lease["cause"])
    return "; ".join(notes)
