"""`leasehold audit verify`: whether somebody touched the audit, and where."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from leasehold.cli.exits import DIFFERS
from leasehold.cli.output import examples, json_option, print_json
from leasehold.cli.state import key_file_option, key_of, state_dir_option
from leasehold.events import checkpoints
from leasehold.events.audit_files import CURRENT
from leasehold.events.audit_findings import BETWEEN, Finding
from leasehold.events.audit_line import KEY_PURPOSE
from leasehold.events.audit_verify import Report, verify_audit, verify_files
from leasehold.leases.offline import audit_head, require_owner
from leasehold.model import AuditHead


@click.command(
    "verify",
    epilog=examples(
        "leasehold audit verify",
        "leasehold audit verify --state-dir /backup/leasehold --checkpoints kept.jsonl",
        "leasehold audit verify --file audit.jsonl --key-file key",
    ),
)
@state_dir_option
@click.option(
    "--file",
    "files",
    type=click.Path(path_type=Path, readable=False),
    multiple=True,
    help="Verify this file without a store; several in their order.",
)
@key_file_option
@click.option(
    "--checkpoint",
    "heads",
    metavar="SEQ:MAC",
    multiple=True,
    help="A line that the audit must have; may stand several times.",
)
@click.option(
    "--checkpoints",
    "kept",
    type=click.Path(path_type=Path, readable=False),
    help="File of them, or of messages of the topic audit/checkpoint.",
)
@json_option
def verify(
    state_dir: Path,
    files: tuple[Path, ...],
    key_file: Path | None,
    heads: tuple[str, ...],
    kept: Path | None,
    as_json: bool,
) -> None:
    """Say whether the audit is as it was written, and where it is not.

    Reads files only, beside a running daemon or without one; run it as the owner of the state
    directory. docs/audit.md says what each finding means.

    Exit codes: 0 as it was written, 1 failed, 2 something differs.
    """
    known = [_head(text) for text in heads]
    known += checkpoints.read(kept) if kept else []
    if files:
        if key_file is None:
            raise click.UsageError("--file needs --key-file, the key of the deployment")
        report = verify_files(files, key_of(key_file).derive(KEY_PURPOSE), known)
    else:
        require_owner(state_dir)
        key = key_of(key_file or state_dir / "key")
        report = verify_audit(
            state_dir / CURRENT,
            key.derive(KEY_PURPOSE),
            lambda: audit_head(state_dir, key),
            known,
        )
    if as_json:
        print_json(_json(report))
    else:
        for line in _lines(report, known, with_store=not files):
            click.echo(line)
    if report.findings:
        raise click.exceptions.Exit(DIFFERS)


def _head(text: str) -> AuditHead:
    head = checkpoints.parse(text)
    if head is None:
        raise click.UsageError(f"--checkpoint: found '{text[:80]}'; allowed is {checkpoints.FORM}")
    return head


def _lines(report: Report, known: Sequence[AuditHead], *, with_store: bool) -> list[str]:
    if report.findings:
        return [*map(_line, report.findings), f"{len(report.findings)} places differ"]
    if not report.lines:
        return ["the audit is empty"]
    reaches = ["the store knows its end"] if with_store else []
    reaches += [f"{len(known)} checkpoints agree"] if known else []
    count = len(report.files)
    told = [
        f"the audit is as it was written: numbers {report.first} to {report.last}"
        f" in {count} file{'s' if count > 1 else ''}, {report.first_time} to {report.last_time}",
        *reaches,
    ]
    return ["; ".join(told)]


def _line(finding: Finding) -> str:
    place = finding.place
    where = f"{place.file}:{place.line}" if place.line else place.file
    about = [] if finding.number is None else [f"number {finding.number}"]
    after = "after " if finding.harm in BETWEEN else ""
    about += [f"{after}{finding.time}"] if finding.time else []
    return f"{where}: {finding.harm}: {finding.why}" + (f" ({', '.join(about)})" if about else "")


def _json(report: Report) -> dict[str, object]:
    return {
        "whole": not report.findings,
        **asdict(report),
        "findings": [
            {
                "harm": each.harm,
                "file": each.place.file,
                "line": each.place.line,
                "number": each.number,
                "time": each.time or None,
                "why": each.why,
            }
            for each in report.findings
        ],
    }
