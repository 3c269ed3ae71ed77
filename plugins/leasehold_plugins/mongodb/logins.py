"""Whether a credential opens MongoDB now.

The driver takes a certificate and its key as a file only, so it gets one that is on no disk.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from leasehold.plugin import EngineTemporary, Secret, revealed
from leasehold_plugins.mongodb.deployment import CONNECT_S, client_for
from leasehold_plugins.mongodb.errors import AUTHENTICATION_FAILED, translate
from leasehold_plugins.mongodb.recipes import ADMIN, EXTERNAL


async def opens(known: Mapping[str, Any], credential: Mapping[str, str | Secret]) -> bool:
    """Try to log in with `credential`. Raises EngineError when that cannot be told."""
    with _options(credential) as own:
        # The driver reads the file while the client is made.
        client = client_for({**known, **own})
    try:
        with pymongo.timeout(CONNECT_S):
            await client[ADMIN].command("ping")
    except OperationFailure as error:
        if error.code == AUTHENTICATION_FAILED:
            return False
        raise translate(error, "ping", sent=False) from error
    except PyMongoError as error:
        raise EngineTemporary("MongoDB cannot be reached") from error
    finally:
        await client.close()
    return True


@contextmanager
def _options(credential: Mapping[str, str | Secret]) -> Iterator[dict[str, Any]]:
    if "private_key" not in credential:
        source = str(credential.get("auth_source", ADMIN))
        user, password = str(credential["username"]), revealed(credential["password"])
        yield {
            "username": user,
            "password": password,
            "authSource": source,
            "authMechanism": "SCRAM-SHA-256",
        }
        return
    file = os.memfd_create("leasehold")
    try:
        os.write(file, f"{credential['certificate']}{revealed(credential['private_key'])}".encode())
        yield {
            "tls": True,
            "tlsCertificateKeyFile": f"/proc/self/fd/{file}",
            "authMechanism": "MONGODB-X509",
            "authSource": EXTERNAL,
        }
    finally:
        os.close(file)
