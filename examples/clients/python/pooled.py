"""An application with a pool of database connections that never runs out of credential.

    python pooled.py [seconds]    a query every half second, for that long or until Ctrl-C

The daemon is found by LEASEHOLD_SOCKET or LEASEHOLD_ADDR, the database by PGHOST, PGPORT and
PGDATABASE, the role by LEASEHOLD_PATH. Run it for a while, restart the daemon, revoke its lease:
no query is lost but the one that a revocation hits.
"""

import logging
import os
import sys
import time

import psycopg

from leasehold.client import Client
from leasehold.client.adapters.psycopg import PsycopgPool
from leasehold.client.pool import DynamicPool

PATH = os.environ.get("LEASEHOLD_PATH", "database/creds/app-readonly")


def main(seconds: float) -> None:
    """Query until the time is up, and say who asked whenever that changes."""
    until, user = time.monotonic() + seconds, None
    with DynamicPool(Client(), PATH, PsycopgPool("", min_size=1, max_size=4)) as pool:
        while time.monotonic() < until:
            try:
                with pool.connection() as connection:
                    [now] = connection.execute("SELECT current_user").fetchone()
            except psycopg.OperationalError as error:
                print(f"a query failed: {error}", flush=True)
            else:
                if now != user:
                    print(f"connected as {now}", flush=True)
                user = now
            time.sleep(0.5)


if __name__ == "__main__":
    logging.basicConfig(format="%(name)s: %(message)s")
    try:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else float("inf"))
    except KeyboardInterrupt:
        print("the lease is revoked")
