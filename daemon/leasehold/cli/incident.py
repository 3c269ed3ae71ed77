"""`leasehold incident`: freeze what is compromised, see what it hits, end it, keep the report."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import PARTLY
from leasehold.cli.incident_text import incident_text, preview_text
from leasehold.cli.output import complain, examples, json_option, print_json, print_table
from leasehold.cli.telling import NOT_YET, Telling
from leasehold.client import Client

POLL_S = 1.0
"""A look counts all leases of the incident, which may be many."""
Command = TypeVar("Command", bound=Callable[..., Any])


def match_option(command: Command) -> Command:
    """`--match`, passed as `match`."""
    return click.option(
        "--match",
        metavar="NAME=VALUE,…",
        multiple=True,
        required=True,
        help="What must agree: tenant, owner, identity, engine, role, account; exact values.",
    )(command)


no_wait_option = click.option("--no-wait", is_flag=True, help="Order it and return.")


@click.group(
    "incident",
    epilog=examples(
        "leasehold incident preview --match tenant=payments",
        "leasehold incident open --match tenant=payments,engine=pg-main --reason T-123",
        "leasehold incident show 5d0a71c2",
        "leasehold incident close 5d0a71c2",
    ),
)
def incident() -> None:
    """Freeze issue and renewal for a match, end its leases worst first, and report on that."""


@incident.command(
    "preview", epilog=examples("leasehold incident preview --match identity=billing-api")
)
@match_option
@json_option
@daemon_option
def preview(match: tuple[str, ...], as_json: bool, daemon: Daemon) -> None:
    """Say what an incident would hit; change nothing."""
    _print_preview(daemon().preview_incident(_parts(match)), as_json=as_json)


@incident.command(
    "open",
    epilog=examples(
        "leasehold incident open --match tenant=payments --reason T-123",
        "leasehold incident open --match identity=billing-api --reason T-123 --yes",
        "leasehold incident open --match engine=pg-main --reason T-123 --dry-run",
    ),
)
@match_option
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the incident.")
@click.option("--dry-run", is_flag=True, help="Only say what it would hit, as preview does.")
@click.option("--yes", is_flag=True, help="End the leases without asking.")
@no_wait_option
@json_option
@daemon_option
def open_(
    match: tuple[str, ...],
    reason: str,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
    as_json: bool,
    daemon: Daemon,
) -> None:
    """Freeze issue and renewal now, say what is hit, and after a yes end the leases.

    Without a yes it stays frozen and nothing ends; go on with `incident revoke`, or call it off
    with `incident close`. Exit codes: 0, 1 failed, 7 frozen and not all leases have ended.
    """
    client = daemon()
    if dry_run:
        _print_preview(client.preview_incident(_parts(match)), as_json=as_json)
        return
    opened = client.open_incident(_parts(match), reason, revoke=yes)
    told = f"incident {opened['id']}: issue and renewal are frozen"
    click.echo(told, err=as_json)
    if not as_json:
        click.echo(preview_text(opened["preview"]))
    if not yes and not _confirmed(opened):
        if as_json:
            print_json(opened)
        complain(
            f"nothing ends; leasehold incident revoke {opened['id']} goes on, leasehold"
            f" incident close {opened['id']} calls it off"
        )
        raise click.exceptions.Exit(PARTLY)
    if not yes:
        client.revoke_incident(opened["id"])
    _conclude(client, opened["id"], no_wait=no_wait, as_json=as_json)


@incident.command("revoke", epilog=examples("leasehold incident revoke 5d0a71c2"))
@click.argument("incident_id", metavar="ID")
@no_wait_option
@json_option
@daemon_option
def revoke(incident_id: str, no_wait: bool, as_json: bool, daemon: Daemon) -> None:
    """End the leases of an incident, worst first, and print the report.

    Exit codes: 0, 1 failed, 7 not all have ended yet; the daemon goes on.
    """
    client = daemon()
    client.revoke_incident(incident_id)
    _conclude(client, incident_id, no_wait=no_wait, as_json=as_json)


@incident.command("close", epilog=examples("leasehold incident close 5d0a71c2"))
@click.argument("incident_id", metavar="ID")
@json_option
@daemon_option
def close(incident_id: str, as_json: bool, daemon: Daemon) -> None:
    """Let issue and renewal go on; the incident and its report are kept."""
    closed = daemon().close_incident(incident_id)
    if as_json:
        print_json(closed)
    else:
        click.echo(f"incident {incident_id} is closed; issue and renewal go on")


@incident.command(
    "show",
    epilog=examples(
        "leasehold incident show 5d0a71c2 > incident.md",
        "leasehold incident show 5d0a71c2 --json > incident.json",
    ),
)
@click.argument("incident_id", metavar="ID")
@json_option
@daemon_option
def show(incident_id: str, as_json: bool, daemon: Daemon) -> None:
    """Print an incident with its report, as Markdown or JSON."""
    _print_incident(daemon().incident(incident_id), as_json=as_json)


@incident.command("list", epilog=examples("leasehold incident list"))
@json_option
@daemon_option
def list_(as_json: bool, daemon: Daemon) -> None:
    """List all incidents, the newest first."""
    found = daemon().incidents()
    if as_json:
        print_json({"incidents": list(found)})
    elif not found:
        click.echo("no incidents")
    else:
        print_table(
            ["ID", "STATE", "MATCH", "BY", "OPENED", "CLOSED", "REASON"],
            [
                (
                    each["id"],
                    each["state"],
                    ",".join(f"{name}={value}" for name, value in each["match"].items()),
                    each["by"],
                    each["opened_at"],
                    each["closed_at"] or "-",
                    each["reason"],
                )
                for each in found
            ],
        )


def _parts(match: tuple[str, ...]) -> list[str]:
    return [part for text in match for part in text.split(",")]


def _print_preview(preview: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(preview)
    else:
        click.echo(preview_text(preview))


def _print_incident(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(incident_text(found))


def _confirmed(opened: Mapping[str, Any]) -> bool:
    """Whether somebody at a terminal says yes; elsewhere nobody can."""
    if not sys.stdin.isatty():
        return False
    return click.confirm(f"End {opened['preview']['leases']} leases now?", err=True)


def _conclude(client: Client, incident_id: str, *, no_wait: bool, as_json: bool) -> None:
    """Follow the end of the leases until each was tried, then print the report."""
    telling = Telling()
    found = client.incident(incident_id)
    while not no_wait and _waits(found["report"]):
        report = found["report"]
        telling.tell(f"{report['revoked']} of {report['total']} leases are gone")
        time.sleep(POLL_S)
        found = client.incident(incident_id)
    telling.end()
    _print_incident(found, as_json=as_json)
    if not no_wait and found["report"]["revoked"] < found["report"]["total"]:
        complain(NOT_YET)
        raise click.exceptions.Exit(PARTLY)


def _waits(report: Mapping[str, Any]) -> bool:
    """Whether leases are left that no attempt was made for yet."""
    tried = report["revoked"] + report["disabled"] + report["failing"]
    return bool(tried < report["total"])
