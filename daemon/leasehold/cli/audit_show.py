"""`leasehold audit show`: what the audit has on a lease or a request, told from the beginning."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json
from leasehold.cli.state import key_file_option, key_of
from leasehold.errors import NotFound
from leasehold.events.audit_files import CURRENT
from leasehold.events.audit_line import KEY_PURPOSE
from leasehold.events.audit_search import AuditSearch
from leasehold.events.audit_story import story


@click.command(
    "show",
    epilog=examples(
        "leasehold audit show --lease database/creds/app-readonly/4okd2vox5yx7wkygem4bpx6thq",
        "leasehold audit show --request 642f97c8-d580-4dd8-b494-78c1bcbd03e7 --json",
    ),
)
@click.option("--lease", metavar="LEASE-ID", default="", help="The life of this lease.")
@click.option("--request", metavar="REQUEST-ID", default="", help="Only what this request did.")
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, readable=False),
    help="Read the files there, without a daemon.",
)
@key_file_option
@json_option
@daemon_option
def show(
    lease: str,
    request: str,
    state_dir: Path | None,
    key_file: Path | None,
    as_json: bool,
    daemon: Daemon,
) -> None:
    """Tell the life of a lease, or what a request did, line by line as the audit has it.

    Of your own leases, or of any with the verb operate at leasehold/audit. With --state-dir the
    files are read, all of them, by whoever may read them and the key.
    """
    if not lease and not request:
        raise click.UsageError("found neither --lease nor --request; give one of them, or both")
    if state_dir is None:
        found = daemon().audit(lease_id=lease, request_id=request)
    else:
        found = _read(state_dir, key_file, lease, request)
    if as_json:
        print_json(found)
        return
    for time, what, about in story(found["lines"]):
        click.echo(f"{time}  {what}")
        if about:
            click.echo(f"    {about}")
    if found["left_out"]:
        click.echo(f"{found['left_out']} older lines are left out, all behind the first")
    if not found["whole"]:
        click.echo("the audit goes further back than was looked; --state-dir reads all of it")


def _read(state_dir: Path, key_file: Path | None, lease: str, request: str) -> Mapping[str, Any]:
    key = key_of(key_file or state_dir / "key").derive(KEY_PURPOSE)
    search = AuditSearch(state_dir / CURRENT, key, reach_bytes=None)
    found = search.find_on(lease, request)
    if not found.lines:
        raise NotFound(f"the audit has nothing on {lease or request}")
    return {
        "lease": lease or None,
        "request": request or None,
        "lines": [*found.lines],
        "left_out": found.left_out,
        "whole": found.whole,
    }
