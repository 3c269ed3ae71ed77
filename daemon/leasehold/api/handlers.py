"""One method a route: read the fields, call the verb, shape the reply."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from leasehold import __version__
from leasehold.api import replies
from leasehold.api.described import Field, Holds, described
from leasehold.api.fields import Fields
from leasehold.api.renewals import FailedRenewals
from leasehold.api.replies import Reply
from leasehold.errors import (
    Denied,
    EngineError,
    Frozen,
    Invalid,
    LimitReached,
    NotFound,
    RequestError,
)
from leasehold.identity.holder import CONNECTION
from leasehold.inspection import Inspection
from leasehold.issuance import Issuance, IssuedLease
from leasehold.leases.lifecycle import LIVE
from leasehold.model import Caller, LeaseState
from leasehold.secret import Secret, revealed

PAGE = 500
OF_LEASE = "X-Leasehold-Lease"
"""A header that says `unknown` of a lease, or `held`: that it ends with the connection."""
KEYS = 10_000
"""The most leases that one LIST looks at."""
TTL = Field("ttl", Holds.SPAN, "A shorter or longer life than the role's default; it is capped.")
REASON_FIELD = Field(
    "reason", Holds.TEXT, "Why, kept with the lease; also as the header X-Leasehold-Reason."
)
_LEASE_ID = Field("lease_id", Holds.TEXT, "The lease, unless it stands in the path.")
NOTHING = Secret("")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that has a route: who asks, what stands in the path, what in body and query.

    `bearer` is the text that was sent as a token, whatever it is. `wrap_s` is how long the reply is
    to wait to be unwrapped, None when it is not. `reason` is that of a header, for clients that can
    set no field. What is issued to one that is `alone` is shared with no other request.
    """

    caller: Caller
    path: Mapping[str, str]
    fields: Fields
    bearer: Secret = NOTHING
    wrap_s: int | None = None
    reason: str = ""
    alone: bool = False


