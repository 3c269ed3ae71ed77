"""The command: which checks, one line each, and an exit code for timers."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from leasehold_verify.accounts import check_accounts
from leasehold_verify.audit import CURRENT, check_audit
from leasehold_verify.finding import Finding
from leasehold_verify.heartbeat import check_heartbeat
from leasehold_verify.socket import check_socket
from leasehold_verify.store import DATABASE, check_store

WELL, WRONG_USAGE, ALARM = 0, 1, 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(WRONG_USAGE, f"leasehold-verify: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="leasehold-verify",
        description="Tell from outside whether leasehold lives and does what it says. Changes"
        " nothing. Exit codes: 0 all is well, 1 wrong usage, 2 an alarm.",
    )
    add = parser.add_argument
    add("--socket", type=Path, metavar="PATH", help="ask the daemon at this socket")
    add("--state-dir", type=Path, metavar="DIR", help="read store and audit there, or in a copy")
    add("--mqtt", metavar="URL", help="look at the heartbeat at this broker")
    add("--mqtt-password-file", type=Path, metavar="FILE", help="password for the broker")
    add("--deployment", metavar="NAME", help="whose heartbeat: as the daemon's setting")
    add("--postgresql", type=Path, metavar="FILE", help="look at accounts there: a conninfo")
    add("--memory", type=Path, metavar="FILE", help="keep where the audit stood")
    add("--overdue-s", type=float, default=45, metavar="S", help="past its end for so long: 45")
    add("--silent-s", type=float, default=45, metavar="S", help="no sign for so long: 45")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what was asked for, print a line each; returns the exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if not (asked.socket or asked.state_dir or asked.mqtt or asked.postgresql):
        parser.error("nothing to check; give --socket, --state-dir, --mqtt or --postgresql")
    if asked.mqtt and not asked.deployment:
        parser.error("--mqtt needs --deployment: the name, or the store's id")
    findings = list(_findings(asked))
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    return WELL if all(finding.ok for finding in findings) else ALARM


def _findings(asked: argparse.Namespace) -> Iterator[Finding]:
    told: list[tuple[str, int | None]] = []
    if asked.socket:
        yield check_socket(asked.socket)
    if asked.mqtt:
        beat = check_heartbeat(
            asked.mqtt, asked.mqtt_password_file, asked.deployment, asked.silent_s
        )
        told.append(("the heartbeat", beat.audit_seq))
        yield beat.finding
    if asked.state_dir:
        seen = check_store(asked.state_dir / DATABASE, asked.overdue_s, asked.silent_s)
        told.append(("the store", seen.audit_seq))
        yield from seen.findings
        yield check_audit(asked.state_dir / CURRENT, told, asked.memory)
    if asked.postgresql:
        yield check_accounts(asked.postgresql, asked.overdue_s)
