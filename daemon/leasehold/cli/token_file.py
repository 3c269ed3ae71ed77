"""The token of whoever works at the command line, in a file that nobody else can read."""

import os
import secrets
from pathlib import Path

from leasehold.client.endpoint import TOKEN_FILE
from leasehold.secret import Secret


def keep(token: Secret) -> Path:
    """Write the token down, whole or not at all; returns where."""
    file = Path.home() / TOKEN_FILE
    new = file.with_name(f"{TOKEN_FILE}.{secrets.token_hex(4)}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as opened:
            opened.write(token.reveal() + "\n")
            opened.flush()
            os.fsync(handle)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return file


def forget() -> None:
    """Take the kept token away."""
    (Path.home() / TOKEN_FILE).unlink(missing_ok=True)