class Handlers:
    """The handlers of all routes."""

    def __init__(
        self, issuance: Issuance, inspection: Inspection, renewals: FailedRenewals
    ) -> None:
        self.clock = issuance.clock
        self._issuance = issuance
        self._inspection = inspection
        self._renewals = renewals

    @described(TTL, REASON_FIELD, refusals=(Denied, NotFound, Frozen, LimitReached, EngineError))
    async def issue(self, ask: Ask) -> Reply:
        """`<mount>/<operation>/<role>`: a credential and its lease.

        The policy may ask for fields of its own; they are kept with the lease, as the reason is.
        """
        reason = ask.fields.text("reason") or ask.reason
        issued = await self._issuance.issue(
            ask.caller,
            ask.path["mount"],
            ask.path["operation"],
            ask.path["role"],
            ttl_s=ask.fields.span_s("ttl"),
            given=partial(given, ask.fields, reason),
            alone=ask.alone or ask.wrap_s is not None,
        )
        return self.reply_of(ask.caller, issued)

    def reply_of(
        self, caller: Caller, issued: IssuedLease, own: Mapping[str, Any] | None = None
    ) -> Reply:
        """The reply that hands a credential over; `own` is told beside what the role adds."""
        return Reply(
            body={
                "lease_id": issued.lease.id,
                "renewable": issued.renewable,
                "lease_duration": issued.ttl_s,
                "data": {name: revealed(value) for name, value in issued.credential.fields.items()},
                "mount_type": issued.lease.engine_type,
                **replies.handed_out(issued, self.clock, own or {}),
            },
            warnings=issued.warnings,
            headers={OF_LEASE: "held"} if issued.lease.holder.startswith(CONNECTION) else {},
            delivered=(partial(self._issuance.delivered, caller, issued),),
            undelivered=partial(self._issuance.undelivered, caller, issued),
        )

    @described(
        _LEASE_ID,
        Field("increment", Holds.SPAN, "How long from now; else the role's default."),
        refusals=(Denied, NotFound, Frozen, LimitReached, EngineError),
    )
    async def renew(self, ask: Ask) -> Reply:
        """`sys/leases/renew`: a later end for a lease."""
        lease_id = lease_id_of(ask)
        increment_s = ask.fields.span_s("increment")
        try:
            renewed = await self._issuance.renew(ask.caller, lease_id, increment_s)
        except RequestError as error:
            self._renewals.failed(ask.caller.who, lease_id)
            if isinstance(error, NotFound):
                raise Invalid("lease not found") from error
            raise
        self._renewals.succeeded(ask.caller.who, lease_id)
        return Reply(
            body={
                "lease_id": lease_id,
                "renewable": renewed.renewable,
                "lease_duration": renewed.ttl_s,
            },
            warnings=renewed.warnings,
        )

    @described(
        _LEASE_ID,
        Field(
            "sync",
            Holds.FLAG,
            "Whether to wait for the attempt, as by default, or to queue it.",
        ),
        answers=(204, 202),
        refusals=(),
    )
    async def revoke(self, ask: Ask) -> Reply:
        """`sys/leases/revoke`: the end of a lease; 204 when access has ended, 202 when it will.

        What is not the caller's, or never was, gets the status of what has ended, as Vault's
        clients expect; a header tells the ones who want to know.
        """
        wait = ask.fields.flag("sync", default=True)
        try:
            ended = await self._issuance.revoke(ask.caller, lease_id_of(ask), wait=wait)
        except NotFound:
            return Reply(status=204 if wait else 202, headers={OF_LEASE: "unknown"})
        return Reply(status=204 if ended else 202)

    @described(_LEASE_ID, refusals=())
    async def lookup(self, ask: Ask) -> Reply:
        """`sys/leases/lookup`: one lease."""
        try:
            lease = await self._inspection.lookup(ask.caller, lease_id_of(ask))
        except NotFound as error:
            raise Invalid("invalid lease") from error
        if lease.state is LeaseState.REVOKED:
            raise Invalid("invalid lease")
        renewable = self._inspection.renewable(lease)
        return Reply(
            body={"data": replies.lookup(lease, self._inspection.clock, renewable=renewable)}
        )

    @described(refusals=(NotFound,))
    async def list_below(self, ask: Ask) -> Reply:
        """LIST `sys/leases/lookup/<prefix>`: the next parts of the ids of live leases."""
        prefix = ask.path.get("prefix", "").rstrip("/")
        prefix += "/" if prefix else ""
        found = await self._inspection.lease_ids(
            ask.caller, prefix=prefix, states=LIVE, limit=KEYS + 1
        )
        warnings = []
        if len(found) > KEYS:
            warnings.append(f"only the first {KEYS} leases were looked at; list below a prefix")
        keys = {_next_part(lease_id, prefix) for lease_id in found[:KEYS]}
        if not keys:
            raise NotFound("")
        return Reply(body={"data": {"keys": sorted(keys)}}, warnings=warnings)

    async def status(self, ask: Ask) -> Reply:
        """`leasehold/status`: how the daemon fares."""
        found = await self._inspection.status(ask.caller)
        return Reply(body={"data": replies.status(found, __version__)})

    async def engines(self, ask: Ask) -> Reply:
        """`leasehold/engines`: the configured engines."""
        found = await self._inspection.engines(ask.caller)
        return Reply(body={"data": {"engines": [replies.engine(one) for one in found]}})

    @described(
        Field("prefix", Holds.TEXT, "Only ids that begin so."),
        Field("state", Holds.TEXTS, "Only leases in one of these states."),
        Field("after", Holds.TEXT, "The `next` of the page before."),
        Field("limit", Holds.COUNT, f"How many, {PAGE} at most."),
        refusals=(),
    )
    async def leases(self, ask: Ask) -> Reply:
        """`leasehold/leases`: leases in pages; ask for what is `after` the `next` of the last."""
        limit = ask.fields.count("limit", default=PAGE, most=PAGE)
        found = await self._inspection.leases(
            ask.caller,
            prefix=ask.fields.text("prefix"),
            states=_states(ask.fields.texts("state")),
            after=ask.fields.text("after"),
            limit=limit,
        )
        clock = self._inspection.clock
        return Reply(
            body={
                "data": {
                    "leases": [replies.listed(lease, clock) for lease in found],
                    "next": found[-1].id if len(found) == limit else None,
                }
            }
        )


def given(fields: Fields, reason: str, names: Iterable[str]) -> Mapping[str, str]:
    """The fields of these names, and the reason."""
    return {**{name: fields.text(name) for name in names}, "reason": reason}


def lease_id_of(ask: Ask) -> str:
    """The lease that is asked about, by a field or the path. Raises Invalid for none."""
    lease_id = ask.fields.text("lease_id") or ask.path.get("lease_id", "")
    if not lease_id:
        raise Invalid("lease_id must be specified")
    return lease_id


def _next_part(lease_id: str, prefix: str) -> str:
    part, slash, _ = lease_id[len(prefix) :].partition("/")
    return part + slash


def _states(names: tuple[str, ...]) -> list[LeaseState] | None:
    known = {state.value for state in LeaseState}
    for name in names:
        if name not in known:
            raise Invalid(f"state: found '{name[:40]}'; allowed are {', '.join(LeaseState)}")
    return [LeaseState(name) for name in names] or None
