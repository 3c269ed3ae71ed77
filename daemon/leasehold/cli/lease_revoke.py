"""`leasehold lease revoke` and `revocations`: end one lease or all below a prefix, and watch it."""

import time
from collections.abc import Mapping
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import PARTLY
from leasehold.cli.field import field_option, print_field
from leasehold.cli.output import complain, examples, json_option, print_json, print_table
from leasehold.cli.telling import NOT_YET, Telling
from leasehold.client import Client

POLL_S = 0.2


@click.command(
    "revoke",
    epilog=examples(
        "leasehold lease revoke database/creds/app-readonly/01k…",
        "leasehold lease revoke -prefix database/creds/app-readonly",
        "leasehold lease revoke -force -prefix database/creds/app-readonly",
    ),
)
@click.argument("path")
@click.option("--prefix", "-prefix", is_flag=True, help="All leases below PATH.")
@click.option(
    "--force",
    "-force",
    is_flag=True,
    help="End them even though their accounts cannot be taken away; goes with --prefix.",
)
@click.option("--no-wait", "-no-wait", is_flag=True, help="Order it and return.")
@field_option
@json_option
@daemon_option
def revoke(
    path: str,
    prefix: bool,
    force: bool,
    no_wait: bool,
    field: str | None,
    as_json: bool,
    daemon: Daemon,
) -> None:
    """End the lease PATH, or with --prefix all leases below PATH.

    The daemon goes on by itself once it was told. With --force, accounts that may stand afterwards
    are shown by leasehold orphans.

    Exit codes: 0, 1 failed, 7 some leases could not be ended yet; they are tried until they are.
    """
    if force and not prefix:
        raise click.UsageError("--force goes with --prefix, which takes the id of a lease too")
    client = daemon()
    if not prefix:
        gone = client.revoke(path, wait=not no_wait)
        shown: Mapping[str, Any] = {"lease_id": path, "outcome": "revoked" if gone else "queued"}
        partly, text = not (gone or no_wait), f"{path} {shown['outcome']}"
    else:
        order_id = client.revoke_prefix(path, force=force)
        shown = client.revocation(order_id) if no_wait else _followed(client, order_id)
        partly = not (no_wait or _is_met(shown))
        text = f"{_progress(shown)}; revocation {order_id}"
    if field is not None:
        print_field(shown, field)
    elif as_json:
        print_json(shown)
    else:
        click.echo(text)
    if shown.get("forced"):
        told = f"{shown['forced']} of them by force; their accounts may stand, leasehold orphans"
        complain(f"{told} shows which")
    if partly:
        complain(NOT_YET)
        raise click.exceptions.Exit(PARTLY)


@click.command("revocations", epilog=examples("leasehold lease revocations"))
@click.argument("order_id", metavar="[ID]", required=False)
@field_option
@json_option
@daemon_option
def revocations(order_id: str | None, field: str | None, as_json: bool, daemon: Daemon) -> None:
    """Show how far revocations of many leases have come, all that are known or one."""
    client = daemon()
    found = client.revocations() if order_id is None else [client.revocation(order_id)]
    if field is not None:
        for each in found:
            print_field(each, field)
    elif as_json:
        print_json({"revocations": found} if order_id is None else found[0])
    elif not found:
        click.echo("no revocations")
    else:
        print_table(
            [
                "ID",
                "PREFIX",
                "FORCE",
                "BY",
                "ORDERED",
                "FINISHED",
                "ENDED",
                "FAILING",
                "LAST ERROR",
            ],
            [
                (
                    each["id"],
                    each["prefix"],
                    "yes" if each["force"] else "no",
                    each["by"],
                    each["ordered_at"],
                    each["finished_at"] or "-",
                    f"{each['ended']}/{each['total']}",
                    each["failing"],
                    each["last_error"],
                )
                for each in found
            ],
        )


def _followed(client: Client, order_id: str) -> Mapping[str, Any]:
    """How an order stands when it is met, or when every lease was tried; tells how it goes on."""
    telling = Telling()
    while True:
        found = client.revocation(order_id)
        if _is_met(found) or not (found["force"] or found["waiting"]):
            telling.end()
            return found
        telling.tell(_progress(found))
        time.sleep(POLL_S)


def _is_met(found: Mapping[str, Any]) -> bool:
    return bool(found["total"] == found["gone" if found["force"] else "ended"])


def _progress(found: Mapping[str, Any]) -> str:
    failing = f", {found['failing']} failing: {found['last_error']}" if found["failing"] else ""
    return f"{found['prefix']}: {found['ended']} of {found['total']} leases ended{failing}"
