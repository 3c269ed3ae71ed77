"""Verifying an audit, beside a running daemon or without one, in little memory.

The store's head and checkpoints that somebody kept say how far the audit must reach; what lines say
of the store, and checkpoints too, say how far the store must (rule AU4). Blocks.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from leasehold.events.audit_chain import Chain, Run
from leasehold.events.audit_files import Reading, before_current, lines_of, opened
from leasehold.events.audit_findings import Finding, Harm, judge
from leasehold.events.audit_line import GENESIS
from leasehold.model import AuditHead

TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was read, and what is wrong with it; `first` and `last` are numbers of lines."""

    findings: Sequence[Finding]
    files: Sequence[str]
    lines: int
    first: int
    last: int
    first_time: str
    last_time: str


def verify_audit(
    current: Path,
    key: bytes,
    head: Callable[[], AuditHead | None],
    checkpoints: Sequence[AuditHead] = (),
) -> Report:
    """Verify the audit whose current file is `current`, against what the store knows of its end.

    `head` reads that anew each time. Raises OSError.
    """
    for left in reversed(range(TRIES)):
        before = head() or GENESIS
        chain = _chain(key, before, checkpoints)
        try:
            _read(chain, current)
            break
        except FileNotFoundError:  # removed by its age meanwhile, which a line says by now
            if not left:
                raise
    after = head() or GENESIS
    findings = [*_of_chain(chain, before, checkpoints), *_of_store(chain, after, checkpoints)]
    return _report(chain, findings)


def _read(chain: Chain, current: Path) -> None:
    try:
        reading = Reading(current)
    except FileNotFoundError:  # somebody took it away; what is left is read all the same
        for path in before_current(current):
            with opened(path) as file:
                chain.read(path.name, lines_of(file), open_end=False)
        return
    with reading:
        for name, file in reading.forward():
            chain.read(name, lines_of(file), open_end=name == current.name)


def verify_files(
    paths: Sequence[Path], key: bytes, checkpoints: Sequence[AuditHead] = ()
) -> Report:
    """Verify files of an audit in this order, without its store. Raises OSError.

    What stood before them is not asked for where the first one says that it goes on from it.
    """
    chain = _chain(key, GENESIS, checkpoints)
    for path in paths:
        with opened(path) as file:
            chain.read(path.name, lines_of(file), open_end=path == paths[-1])
    return _report(chain, _of_chain(chain, GENESIS, checkpoints, whole=False))


def _chain(key: bytes, head: AuditHead, checkpoints: Iterable[AuditHead]) -> Chain:
    marks: dict[int, set[str]] = defaultdict(set)
    for mark in (head, *checkpoints):
        marks[mark.seq].add(mark.mac)
    return Chain(
        key=key,
        marks={seq: frozenset(macs) for seq, macs in marks.items()},
        head_seq=head.seq,
    )


def _of_chain(
    chain: Chain, head: AuditHead, checkpoints: Sequence[AuditHead], *, whole: bool = True
) -> list[Finding]:
    latest = max((mark.seq for mark in checkpoints), default=0)
    if latest > head.seq:
        return judge(chain, whole=whole, known_end=latest, who_knows="a checkpoint names")
    return judge(chain, whole=whole, known_end=head.seq, who_knows="the store knows")


def _of_store(chain: Chain, head: AuditHead, checkpoints: Sequence[AuditHead]) -> list[Finding]:
    """Whether the store once knew more of the audit than it does now."""
    latest = max((mark.seq for mark in checkpoints), default=0)
    once = max(chain.stored_most, latest)
    if once <= head.seq:
        return []
    why = f"the store knows {head.seq} lines of the audit, and once knew {once}: an older store"
    beyond = chain.beyond
    return [
        Finding(
            harm=Harm.STORE_OLD,
            place=chain.end if beyond is None else beyond.place,
            why=why,
            number=None if beyond is None else beyond.number,
            time="" if beyond is None else beyond.time,
        )
    ]


def _report(chain: Chain, findings: Sequence[Finding]) -> Report:
    runs = [part for part in chain.parts if isinstance(part, Run)]
    return Report(
        findings=findings,
        files=chain.files,
        lines=chain.lines,
        first=runs[0].first if runs else 0,
        last=max((run.last for run in runs), default=0),
        first_time=runs[0].time if runs else "",
        last_time=runs[-1].last_time if runs else "",
    )
