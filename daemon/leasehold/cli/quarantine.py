"""`leasehold quarantine`: after an older store was put back, see what happened since, and go on."""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, print_table
from leasehold.client import Client

PARTLY = 7
POLL_S = 0.5
SHOWN = 20
_TEXTS = (
    ("adopt", "were renewed or issued since: adopt"),
    ("close", "have lost their account: close"),
    ("revoke", "ended since, or have to: revoke"),
    ("doubtful", "are over by the store, and may have been renewed since: {doubtful}"),
    ("keep", "are as the store has them: keep"),
)


@click.group(
    "quarantine",
    epilog=examples("leasehold quarantine show", "leasehold quarantine release"),
)
def quarantine() -> None:
    """See what an older store does not know, and have it put right."""


@quarantine.command("show", epilog=examples("leasehold quarantine show"))
@json_option
@daemon_option
def show(as_json: bool, daemon: Daemon) -> None:
    """Say why the daemon is quarantined and what a release would do; change nothing."""
    found = daemon().quarantine()
    if as_json:
        print_json(found)
    else:
        for line in _lines(found, doubtful="revoke, or adopt with --adopt-doubtful"):
            click.echo(line)
        _print_leases(found)


@quarantine.command(
    "release",
    epilog=examples(
        "leasehold quarantine release --dry-run",
        "leasehold quarantine release --yes",
        "leasehold quarantine release --adopt-doubtful",
    ),
)
@click.option("--dry-run", is_flag=True, help="Only say what it would do, as show does.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--adopt-doubtful", is_flag=True, help="Give leases in doubt another term.")
@click.option("--no-wait", is_flag=True, help="Order it and return.")
@json_option
@daemon_option
def release(
    dry_run: bool, yes: bool, adopt_doubtful: bool, no_wait: bool, as_json: bool, daemon: Daemon
) -> None:
    """Carry out the plan, then let issue, renewal and revocation go on.

    Exit codes: 0, 1 failed or nobody said yes, 7 ordered and not done yet; the daemon goes on.
    """
    client = daemon()
    found = client.quarantine()
    if not as_json:
        for line in _lines(found, doubtful="adopt" if adopt_doubtful else "revoke"):
            click.echo(line)
    if not dry_run:
        if found["state"] == "held" and not yes and not _confirmed():
            click.echo("leasehold: nothing was done; --yes does it without asking", err=True)
            raise click.exceptions.Exit(1)
        client.release_quarantine(adopt_doubtful=adopt_doubtful)
        found = client.quarantine() if no_wait else _until_released(client)
        if not as_json:
            for line in _lines(found, doubtful=""):
                click.echo(line)
    if as_json:
        print_json(found)
    if not dry_run and found["state"] != "released":
        raise click.exceptions.Exit(PARTLY)


def _until_released(client: Client, within_s: float = 600.0) -> Mapping[str, Any]:
    deadline = time.monotonic() + within_s
    found = client.quarantine()
    while found["state"] != "released" and time.monotonic() < deadline:
        time.sleep(POLL_S)
        found = client.quarantine()
    return found


def _confirmed() -> bool:
    """Whether somebody at a terminal says yes; elsewhere nobody can."""
    return sys.stdin.isatty() and click.confirm("Do that now?", err=True)


def _lines(found: Mapping[str, Any], *, doubtful: str) -> Iterator[str]:
    """What there is to say of it, in lines."""
    if found["state"] == "none":
        yield "there was no quarantine"
        return
    if found["state"] == "held":
        yield f"quarantined since {found['since']}: {found['why']}"
        plan = found["plan"]
        for name, text in _TEXTS:
            if plan[name]:
                yield f"{plan[name]} leases {text.format(doubtful=doubtful)}"
        yield from _left(plan)
    elif found["state"] == "releasing":
        yield f"{found['by']} has it released; the daemon is at it"
    else:
        report = found["report"]
        done = ", ".join(f"{report[name]} {name}" for name in ("adopted", "closed", "revoked"))
        yield f"released at {found['released_at']} by {found['by']}: {done}, {report['kept']} kept"
        yield from _left(report)


def _left(told: Mapping[str, Any]) -> Iterator[str]:
    for engine, count in told["orphans"].items():
        yield f"{engine}: {count} accounts no lease can be made for: see leasehold orphans"
    for engine, why in told["unlooked"].items():
        yield f"{engine}: its accounts could not be looked at, so the audit alone counts: {why}"


def _print_leases(found: Mapping[str, Any]) -> None:
    leases = found.get("plan", {}).get("leases", ())
    if leases:
        print_table(
            ["ACTION", "LEASE", "IDENTITY", "EXPIRES", "WHY"],
            [
                (it["action"], it["lease_id"], it["identity"], it["expires_at"], it["why"])
                for it in leases[:SHOWN]
            ],
        )
    if len(leases) > SHOWN:
        click.echo("more with --json")
