"""`leasehold read`: issue a credential."""

import sys
from collections.abc import Mapping

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.field_options import fields_option, given, reason_option
from leasehold.cli.output import examples, json_option, print_json, print_pairs, span, warn
from leasehold.client import Client, IssuedCredential
from leasehold.errors import Invalid


@click.command(
    "read",
    epilog=examples(
        "leasehold read database/creds/app-readonly --ttl 15m",
        "leasehold read database/creds/app-readwrite --reason ABC-1 --with approved_by=ada",
        "leasehold read -field=username database/creds/app-readonly",
    ),
)
@click.argument("path")
@click.option("--ttl", metavar="SPAN", help="Ask for a shorter life, such as 15m.")
@click.option("--field", "-field", metavar="NAME", help="Print one field only, such as password.")
@reason_option
@fields_option
@json_option
@daemon_option
def read(
    path: str,
    ttl: str | None,
    field: str | None,
    reason: str | None,
    fields: Mapping[str, str],
    as_json: bool,
    daemon: Daemon,
) -> None:
    """Issue a credential and print it.

    PATH is mount/creds/role. A terminal gets a table, a pipe gets JSON.
    """
    client = daemon()
    credential = client.read(path, ttl, fields=given(fields, reason))
    warn(credential.warnings)
    if field is not None:
        click.echo(_field(client, credential, field))
    else:
        show(credential, as_json=as_json)


def show(credential: IssuedCredential, *, as_json: bool) -> None:
    """Print a credential: a table on a terminal, else JSON."""
    if as_json or not sys.stdout.isatty():
        print_json(
            {
                "lease_id": credential.lease_id,
                "lease_duration": credential.ttl_s,
                "renewable": credential.renewable,
                "data": {name: value.reveal() for name, value in credential.fields.items()},
            }
        )
    else:
        print_pairs(
            {
                "lease_id": credential.lease_id,
                "ends in": span(credential.ttl_s),
                "renewable": "yes" if credential.renewable else "no",
                **{name: value.reveal() for name, value in credential.fields.items()},
            }
        )


def _field(client: Client, credential: IssuedCredential, field: str) -> str:
    if field not in credential.fields:
        # Nobody saw this credential, so nobody could end it.
        client.revoke(credential.lease_id, wait=False)
        raise Invalid(
            f"no field {field}; this credential has {', '.join(sorted(credential.fields))}"
            " (it was revoked again)"
        )
    return credential.fields[field].reveal()
