"""Where a command finds the daemon it asks."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import click

from leasehold.client import Client
from leasehold.client.endpoint import DEFAULT_SOCKET, find_endpoint
from leasehold.secret import Secret


class Daemon(Protocol):
    """Gives a client of the daemon. Only when it is called the address is looked for and judged."""

    def __call__(self, token: Secret | None = None) -> Client:
        """A client that sends `token`, to a socket too; without it, the environment's over TLS."""


def daemon_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--address` or `--socket`, else the environment, else the default; passed as `daemon`."""

    @click.option(
        "--address",
        metavar="URL",
        help="Address of the daemon: unix:///path or https://host:port.  [env: LEASEHOLD_ADDR,"
        " VAULT_ADDR]",
    )
    @click.option(
        "--socket",
        metavar="PATH",
        type=click.Path(path_type=Path, readable=False),
        help=f"Socket of the daemon.  [env: LEASEHOLD_SOCKET; default: {DEFAULT_SOCKET}]",
    )
    @functools.wraps(command)
    def asking(*args: Any, address: str | None, socket: Path | None, **options: Any) -> Any:
        def daemon(token: Secret | None = None) -> Client:
            endpoint = find_endpoint(os.environ, address=address, socket=socket)
            return Client(endpoint, token=token)

        return command(*args, daemon=daemon, **options)

    return asking
