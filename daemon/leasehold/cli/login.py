"""`leasehold login`: a token for whoever the connection proves, or what standard input says."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, span
from leasehold.cli.secret_input import read_secret
from leasehold.cli.token_file import keep
from leasehold.cli.token_output import print_issued
from leasehold.client import Client
from leasehold.secret import Secret

BY_CONNECTION = ("unix", "cert")
MOST_CHARS = 65_536


@click.command(
    "login",
    epilog=examples(
        "leasehold login",
        "leasehold login --no-store --ttl 15m",
        "leasehold login --method github --role deploy < token.jwt",
        "leasehold login --method github --proof-file /run/secrets/token.jwt",
        "leasehold login --method approle --role ROLE-ID --wrapped < wrapping-token",
        "VAULT_TOKEN=$(leasehold login --no-store) vault read database/creds/app-readonly",
    ),
)
@click.option(
    "--method",
    metavar="NAME",
    default="unix",
    show_default=True,
    help="What proves who you are: unix, the kernel; cert, your certificate; or one of the policy.",
)
@click.option("--role", metavar="NAME", help="Whom to log in as, as the method wants it.")
@click.option(
    "--proof-file",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Read the proof here instead of from standard input.",
)
@click.option("--wrapped", is_flag=True, help="The proof is a token that unwraps a secret id.")
@click.option("--ttl", metavar="SPAN", help="Ask for a shorter life, such as 15m.")
@click.option("--no-store", is_flag=True, help="Print the token and do not keep it.")
@json_option
@daemon_option
def login(
    method: str,
    role: str | None,
    proof_file: Path | None,
    wrapped: bool,
    ttl: str | None,
    no_store: bool,
    as_json: bool,
    daemon: Daemon,
) -> None:
    """Get a token for where no kernel says who asks, as over TLS.

    A method of the policy reads its proof from standard input: a token, a secret id, or a JSON
    object with all the fields that it wants. It never stands on the command line, where others
    could read it.

    The token is kept in ~/.leasehold-token, for you alone to read, unless it is printed.
    """
    client = daemon()
    proof: Mapping[str, object] = {} if role is None else {"role": role}
    if method not in BY_CONNECTION:
        secret = read_secret("proof", MOST_CHARS, proof_file)
        secret = client.unwrapped_secret_id(secret) if wrapped else secret
        proof = _proof(client, method, role, secret)
    issued = client.login(method, ttl, proof)
    if no_store or as_json:
        print_issued(issued, as_json=as_json)
        return
    try:
        file = keep(issued.text)
    except OSError:
        daemon(issued.text).revoke_token()  # since nobody has it
        raise
    names = ", ".join(issued.identities)
    click.echo(f"logged in as {names} for {span(issued.ttl_s)}; the token is in {file}")


def _proof(client: Client, method: str, role: str | None, proof: Secret) -> dict[str, object]:
    """The fields of the request, called as the type of the method calls them."""
    about = client.login_methods().get(f"{method}/")
    if about is None:
        raise click.UsageError(f"--method: the policy has no login method {method}")
    fields = about["options"] or {}
    named = {} if role is None else {fields.get("role", "role"): role}
    if not (text := proof.reveal()):
        raise click.UsageError("the proof is empty; give it on standard input or --proof-file")
    if text.startswith("{"):
        try:
            return {**json.loads(text), **named}
        except ValueError:
            raise click.UsageError("the proof begins as JSON and is none") from None
    if "secret" not in fields:
        raise click.UsageError(f"--method: {method} wants its proof as a JSON object of fields")
    return {fields["secret"]: text, **named}
