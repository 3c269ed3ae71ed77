"""The chain goes on over files, also when a new one cannot be begun or the daemon dies over it."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.audits import KEY, opened
from fakes.clock import FakeClock
from fakes.leases import an_event
from leasehold import failpoints
from leasehold.events.audit import FileAudit
from leasehold.events.audit_files import before_current
from leasehold.events.audit_findings import Finding
from leasehold.events.audit_line import GENESIS
from leasehold.events.audit_rotation import NEVER, Rotation
from leasehold.events.audit_verify import verify_audit
from leasehold.model import AuditHead, Event, EventType

STEPS = ["audit.rotate.written", "audit.rotate.linked", "audit.rotate.renamed"]
EACH = Rotation(full_bytes=1)
DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def arm(tmp_path: Path) -> Iterator[Callable[[str, str, int], None]]:
    def armed(point: str, action: str, after: int = 0) -> None:
        file = tmp_path / "failpoints.json"
        file.write_text(json.dumps({point: {"action": action, "after": after}}))
        file.chmod(0o600)
        failpoints.arm(file)

    yield armed
    failpoints.disarm()


def names(path: Path) -> list[str]:
    return [each.name for each in (*before_current(path), path)]


def events(*paths: Path) -> list[str]:
    return [json.loads(line)["event"] for path in paths for line in path.read_text().splitlines()]


def wrong(path: Path, head: AuditHead) -> list[Finding]:
    return [*verify_audit(path, KEY, lambda: head).findings]


def on_day(number: int) -> Event:
    return Event.new(EventType.STARTED, number * DAY_MS)


def days(path: Path, rotation: Rotation, count: int) -> AuditHead:
    """One event on each of so many days."""
    audit, head = opened(path, rotation=rotation), GENESIS
    for day in range(count):
        head = audit.append([on_day(day)], stored=head.seq)
    audit.close()
    return head


def test_a_full_file_keeps_its_lines_under_its_first_number(path: Path) -> None:
    audit = opened(path, rotation=EACH)
    for number in (1, 2, 3):
        head = audit.append([an_event(number)])
    audit.close()
    assert names(path) == [
        "audit-000000000001.jsonl",
        "audit-000000000002.jsonl",
        "audit.jsonl",
    ]
    first = json.loads(path.read_text().splitlines()[0])
    assert first["event"] == "audit-continued"
    assert first["detail"] == {"file": "audit-000000000002.jsonl"}
    before = path.with_name("audit-000000000002.jsonl").read_text().splitlines()[-1]
    assert first["prev"] == json.loads(before)["mac"]
    assert wrong(path, head) == []


def test_a_file_is_full_by_its_size_or_by_its_age(path: Path) -> None:
    days(path, Rotation(full_after=timedelta(days=3)), 8)
    assert [len(events(path.with_name(name))) for name in names(path)] == [3, 4, 3]
    assert not NEVER.is_full(1 << 60, None, FakeClock().wall(9 * DAY_MS))


def test_the_age_counts_from_the_first_line_also_after_a_restart(path: Path) -> None:
    rotation, head = Rotation(full_after=timedelta(days=3)), GENESIS
    for day in range(5):
        audit = opened(path, head, rotation)
        head = audit.append([on_day(day)], stored=head.seq)
        audit.close()
    assert [len(events(path.with_name(name))) for name in names(path)] == [3, 3]
    assert wrong(path, head) == []


def test_files_are_kept_for_ever_unless_told_otherwise(path: Path) -> None:
    head = days(path, EACH, 20)
    assert len(names(path)) == 20
    assert wrong(path, head) == []


def test_what_is_removed_by_its_age_is_told_in_the_audit_and_is_no_harm(path: Path) -> None:
    head = days(path, Rotation(full_bytes=1, keep=timedelta(days=4)), 12)
    assert len(names(path)) == 4
    assert "audit-removed" in events(path)
    assert wrong(path, head) == []


def test_what_somebody_else_removed_is_not_taken_for_that(path: Path) -> None:
    head = days(path, Rotation(full_bytes=1, keep=timedelta(days=4)), 12)
    path.with_name(names(path)[0]).unlink()
    [found] = wrong(path, head)
    assert found.harm == "file-missing"


def test_an_audit_whose_current_file_is_gone_is_told_where_its_lines_end(path: Path) -> None:
    head = days(path, EACH, 3)
    last = names(path)[-2]
    path.unlink()
    [found] = wrong(path, head)
    assert (found.harm, found.place.file, found.number) == ("cut", last, head.seq - 1)


def test_a_file_that_does_not_verify_is_not_removed(path: Path, caplog) -> None:
    rotation = Rotation(full_bytes=1, keep=timedelta(days=4))
    head = days(path, rotation, 3)
    oldest = path.with_name(names(path)[0])
    oldest.write_text(oldest.read_text().replace("started", "stopped"))
    audit = opened(path, head, rotation)
    for day in range(3, 12):
        audit.append([on_day(day)])
    audit.close()
    assert oldest.exists()
    assert "does not verify, so it is kept" in caplog.text


@pytest.mark.parametrize("action", ["raise", "full"])
@pytest.mark.parametrize("step", STEPS[:2])
def test_a_new_file_that_cannot_be_begun_holds_nothing_up(
    path: Path, arm, step: str, action: str, caplog
) -> None:
    audit = opened(path, rotation=Rotation(full_after=timedelta(days=1)))
    audit.append([on_day(0)])
    arm(step, action)
    audit.append([on_day(1)])
    failpoints.disarm()
    assert names(path) == ["audit.jsonl"]
    assert "no new file could be begun" in caplog.text
    assert sorted(each.name for each in path.parent.glob("audit*")) == ["audit.jsonl"]
    head = audit.append([on_day(2)])
    audit.close()
    assert names(path) == ["audit-000000000001.jsonl", "audit.jsonl"]
    assert wrong(path, head) == []


def test_a_name_that_is_taken_is_not_written_over(path: Path, caplog) -> None:
    taken = path.with_name("audit-000000000001.jsonl")
    taken.write_text("somebody's")
    audit = opened(path, rotation=EACH)
    audit.append([an_event(1)])
    audit.append([an_event(2)])
    audit.close()
    assert taken.read_text() == "somebody's"
    assert events(path) == ["issued", "issued"]
    assert "File exists" in caplog.text


def killed_at(work: Callable[[], None]) -> None:
    """Do work in a process of its own, which is killed over it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("step", [*STEPS, "audit.append", "audit.remove.told"])
