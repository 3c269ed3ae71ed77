"""`leasehold lease`: the verbs of a lease as one group, with the options of Vault's command."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.field import field_option, print_field
from leasehold.cli.lease_replace import acknowledge, replace
from leasehold.cli.lease_revoke import revocations, revoke
from leasehold.cli.leases import LIVE, print_leases
from leasehold.cli.output import examples, json_option, print_json, print_pairs, span, warn


@click.group(
    "lease",
    epilog=examples(
        "leasehold lease list database/creds/app-readonly",
        "leasehold lease renew -increment=2h database/creds/app-readonly/01k…",
        "leasehold lease revoke -prefix database/creds/app-readonly",
    ),
)
def lease() -> None:
    """List, look up, renew, replace and revoke leases.

    Options may have one dash or two, as in Vault's command: -increment=2h is --increment 2h.
    """


@lease.command(
    "list",
    epilog=examples(
        "leasehold lease list",
        "leasehold lease list database/creds/app-readonly -field=lease_id",
    ),
)
@click.argument("prefix", default="")
@field_option
@json_option
@daemon_option
def list_(prefix: str, field: str | None, as_json: bool, daemon: Daemon) -> None:
    """List the leases that did not end, with PREFIX those whose ids begin so.

    Yours, or everybody's where the policy lets you list.
    """
    found = list(daemon().leases(prefix, LIVE))
    if field is not None:
        for each in found:
            print_field(each, field)
    elif as_json:
        print_json({"leases": found})
    else:
        print_leases(found)


@lease.command(
    "lookup", epilog=examples("leasehold lease lookup -field=ttl database/creds/app-readonly/01k…")
)
@click.argument("lease_id")
@field_option
@json_option
@daemon_option
def lookup(lease_id: str, field: str | None, as_json: bool, daemon: Daemon) -> None:
    """Show one lease."""
    found = daemon().lookup(lease_id)
    if field is not None:
        print_field(found, field)
    elif as_json:
        print_json(found)
    else:
        print_pairs({name: _told(value) for name, value in found.items()})


@lease.command(
    "renew",
    epilog=examples("leasehold lease renew -increment=2h database/creds/app-readonly/01k…"),
)
@click.argument("lease_id")
@click.option(
    "--increment",
    "-increment",
    metavar="SPAN",
    help="From now, such as 30m; else the role's default.",
)
@field_option
@json_option
@daemon_option
def renew(
    lease_id: str, increment: str | None, field: str | None, as_json: bool, daemon: Daemon
) -> None:
    """Move the end of a lease.

    The new end never passes the longest life that the policy gives the lease.
    """
    renewed = daemon().renew(lease_id, increment)
    warn(renewed.warnings)
    shown = {
        "lease_id": renewed.lease_id,
        "lease_duration": renewed.ttl_s,
        "renewable": renewed.renewable,
    }
    if field is not None:
        print_field(shown, field)
    elif as_json:
        print_json(shown)
    else:
        told = {**shown, "lease_duration": span(renewed.ttl_s)}
        print_pairs({name: _told(value) for name, value in told.items()})


def _told(value: object) -> object:
    """A value of JSON as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else value


lease.add_command(replace)
lease.add_command(acknowledge)
lease.add_command(revoke)
lease.add_command(revocations)
