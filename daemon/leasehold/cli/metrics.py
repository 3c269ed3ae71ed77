"""`leasehold metrics`: figures for Prometheus."""

from pathlib import Path

import click

from leasehold.cli.asking import socket_option
from leasehold.cli.output import examples
from leasehold.client import Client


@click.command(
    "metrics",
    epilog=examples(
        "leasehold metrics | grep ^leasehold_leases",
        "leasehold metrics > /var/lib/node_exporter/leasehold.prom.new",
    ),
)
@socket_option
def metrics(socket: Path) -> None:
    """Print the daemon's figures in Prometheus' text format.

    Prometheus does not speak to Unix sockets: have a timer write them to where node_exporter's
    textfile collector looks.
    """
    click.echo(Client(socket).metrics(), nl=False)
