"""Names of leases and accounts (rule W3). Pure but for the random source.

An account's name is computed from its lease, `lh<mark>_<16 characters>_<4 characters>`: the mark
names the deployment, the middle leads back to the lease, the end is a tag that only the holder of
the key can make. What bears our shape without a right tag is not ours and is never touched.
"""

import base64
import hashlib
import hmac
import re
import secrets
from enum import StrEnum

ID_CHARS = 26
MIDDLE_CHARS = 16
CORE = re.compile(r"lh([a-z2-7]{4})_([a-z2-7]{16})_([a-z2-7]{4})")
PLACEHOLDERS = ("{{name}}", "{{username}}", "{{randomUsername}}")


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def new_lease_id(path: str) -> str:
    """`<path>/<26 characters>`: 128 random bits behind what was asked for."""
    return f"{path}/{_base32(secrets.token_bytes(16))}"


class Mark(StrEnum):
    """Whose an account is, by its name."""

    OURS = "ours"
    """Our mark, and a tag that only we can make."""
    FORGED = "forged"
    """Our mark, and a wrong tag."""
    FOREIGN = "foreign"
    """The mark of another deployment, whose tags we cannot judge."""


class AccountNames:
    """Computes and recognises the names of one deployment's accounts."""

    pattern = CORE.pattern
    """A regular expression that finds the name of every account, of whichever deployment."""

    def __init__(self, deployment_id: str, key: bytes) -> None:
        self.mark = _base32(hashlib.sha256(deployment_id.encode()).digest())[:4]
        self._key = key

    def _tag(self, middle: str) -> str:
        return _base32(hmac.digest(self._key, f"{self.mark}_{middle}".encode(), "sha256"))[:4]

    def core(self, lease_id: str) -> str:
        """The computed name of the account of `lease_id`."""
        middle = middle_of(lease_id)
        return f"lh{self.mark}_{middle}_{self._tag(middle)}"

    def account(self, lease_id: str, template: str | None, *, issued_s: int) -> str:
        """The account's name, dressed by a role's `username_template`.

        A template has exactly one placeholder for the core (`{{name}}`, `{{username}}` or
        `{{randomUsername}}`) and may have `{{timestamp}}` (whole seconds since the epoch).
        """
        core = self.core(lease_id)
        if template is None:
            return core
        name = template.replace("{{timestamp}}", str(issued_s))
        for placeholder in PLACEHOLDERS:
            name = name.replace(placeholder, core)
        return name

    def read(self, account: str) -> tuple[Mark, str] | None:
        """Whose `account` is, and the characters of its lease's id; None when it is not our shape.

        The tag is over these characters alone, so a longer name may bear the tag of another.
        """
        found = CORE.search(account)
        if found is None:
            return None
        if found[1] != self.mark:
            return Mark.FOREIGN, found[2]
        right = hmac.compare_digest(found[3], self._tag(found[2]))
        return (Mark.OURS if right else Mark.FORGED), found[2]

    def is_ours(self, account: str) -> bool:
        """Whether `account` bears our mark and a right tag."""
        read = self.read(account)
        return read is not None and read[0] is Mark.OURS


def middle_of(lease_id: str) -> str:
    """The characters of a lease's id that its account's name bears in the middle."""
    return lease_id[-ID_CHARS:][:MIDDLE_CHARS]
