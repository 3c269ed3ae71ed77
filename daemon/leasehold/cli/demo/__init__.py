"""`leasehold demo`: a lease from issue to expiry, on servers of its own."""

from pathlib import Path

import click

from leasehold.cli.output import examples, json_option
from leasehold.errors import ConfigError


@click.command("demo", epilog=examples("leasehold demo", "leasehold demo --keep"))
@click.option("--keep", is_flag=True, help="Leave it all up at the end, until Ctrl-C.")
@click.option(
    "--policies",
    type=click.Path(exists=True, path_type=Path),
    default=Path("policies"),
    show_default=True,
    help="The policy to serve; needs a role database/creds/app-readonly.",
)
@json_option
def demo(keep: bool, policies: Path, as_json: bool) -> None:
    """Show a lease from issue to expiry, on private servers.

    Starts a real PostgreSQL, an MQTT broker and the daemon in a temporary directory, on loopback
    and a Unix socket, and tells what it does step by step. Takes about half a minute and leaves
    nothing behind. Needs no server installed and no root.
    """
    try:
        from leasehold.cli.demo.story import run
        from leasehold.cli.demo.telling import Teller
    except ImportError as missing:
        raise ConfigError(
            f"the demo needs packages that are not installed ({missing.name}):"
            " pip install 'leasehold[demo]'"
        ) from missing
    run(policies, Teller(as_json=as_json), keep=keep)
