"""The rights that the administrator needs, and what gives them."""

import json
from collections.abc import Iterable, Mapping

MONITOR = "monitor"
USERS = ("manage_security",)
KEYS = ("manage_api_key", "read_security")
"""`manage_own_api_key` would not do: it shows no key that another administrator made, which would
then look as if it were gone."""
API_ACCESS = (
    "add a role of the administrator's to plugins.security.restapi.roles_enabled in opensearch.yml"
)
REMEDIES: Mapping[str, str] = {
    "elasticsearch": "`leasehold engines` tells which right is missing",
    "opensearch": f"it needs cluster:monitor/main, and: {API_ACCESS}",
}


def put_role(privileges: Iterable[str]) -> str:
    """The request that gives these cluster privileges to a role `leasehold`."""
    return (
        f"PUT /_security/role/leasehold {json.dumps({'cluster': sorted({MONITOR, *privileges})})}"
    )
