"""`leasehold validate`: all that is wrong with a policy, before a daemon reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from leasehold.cli.exits import BAD_POLICY
from leasehold.cli.output import examples, json_option, print_json, print_table, span

_WORDS = {
    "engines": ("engine", "engines"),
    "roles": ("role", "roles"),
    "identities": ("identity", "identities"),
    "access": ("access rule", "access rules"),
}


@click.command(
    "validate",
    epilog=examples(
        "leasehold validate policies/",
        "leasehold validate policies/ --json | jq '.roles[] | select(.max_ttl > 86400)'",
    ),
)
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def validate(path: Path, as_json: bool) -> None:
    """Check the policy at PATH, a directory or a file, without a daemon.

    Every problem is one line on stderr, `file:line:column: path: what is wrong`, and the exit code
    is 6. Of a valid policy, shows for each role the limits that hold and whether the role said so,
    its mount (lease_limits), or nobody, so that what is built in holds. Neither a target nor its
    driver is needed; without a driver, statements are not looked at.
    """
    # Here, not above: completion and `--help` must not pay for the schema's imports.
    from leasehold.engines.catalog import installed_engine_types
    from leasehold.methods.catalog import installed_method_types
    from leasehold.policy.load import load_bundle
    from leasehold.policy.report import report

    types = installed_engine_types()
    loaded = load_bundle(path, types, installed_method_types())
    found = report(loaded, types)
    if as_json:
        print_json(found)
    else:
        for problem in loaded.problems:
            click.echo(problem.line(), err=True)
        for warning in loaded.warnings:
            click.echo(warning.line("warning"), err=True)
        if found["valid"]:
            _print_summary(found)
    if not found["valid"]:
        raise click.exceptions.Exit(BAD_POLICY)


def _print_summary(found: Mapping[str, Any]) -> None:
    counts = [
        f"{found['counts'][section]} {words[found['counts'][section] != 1]}"
        for section, words in _WORDS.items()
    ]
    click.echo(f"valid: {', '.join(counts)}")
    if found["counts"]["auth"]:
        click.echo(f"login methods: {found['counts']['auth']}")
    if found["counts"]["tests"]:
        click.echo(f"tests: {found['counts']['tests']} passed")
    if found["roles"]:
        print_table(
            ["ROLE", "DEFAULT TTL", "MAX TTL", "MAX LEASES"],
            [
                (
                    role["path"],
                    f"{span(role['default_ttl'])} ({role['default_ttl_from']})",
                    f"{span(role['max_ttl'])} ({role['max_ttl_from']})",
                    f"{role['max_leases'] or 'no limit'} ({role['max_leases_from']})",
                )
                for role in found["roles"]
            ],
        )
