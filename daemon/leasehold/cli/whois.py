"""`leasehold whois`: whose an account is."""

from collections.abc import Mapping
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, print_pairs, span


@click.command("whois", epilog=examples("leasehold whois lhgvzl_bddroiedj7qdizho_d37s"))
@click.argument("account")
@json_option
@daemon_option
def whois(account: str, as_json: bool, daemon: Daemon) -> None:
    """Say whose an account is, or was, and why it was made.

    ACCOUNT is its name, as the target's log has it. For operators: it needs the verb operate at
    leasehold/whois.
    """
    found = daemon().whois(account)
    if as_json:
        print_json(found)
    else:
        print_pairs(_told(found))


def _told(found: Mapping[str, Any]) -> dict[str, Any]:
    pairs = {
        "account": found["account"],
        "lease": found["lease_id"],
        "identity": f"{found['identity']} (owner {found['owner']}, tenant {found['tenant']})",
        **dict(sorted(found["labels"].items())),
        "issued": found["issue_time"],
        "state": found["state"],
    }
    if found["end_time"] is not None:
        return {**pairs, "ended": f"{found['end_time']}, {found['cause']}"}
    left = f" (in {span(found['ttl'])})" if found["ttl"] > 0 else ""
    return {**pairs, "ends": f"{found['expire_time']}{left}"}
