"""The route that leads from an account, as the log of a target has it, to its lease."""

from leasehold.access import PATH_CHARS, Access
from leasehold.api.described import described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply, listed
from leasehold.clock import Clock
from leasehold.errors import Denied, NotFound, Unavailable
from leasehold.leases.names import AccountNames, Mark
from leasehold.leases.store import LeaseStore

PLACE, OPERATE = "leasehold/whois", "operate"


class WhoisHandlers:
    """For operators: it tells of the leases of all."""

    def __init__(
        self, access: Access, store: LeaseStore, names: AccountNames, clock: Clock
    ) -> None:
        self._access = access
        self._store = store
        self._names = names
        self._clock = clock

    @described(refusals=(Denied, NotFound))
    async def whois(self, ask: Ask) -> Reply:
        """`leasehold/whois/<account>`: whose an account is, or was, and why it was made."""
        await self._access.require(ask.caller, PLACE, OPERATE)
        account = ask.path["account"]
        read = self._names.read(account)
        if read is None:
            raise NotFound(f"{_shown(account)} is not the name of an account of leasehold")
        mark, middle = read
        if mark is Mark.FOREIGN:
            raise NotFound(f"{_shown(account)} is an account of another deployment of leasehold")
        if mark is Mark.FORGED:
            raise NotFound(f"{_shown(account)} looks like an account of ours, and is none")
        found = await self._store.by_middle([middle])
        if middle not in found:
            raise NotFound(f"{_shown(account)} is an account of ours, and its lease is not kept")
        lease = found[middle]
        if lease is None:
            raise Unavailable(f"the lease of {_shown(account)} was damaged; see the log")
        return Reply(body={"data": listed(lease, self._clock)})


def _shown(account: str) -> str:
    return account[:PATH_CHARS]
