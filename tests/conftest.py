"""What every test may use: the private servers and the fakes."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from servers.daemon import Daemon
from servers.nursery import Nursery

pytest_plugins = [
    "servers.postgres",
    "servers.pgbouncer",
    "servers.mosquitto",
    "servers.git",
    "servers.mssql",
    "servers.mysql",
    "servers.oracle",
    "servers.redis",
    "servers.redis_engines",
    "servers.redis_standing",
    "servers.elasticsearch",
    "servers.mongodb",
    "servers.mongodb_engine",
]

# How fast a busy machine is does not belong to any property.
settings.register_profile("leasehold", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("leasehold")


@pytest.fixture(scope="session", autouse=True)
def nursery() -> Iterator[None]:
    """Daemons are forked from a process that has imported leasehold."""
    Daemon.nursery = Nursery()
    yield
    Daemon.nursery.close()
    Daemon.nursery = None
