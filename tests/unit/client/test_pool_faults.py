"""A pool whose adapter fails as nobody foresaw: it goes on, and gives its leases back."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from leasehold.client.pool import DynamicPool
from leasehold.client.replies import IssuedCredential
from leasehold.secret import Secret
from servers.daemon import eventually


class Daemon:
    """As much of a client as a pool needs; its leases last a second and are not renewed."""

    def __init__(self) -> None:
        self.ids = itertools.count()
        self.live: set[str] = set()

    def read(self, path: str, ttl: object, *, fields: object) -> IssuedCredential:
        lease_id = f"{path}/{next(self.ids)}"
        self.live.add(lease_id)
        return IssuedCredential(lease_id=lease_id, ttl_s=1, renewable=False, fields={})

    def revoke(self, lease_id: str) -> None:
        self.live.discard(lease_id)


class Adapter:
    """Opens one pool, then fails once, and never closes any without an error."""

    broken = (OSError,)

    def __init__(self) -> None:
        self.opened = 0

    def open(self, fields: Mapping[str, Secret]) -> int:
        self.opened += 1
        if self.opened == 2:
            raise RuntimeError("the driver's own text: hunter2")
        return self.opened

    @contextlib.contextmanager
    def checkout(self, pool: int) -> Iterator[int]:
        yield pool

    def close(self, pool: int) -> None:
        raise RuntimeError("cannot be closed")


def test_a_pool_outlives_its_adapters_faults_and_revokes_all_its_leases(caplog: Any) -> None:
    daemon, adapter = Daemon(), Adapter()
    with DynamicPool(daemon, "a/creds/b", adapter, wait_s=10) as pool:  # type: ignore[arg-type]

        def later() -> bool:
            with pool.connection() as connection:
                return connection >= 3

        eventually(later, what="a connection of a pool after the one that failed")
    assert daemon.live == set()
    assert "the adapter failed (RuntimeError)" in caplog.text
    assert "hunter2" not in caplog.text
