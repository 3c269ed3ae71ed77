"""`leasehold serve`: the daemon in the foreground."""

import os

import click

from leasehold.cli.output import examples


@click.command(
    "serve",
    epilog=examples(
        "leasehold serve --policies policies/ --state-dir /var/lib/leasehold --mqtt mqtt://localhost"
    ),
)
@click.option("--policies", metavar="DIR|URL", help="The policy to serve; see docs/git.md for git.")
@click.option("--state-dir", metavar="DIR", help="Where the store, the audit and the key stand.")
@click.option("--socket", metavar="PATH", help="Where callers connect.")
@click.option("--socket-mode", metavar="MODE", help="Mode of the socket, octal: 0660.")
@click.option("--socket-group", metavar="GROUP", help="Group of the socket.")
@click.option("--tls-listen", metavar="ADDRESS:PORT", help="Serve TLS too; see docs/tls.md.")
@click.option("--tls-certificate-file", metavar="FILE", help="Certificate of the TLS listener.")
@click.option("--tls-key-file", metavar="FILE", help="Private key of that certificate.")
@click.option("--tls-client-ca-file", metavar="FILE", help="Authorities of client certificates.")
@click.option("--tls-client-certificates", metavar="WHETHER", help="required, or optional.")
@click.option("--deployment", metavar="NAME", help="This deployment's name in events.")
@click.option("--apply", metavar="MODE", help="Apply a changed policy: auto, or manual.")
@click.option("--mqtt", metavar="URL", help="Broker for events: mqtt://host:1883.")
@click.option("--mqtt-password-file", metavar="FILE", help="Password for the broker.")
@click.option("--key-file", metavar="FILE", help="The key of the store.")
@click.option("--allowed-signers", metavar="FILE", help="ssh keys that must sign commits.")
@click.option("--gpg-home", metavar="DIR", help="GnuPG keys that must sign commits.")
@click.option("--git-token", metavar="REF", help="Token for git+https: file:/path, env:NAME, …")
@click.option("--git-ssh-key-file", metavar="FILE", help="Private key for git+ssh.")
@click.option("--git-known-hosts-file", metavar="FILE", help="Keys of the hosts of git+ssh.")
@click.option("--git-ca-file", metavar="FILE", help="Authorities that git+https trusts.")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
@click.option("--json", "log_format", flag_value="json", help="Log JSON, one object a line.")
@click.option("--allow-user-namespace", is_flag=True, default=None, help="See operations.md.")
@click.option("--quarantine", is_flag=True, default=None, help="An older store was put back.")
@click.option("--audit-file-mb", metavar="MB", help="Size at which a new audit file is begun.")
@click.option("--audit-file-days", metavar="DAYS", help="Age at which one is begun.")
@click.option("--audit-keep-days", metavar="DAYS", help="How long full audit files are kept.")
@click.option("--audit-syslog", metavar="PLACE", help="Audit to syslog too: /dev/log, host:port.")
@click.option("--audit-journald", metavar="PATH", help="Audit to this socket of the journal too.")
@click.option("--drift-every-s", metavar="SECONDS", help="Time between looks for drift.")
@click.option("--drain-s", metavar="SECONDS", help="Time for running requests at the end.")
@click.option("--config", metavar="FILE", help="YAML file with these settings.")
def serve(**flags: object) -> None:
    """Run the daemon in the foreground until SIGTERM or SIGINT.

    Every option may come from --config or from the environment too (LEASEHOLD_STATE_DIR, …); a
    flag beats the environment, the environment beats the file. Exit code 6 when the policy is
    invalid.
    """
    # Here, not above: `leasehold --help` and completion must not pay for the daemon's imports.
    from leasehold.cli.logs import configure
    from leasehold.daemon import run
    from leasehold.settings import load_settings

    settings = load_settings(flags, os.environ)
    configure(settings.log_level, settings.log_format)
    raise click.exceptions.Exit(run(settings))
