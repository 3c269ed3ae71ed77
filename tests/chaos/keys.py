"""What is derived from the key file, written anew after the documents: HKDF-SHA256 by purpose."""

import base64
import hmac
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_MAC_CHARS = len(',"mac":""}') + 64


class Keys:
    """Verifies lines of the audit and rows of the ledger."""

    def __init__(self, key_file: Path) -> None:
        value = base64.b64decode(key_file.read_text())
        self._chain = _derived(value, "audit chain")
        self._rows = _derived(value, "row mac")

    def signed_line(self, line: bytes) -> bool:
        """Whether a line of the audit, without its newline, bears the MAC of what it says."""
        body = line[:-_MAC_CHARS] + b"}"
        mac = hmac.digest(self._chain, body, "sha256").hex()
        return line.endswith(b',"mac":"%s"}' % mac.encode())

    def signed_row(self, names: Sequence[str], values: Sequence[Any]) -> bool:
        """Whether a row of leases bears the MAC of its other columns.

        Columns behind `mac` are younger than it, and covered only when something stands in them.
        """
        at = names.index("mac")
        later = zip(names[at + 1 :], values[at + 1 :], strict=True)
        covered = [*values[:at], *([name, value] for name, value in later if value != "")]
        text = json.dumps(covered, separators=(",", ":"))
        return bool(hmac.digest(self._rows, text.encode(), "sha256") == values[at])


def _derived(value: bytes, purpose: str) -> bytes:
    info = f"leasehold {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(value)
