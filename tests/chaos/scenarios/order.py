"""What strace sees of an issue: audit and ledger are synced before a target hears of it (T6).

Each account's name leads through the trace: the audit's line with it is written and synced, the
ledger's log is synced after that, and only then does a target get a byte with it. The reply follows
a second round of both. It needs strace, which slows the daemon down and changes no order.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from chaos.facts import Violation
from chaos.stage import Record, Stage
from chaos.trial import Trial

PLAN = "T6"
CALLS = "fdatasync,fsync,write,sendto,sendmsg,writev"
ATTACH_S = 10.0
TTL_S = 120
_SYNC = re.compile(r"(?:fdatasync|fsync)\(\d+<(?P<file>[^>]*)>")
_SENT = re.compile(r"(?:write|writev|sendto|sendmsg)\(\d+<(?P<to>[^>]*(?:->[^>]*)?)>")


def run(stage: Stage) -> Iterator[Record]:
    if shutil.which("strace") is None:
        yield Record({"skipped": "strace is not installed"}, reached=False)
        return
    issues = stage.times(small=5, ci=60, long=1000)
    with stage.trial() as trial:
        trial.start()
        trace = trial.daemon.folder / "strace"
        with Traced(trial, trace):
            held = [
                trial.clients.issue(engine, TTL_S)
                for _ in range(issues // len(stage.world.engines) + 1)
                for engine in stage.world.engines
            ]
        accounts = [each.account for each in held if each is not None]
        lines = trace.read_text(errors="replace").splitlines()
        found = [
            Violation("order", f"{account}: {fault}")
            for account in accounts
            if (fault := out_of_order(account, lines)) is not None
        ]
        yield Record({"issues": len(accounts)}, found, reached=len(accounts) > 0)


class Traced:
    """strace on the daemon while the block runs."""

    def __init__(self, trial: Trial, trace: Path) -> None:
        assert trial.daemon.process is not None
        self._command = [
            *("strace", "-f", "-y", "-s", "4096", "-e", f"trace={CALLS}"),
            *("-o", str(trace), "-p", str(trial.daemon.process.pid)),
        ]
        self._trace = trace

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + ATTACH_S
        while not self._trace.exists() or not self._trace.stat().st_size:
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError("strace did not attach to the daemon")
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


def out_of_order(account: str, lines: list[str]) -> str | None:
    """What came too early for one account; None when all was in its order."""
    told = synced = logged = False
    for line in lines:
        if sync := _SYNC.search(line):
            synced |= told and "audit.jsonl" in sync["file"]
            logged |= synced and sync["file"].endswith("leases.db-wal")
        elif account in line and (sent := _SENT.search(line)):
            if "audit.jsonl" in sent["to"]:
                told = True
            elif "leases.db" not in sent["to"]:
                if not logged:
                    missing = "the ledger" if synced else "the audit"
                    return f"sent to {sent['to']} before {missing} was synced"
                return None
    return "the trace does not show that a target heard of it"
