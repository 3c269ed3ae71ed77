"""The route that shows what the audit has on a lease or a request."""

import re
from collections.abc import Mapping
from typing import Any

from leasehold.access import PATH_CHARS, Access
from leasehold.api.audit_reader import AuditReader, check_request_id
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.errors import Invalid, NotFound
from leasehold.events.audit_search import Found

PLACE, OPERATE = "leasehold/audit", "operate"
_LEASE_ID = re.compile(r"[a-z0-9_-]+(?:/[a-z0-9_-]+){3}")


class AuditHandlers:
    """Operators see every line, others those of the life of their own leases."""

    def __init__(self, access: Access, audit: AuditReader) -> None:
        self._access = access
        self._audit = audit

    @described(
        Field("lease", Holds.TEXT, "The id of a lease; this, or request."),
        Field("request", Holds.TEXT, "The request_id of a reply."),
        refusals=(NotFound,),
    )
    async def lines(self, ask: Ask) -> Reply:
        """`leasehold/audit`: the lines on a lease or a request, the oldest first."""
        lease, request = _asked(ask)
        operates = self._access.decide(ask.caller, PLACE, OPERATE).allowed
        mine = {identity.name for identity in self._access.identities(ask.caller)}
        found = Found((), whole=True)
        if operates or mine:
            found = await self._audit.find_on(lease, request)
        lines = [dict(line) for line in found.lines if operates or line.get("identity") in mine]
        if not lines:
            older = self._audit.or_older(found)
            raise NotFound(f"the audit has nothing of yours on {lease or request}{older}")
        told: Mapping[str, Any] = {
            "lease": lease or None,
            "request": request or None,
            "lines": lines,
            "left_out": found.left_out,
            "whole": found.whole,
        }
        return Reply(body={"data": told})


def _asked(ask: Ask) -> tuple[str, str]:
    lease, request = ask.fields.text("lease"), ask.fields.text("request")
    if not lease and not request:
        raise Invalid("lease or request must be specified: the id of a lease, or of a request")
    if lease and (len(lease) > PATH_CHARS or not _LEASE_ID.fullmatch(lease)):
        raise Invalid(
            f"lease: found '{lease[:60]}'; allowed is the id of a lease, such as"
            " database/creds/reader/4okd2vox5yx7wkygem4bpx6thq"
        )
    if request:
        check_request_id(request, "request: ")
    return lease, request
