"""Audits on the disk, to be harmed and verified: several files, with a store's head."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fakes.clock import FakeClock
from fakes.leases import an_event
from leasehold.events.audit import FileAudit
from leasehold.events.audit_files import CURRENT, before_current
from leasehold.events.audit_findings import Finding
from leasehold.events.audit_line import GENESIS
from leasehold.events.audit_rotation import NEVER, Rotation
from leasehold.events.audit_verify import verify_audit
from leasehold.model import AuditHead

KEY = b"k" * 32


def opened(
    path: Path,
    head: AuditHead = GENESIS,
    rotation: Rotation = NEVER,
    key: bytes = KEY,
    **options: Any,
) -> FileAudit:
    wall = FakeClock().wall
    return FileAudit(path, key, head=head, wall=wall, boot="boot", rotation=rotation, **options)


@dataclass(frozen=True)
class Line:
    """One line of an audit: its file, its place there, its number."""

    file: str
    at: int
    number: int


@dataclass
class Audit:
    """An audit in a folder, as it was written."""

    folder: Path
    head: AuditHead

    @property
    def path(self) -> Path:
        return self.folder / CURRENT

    @property
    def files(self) -> list[Path]:
        return [*before_current(self.path), self.path]

    def texts(self) -> dict[str, list[bytes]]:
        return {path.name: path.read_bytes().splitlines(keepends=True) for path in self.files}

    def lines(self) -> list[Line]:
        """All lines in their order, which is that of their numbers."""
        places = [
            (name, at) for name, each in self.texts().items() for at in range(1, len(each) + 1)
        ]
        return [Line(name, at, number) for number, (name, at) in enumerate(places, 1)]

    def write(self, texts: dict[str, list[bytes]]) -> None:
        for name, lines in texts.items():
            (self.folder / name).write_bytes(b"".join(lines))

    def findings(self, checkpoints: Sequence[AuditHead] = ()) -> Sequence[Finding]:
        return verify_audit(self.path, KEY, lambda: self.head, checkpoints).findings


@cache
def _template(events: int, file_bytes: int, key: bytes, first: int) -> Audit:
    folder = Path(tempfile.mkdtemp(prefix="leasehold-audit-"))
    audit = opened(folder / CURRENT, rotation=Rotation(full_bytes=file_bytes), key=key)
    head = GENESIS
    for number in range(events):
        told = an_event(first + number, why="x" * (number * 37 % 90))
        head = audit.append([told], stored=head.seq)
    audit.close()
    return Audit(folder, head)


@contextmanager
def an_audit(
    events: int = 12, file_bytes: int = 1 << 30, key: bytes = KEY, first: int = 1
) -> Iterator[Audit]:
    """An audit of so many events in files of about that size, to do with as one likes."""
    template = _template(events, file_bytes, key, first)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(template.folder, folder, dirs_exist_ok=True)
        yield Audit(Path(folder), template.head)
