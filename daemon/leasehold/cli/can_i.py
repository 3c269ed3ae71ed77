"""`leasehold can-i`: whether somebody may do something."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.exits import DENIED
from leasehold.cli.field_options import at_option, fields_option, given, reason_option
from leasehold.cli.output import examples, json_option, print_json, print_pairs, span
from leasehold.errors import Invalid
from leasehold.policy.decide import VERBS
from leasehold.policy.facts import parse


def _checked(_: click.Context, __: click.Parameter, facts: str | None) -> str | None:
    try:
        if facts is not None:
            parse(facts)
    except Invalid as wrong:
        raise click.BadParameter(str(wrong)) from wrong
    return facts


@click.command(
    "can-i",
    epilog=examples(
        "leasehold can-i database/creds/app-readonly",
        "leasehold can-i database/creds/app-readonly --as unix:user=billing,group=db",
        "leasehold can-i database/creds/app-readonly --as tls:san=dns:billing.internal",
        "leasehold can-i leasehold/status --verb operate --as unix:uid=0 --policies policies/",
    ),
)
@click.argument("path")
@click.option("--as", "who", metavar="FACTS", callback=_checked, help="Somebody else.")
@click.option("--verb", type=click.Choice(VERBS), default=VERBS[0], show_default=True)
@at_option
@reason_option
@fields_option
@click.option("--policies", type=click.Path(path_type=Path), help="Ask this policy, no daemon.")
@json_option
@daemon_option
def can_i(
    path: str,
    who: str | None,
    verb: str,
    at: str,
    reason: str | None,
    fields: Mapping[str, str],
    policies: Path | None,
    as_json: bool,
    daemon: Daemon,
) -> None:
    """Say whether somebody may do something, and by which rule.

    You, or with --as whoever has these facts: unix:user=NAME,uid=NUMBER,group=NAME,gid=NUMBER,
    unix:self for the daemon's user, or tls:san=dns:NAME,issuer=FINGERPRINT. The daemon decides by
    the policy that it serves, and looks names up on its host; to ask about others needs the verb
    operate at leasehold/access. With --policies the policy there decides, without a daemon, and
    facts are compared as they stand.

    Exit codes: 0 allow, 3 deny.
    """
    if policies is None:
        found = daemon().can_i(path, verb, who, at=at, fields=given(fields, reason))
    else:
        found = _offline(policies, path, verb, who, at, given(fields, reason))
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not found["allowed"]:
        raise click.exceptions.Exit(DENIED)


def _offline(
    policies: Path, path: str, verb: str, who: str | None, at: str, fields: Mapping[str, str]
) -> Mapping[str, Any]:
    from leasehold.cli.offline import bundle_at, moment
    from leasehold.conditions import Circumstances
    from leasehold.policy.questions import can, can_json, identities_with
    from leasehold.policy.users import own_facts

    bundle, operations = bundle_at(policies)
    identities = identities_with(bundle, own_facts() if who is None else parse(who))
    circumstances = Circumstances(moment(at), fields)
    answer = can(bundle, operations, identities, path.strip("/"), verb, circumstances)
    return {**can_json(answer, near=True), "generation": None, "digest": bundle.digest}


def _print(found: Mapping[str, Any]) -> None:
    click.echo("allow" if found["allowed"] else "deny")
    pairs = {"identity": ", ".join(found["identities"]) or "none"}
    if found["allowed"]:
        pairs["identity"] = (
            f"{found['identity']} (owner {found['owner']}, tenant {found['tenant']})"
        )
        if found["ttl"] is not None:
            pairs["ttl"] = f"{span(found['ttl'])}, at most {span(found['max_ttl'])}"
        pairs["rule"] = found["rule"]
    else:
        pairs["why"] = found["why"]
    print_pairs(pairs)
    for near in found["near"]:
        click.echo(f"but: {near}")
