"""`leasehold drill`: prove that roles work, now; and how the last drills went."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import FAILED
from leasehold.cli.output import examples, json_option, print_json, print_table, span
from leasehold.client import Client
from leasehold.errors import Invalid

PASSED = "passed"
STEPS = ("issue", "login", "revoke", "refused")


@click.command(
    "drill",
    epilog=examples(
        "leasehold drill                                 # every role with a schedule",
        "leasehold drill database/creds/app-readonly     # this one",
        "leasehold drill --history                       # how each role stands",
        "leasehold drill database/creds/app-readonly --history --json | jq '.history[0].steps'",
    ),
)
@click.argument("role", required=False)
@click.option("--history", is_flag=True, help="Make no drill; show how the last ones went.")
@json_option
@daemon_option
def drill(role: str | None, history: bool, as_json: bool, daemon: Daemon) -> None:
    """Prove that roles work: issue, log in, revoke, see the login refused.

    Without ROLE, a path such as database/creds/app-readonly, drills every role that has a schedule
    in the policy. Exit code 1 when one did not pass.
    """
    client = daemon()
    if history:
        _show_history(client, role, as_json=as_json)
        return
    made = [client.drill(each) for each in ([role] if role else _scheduled(client))]
    if as_json:
        print_json({"drills": made})
    else:
        _print_made(made)
    if any(each["result"] != PASSED for each in made):
        raise click.exceptions.Exit(FAILED)


def _scheduled(client: Client) -> list[str]:
    roles = [each["role"] for each in client.drills() if each["every"] is not None]
    if not roles:
        raise Invalid("no role of the policy has a schedule (drill: {every: 1d}); name a role")
    return roles


def _show_history(client: Client, role: str | None, *, as_json: bool) -> None:
    if role is None:
        roles = client.drills()
        if as_json:
            print_json({"roles": list(roles)})
        else:
            _print_roles(roles)
        return
    found = client.drill_history(role)
    if as_json:
        print_json({"history": list(found)})
    else:
        _print_history(found)


def _print_made(made: Sequence[Mapping[str, Any]]) -> None:
    print_table(
        ["ROLE", "RESULT", *(step.upper() for step in STEPS), "TOTAL"],
        [(each["role"], each["result"], *_took(each)) for each in made],
    )
    for each in made:
        if each["message"]:
            click.echo(f"{each['role']}: {each['message']}")


def _print_history(found: Sequence[Mapping[str, Any]]) -> None:
    print_table(
        ["STARTED", "RESULT", *(step.upper() for step in STEPS), "TOTAL", "BY", "NOTE"],
        [
            (each["started_at"], each["result"], *_took(each), each["by"], each["message"])
            for each in found
        ],
    )


def _print_roles(roles: Sequence[Mapping[str, Any]]) -> None:
    rows = []
    for each in roles:
        last = each["last"] or {"started_at": "-", "result": "-", "message": "never drilled"}
        every = "-" if each["every"] is None else span(each["every"])
        rows.append(
            (
                each["role"],
                every,
                last["started_at"],
                last["result"],
                each["next_at"] or "-",
                last["message"],
            )
        )
    print_table(["ROLE", "EVERY", "LAST", "RESULT", "NEXT", "NOTE"], rows)


def _took(each: Mapping[str, Any]) -> list[str]:
    steps = [each["steps"].get(step) for step in STEPS]
    return ["-" if ms is None else f"{ms} ms" for ms in (*steps, each["ms"])]
