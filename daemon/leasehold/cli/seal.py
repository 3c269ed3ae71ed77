"""`leasehold seal`: stop everything, and have the daemon forget its key."""

import time

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples
from leasehold.client import Client, Unreachable
from leasehold.errors import Unavailable

WAIT_S = 30.0
POLL_S = 0.1


@click.command("seal", epilog=examples("leasehold seal --reason T-123"))
@click.option("--reason", required=True, metavar="TEXT", help="Why; for audit and events.")
@daemon_option
def seal(reason: str, daemon: Daemon) -> None:
    """Stop all issue, renewal and revocation, and have the daemon forget its key.

    It stays sealed, also across restarts, until somebody runs unseal. Leases that end meanwhile
    stay until then: their accounts outlive them, as far as their targets do not end them.
    """
    client = daemon()
    client.seal(reason)
    wait_until(client, sealed=True)
    click.echo("sealed: nothing is issued, renewed or revoked until leasehold unseal")


def wait_until(client: Client, *, sealed: bool) -> None:
    """Wait until the daemon is back in the state that was ordered. Raises Unavailable."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            if client.is_sealed() is sealed:
                return
        except Unreachable:
            pass  # between the two states nobody listens
        if time.monotonic() > deadline:
            wanted = "sealed" if sealed else "unsealed"
            raise Unavailable(
                f"it is ordered and durable, but the daemon is not back {wanted} within"
                f" {WAIT_S:g} s; its log says why"
            )
        time.sleep(POLL_S)
