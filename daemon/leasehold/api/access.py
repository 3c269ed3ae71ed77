"""The routes that answer questions about access: may I, who may, and why was it so."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from leasehold.access import PATH_CHARS, Access
from leasehold.api.audit_reader import AuditReader, check_request_id
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.conditions import Circumstances
from leasehold.errors import Invalid, NotFound
from leasehold.events.audit_line import Line
from leasehold.events.audit_search import Found
from leasehold.model import Caller, EventType
from leasehold.policy.conditions import instant
from leasehold.policy.decide import VERBS
from leasehold.policy.facts import parse
from leasehold.policy.questions import Operations, can, can_json, who_can, who_json
from leasehold.policy.users import caller_with

PLACE, OPERATE = "leasehold/access", "operate"
_ASKED = (
    Field("path", Holds.TEXT, "Such as database/creds/app-readonly.", must=True),
    Field("verb", Holds.TEXT, f"One of {', '.join(VERBS)}; {VERBS[0]} by default."),
    Field("at", Holds.TEXT, "When, such as 2026-01-05T09:00+01:00; now by default."),
)
_DECISION = ("path", "verb", "rule", "digest")


class AccessHandlers:
    """Any caller may ask about itself and its own requests; the rest is for operators.

    `operations` has the path words by engine type.
    """

    def __init__(self, access: Access, operations: Operations, audit: AuditReader) -> None:
        self._access = access
        self._operations = operations
        self._audit = audit

    @described(
        *_ASKED,
        Field("as", Holds.TEXT, "Facts about somebody else: `unix:user=billing`."),
        Field("reason", Holds.TEXT, "The reason that the request would give."),
        Field("fields", Holds.MAP, "The other fields that the request would have."),
    )
    async def can_i(self, ask: Ask) -> Reply:
        """`leasehold/can-i`: whether the caller, or somebody `as` whom it asks, may do it."""
        path, verb = _asked(ask)
        who, caller = ask.fields.text("as"), ask.caller
        if who:
            await self._access.require(ask.caller, PLACE, OPERATE)
            caller = await asyncio.to_thread(caller_with, parse(who))
        generation, identities = self._access.generation(), self._access.identities(caller)
        fields = {"reason": ask.fields.text("reason"), **ask.fields.texts_by_name("fields")}
        at = self._at(ask, fields)
        answer = can(generation.bundle, self._operations, identities, path, verb, at)
        if not answer.allowed:
            answer = replace(answer, near=(*self._access.near(caller), *answer.near))
        told = can_json(answer, near=self._operates(ask.caller))
        return Reply(body={"data": {**told, **self._served()}})

    @described(*_ASKED)
    async def who_can(self, ask: Ask) -> Reply:
        """`leasehold/who-can`: every identity that may."""
        path, verb = _asked(ask)
        await self._access.require(ask.caller, PLACE, OPERATE)
        bundle, at = self._access.generation().bundle, self._at(ask, None)
        answers = who_can(bundle, self._operations, path, verb, at)
        return Reply(body={"data": {**who_json(answers, path, verb), **self._served()}})

    @described(refusals=(NotFound,))
    async def explain(self, ask: Ask) -> Reply:
        """`leasehold/explain/<request_id>`: what was decided on a request, and why."""
        request_id = ask.path["request_id"]
        check_request_id(request_id)
        operates = self._operates(ask.caller)
        found = Found((), whole=True)
        if operates or not ask.caller.is_nobody:
            found = await self._audit.find_on("", request_id)
        lines = [line for line in found.lines if operates or _is_of(line, ask.caller)]
        if not lines:
            raise NotFound(
                f"nothing is known of request {request_id}: nothing was decided on it, or it was"
                f" not yours{self._audit.or_older(found)}"
            )
        return Reply(body={"data": explanation(request_id, lines, notes=operates)})

    def _at(self, ask: Ask, fields: Mapping[str, str] | None) -> Circumstances:
        """Those that are asked about: of now, unless it says when."""
        text = ask.fields.text("at")
        if not text:
            return self._access.circumstances(fields)
        try:
            return Circumstances(instant(text), fields)
        except Invalid as wrong:
            raise Invalid(f"at: {wrong}") from wrong

    def _operates(self, caller: Caller) -> bool:
        return self._access.decide(caller, PLACE, OPERATE).allowed

    def _served(self) -> Mapping[str, Any]:
        generation = self._access.generation()
        return {"generation": generation.number, "digest": generation.bundle.digest}


def explanation(request_id: str, lines: Sequence[Line], *, notes: bool) -> dict[str, Any]:
    """What the lines on one request tell, the oldest first; `notes` are for operators only."""
    first = lines[0]
    decided = next((line for line in lines if "verb" in line["detail"]), None)
    return {
        "request_id": request_id,
        "time": first["time"],
        "caller": first["caller"],
        "decision": None if decided is None else _decision(decided, notes=notes),
        "events": [_event(line) for line in lines],
    }


def _decision(line: Line, *, notes: bool) -> dict[str, Any]:
    detail: Mapping[str, str] = line["detail"]
    return {
        "allowed": line["event"] != EventType.DENIED,
        **{name: detail.get(name, "") for name in _DECISION},
        "identities": list(filter(None, detail.get("identities", "").split(","))),
        "generation": int(detail["generation"]),
        "note": detail.get("note", "") if notes else "",
    }


def _event(line: Line) -> dict[str, Any]:
    return {
        "time": line["time"],
        "event": line["event"],
        "lease": line.get("lease"),
        "account": line.get("account"),
        "why": line["detail"].get("why", ""),
    }


def _is_of(line: Line, caller: Caller) -> bool:
    """Whether the same caller made the request; nobody is the same as nobody else."""
    told = line["caller"]
    who = told["who"] if "who" in told else f"unix:uid={told['uid']}"
    return bool(who == caller.who and not caller.is_nobody)


def _asked(ask: Ask) -> tuple[str, str]:
    path, verb = ask.fields.text("path").strip("/"), ask.fields.text("verb") or VERBS[0]
    if not path:
        raise Invalid("path must be specified, such as database/creds/reader")
    if len(path) > PATH_CHARS:
        raise Invalid(f"path: has {len(path)} characters; allowed are {PATH_CHARS}")
    if verb not in VERBS:
        raise Invalid(f"verb: found '{verb[:40]}'; allowed are {', '.join(VERBS)}")
    return path, verb
