"""The oracle reads what it says, finds what was tampered with, and owes the daemon nothing."""

import base64
import hmac
import json
import random
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.audit_book import AuditBook
from chaos.facts import Head
from chaos.keys import Keys
from chaos.leaks import dresses, leaks

TESTS = Path(__file__).parents[1]
KEY = bytes(range(32))
ORACLE = ("census", "ledger", "audit_book", "targets", "hearing", "invariants", "leaks", "load")


def test_no_code_of_the_daemon_is_in_the_oracle() -> None:
    imports = ", ".join(f"chaos.{name}" for name in ORACLE)
    program = (
        f"import sys, {imports}\n"
        "sys.exit(any(name.split('.')[0].startswith('leasehold') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=TESTS, check=False)
    assert done.returncode == 0


class Audit:
    """An audit written by hand, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "key").write_text(base64.b64encode(KEY).decode())
        self.folder = folder
        self.file = folder / "audit.jsonl"
        self.keys = Keys(folder / "key")
        self.head = Head(0, "0" * 64)

    def line(self, **fields: Any) -> bytes:
        whole = {"seq": self.head.seq + 1, **fields, "prev": self.head.mac}
        body = json.dumps(whole, separators=(",", ":"))
        mac = hmac.digest(self.keys._chain, body.encode(), "sha256").hex()
        self.head = Head(self.head.seq + 1, mac)
        return f'{body[:-1]},"mac":"{mac}"}}\n'.encode()

    def lease(self, event: str) -> bytes:
        ends = "2026-01-01T00:00:00.000+00:00"
        return self.line(event=event, lease="pg/creds/app/a", account="lh_a", expires=ends)

    def write(self, *lines: bytes) -> None:
        with self.file.open("ab") as file:
            file.writelines(lines)


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(tmp_path)


def read(audit: Audit) -> AuditBook:
    book = AuditBook(audit.folder, audit.keys)
    book.read()
    return book


def test_what_was_told_of_a_lease_is_kept_in_its_order(audit: Audit) -> None:
    audit.write(audit.lease("intended"), audit.lease("issued"))
    book = read(audit)
    audit.write(audit.lease("revoked"))
    book.read()
    told = book.told["pg/creds/app/a"]
    assert (told.account, told.events) == ("lh_a", ["intended", "issued", "revoked"])
    assert (book.faults, book.head, book.mac_of(3)) == ([], audit.head, audit.head.mac)


def test_a_torn_last_line_is_not_read_yet(audit: Audit) -> None:
    first, second = audit.lease("intended"), audit.lease("issued")
    audit.write(first, second[:20])
    book = read(audit)
    assert (book.head.seq, book.faults) == (1, [])
    audit.write(second[20:])
    book.read()
    assert (book.head.seq, book.faults) == (2, [])


def test_an_end_that_was_cut_off_and_written_anew_is_read_anew(audit: Audit) -> None:
    first = audit.lease("intended")
    before = audit.head
    audit.write(first, audit.lease("issued"))
    book = read(audit)
    audit.head = before
    audit.file.write_bytes(first + audit.lease("issue-failed"))
    book.read()
    assert book.told["pg/creds/app/a"].events == ["intended", "issue-failed"]
    assert book.faults == []


def test_a_new_file_is_followed(audit: Audit) -> None:
    audit.write(audit.lease("intended"))
    book = read(audit)
    audit.write(audit.lease("issued"))
    audit.file.rename(audit.folder / "audit-000000000001.jsonl")
    audit.write(audit.line(event="audit-continued", detail={"file": "x"}), audit.lease("revoked"))
    book.read()
    assert book.told["pg/creds/app/a"].events == ["intended", "issued", "revoked"]
    assert (book.head.seq, book.faults) == (4, [])
    assert read(audit).head == book.head


@pytest.mark.parametrize("harm", ["edited", "removed", "swapped"])
def test_a_line_that_was_tampered_with_is_found(audit: Audit, harm: str) -> None:
    lines = [audit.lease(event) for event in ("intended", "issued", "renewed", "revoked")]
    if harm == "edited":
        lines[1] = lines[1].replace(b"issued", b"issuee")
    elif harm == "removed":
        del lines[1]
    else:
        lines[1], lines[2] = lines[2], lines[1]
    audit.write(*lines)
    assert read(audit).faults


def secrets() -> Iterator[str]:
    dice = random.Random(1)
    while True:
        yield "".join(dice.choices(string.ascii_letters + string.digits, k=32))


@pytest.mark.parametrize("dress", sorted({name for name, _ in dresses("x" * 32)}))
def test_a_secret_is_found_in_every_dress_and_never_told(tmp_path: Path, dress: str) -> None:
    secret, *others = (password for password, _ in zip(secrets(), range(50), strict=False))
    for form in [form for name, form in dresses(secret) if name == dress]:
        file = tmp_path / "log"
        file.write_bytes(b"some text before: " + form + b" and behind it")
        [found] = leaks([*others, secret], [file])
        assert (str(len(others)) in found, secret in found) == (True, False)


def test_a_secret_is_found_behind_other_text_in_base64(tmp_path: Path) -> None:
    secret = next(secrets())
    for before in ("", "a", "ab"):
        text = base64.b64encode(f"{before}{secret}{before}".encode())
        (tmp_path / "log").write_bytes(text)
        assert len(leaks([secret], [tmp_path / "log"])) == 1


def test_what_is_no_secret_is_not_taken_for_one(tmp_path: Path) -> None:
    some = [password for password, _ in zip(secrets(), range(200), strict=False)]
    (tmp_path / "log").write_text(" ".join(some[100:]))
    assert leaks(some[:100], [tmp_path / "log", tmp_path / "none"]) == []
