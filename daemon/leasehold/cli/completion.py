"""`leasehold completion`: completion scripts."""

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from leasehold.cli.output import examples

SHELLS = {"bash": BashComplete, "fish": FishComplete, "zsh": ZshComplete}


@click.command(
    "completion",
    epilog=examples(
        "leasehold completion bash > /etc/bash_completion.d/leasehold",
        "leasehold completion zsh  > ~/.zfunc/_leasehold",
        "leasehold completion fish > ~/.config/fish/completions/leasehold.fish",
    ),
)
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    script = SHELLS[shell](ctx.find_root().command, {}, "leasehold", "_LEASEHOLD_COMPLETE")
    click.echo(script.source())
