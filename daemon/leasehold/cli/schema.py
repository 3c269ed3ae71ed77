"""`leasehold schema`: the JSON Schema of policies."""

import json
from pathlib import Path

import click

from leasehold.cli.output import examples


@click.command(
    "schema",
    epilog=examples(
        "leasehold schema --out policies/.schema.json",
        "leasehold schema | jq '.\"$defs\" | keys'",
    ),
)
@click.option("--out", type=click.Path(path_type=Path), help="Write it here.")
def schema(out: Path | None) -> None:
    """Print the JSON Schema of policies, for editors.

    With the options of every plugin that is installed here and what they mean. A policy file
    that begins with the line "# yaml-language-server: $schema=.schema.json" is completed and
    checked by editors that speak with yaml-language-server. Needs neither a daemon nor a driver.
    """
    from leasehold.engines.catalog import installed_engine_types
    from leasehold.methods.catalog import installed_method_types
    from leasehold.policy.editor_schema import editor_schema

    made = editor_schema(installed_engine_types(), installed_method_types())
    text = json.dumps(made, indent=2, ensure_ascii=False)
    if out is None:
        click.echo(text)
    else:
        out.write_text(f"{text}\n")
