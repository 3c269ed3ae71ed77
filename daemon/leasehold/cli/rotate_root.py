"""`leasehold rotate-root`: another password for an engine's administrator."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples
from leasehold.errors import Invalid


@click.command(
    "rotate-root",
    epilog=examples(
        "leasehold rotate-root postgres-prod",
        "leasehold rotate-root postgres-prod --reset     # the password of the policy again",
    ),
)
@click.argument("engine")
@click.option(
    "--reset", is_flag=True, help="Give the target the password that the policy refers to."
)
@daemon_option
def rotate_root(engine: str, reset: bool, daemon: Daemon) -> None:
    """Give the administrator of ENGINE another password.

    Only the daemon knows it from then on. It is written down before the target hears of it, and a
    login has proved it when this returns. Leases go on.
    """
    client = daemon()
    mounts = {each["engine"]: each["mount"] for each in client.rotations()["engines"]}
    if engine not in mounts:
        raise Invalid(f"no engine is called {engine}; engines are {', '.join(sorted(mounts))}")
    client.rotate_root(mounts[engine], engine, reset=reset)
    click.echo(f"{engine}: {'the password is the one of the policy again' if reset else 'rotated'}")
