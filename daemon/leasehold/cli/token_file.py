"""The token of whoever works at the command line, in a file that nobody else can read."""

import os
import secrets
from pathlib import Path

from leasehold.client.endpoint import kept_token, token_file
from leasehold.secret import Secret


def keep(token: Secret) -> Path:
    """Write the token down, whole or not at all; returns where."""
    file = token_file(os.environ)
    new = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
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


def forget(token: Secret | None) -> None:
    """Take the kept token away, if it is this one. Raises ConfigError for what is no token's."""
    file = token_file(os.environ)
    if token is not None and token == kept_token(file):
        file.unlink(missing_ok=True)
