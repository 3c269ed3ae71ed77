"""`leasehold openapi`: the interface as an OpenAPI document."""

import json

import click

from leasehold.cli.output import examples


@click.command(
    "openapi",
    epilog=examples(
        "leasehold openapi > leasehold.json",
        "leasehold openapi | jq '.paths | keys'",
    ),
)
def openapi() -> None:
    """Print the interface as an OpenAPI 3.1 document.

    It is made from the daemon's own table of routes: methods, paths, fields, statuses. A daemon
    serves the same at /v1/sys/internal/specs/openapi; none is needed here.
    """
    from leasehold.api.openapi import document

    click.echo(json.dumps(document(), indent=2, ensure_ascii=False))
