"""Hashes in the form `$7$` of crypt(5): scrypt (RFC 7914), which libxcrypt's crypt(3) checks.

    $7$ N rrrrr ppppp salt $ hash

N is one digit of 64, log2 of the cost; r and p are five digits, the lowest first; the hash is 32
bytes, three of them four digits, the lowest first.
"""

import hashlib
import hmac
import secrets
import string

_DIGITS = "./" + string.digits + string.ascii_uppercase + string.ascii_lowercase
COSTS = range(10, 19)
"""What schema.json lets a role ask for."""
_R, _P, _LENGTH = 8, 1, 32
_SALT_CHARS = 22
_HEAD = len("$7$") + 1 + 5 + 5


def hashed(password: str, cost: int) -> str:
    """The hash of `password` with a fresh salt; `cost` is log2 of scrypt's N."""
    salt = "".join(secrets.choice(_DIGITS) for _ in range(_SALT_CHARS))
    return _hashed(password, cost, salt)


def fits(password: str, stored: str) -> bool:
    """Whether `stored` was made of `password` here; a hash of another form never fits."""
    salt, dollar, _ = stored[_HEAD:].partition("$")
    if not stored.startswith("$7$") or not dollar:
        return False
    cost = _DIGITS.find(stored[3])
    if cost not in COSTS:
        return False
    return hmac.compare_digest(_hashed(password, cost, salt), stored)


def memory_mib(cost: int) -> int:
    """What one check needs, in MiB (RFC 7914, section 2: 128 * r * N bytes)."""
    return (128 * _R << cost) >> 20


def _hashed(password: str, cost: int, salt: str) -> str:
    raw = hashlib.scrypt(
        password.encode(),
        salt=salt.encode(),
        n=1 << cost,
        r=_R,
        p=_P,
        dklen=_LENGTH,
        maxmem=256 * _R << cost,
    )
    tail = "".join(_number(raw[at : at + 3]) for at in range(0, _LENGTH, 3))
    return f"$7${_DIGITS[cost]}{_digits(_R, 5)}{_digits(_P, 5)}{salt}${tail}"


def _number(data: bytes) -> str:
    return _digits(int.from_bytes(data, "little"), (len(data) * 8 + 5) // 6)


def _digits(value: int, count: int) -> str:
    return "".join(_DIGITS[value >> 6 * place & 63] for place in range(count))
