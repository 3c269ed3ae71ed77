"""The route that tells a caller what the daemon sees of it, and who that makes it."""

from typing import Any

from leasehold.access import Access
from leasehold.api.access import OPERATE, PLACE
from leasehold.api.described import described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.identity.attestation import Attestation
from leasehold.model import Caller


class CallerHandlers:
    """Answers about whoever asks, and about nobody else."""

    def __init__(self, access: Access, attestation: Attestation) -> None:
        self._access = access
        self._attestation = attestation

    @described(refusals=())
    async def whoami(self, ask: Ask) -> Reply:
        """`leasehold/whoami`: all that is known of the caller, and the identities it is.

        Of identities that it nearly is, the facts that it lacks; operators are told of all others.
        """
        caller = await self._attestation.in_full(ask.caller)
        everything = self._access.decide(ask.caller, PLACE, OPERATE).allowed
        identities = self._access.identities(caller)
        lacking = self._access.lacking(caller, everything=everything)
        told = {
            **_told(caller),
            "identities": [
                {"name": each.name, "owner": each.owner, "tenant": each.tenant}
                for each in identities
            ],
            "not": [{"name": name, "lacks": list(facts)} for name, facts in lacking],
        }
        return Reply(body={"data": told})


def _told(caller: Caller) -> dict[str, Any]:
    if caller.login is not None:
        return {
            "who": caller.who,
            "token": caller.token,
            "login": caller.login.kind,
            "facts": [list(fact) for fact in caller.login.facts],
            "address": caller.login.address,
        }
    if caller.tls is not None:
        peer = caller.tls
        return {
            "who": caller.who,
            "token": caller.token,
            "names": list(peer.names),
            "issuers": list(peer.issuers),
            "serial": peer.serial,
            "address": peer.address,
        }
    return {
        "who": caller.who,
        "token": caller.token,
        "uid": caller.uid,
        "gid": caller.gid,
        "groups": sorted(caller.groups),
        "pid": caller.pid,
        "process": dict(caller.process.facts),
        "unknown": dict(caller.process.untold),
        "namespaces": dict(caller.process.namespaces),
    }
