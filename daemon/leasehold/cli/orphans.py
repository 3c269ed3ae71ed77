"""`leasehold orphans`: accounts without a lease, leases without an account."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import DIFFERS, FAILED, PARTLY
from leasehold.cli.output import complain, examples, json_option, print_json, print_table
from leasehold.client import Client
from leasehold.errors import LeaseholdError, Stale, Unsafe


@click.command(
    "orphans",
    epilog=examples(
        "leasehold orphans",
        "leasehold orphans --apply --export orphans.json",
        "leasehold orphans --apply --export o.json --allow-unsafe max-leases-revoked",
    ),
)
@click.option("--apply", "remove", is_flag=True, help="Remove the accounts that are removable.")
@click.option(
    "--export",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report to this new file before anything is removed.",
)
@click.option(
    "--allow-unsafe", "allow", metavar="CODE", multiple=True, help="Break this safety limit once."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when anything is found.")
@json_option
@daemon_option
def orphans(
    remove: bool,
    export: Path | None,
    allow: tuple[str, ...],
    detailed_exitcode: bool,
    as_json: bool,
    daemon: Daemon,
) -> None:
    """Find accounts without a lease, and leases without an account.

    Only accounts whose tag proves that leasehold made them are ever removed, only with --apply, and
    only those in the file that --export names. What bears a wrong tag, or another deployment's
    mark, is never touched.

    Exit codes: 0, 1 failed or an engine could not be looked at, 2 something is found (with
    --detailed-exitcode), 3 refused by a safety limit, 4 what was reported is not what is there now,
    7 some accounts could not be removed.
    """
    if remove != (export is not None):
        raise click.UsageError("--apply and --export FILE go together")
    client = daemon()
    report = client.orphans()
    removable = [each for each in report["findings"] if each["removable"]]
    done: Mapping[str, Any] | None = None
    if export is not None and removable:
        done = _removed(client, report, export, allow)
    if as_json:
        print_json({**report, "removal": done})
    else:
        _print(report)
        if remove:
            _print_removal(done, export)
    for engine in report["engines"]:
        if engine["trouble"]:
            complain(f"engine {engine['name']} was not looked at: {engine['trouble']}")
    if done is not None and done["removed"] < len(removable):
        raise click.exceptions.Exit(PARTLY)
    if any(engine["trouble"] for engine in report["engines"]):
        raise click.exceptions.Exit(FAILED)
    if detailed_exitcode and report["findings"]:
        raise click.exceptions.Exit(DIFFERS)


def _removed(
    client: Client, report: Mapping[str, Any], export: Path, allow: tuple[str, ...]
) -> Mapping[str, Any]:
    """Remove what is in the file `export`, which is on the disk before."""
    _write(export, report)
    try:
        return client.remove_orphans(report, allow)
    except (Stale, Unsafe):
        export.unlink()  # nothing was removed, so it says nothing
        raise
    except LeaseholdError:
        complain(f"what was to be removed stands in {export}")
        raise


def _write(export: Path, report: Mapping[str, Any]) -> None:
    """Write a new file, through to the disk; an older export is never lost."""
    handle = os.open(export, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _print(report: Mapping[str, Any]) -> None:
    if report["findings"]:
        print_table(
            ["ENGINE", "ACCOUNT", "WHAT", "REMOVABLE", "SINCE", "WHY"],
            [
                (
                    each["engine"],
                    _printable(each["account"]),
                    each["what"],
                    "yes" if each["removable"] else "no",
                    each["first_seen"],
                    each["why"],
                )
                for each in report["findings"]
            ],
        )
    for engine in report["engines"]:
        if not engine["trouble"]:
            more = f", {engine['left_out']} more of them left out" if engine["left_out"] else ""
            click.echo(
                f"{engine['name']}: {engine['accounts']} accounts with our tag,"
                f" {engine['other_deployments']} of other deployments{more}"
            )


def _print_removal(done: Mapping[str, Any] | None, export: Path | None) -> None:
    if done is None:
        click.echo("nothing to remove")
        return
    click.echo(f"{done['removed']} accounts removed; {export} has what they were")
    for each in done["accounts"]:
        if not each["removed"]:
            complain(f"{each['engine']}: {_printable(each['account'])}: {each['why']}")


def _printable(account: str) -> str:
    """A name that somebody chose at a target, without what a terminal would act on."""
    return account if account.isprintable() else ascii(account)[1:-1]
