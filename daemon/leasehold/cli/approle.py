"""`leasehold approle`: make secret ids for programs that log in by AppRole, list and end them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.field_options import pairs
from leasehold.cli.output import examples, json_option, print_json, print_table, span

Command = TypeVar("Command", bound=Callable[..., Any])


def method_option(command: Command) -> Command:
    """`--method`, passed as `method`."""
    return click.option(
        "--method",
        metavar="NAME",
        default="approle",
        show_default=True,
        help="The login method, as the policy calls it.",
    )(command)


@click.group(
    "approle",
    epilog=examples(
        "leasehold approle role-id deploy",
        "leasehold approle secret-id deploy --wrap-ttl 5m",
        "leasehold approle list deploy",
    ),
)
def approle() -> None:
    """Make secret ids for the roles of AppRole, list and destroy them.

    Needs the verb operate at auth/METHOD/role/ROLE, or list to list them.
    """


@approle.command("role-id", epilog=examples("leasehold approle role-id deploy"))
@click.argument("role")
@method_option
@daemon_option
def role_id(role: str, method: str, daemon: Daemon) -> None:
    """Print by what a login names the role."""
    click.echo(daemon().role_id(role, method=method))


@approle.command(
    "secret-id",
    epilog=examples(
        "leasehold approle secret-id deploy --wrap-ttl 5m",
        "leasehold approle secret-id deploy --uses 1 --ttl 10m --meta job=42 > secret-id",
    ),
)
@click.argument("role")
@click.option("--ttl", metavar="SPAN", help="A shorter life than the role's, such as 10m.")
@click.option("--uses", type=click.IntRange(min=1), help="Fewer logins than the role's.")
@click.option("--cidr", multiple=True, metavar="NETWORK", help="Where logins may come from.")
@click.option(
    "--meta", multiple=True, metavar="NAME=TEXT", callback=pairs, help="Shown with its tokens."
)
@click.option("--wrap-ttl", metavar="SPAN", help="Print a token that unwraps it once, instead.")
@method_option
@json_option
@daemon_option
def secret_id(
    role: str,
    ttl: str | None,
    uses: int | None,
    cidr: tuple[str, ...],
    meta: dict[str, str],
    wrap_ttl: str | None,
    method: str,
    as_json: bool,
    daemon: Daemon,
) -> None:
    """Print a new secret id, which is shown this once."""
    wish = {"ttl": ttl, "num_uses": uses, "cidr_list": [*cidr], "metadata": meta}
    asked = {name: value for name, value in wish.items() if value}
    if wrap_ttl is not None:
        token = daemon().wrapped_secret_id(role, wrap_ttl, method=method, **asked).reveal()
        if as_json:
            print_json({"wrapping_token": token})
        else:
            click.echo(token)
        return
    made = daemon().create_secret_id(role, method=method, **asked)
    if not as_json:
        click.echo(made.text.reveal())
        return
    told = {"secret_id": made.text.reveal(), "accessor": made.accessor}
    print_json({**told, "ttl": made.ttl_s, "uses": made.uses})


@approle.command("list", epilog=examples("leasehold approle list deploy --json"))
@click.argument("role")
@method_option
@json_option
@daemon_option
def list_secret_ids(role: str, method: str, as_json: bool, daemon: Daemon) -> None:
    """List the secret ids of a role that may still be used."""
    found = [{**each} for each in daemon().secret_ids(role, method=method)]
    if as_json:
        print_json({"secret_ids": found})
    elif not found:
        click.echo("no secret ids")
    else:
        print_table(
            ["ACCESSOR", "LIFE", "ENDS", "USES LEFT", "NETWORKS"],
            [
                (
                    each["secret_id_accessor"],
                    span(each["secret_id_ttl"]),
                    each["expiration_time"],
                    str(each["secret_id_num_uses"] or "any"),
                    ", ".join(each["cidr_list"]) or "-",
                )
                for each in found
            ],
        )


@approle.command(
    "destroy", epilog=examples("leasehold approle destroy deploy tlt7n7aqvighmz6z3ft7gj57vm")
)
@click.argument("role")
@click.argument("accessors", metavar="ACCESSOR...", nargs=-1, required=True)
@method_option
@daemon_option
def destroy(role: str, accessors: tuple[str, ...], method: str, daemon: Daemon) -> None:
    """End secret ids now; tokens that were got by them stand."""
    for accessor in accessors:
        daemon().destroy_secret_id(role, accessor, method=method)
        click.echo(f"{accessor} destroyed")
