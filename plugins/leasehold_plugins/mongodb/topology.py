"""What the driver knows of the servers of a deployment."""

from collections.abc import Collection

from pymongo.server_description import ServerDescription

_HAVE_DATA = ("Standalone", "RSPrimary", "RSSecondary", "Mongos")
_NO_DATA = ("RSArbiter", "RSOther")


def with_data(servers: Collection[ServerDescription]) -> list[ServerDescription]:
    """Those that answer and have accounts."""
    return [server for server in servers if server.server_type_name in _HAVE_DATA]


def silent(servers: Collection[ServerDescription]) -> list[str]:
    """The addresses of those that were asked and did not answer."""
    well = (*_HAVE_DATA, *_NO_DATA)
    return sorted(
        f"{server.address[0]}:{server.address[1]}"
        for server in servers
        if server.server_type_name not in well and server.error is not None
    )


def is_sharded(servers: Collection[ServerDescription]) -> bool:
    """Whether the deployment is reached through mongos."""
    return any(server.server_type_name == "Mongos" for server in servers)
