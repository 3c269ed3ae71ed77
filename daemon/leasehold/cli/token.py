"""`leasehold token`: look at tokens, make, renew and end them.

These commands are about the token, so they send it over the socket too.
"""

import os

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.field import field_option, print_field
from leasehold.cli.output import (
    examples,
    json_option,
    print_json,
    print_pairs,
    print_table,
    span,
    warn,
)
from leasehold.cli.token_file import forget
from leasehold.cli.token_output import print_issued
from leasehold.client.endpoint import own_token


@click.group("token", epilog=examples("leasehold token lookup", "leasehold token list"))
def token() -> None:
    """Look at tokens, make, renew and end them.

    Without an ACCESSOR it is your own: that of LEASEHOLD_TOKEN, else of VAULT_TOKEN, else the one
    that `leasehold login` kept. Without one of your own, what your connection proves is looked at.
    """


@token.command("lookup", epilog=examples("leasehold token lookup"))
@click.argument("accessor", required=False)
@field_option
@json_option
@daemon_option
def lookup(accessor: str | None, field: str | None, as_json: bool, daemon: Daemon) -> None:
    """Show a token: whom it speaks for, and how long."""
    found = daemon(own_token(os.environ)).token(accessor)
    if field is not None:
        print_field({**found, "id": ""}, field)
        return
    if as_json:
        print_json({**found, "id": ""})
        return
    print_pairs(
        {
            "accessor": found["accessor"] or "- (the kernel says who asks)",
            "speaks for": ", ".join(found["policies"]) or "nobody that the policy knows",
            "made by": found["path"],
            "name": found["display_name"],
            "ends in": span(found["ttl"]) if found["accessor"] else "-",
            "renewable": "yes" if found["renewable"] else "no",
            "uses left": _uses(found["num_uses"]),
        }
    )


@token.command("create", epilog=examples("leasehold token create --ttl 15m --uses 3 --name ci"))
@click.option("--ttl", metavar="SPAN", help="Ask for a shorter life, such as 15m.")
@click.option("--uses", type=click.IntRange(min=1), help="How often it may be used.")
@click.option("--name", help="What it is called in listings.")
@json_option
@daemon_option
def create(
    ttl: str | None, uses: int | None, name: str | None, as_json: bool, daemon: Daemon
) -> None:
    """Print a new token that ends with your own."""
    asked = {"ttl": ttl, "num_uses": uses, "display_name": name}
    given = {key: value for key, value in asked.items() if value is not None}
    print_issued(daemon(own_token(os.environ)).create_token(**given), as_json=as_json)


@token.command("renew", epilog=examples("leasehold token renew --increment 2h"))
@click.argument("accessor", required=False)
@click.option("--increment", metavar="SPAN", help="From now, such as 30m.")
@json_option
@daemon_option
def renew(accessor: str | None, increment: str | None, as_json: bool, daemon: Daemon) -> None:
    """Move the end of a token."""
    renewed = daemon(own_token(os.environ)).renew_token(accessor, increment)
    warn(renewed.warnings)
    if as_json:
        print_json({"accessor": renewed.accessor, "ttl": renewed.ttl_s})
    else:
        click.echo(f"{renewed.accessor} ends in {span(renewed.ttl_s)}")


@token.command("revoke", epilog=examples("leasehold token revoke tlt7n7aqvighmz6z3ft7gj57vm"))
@click.argument("accessors", metavar="[ACCESSOR]...", nargs=-1)
@daemon_option
def revoke(accessors: tuple[str, ...], daemon: Daemon) -> None:
    """End tokens now, with those below them and their leases.

    Your own one is forgotten, too.
    """
    own = own_token(os.environ)
    client = daemon(own)
    for accessor in accessors:
        client.revoke_token(accessor)
        click.echo(f"{accessor} revoked")
    if not accessors:
        client.revoke_token()
        forget(own)
        click.echo("revoked")


@token.command("list", epilog=examples("leasehold token list --json"))
@json_option
@daemon_option
def list_tokens(as_json: bool, daemon: Daemon) -> None:
    """List tokens: yours, or everybody's where the policy lets you list at auth/token."""
    found = [{**each} for each in daemon(own_token(os.environ)).tokens()]
    if as_json:
        print_json({"tokens": found})
    elif not found:
        click.echo("no tokens")
    else:
        print_table(
            ["ACCESSOR", "NAME", "SPEAKS FOR", "ENDS IN", "USES LEFT", "MADE BY"],
            [
                (
                    each["accessor"],
                    each["display_name"],
                    ", ".join(each["policies"]) or "-",
                    span(each["ttl"]),
                    _uses(each["num_uses"]),
                    each["path"],
                )
                for each in found
            ],
        )


def _uses(count: int) -> str:
    return "any" if count == 0 else str(max(count, 0))
