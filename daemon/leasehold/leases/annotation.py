"""What a target is told of an account: whose it is and why, for those who find it there. Pure.

Texts of callers and policies end up in the target's own tables and tools, so of each only common
characters are kept, and no more than fits a line; a text cannot pass for two. An engine still
quotes what it writes.
"""

import re
from collections.abc import Mapping

from leasehold.model import Lease

COMMENT_CHARS = 512
_TEXT_CHARS = 128
_UNCOMMON = re.compile(r"[^\w .,:/@#+()=-]")


def annotations(lease: Lease) -> dict[str, str]:
    """By names: lease, identity, owner and tenant, and what the lease was asked for with."""
    own = {
        "lease": lease.id,
        "identity": lease.identity,
        "owner": lease.owner,
        "tenant": lease.tenant,
    }
    told = {**lease.labels, **own}
    return {name: _UNCOMMON.sub("_", text)[:_TEXT_CHARS] for name, text in told.items()}


def comment(told: Mapping[str, str], lease_id: str) -> str:
    """The same in one line, the lease first; without anything, the lease alone."""
    words = [f"{name} {text}" for name, text in told.items() if name not in ("lease", "identity")]
    whose = f" for {told['identity']}" if told else ""
    return "; ".join([f"leasehold {lease_id}{whose}", *sorted(words)])[:COMMENT_CHARS]
