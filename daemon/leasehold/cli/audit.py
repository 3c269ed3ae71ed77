"""`leasehold audit`: whether the audit is whole, and what it has on a lease."""

import click

from leasehold.cli.audit_show import show
from leasehold.cli.audit_verify import verify
from leasehold.cli.output import examples


@click.group(
    "audit",
    commands=[verify, show],
    epilog=examples(
        "leasehold audit verify",
        "leasehold audit show --lease database/creds/app-readonly/4okd2vox5yx7wkygem4bpx6thq",
    ),
)
def audit() -> None:
    """Verify the audit, and tell what it has on a lease or a request."""
