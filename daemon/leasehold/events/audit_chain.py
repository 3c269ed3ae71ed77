"""Reading an audit's lines as what they are in one piece: runs of lines that follow each other.

An audit that nobody touched is a single run. Each harm to it (an edit, a line that is gone, two
that changed places) cuts it into runs with lines between them that do not verify, so a few runs
hold all there is to know of a chain of any length. What they mean is for `audit_findings`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from leasehold.events.audit_line import (
    BROKEN,
    CONTINUED,
    REMOVED,
    Line,
    fields_of,
    head_of,
    time_of,
)
from leasehold.model import AuditHead

MOST_PARTS = 1_000
"""Reading ends at so many runs and lines that do not verify; it is clear by then."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, the first one being 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Stray:
    """A line that does not verify; `time` is that of the last one before that does."""

    place: Place
    time: str


@dataclass(slots=True)
class Run:
    """Lines `first` to `last` by their numbers, one behind the other from `place` on.

    `before` is the MAC that the first line follows, `mac` that of the last one. `follows` is the
    file that the first line, if it opens a file, says it goes on from.
    """

    place: Place
    first: int
    before: str
    time: str
    follows: str
    last: int = 0
    mac: str = ""
    last_time: str = ""

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(slots=True)
class Note:
    """A line that is worth telling for itself."""

    run: Run
    place: Place
    number: int
    time: str
    text: str


@dataclass(slots=True)
class Chain:
    """What was read. `marks` are heads that somebody remembers, to be compared while reading.

    `stored_most` is the most that any line says the store knew. `beyond` is the first line that
    the store's head `head_seq` does not cover.
    """

    key: bytes
    marks: Mapping[int, frozenset[str]]
    head_seq: int
    parts: list[Run | Stray] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    lines: int = 0
    removed: list[tuple[int, str]] = field(default_factory=list)
    broken: list[Note] = field(default_factory=list)
    set_back: list[Note] = field(default_factory=list)
    other: list[Note] = field(default_factory=list)
    stored_most: int = 0
    beyond: Note | None = None
    end: Place = Place("", 0)
    too_many: bool = False
    _time: str = ""
    _stored: int = 0

    def read(self, file: str, lines: Iterable[bytes], *, open_end: bool) -> None:
        """Take over the lines of one file; with `open_end` a torn last line says nothing."""
        self.files.append(file)
        self.end = Place(file, 0)
        for number, line in enumerate(lines, 1):
            if self.too_many:
                return
            self.end = place = Place(file, number)
            if not line.endswith(b"\n") and open_end:
                return
            self.lines += 1
            fields = fields_of(line, self.key) if line.endswith(b"\n") else None
            if fields is None:
                self._part(Stray(place, self._time))
            else:
                self._take(place, fields)

    def _take(self, place: Place, line: Line) -> None:
        head, self._time = head_of(line), time_of(line) or self._time
        run = self.parts[-1] if self.parts else None
        if isinstance(run, Run) and (run.last + 1, run.mac) == (head.seq, line["prev"]):
            if line.get("stored", 0) < self._stored and line["event"] != BROKEN:
                known = f"{line.get('stored', 0)} lines here, and {self._stored} before"
                self.set_back.append(self._note(run, place, head, f"the store knew {known}"))
        else:
            named = line["detail"]["file"] if line["event"] == CONTINUED else ""
            follows = named if place.line == 1 else ""
            run = Run(place, head.seq, line["prev"], self._time, follows)
            self._part(run)
        run.last, run.mac, run.last_time = head.seq, head.mac, self._time
        self._stored = line.get("stored", 0)
        self.stored_most = max(self.stored_most, self._stored)
        self._look_at(run, place, line, head)

    def _look_at(self, run: Run, place: Place, line: Line, head: AuditHead) -> None:
        """Keep what a line says of the audit itself, and of what is remembered of it."""
        if line["event"] == REMOVED:
            self.removed.append((int(line["detail"]["last"]), line["detail"]["mac"]))
        elif line["event"] == BROKEN:
            self.broken.append(self._note(run, place, head, line["detail"]["why"]))
        if head.seq == self.head_seq + 1:
            self.beyond = self._note(run, place, head, "")
        if self.marks.get(head.seq, frozenset()) - {head.mac}:
            text = "is another line than the store or a checkpoint names"
            self.other.append(self._note(run, place, head, text))

    def _note(self, run: Run, place: Place, head: AuditHead, text: str) -> Note:
        return Note(run, place, head.seq, self._time, text)

    def _part(self, part: Run | Stray) -> None:
        self.parts.append(part)
        self.too_many = len(self.parts) >= MOST_PARTS
