"""`leasehold who-can`: who may do something."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.field_options import at_option
from leasehold.cli.output import examples, json_option, print_json, print_table, span
from leasehold.policy.decide import VERBS


@click.command(
    "who-can",
    epilog=examples(
        "leasehold who-can database/creds/app-readwrite",
        "leasehold who-can leasehold/apply --verb operate --policies policies/ --json",
    ),
)
@click.argument("path")
@click.option("--verb", type=click.Choice(VERBS), default=VERBS[0], show_default=True)
@at_option
@click.option("--policies", type=click.Path(path_type=Path), help="Ask this policy, no daemon.")
@json_option
@daemon_option
def who_can(
    path: str, verb: str, at: str, policies: Path | None, as_json: bool, daemon: Daemon
) -> None:
    """List who may do something.

    Every identity that may do it, with what a caller must be to be that identity, and the rule. The
    daemon tells operators only: the verb operate at leasehold/access.
    """
    if policies is None:
        found = daemon().who_can(path, verb, at=at)
    else:
        found = _offline(policies, path.strip("/"), verb, at)
    if as_json:
        print_json(found)
    elif not found["identities"]:
        click.echo("nobody")
    else:
        print_table(
            ["IDENTITY", "OWNER", "TENANT", "TTL", "MAX TTL", "RULE", "REQUIRES", "IS WHOEVER HAS"],
            [
                (
                    each["identity"],
                    each["owner"],
                    each["tenant"],
                    _span(each["ttl"]),
                    _span(each["max_ttl"]),
                    each["rule"],
                    ", ".join(f"{name} {text}" for name, text in each["require"].items()) or "-",
                    " or ".join(each["match"]),
                )
                for each in found["identities"]
            ],
        )


def _offline(policies: Path, path: str, verb: str, at: str) -> Mapping[str, Any]:
    from leasehold.cli.offline import bundle_at, moment
    from leasehold.conditions import Circumstances
    from leasehold.policy.questions import who_can, who_json

    bundle, operations = bundle_at(policies)
    answers = who_can(bundle, operations, path, verb, Circumstances(moment(at)))
    told = who_json(answers, path, verb)
    return {**told, "generation": None, "digest": bundle.digest}


def _span(seconds: int | None) -> str:
    return "-" if seconds is None else span(seconds)
