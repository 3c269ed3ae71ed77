"""What a server stores of a password, made here so that the password is in no statement.

`mysql_native_password` is SHA1(SHA1(password)); `caching_sha2_password` is the SHA-256 crypt of
Ulrich Drepper's specification with 5,000 rounds and a salt of 20 characters, as MySQL writes it.
A password of 32 random characters is guessed from neither.
"""

import hashlib
import secrets
import string
from collections.abc import Callable, Mapping

NATIVE = "mysql_native_password"
SHA2 = "caching_sha2_password"

_ROUNDS = 5_000
_SALT_CHARACTERS = string.ascii_letters + string.digits
_SALT_LENGTH = 20
_CRYPT64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def native(password: str) -> str:
    """`*` and 40 hexadecimal digits."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def caching_sha2(password: str) -> str:
    """`$A$`, thousands of rounds, `$`, the salt, and 43 characters; all of it printable."""
    salt = "".join(secrets.choice(_SALT_CHARACTERS) for _ in range(_SALT_LENGTH))
    return f"$A${_ROUNDS // 1000:03d}${salt}{sha256_crypt(password, salt)}"


def sha256_crypt(password: str, salt: str) -> str:
    """The digest alone, in crypt(3)'s base 64 (Drepper, "Unix crypt using SHA-256 and SHA-512")."""
    key, seed = password.encode(), salt.encode()
    length = len(key)
    other = hashlib.sha256(key + seed + key).digest()
    first = key + seed + _stretched(other, length)
    bits = length
    while bits:
        first += other if bits & 1 else key
        bits >>= 1
    digest = hashlib.sha256(first).digest()
    of_key = _stretched(hashlib.sha256(key * length).digest(), length)
    of_seed = _stretched(hashlib.sha256(seed * (16 + digest[0])).digest(), len(seed))
    for number in range(_ROUNDS):
        text = of_key if number % 2 else digest
        if number % 3:
            text += of_seed
        if number % 7:
            text += of_key
        text += digest if number % 2 else of_key
        digest = hashlib.sha256(text).digest()
    return _base64(digest)


VERIFIERS: Mapping[str, Callable[[str], str]] = {NATIVE: native, SHA2: caching_sha2}
"""By the name of the server's plugin."""


def _stretched(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def _base64(digest: bytes) -> str:
    """Thirds of the digest side by side, six bits at a time, the lowest first."""
    text = ""
    a, b, c = 0, 10, 20
    for _ in range(10):
        text += _six_bits(digest[a] << 16 | digest[b] << 8 | digest[c], 4)
        a, b, c = c + 1, a + 1, b + 1
    return text + _six_bits(digest[31] << 8 | digest[30], 3)


def _six_bits(value: int, count: int) -> str:
    return "".join(_CRYPT64[value >> 6 * place & 63] for place in range(count))
