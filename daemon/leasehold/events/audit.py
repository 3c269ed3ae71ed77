"""The audit: one line of JSON an event, chained by a MAC, durable before its effect is seen.

Each line holds the MAC of the line before it, so that an edit, a deletion, an insertion or a
reordering breaks the chain, and the head kept in the store shows a cut tail (rules AU1 to AU5).
A line names account and lease and never a secret.
"""

import hashlib
import hmac
import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from leasehold import failpoints
from leasehold.errors import ConfigError
from leasehold.keys.keyfile import sync_directory
from leasehold.model import AuditHead, Event

logger = logging.getLogger(__name__)

GENESIS = AuditHead(0, "0" * 64)
TEXT_CHARS = 256
_TAIL_BYTES = 1 << 20
_MAC_CHARS = len(',"mac":""}') + 64


class FileAudit:
    """Appends to `audit.jsonl`. `wall` turns lease time into UTC; `boot` names this start.

    Used from the store's writer thread only. Made before that starts; raises ConfigError then.
    """

    def __init__(
        self, path: Path, key: bytes, *, head: AuditHead, wall: Callable[[int], datetime], boot: str
    ) -> None:
        self._path = path
        self._key = key
        self._wall = wall
        self._boot = boot
        self._torn_at: int | None = None
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._head, flag = _resume(path, key, head)
            self._file = os.open(path, flags, 0o600)
            sync_directory(path.parent)
            if flag:
                logger.error("%s: %s", path, flag)
                self._write([self._line(flag_fields(flag))])
        except OSError as error:
            raise ConfigError(f"{path}: cannot be used as audit ({error.strerror})") from error

    def append(self, events: Sequence[Event], *, delayed: bool = False) -> AuditHead:
        """Write one line an event and make them durable; returns the last line's place.

        Raises OSError when that fails; the file is then cut back to where it was.
        """
        failpoints.hit("audit.append")
        before = self._head
        try:
            self._write([self._line(self._fields(event, delayed=delayed)) for event in events])
        except OSError:
            self._head = before
            raise
        return self._head

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _write(self, lines: Sequence[str]) -> None:
        if self._torn_at is not None:  # a failed write that could not be cut off then
            os.ftruncate(self._file, self._torn_at)
        self._torn_at = os.fstat(self._file).st_size
        data = "".join(lines).encode()
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._torn_at)
            self._torn_at = None
            raise
        self._torn_at = None

    def _line(self, fields: dict[str, object]) -> str:
        seq = self._head.seq + 1
        body = json.dumps({"seq": seq, **fields, "prev": self._head.mac}, separators=(",", ":"))
        mac = _mac(self._key, body)
        self._head = AuditHead(seq, mac)
        return _closed(body, mac) + "\n"

    def _fields(self, event: Event, *, delayed: bool) -> dict[str, object]:
        fields: dict[str, object] = {
            "time": self._wall(event.at_ms).isoformat(timespec="milliseconds"),
            "boot": self._boot,
            "event": event.type,
            "id": event.id,
        }
        if event.caller is not None:
            fields["caller"] = event.caller.told()
        if lease := event.lease:
            fields["lease"] = lease.id
            fields["account"] = lease.account
            fields["identity"] = lease.identity
            fields["state"] = lease.state
            fields["expires"] = self._wall(lease.expires_ms).isoformat(timespec="milliseconds")
            if lease.cause:
                fields["cause"] = lease.cause
        if event.detail:
            fields["detail"] = {key: text[:TEXT_CHARS] for key, text in event.detail.items()}
        if delayed:
            fields["delayed"] = True
        return fields


def flag_fields(flag: str) -> dict[str, object]:
    """A line that tells what was found wrong with the lines before it."""
    return {"event": "audit-broken", "detail": {"why": flag}}


def verify(lines: Iterable[str], key: bytes, head: AuditHead | None = None) -> list[str]:
    """What is wrong with a chain, one line a fault; empty when nothing was touched.

    `lines` end as they do in the file: a last one without its newline was torn by a crash and says
    nothing. `head` is the last line's place as the store remembers it, to find a cut tail.
    """
    faults = []
    last = GENESIS
    for number, text in enumerate(lines, 1):
        if not text.endswith("\n"):
            break
        found = _parse(text, key)
        if found is None:
            faults.append(f"line {number}: was edited, or is not a line of this audit")
            continue
        seq, prev, mac = found
        if prev != last.mac:
            faults.append(f"line {number}: has number {seq} and does not follow number {last.seq}")
        last = AuditHead(seq, mac)
    if head is not None and last.seq < head.seq:
        faults.append(
            f"the end is missing: the last line is {last.seq}, the store knows {head.seq}"
        )
    return faults


def fields_of(text: str, key: bytes) -> dict[str, Any] | None:
    """What a line says, None when it does not verify."""
    line = text.rstrip("\n")
    body = line[:-_MAC_CHARS] + "}"
    if not hmac.compare_digest(_bytes(_closed(body, _mac(key, body))), _bytes(line)):
        return None
    found: dict[str, Any] = json.loads(line)
    return found


def _mac(key: bytes, body: str) -> str:
    return hmac.digest(key, _bytes(body), hashlib.sha256).hex()


def _closed(body: str, mac: str) -> str:
    return f'{body[:-1]},"mac":"{mac}"}}'


def _bytes(text: str) -> bytes:
    # What was read from a damaged file may be no text at all.
    return text.encode(errors="surrogatepass")


def _parse(text: str, key: bytes) -> tuple[int, str, str] | None:
    """Sequence number, MAC before and MAC of a line that verifies, else None."""
    fields = fields_of(text, key)
    return None if fields is None else (fields["seq"], fields["prev"], fields["mac"])


def _resume(path: Path, key: bytes, head: AuditHead) -> tuple[AuditHead, str]:
    """Where to go on: the last good line, and what to flag if it is not where it should be.

    Lines beyond the store's head are legal, since a crash may fall between them and the commit. A
    torn last line is cut off when all that the store knows of stands before it (rule AU5).
    """
    try:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with os.fdopen(os.open(path, flags), "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read()
            whole = tail.rfind(b"\n") + 1
            lines = tail[:whole].decode(errors="replace").splitlines()
            last = _parse(lines[-1], key) if lines else None
            if last is not None and last[0] >= head.seq:
                file.truncate(start + whole)
                return AuditHead(last[0], last[2]), ""
            if start + whole == 0 and head.seq == 0:
                file.truncate(0)
                return head, ""
    except FileNotFoundError:
        if head.seq == 0:
            return head, ""
        return head, f"the audit is missing; the store knows {head.seq} lines"
    aside = path.with_name(f"{path.name}.broken-{head.seq}")
    path.rename(aside)
    found = "no good line" if last is None else f"line {last[0]}"
    return (
        head,
        f"the audit ended with {found} but the store knows {head.seq}; kept as {aside.name}",
    )
