"""`leasehold explain`: what was decided on a request."""

from collections.abc import Mapping
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, print_json, print_pairs, print_table
from leasehold.events.audit_line import caller_words

_DIGEST_CHARS = 12


@click.command("explain", epilog=examples("leasehold explain 642f97c8-d580-4dd8-b494-78c1bcbd03e7"))
@click.argument("request_id", metavar="REQUEST-ID")
@json_option
@daemon_option
def explain(request_id: str, as_json: bool, daemon: Daemon) -> None:
    """Say what was decided on a request, and why.

    REQUEST-ID is the request_id of the daemon's reply, which is the header X-Request-Id too. Your
    own requests, or anybody's with the verb operate at leasehold/access.
    """
    found = daemon().explain(request_id)
    if as_json:
        print_json(found)
        return
    caller, decision = found["caller"], found["decision"]
    pairs = {"asked by": caller_words(caller)}
    if decision is not None:
        pairs = {**_decided(decision), **pairs}
    print_pairs(pairs)
    print_table(
        ["TIME", "EVENT", "LEASE", "WHY"],
        [
            (event["time"], event["event"], event["lease"] or "-", event["why"])
            for event in found["events"]
        ],
    )


def _decided(decision: Mapping[str, Any]) -> dict[str, str]:
    word = "allowed" if decision["allowed"] else "denied"
    pairs = {
        word: f"{decision['verb']} at {decision['path']}",
        "rule": decision["rule"],
        "policy": f"generation {decision['generation']} ({decision['digest'][:_DIGEST_CHARS]})",
        "identities": ", ".join(decision["identities"]) or "none",
    }
    return pairs | ({"but": decision["note"]} if decision["note"] else {})
