"""`leasehold plan`: what an apply would do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import DIFFERS, UNSAFE
from leasehold.cli.output import examples, json_option, print_json
from leasehold.cli.plan_text import as_markdown, as_text


@click.command(
    "plan",
    epilog=examples(
        "leasehold plan",
        "leasehold plan policies/ --detailed-exitcode",
        "leasehold plan policies/ --offline --base-rev origin/main --markdown plan.md",
    ),
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--offline", is_flag=True, help="Ask no daemon; compare PATH with --base.")
@click.option("--base", type=click.Path(path_type=Path), help="The policy to compare with.")
@click.option("--base-rev", metavar="REV", help="Compare with PATH at this git revision.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write a comment here too.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when something changes.")
@json_option
@daemon_option
def plan(
    path: Path | None,
    offline: bool,
    base: Path | None,
    base_rev: str | None,
    markdown: Path | None,
    detailed_exitcode: bool,
    as_json: bool,
    daemon: Daemon,
) -> None:
    """Show what an apply would do.

    Every change with the live leases that it hits and their holders, who gains and who loses
    access, and the safety limits that it breaks. Without PATH the daemon plans what its policy
    source has; with PATH it plans those files, and applies nothing.

    Exit codes: 0, 2 something changes (with --detailed-exitcode), 3 a safety limit is broken, 6 the
    policy is invalid.
    """
    made: Mapping[str, Any]
    if offline:
        made = _offline(path, base, base_rev)
    elif base is not None or base_rev is not None:
        raise click.UsageError("--base and --base-rev go with --offline")
    else:
        made = daemon().plan(None if path is None else _files(path))
    if markdown is not None:
        markdown.write_text(as_markdown(made))
    if as_json:
        print_json(made)
    else:
        click.echo(as_text(made))
    if made["unsafe"]:
        raise click.exceptions.Exit(UNSAFE)
    if detailed_exitcode and not made["empty"]:
        raise click.exceptions.Exit(DIFFERS)


def _files(path: Path) -> list[tuple[str, bytes]]:
    from leasehold.policy.sources import sources

    return list(sources(path))


def _offline(path: Path | None, base: Path | None, base_rev: str | None) -> dict[str, Any]:
    # Here, since they would cost every other command its start.
    from leasehold.cli.offline import bundle_at, bundle_at_revision
    from leasehold.reconcile.plan import as_json, make_plan

    if path is None:
        raise click.UsageError("--offline needs PATH, the policy to plan")
    if base is not None and base_rev is not None:
        raise click.UsageError("--base and --base-rev exclude each other")
    wanted, operations = bundle_at(path)
    before = None if base is None else bundle_at(base)[0]
    if base_rev is not None:
        before = bundle_at_revision(path, base_rev)
    made = make_plan(
        before,
        wanted,
        generation=0,
        usage={},
        live_leases=0,
        operations=operations,
        revocability={},
    )
    return as_json(made, online=False)
