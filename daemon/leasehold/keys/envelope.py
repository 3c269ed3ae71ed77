"""Envelope encryption: each record under a data key of its own, bound to its place (rules K1, K2).

A sealed record is `version, key id, wrapped data key, record`; both parts are AES-256-GCM with a
random 96-bit nonce and the place as associated data. A record that was moved to another row,
column, deployment or key does not open.
"""

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from leasehold.errors import Unavailable
from leasehold.keys.keyfile import Key

VERSION = 1
_NONCE = 12
_WRAPPED = _NONCE + 32 + 16
_ID = 16


class Envelope:
    """Seals and opens the records of one deployment."""

    def __init__(self, key: Key, deployment_id: str) -> None:
        self._key = key
        self._deployment_id = deployment_id

    def seal(self, plain: bytes, *place: str) -> bytes:
        """Encrypt `plain` for `place` (table, row id, column)."""
        bound = self._bound(place)
        data_key = AESGCM.generate_key(bit_length=256)
        return b"".join(
            (
                bytes([VERSION]),
                self._key.id.encode(),
                _encrypt(self._key.value, data_key, bound),
                _encrypt(data_key, plain, bound),
            )
        )

    def open(self, sealed: bytes, *place: str) -> bytes:
        """Decrypt what was sealed for `place`. Raises Unavailable when it was not, or broke."""
        bound = self._bound(place)
        head, rest = sealed[: 1 + _ID], sealed[1 + _ID :]
        if head != bytes([VERSION]) + self._key.id.encode():
            raise Unavailable(f"{'/'.join(place)}: sealed under another key or format")
        try:
            data_key = _decrypt(self._key.value, rest[:_WRAPPED], bound)
            return _decrypt(data_key, rest[_WRAPPED:], bound)
        except (InvalidTag, ValueError) as error:  # the latter when it was cut short
            raise Unavailable(
                f"{'/'.join(place)}: does not verify; the record is damaged"
            ) from error

    def _bound(self, place: tuple[str, ...]) -> bytes:
        parts = (str(VERSION), self._deployment_id, *place, self._key.id)
        return b"".join(struct.pack(">I", len(part.encode())) + part.encode() for part in parts)


def _encrypt(key: bytes, plain: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def _decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
