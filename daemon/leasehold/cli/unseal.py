"""`leasehold unseal`: have a sealed daemon start again."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples
from leasehold.cli.seal import wait_until
from leasehold.cli.secret_input import read_secret
from leasehold.errors import Invalid
from leasehold.secret import Secret

KEY_CHARS = 256


@click.command(
    "unseal",
    epilog=examples("leasehold unseal", "leasehold unseal --key-stdin < /media/stick/key"),
)
@click.option("--key-stdin", is_flag=True, help="Present the key: what the key file held.")
@daemon_option
def unseal(key_stdin: bool, daemon: Daemon) -> None:
    """Have a sealed daemon start again, and end what came due meanwhile.

    It reads its key file again, for root and its own user over the socket; or takes the key from
    standard input, from whoever has it.
    """
    client = daemon()
    client.unseal(_key() if key_stdin else None)
    wait_until(client, sealed=False)
    click.echo("unsealed: what came due meanwhile ends now; leasehold status says what is overdue")


def _key() -> Secret:
    key = read_secret("key", KEY_CHARS)
    if not key.reveal():
        raise Invalid("standard input: found nothing; allowed is what the key file held")
    return key
