"""What every test may use: the private servers and the fakes."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "servers.postgres",
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
