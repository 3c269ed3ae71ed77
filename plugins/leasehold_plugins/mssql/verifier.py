"""What SQL Server stores of a login's password since 2012: version, salt, SHA-512. Pure but for it.

Made here, it keeps the password out of `CREATE LOGIN … PASSWORD = 0x… HASHED`. A password of 32
random characters is not guessed from one round of SHA-512.
"""

import hashlib
import os

_VERSION = "0200"
SALT_BYTES = 4


def verifier(password: str, salt: bytes | None = None) -> str:
    """`0x0200`, four bytes of salt, the digest of password and salt; a random salt if none."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    digest = hashlib.sha512(password.encode("utf-16-le") + salt).hexdigest()
    return f"0x{_VERSION}{salt.hex()}{digest}"
