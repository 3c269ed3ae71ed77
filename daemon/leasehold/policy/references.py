"""References to secrets, and how they are resolved: `env:`, `file:`, `systemd:`, `exec:`.

A secret never stands in a policy file. Every failure names the reference and never the value.
"""

import asyncio
import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leasehold.bundle import Reference
from leasehold.errors import ConfigError
from leasehold.secret import Secret

SCHEMES = ("env", "file", "systemd", "exec")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
EXEC_S = 10.0
MAX_BYTES = 65_536


class BadReference(ValueError):
    """A text that should refer to a secret and does not; never quotes it."""


def parse(text: str) -> Reference | None:
    """The reference that `text` is, None when it is a value. Raises BadReference."""
    scheme, colon, target = text.partition(":")
    if not colon or scheme not in SCHEMES:
        return None
    if scheme == "env" and not _VARIABLE.fullmatch(target):
        raise BadReference("env: names no variable; write env:NAME")
    if scheme == "file" and not target.startswith("/"):
        raise BadReference("file: names no absolute path; write file:/path")
    if scheme == "systemd" and (not target or "/" in target):
        raise BadReference("systemd: names no credential; write systemd:NAME, without a slash")
    if scheme == "exec" and not _words(target)[0].startswith("/"):
        raise BadReference("exec: names no absolute path of a program; write exec:/path")
    return Reference(scheme, target)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command) or [""]
    except ValueError:
        raise BadReference("exec: has a quote that never closes") from None


async def resolve_connection(connection: Mapping[str, Any]) -> dict[str, Any]:
    """The connection with every reference replaced by its secret. Raises ConfigError."""
    return {
        key: await resolve(value) if isinstance(value, Reference) else value
        for key, value in connection.items()
    }


async def resolve(reference: Reference) -> Secret:
    """The secret that a reference leads to, without one trailing newline. Raises ConfigError."""
    where = f"{reference.scheme}:{reference.target}"
    if reference.scheme == "exec":
        value = await _run(where, reference.target)
    elif reference.scheme == "env":
        value = os.environ.get(reference.target, "")
    else:
        value = await asyncio.to_thread(read_guarded, where, _path(reference))
    value = value.removesuffix("\n")
    if not value:
        raise ConfigError(f"{where}: is empty or not set")
    return Secret(value)


def _path(reference: Reference) -> Path:
    if reference.scheme == "file":
        return Path(reference.target)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigError(
            f"systemd:{reference.target}: systemd passed no credentials; add"
            f" LoadCredential={reference.target}:… to the unit"
        )
    return Path(folder) / reference.target


def read_guarded(where: str, path: Path, *, public: bool = False, most: int = MAX_BYTES) -> str:
    """A file of root or ours that nobody else can change, or read unless it is `public`. Blocks.

    `where` is what errors call it, `most` its longest length in bytes. Raises ConfigError.
    """
    refused = stat.S_IWGRP | (stat.S_IWOTH if public else stat.S_IRWXO)
    try:
        # Opening a FIFO would wait for somebody who writes; no secret stands in one.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        with os.fdopen(os.open(path, flags), "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise ConfigError(f"{where}: is not a regular file")
            if info.st_uid not in (0, os.geteuid()):
                raise ConfigError(f"{where}: belongs to uid {info.st_uid}, not to root or us")
            if info.st_mode & refused:
                mode, right = stat.S_IMODE(info.st_mode), "go-w" if public else "0600"
                raise ConfigError(f"{where}: has mode {mode:04o}; run chmod {right} {path}")
            data = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read ({error.strerror})") from error
    return _text(where, data, most)


async def _run(where: str, command: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *_words(command), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise ConfigError(f"{where}: cannot be run ({error.strerror})") from error
    try:
        async with asyncio.timeout(EXEC_S):
            data, _ = await process.communicate()
    except TimeoutError:
        raise ConfigError(f"{where}: gave no answer within {EXEC_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ConfigError(f"{where}: ended with exit code {process.returncode}")
    return _text(where, data)


def _text(where: str, data: bytes, most: int = MAX_BYTES) -> str:
    if len(data) > most:
        raise ConfigError(f"{where}: is longer than {most} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: is not a text in UTF-8") from None
