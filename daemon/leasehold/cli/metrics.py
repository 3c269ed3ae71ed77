"""`leasehold metrics`: figures for Prometheus."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples


@click.command(
    "metrics",
    epilog=examples(
        "leasehold metrics | grep ^leasehold_leases",
        "leasehold metrics > /var/lib/node_exporter/leasehold.prom.new",
    ),
)
@daemon_option
def metrics(daemon: Daemon) -> None:
    """Print the daemon's figures in Prometheus' text format.

    Prometheus does not speak to Unix sockets: have a timer write them to where node_exporter's
    textfile collector looks.
    """
    click.echo(daemon().metrics(), nl=False)
