"""The audit as routes read it: one at a time, and off the loop."""

import asyncio
import re

from leasehold.errors import Invalid, Unavailable
from leasehold.events.audit_search import AuditSearch, Found

_REQUEST_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class AuditReader:
    """One for all routes, since each search reads a good deal of the disk."""

    def __init__(self, search: AuditSearch) -> None:
        self._search = search
        self._one = asyncio.Lock()

    async def find_on(self, lease_id: str, request_id: str) -> Found:
        """See `AuditSearch.find_on`. Raises Unavailable."""
        async with self._one:
            try:
                return await asyncio.to_thread(self._search.find_on, lease_id, request_id)
            except OSError as error:
                raise Unavailable(f"the audit cannot be read ({error.strerror})") from error

    def or_older(self, found: Found) -> str:
        """See `AuditSearch.or_older`."""
        return self._search.or_older(found)


def check_request_id(text: str, where: str = "") -> None:
    """Raise Invalid for what is no id of a request; `where` says in what it was found."""
    if not _REQUEST_ID.fullmatch(text):
        raise Invalid(
            f"{where}found '{text[:60]}'; allowed is the request_id of a reply, such as"
            " 642f97c8-d580-4dd8-b494-78c1bcbd03e7"
        )
