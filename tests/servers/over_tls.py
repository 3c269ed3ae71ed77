"""A daemon that listens on TLS, and the environment of a caller whom it knows by a certificate."""

from cryptography import x509

from servers.certificates import Authority
from servers.daemon import Daemon
from servers.postgres import free_port

IDENTITY = """\
identities:
  remote: {owner: the-tests, tenant: tests, match: [{tls: {san: "dns:caller.internal"}}]}
"""
RULE = """\
  - identities: [remote]
    paths: [database/creds/*]
    verbs: [issue, renew, revoke]
"""


def listen(daemon: Daemon, policy: str) -> dict[str, str]:
    """Have `daemon` listen with `policy` when it starts: what a caller needs to find it."""
    authority, port = Authority(daemon.folder), free_port()
    server, caller = authority.server(), authority.client("caller", x509.DNSName("caller.internal"))
    daemon.flags = (
        *("--tls-listen", f"127.0.0.1:{port}"),
        *("--tls-certificate-file", str(server.certificate_file)),
        *("--tls-key-file", str(server.key_file)),
        *("--tls-client-ca-file", str(authority.file)),
    )
    daemon.write_policy(policy.replace("identities:\n", IDENTITY) + RULE)
    return {
        "VAULT_ADDR": f"https://localhost:{port}",
        "VAULT_CACERT": str(authority.file),
        "VAULT_CLIENT_CERT": str(caller.certificate_file),
        "VAULT_CLIENT_KEY": str(caller.key_file),
    }
