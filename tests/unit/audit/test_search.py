"""What was decided on a request is found from the audit's end, within a bound, if it verifies."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.clock import FakeClock
from leasehold.events.audit import FileAudit
from leasehold.events.audit_line import GENESIS
from leasehold.events.audit_search import AuditSearch
from leasehold.model import Caller, Event, EventType

KEY = b"k" * 32
MINE, OTHER = "11111111-0000-0000-0000-000000000000", "22222222-0000-0000-0000-000000000000"


def event(kind: EventType, request: str = MINE, **told: str) -> Event:
    caller = Caller(uid=1000, gid=1000, pid=1, request=request)
    return Event.new(kind, 0, None, caller=caller, **told)


def decided(request: str = MINE, **told: str) -> Event:
    return event(EventType.DENIED, request, verb="issue", path="a/b/c", **told)


def written(folder: Path, *events: Event) -> Path:
    path = folder / "audit.jsonl"
    audit = FileAudit(path, KEY, head=GENESIS, wall=FakeClock().wall, boot="boot")
    audit.append(events)
    audit.close()
    return path


def kinds(path: Path, request: str = MINE, **limits: int) -> list[str]:
    return [line["event"] for line in AuditSearch(path, KEY, **limits).find(request).lines]


def test_all_that_a_request_did_is_found_back_to_its_decision(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        event(EventType.ISSUED),
        decided(OTHER),
        event(EventType.INTENDED, verb="issue"),
        decided(OTHER),
        event(EventType.ISSUED),
        decided(OTHER),
    )
    assert kinds(path) == ["intended", "issued"]
    assert kinds(path, OTHER) == ["denied"]
    assert kinds(path, "33333333-0000-0000-0000-000000000000") == []


def test_a_request_without_a_decision_has_all_its_lines(tmp_path: Path) -> None:
    path = written(tmp_path, event(EventType.POLICY_APPLIED), decided(OTHER))
    assert kinds(path) == ["policy-applied"]


def test_a_text_that_looks_like_the_id_is_not_taken_for_it(tmp_path: Path) -> None:
    forged = f'x","request":"{MINE}'
    path = written(tmp_path, decided(OTHER, why=forged, note=f'"request":"{MINE}"'))
    assert kinds(path) == []


def test_a_line_that_somebody_changed_is_left_out_and_logged(tmp_path: Path, caplog) -> None:
    path = written(tmp_path, decided(), event(EventType.ISSUED))
    path.write_text(path.read_text().replace("a/b/c", "a/b/d"))
    assert kinds(path) == ["issued"]
    assert f"a line on request {MINE} does not verify" in caplog.text


def test_what_is_being_written_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, decided(OTHER), decided())
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert kinds(path) == []
    assert kinds(path, OTHER) == ["denied"]


def test_what_is_older_than_the_reach_is_not_found_and_that_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, decided(), *(decided(OTHER) for _ in range(20)))
    size, first = path.stat().st_size, path.read_bytes().index(b"\n") + 1
    for reach, found in ((size - first, []), (size - 1, []), (size, ["denied"])):
        search = AuditSearch(path, KEY, reach_bytes=reach).find(MINE)
        assert [line["event"] for line in search.lines] == found
        assert search.whole == (reach == size)


def test_an_empty_audit_has_nothing(tmp_path: Path) -> None:
    found = AuditSearch(written(tmp_path), KEY).find(MINE)
    assert (found.lines, found.whole) == ((), True)


def test_a_missing_audit_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        AuditSearch(tmp_path / "none", KEY).find(MINE)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["mine", "decided", "other", "long"]), max_size=25),
    st.integers(1, 3_000),
)
def test_blocks_of_any_size_find_what_a_slow_reading_finds(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], block: int
) -> None:
    makers = {
        "mine": lambda: event(EventType.ISSUED),
        "decided": decided,
        "other": lambda: decided(OTHER),
        "long": lambda: event(EventType.ISSUED, OTHER, **{f"t{n}": "é" * 256 for n in range(5)}),
    }
    path = written(tmp_path_factory.mktemp("audit"), *(makers[each]() for each in order))
    slow: list[str] = []
    for line in reversed([json.loads(text) for text in path.read_text().splitlines()]):
        if line["detail"]["request"] == MINE:
            slow.insert(0, line["id"])
            if "verb" in line["detail"]:
                break
    found = AuditSearch(path, KEY, block_bytes=block).find(MINE).lines
    assert [line["id"] for line in found] == slow


def test_only_its_tail_is_read_of_a_large_audit(tmp_path: Path) -> None:
    path = written(tmp_path, event(EventType.ISSUED))
    with path.open("r+b") as file:
        line = file.read()
        file.truncate(1 << 36)  # a hole of 64 GiB
        file.seek(0, 2)
        file.write(b"\n" + line)
    assert kinds(path) == ["issued"]
