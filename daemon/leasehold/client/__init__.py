"""A client of the daemon: standard library only, quick to import, blocking.

    client = Client()  # where LEASEHOLD_ADDR or LEASEHOLD_SOCKET says, else the default socket
    credential = client.read("database/creds/app-readonly", ttl="15m")
    connect(password=credential.fields["password"].reveal())

Each call is one request on a connection of its own, so a client may be shared by threads. Errors
are those of `leasehold.errors`, and `Unreachable` when there is no daemon to ask. The same for
asyncio is in `leasehold.client.aio`; pools of database connections are in `leasehold.client.pool`.
"""

from leasehold.client.client import Client
from leasehold.client.endpoint import DEFAULT_SOCKET, Https, UnixSocket
from leasehold.client.replies import IssuedCredential, RenewedLease, Unreachable
from leasehold.client.tokens import IssuedToken

__all__ = [
    "DEFAULT_SOCKET",
    "Client",
    "Https",
    "IssuedCredential",
    "IssuedToken",
    "RenewedLease",
    "UnixSocket",
    "Unreachable",
]
