"""`leasehold login`: a token for whoever the connection proves."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, span
from leasehold.cli.token_file import keep
from leasehold.cli.token_output import print_issued


@click.command(
    "login",
    epilog=examples(
        "leasehold login",
        "leasehold login --no-store --ttl 15m",
        "VAULT_TOKEN=$(leasehold login --no-store) vault read database/creds/app-readonly",
    ),
)
@click.option(
    "--method",
    type=click.Choice(["unix", "cert"]),
    default="unix",
    show_default=True,
    help="What proves who you are: the kernel, or your certificate.",
)
@click.option("--ttl", metavar="SPAN", help="Ask for a shorter life, such as 15m.")
@click.option("--no-store", is_flag=True, help="Print the token and do not keep it.")
@json_option
@daemon_option
def login(method: str, ttl: str | None, no_store: bool, as_json: bool, daemon: Daemon) -> None:
    """Get a token for where no kernel says who asks, as over TLS.

    It is kept in ~/.leasehold-token, for you alone to read, unless it is printed.
    """
    issued = daemon().login(method, ttl)
    if no_store or as_json:
        print_issued(issued, as_json=as_json)
        return
    file = keep(issued.text)
    names = ", ".join(issued.identities)
    click.echo(f"logged in as {names} for {span(issued.ttl_s)}; the token is in {file}")
