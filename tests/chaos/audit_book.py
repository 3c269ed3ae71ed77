"""The audit, read by a reader of our own that goes on where it stopped.

It verifies each line's MAC and that each follows the one before, and keeps of each lease what was
told. A line that was read and is not there any more is a fault, but for lines at the end that no
ledger knew: a write that failed is cut off again.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from chaos.facts import Head, Told
from chaos.keys import Keys

_FULL = re.compile(r"audit-(\d+)\.jsonl")


class AuditBook:
    """What the audit in `state` says; `read` brings it up to date."""

    def __init__(self, state: Path, keys: Keys) -> None:
        self._state = state
        self._keys = keys
        self._start()

    def _start(self) -> None:
        self.told: dict[str, Told] = {}
        self.faults: list[str] = []
        self.reported: set[str] = set()
        self.head = Head(0, "0" * 64)
        self._macs: list[str] = []
        self._inode = self._offset = 0
        self._last = b""

    def mac_of(self, seq: int) -> str:
        """The MAC of line `seq`; empty when there is none."""
        if seq == 0:
            return ""
        return self._macs[seq - 1] if seq <= len(self._macs) else ""

    def read(self) -> None:
        """Read what is new, or all of it when the end that was read has been cut off."""
        current = self._state / "audit.jsonl"
        if not current.exists():
            return
        if current.stat().st_ino != self._inode:
            self._follow_rotation()
        if not self._still_there(current):
            self._start()
            for full in self._full_files():
                self._read_file(full)
                self._offset = 0
        self._inode = current.stat().st_ino
        self._read_file(current)

    def _follow_rotation(self) -> None:
        """Finish the file that was current, under the name that it has now, and those since."""
        names = self._full_files()
        old = [at for at, path in enumerate(names) if path.stat().st_ino == self._inode]
        if not old:
            self._last, self._offset = b"gone", 0
            return
        for path in names[old[0] :]:
            self._read_file(path)
            self._offset = 0
        self._last = b""

    def _full_files(self) -> list[Path]:
        found = [(_FULL.fullmatch(path.name), path) for path in self._state.iterdir()]
        named = sorted((int(match[1]), path) for match, path in found if match)
        current = (self._state / "audit.jsonl").stat().st_ino
        return [path for _, path in named if path.stat().st_ino != current]

    def _still_there(self, path: Path) -> bool:
        if not self._last:
            return self._offset == 0 and (self._inode != 0 or not self._full_files())
        with path.open("rb") as file:
            file.seek(max(0, self._offset - len(self._last)))
            return file.read(len(self._last)) == self._last

    def _read_file(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn by a crash, or being written
                self._offset += len(line)
                self._last = line
                self._take(line[:-1], path.name)

    def _take(self, line: bytes, name: str) -> None:
        if not self._keys.signed_line(line):
            self.faults.append(f"{name}: a line after {self.head.seq} does not verify")
            return
        fields = json.loads(line)
        if (fields["seq"], fields["prev"]) != (self.head.seq + 1, self.head.mac):
            self.faults.append(f"{name}: line {fields['seq']} follows line {self.head.seq}")
        self.head = Head(fields["seq"], fields["mac"])
        self._macs.append(fields["mac"])
        if fields["event"] == "audit-broken":
            self.faults.append(f"the daemon found: {fields['detail']['why']}")
        for account in _orphans(fields):
            self.reported.add(account)
        if "lease" in fields:
            told = self.told.setdefault(fields["lease"], Told())
            told.account = fields["account"]
            told.events.append(fields["event"])
            told.deadlines.append((fields["event"], _ms(fields["expires"])))


def _orphans(fields: dict[str, Any]) -> Iterator[str]:
    if fields["event"] == "orphan-found":
        yield from re.findall(r"lh[a-z2-7]{4}_[a-z2-7]{16}_[a-z2-7]{4}", json.dumps(fields))


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
