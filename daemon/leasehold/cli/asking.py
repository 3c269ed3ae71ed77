"""Where a command finds the daemon it asks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from leasehold.client import DEFAULT_SOCKET

Command = TypeVar("Command", bound=Callable[..., Any])


def socket_option(command: Command) -> Command:
    """`--socket`, else LEASEHOLD_SOCKET, else where the package puts it; passed as `socket`."""
    return click.option(
        "--socket",
        type=click.Path(path_type=Path, readable=False),
        envvar="LEASEHOLD_SOCKET",
        default=DEFAULT_SOCKET,
        show_default=True,
        show_envvar=True,
        help="Socket of the daemon.",
    )(command)
