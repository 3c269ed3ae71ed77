"""What commands need that read a state directory themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from leasehold.keys.keyfile import Key, load_or_create

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT_STATE_DIR = "/var/lib/leasehold"


def state_dir_option(command: Command) -> Command:
    """`--state-dir`, else LEASEHOLD_STATE_DIR, else where the package puts it."""
    return click.option(
        "--state-dir",
        type=click.Path(path_type=Path, readable=False),
        envvar="LEASEHOLD_STATE_DIR",
        default=DEFAULT_STATE_DIR,
        show_default=True,
        show_envvar=True,
        help="State directory of the daemon.",
    )(command)


def key_file_option(command: Command) -> Command:
    """`--key-file`, else LEASEHOLD_KEY_FILE, else None: `key` in the state directory."""
    return click.option(
        "--key-file",
        type=click.Path(path_type=Path, readable=False),
        envvar="LEASEHOLD_KEY_FILE",
        show_envvar=True,
        help="The key of the store; else `key` in the state directory.",
    )(command)


def key_of(path: Path) -> Key:
    """The key in a file. Raises ConfigError."""
    return load_or_create(path, may_create=False)
