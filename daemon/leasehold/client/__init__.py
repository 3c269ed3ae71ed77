"""A client of the daemon over its Unix socket: standard library only, quick to import, blocking.

    client = Client(Path("/run/leasehold/leasehold.sock"))
    credential = client.read("database/creds/app-readonly", ttl="15m")
    connect(password=credential.fields["password"].reveal())

Each call is one request on a connection of its own, so a client may be shared by threads. Errors
are those of `leasehold.errors`, and `Unreachable` when there is no daemon to ask.
"""

from leasehold.client.client import Client, IssuedCredential, RenewedLease
from leasehold.client.connection import DEFAULT_SOCKET, Unreachable

__all__ = ["DEFAULT_SOCKET", "Client", "IssuedCredential", "RenewedLease", "Unreachable"]
