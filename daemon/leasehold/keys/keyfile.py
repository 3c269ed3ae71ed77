"""The key file: 32 random bytes that everything at rest is protected with.

It is made once, at the first start, and never again: a state directory without its key cannot be
read, so a missing key beside an existing store is an error and not a reason to make a new one.
"""

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from leasehold.errors import ConfigError
from leasehold.failpoints import hit
from leasehold.places import check_ours

KEY_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """The key encryption key; `id` names it without telling it."""

    id: str
    value: bytes

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose (HKDF-SHA256, RFC 5869)."""
        kdf = HKDF(
            algorithm=hashes.SHA256(), length=32, salt=None, info=f"leasehold {purpose}".encode()
        )
        return kdf.derive(self.value)


def load_or_create(path: Path, *, may_create: bool) -> Key:
    """Read the key at `path`, or make one with mode 0600 when `may_create` and there is none.

    Raises ConfigError for a key that others may read, that belongs to somebody else, that is a
    link or malformed, or that is missing although it should be there.
    """
    try:
        # A pipe in its place must not keep us waiting.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if not may_create:
            raise ConfigError(
                f"{path}: the key is missing but the state directory holds leases that need it;"
                " restore the key from its backup"
            ) from None
        return _create(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        check_ours(path, os.fstat(handle))
        text = os.read(handle, 256)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(handle)
    if may_create and not text:
        path.unlink()  # the power went while the first key was made; nothing is sealed with it
        return _create(path)
    if (key := key_from(text)) is None:
        raise ConfigError(f"{path}: not a key; it must be {KEY_BYTES} bytes in base64")
    return key


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot read the key ({os.strerror(error.errno or 0)})")


def key_from(text: bytes) -> Key | None:
    """The key that a key file with this text holds; None when it is none."""
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        return None
    return _key(value) if len(value) == KEY_BYTES else None


def _create(path: Path) -> Key:
    value = secrets.token_bytes(KEY_BYTES)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot make the key ({os.strerror(error.errno or 0)})"
        ) from error
    with os.fdopen(handle, "wb") as file:
        hit("key.opened")
        file.write(base64.b64encode(value) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    hit("key.written")
    sync_directory(path.parent)
    return _key(value)


def sync_directory(path: Path) -> None:
    """Make a new name in the directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _key(value: bytes) -> Key:
    return Key(id=hashlib.sha256(b"leasehold key id" + value).hexdigest()[:16], value=value)
