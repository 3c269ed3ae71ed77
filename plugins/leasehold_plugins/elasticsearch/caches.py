"""Whether every node let go of what it remembered of a credential.

The nodes of Elasticsearch remember who logged in (users for 20 minutes, keys for 5) and are told
when that changes, by best effort. So they are told again, and asked how many heard it.
"""

from leasehold.plugin import EngineTemporary
from leasehold_plugins.elasticsearch.cluster import Session
from leasehold_plugins.elasticsearch.wire import Reply


def cleared(session: Session, reply: Reply) -> None:
    """Raise EngineError unless the reply to a `_clear_cache` says that all nodes did it."""
    if reply.status != 200:
        raise session.refused(reply)
    nodes = reply.data["_nodes"]
    if nodes["failed"]:
        raise EngineTemporary(
            f"{nodes['failed']} of {nodes['total']} nodes did not clear their caches, and may let"
            " the credential in until these run out"
        )
