"""`leasehold import`: another system's configuration as a policy."""

import os
from pathlib import Path

import click

from leasehold.cli.exits import BAD_POLICY
from leasehold.cli.output import examples, json_option, print_json, warn
from leasehold.cli.validate import validate

_OUT = click.Path(file_okay=False, path_type=Path)


@click.group(
    "import",
    epilog=examples("leasehold import vault --address https://vault.internal:8200 --out policies"),
)
def import_() -> None:
    """Write the policy that another system's configuration comes to."""


@import_.command(
    "vault",
    epilog=examples(
        "leasehold import vault --address https://vault.internal:8200 --out policies",
        "VAULT_ADDR=unix:///run/vault.sock leasehold import vault --mount database --out policies",
    ),
)
@click.option("--address", help="Address of the server; else VAULT_ADDR or BAO_ADDR.")
@click.option("--out", required=True, type=_OUT, help="Write the policy into this directory.")
@click.option(
    "--mount", "mounts", metavar="PATH", multiple=True, help="Only this database mount; repeatable."
)
@click.option("--force", is_flag=True, help="Overwrite files in a directory that is not empty.")
@json_option
@click.pass_context
def vault(
    ctx: click.Context,
    address: str | None,
    out: Path,
    mounts: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Read a Vault or OpenBao and write what it is set up to do as a policy.

    It only ever reads (GET). Databases become engines and roles, ACL policies and the roles of auth
    methods become access rules and identities, which match nobody until they are filled in. What
    has no equal stands in MIGRATION.md, with what to do about it. At the end the policy is
    validated as `leasehold validate` does.

    The token comes from VAULT_TOKEN or ~/.vault-token, never from an option. VAULT_CACERT,
    VAULT_CLIENT_CERT, VAULT_CLIENT_KEY and VAULT_NAMESPACE hold too, and so does BAO_ before each.
    """
    # Here, since completion and `--help` must not pay for them.
    from leasehold.engines.catalog import installed_engine_types
    from leasehold.importing.bundle import import_bundle
    from leasehold.importing.reader import snapshot_of
    from leasehold.importing.source import find_source
    from leasehold.importing.writing import check_folder, files, write
    from leasehold.methods.catalog import installed_method_types
    from leasehold.policy.load import load_bundle
    from leasehold.policy.report import report

    check_folder(out, force=force)
    source = find_source(address, os.environ, Path.home())
    if source.exposed:
        warn(["the token goes over the network in clear"])
    types = installed_engine_types()
    snapshot = snapshot_of(source, mounts)
    draft = import_bundle(snapshot, types)
    texts = files(draft, snapshot, source.shown)
    write(out, texts)
    if not as_json:
        click.echo(f"{out}: wrote {', '.join(sorted(texts))}")
        click.echo(f"{len(draft.notes.found)} notes stand in MIGRATION.md")
        ctx.invoke(validate, path=out, as_json=False)
        return
    found = report(load_bundle(out, types, installed_method_types()), types)
    notes = [{"about": note.about, "text": note.text} for note in draft.notes.found]
    print_json({"out": str(out), "files": sorted(texts), "notes": notes, "validation": found})
    if not found["valid"]:
        raise click.exceptions.Exit(BAD_POLICY)