def test_a_kill_at_any_step_leaves_no_gap(path: Path, arm, step: str) -> None:
    rotation = Rotation(full_bytes=1, keep=timedelta(days=2))
    head = days(path, rotation, 6)
    audit = opened(path, head, rotation)

    def go_on() -> None:
        arm(step, "kill")
        audit.append([on_day(6)], stored=head.seq)

    killed_at(go_on)
    audit.close()
    assert wrong(path, head) == []
    audit = opened(path, head, rotation)
    for day in (7, 8):
        head = audit.append([on_day(day)], stored=head.seq)
    audit.close()
    assert wrong(path, head) == []
    assert not path.with_name("audit.jsonl.new").exists()
    assert len({each.stat().st_ino for each in path.parent.glob("audit*")}) == len(names(path))


def test_an_older_store_is_noticed_at_the_start_and_stays_in_the_audit(path: Path, caplog) -> None:
    audit, heads = opened(path, rotation=Rotation(full_bytes=2_000)), [GENESIS]
    for number in range(8):
        heads.append(audit.append([an_event(number)], stored=heads[-1].seq))
    audit.close()
    assert [found.harm for found in wrong(path, heads[3])] == ["store-old"]
    head = go_on_with(path, heads[3])
    assert "the store knows 3 lines of the audit, and once knew" in caplog.text
    [found] = wrong(path, head)
    assert found.harm == "broken-at-start"
    assert "an older store" in found.why


def go_on_with(path: Path, head: AuditHead) -> AuditHead:
    audit: FileAudit = opened(path, head)
    head = audit.append([an_event(9)], stored=head.seq)
    audit.close()
    return head
