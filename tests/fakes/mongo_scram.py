"""SCRAM-SHA-256 as a MongoDB server does it (RFC 5802, RFC 7677)."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

ROUNDS = 4096


@dataclass(frozen=True)
class Verifier:
    """What a server keeps of a password."""

    salt: bytes
    stored: bytes
    server: bytes


def verifier(password: str) -> Verifier:
    salt = secrets.token_bytes(28)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return Verifier(salt, stored, hmac.digest(salted, b"Server Key", "sha256"))


class Exchange:
    """One login. A user that is unknown gets as far as one whose password is wrong."""

    def __init__(self, first: str) -> None:
        self._bare = first.removeprefix("n,,")
        fields = dict(part.split("=", 1) for part in self._bare.split(","))
        self.user = fields["n"].replace("=2C", ",").replace("=3D", "=")
        self._nonce = fields["r"] + secrets.token_urlsafe(18)
        self._known: Verifier | None = None
        self._told = ""

    def challenge(self, known: Verifier | None) -> str:
        self._known = known
        salt = base64.b64encode(known.salt if known else secrets.token_bytes(28)).decode()
        self._told = f"r={self._nonce},s={salt},i={ROUNDS}"
        return self._told

    def finish(self, last: str) -> str | None:
        """What proves the server; None for a proof that does not hold."""
        without, _, proof = last.rpartition(",p=")
        said = f"{self._bare},{self._told},{without}".encode()
        if self._known is None or without != f"c=biws,r={self._nonce}":
            return None
        signed = hmac.digest(self._known.stored, said, "sha256")
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signed, strict=True))
        if hashlib.sha256(key).digest() != self._known.stored:
            return None
        return f"v={base64.b64encode(hmac.digest(self._known.server, said, 'sha256')).decode()}"
