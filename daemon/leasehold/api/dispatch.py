"""From a request to its reply: attested caller, route, handler, error; and the reply's delivery."""

import asyncio
import json
import logging
import select
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import monotonic

from aiohttp import web

from leasehold.api import problems
from leasehold.api.body import read_values
from leasehold.api.described import description_of
from leasehold.api.fields import TRUE, Fields
from leasehold.api.handlers import Ask
from leasehold.api.holds import drained
from leasehold.api.problems import Problem
from leasehold.api.replies import Reply, envelope
from leasehold.api.routes import PREFIX, Route
from leasehold.api.token_parts import TokenParts
from leasehold.api.wrapping import WRAP_TTL
from leasehold.errors import Invalid, LeaseholdError, Unavailable, Unsupported
from leasehold.events.metrics import Metrics
from leasehold.failpoints import reach
from leasehold.model import Caller
from leasehold.secret import Secret

logger = logging.getLogger(__name__)

HANDLER_S = 60.0
"""The longest that any request may take; an engine's own deadlines are far shorter."""
DELIVERY_S = 5.0
_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "Server": "leasehold"}
"""hvac reads errors only where Content-Type is exactly this, without a charset."""
ROUTE: web.RequestKey[tuple[str, str]] = web.RequestKey("route", tuple)
"""Under which a request bears its method and the path of its route."""
STATUS: web.RequestKey[int] = web.RequestKey("status", int)
"""Under which it bears the status that counts, where a caller may have asked for another."""
REQUEST_ID = "X-Request-Id"
"""Made here for every request and never taken over, since it is the key to what was decided."""
REASON = "X-Leasehold-Reason"
"""The reason, from clients that can set a header and no field."""
_REFUSED = ("Content-Encoding", "Upgrade", "Expect", "Trailer")


class Dispatcher:
    """Serves one request after the other; no exception of a handler gets past it.

    Without `parts` nobody has a token and nothing is wrapped. Nothing is begun and nothing is
    answered before `caught_up` returns, which it does at once but after a pause.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        metrics: Metrics,
        parts: TokenParts | None,
        caught_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._routes = routes
        self._metrics = metrics
        self._parts = parts
        self._caught_up = caught_up

    async def serve(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        """Answer `request`, made by `caller`. The response has been sent when this returns."""
        began = monotonic()
        response = await self._serve(request, caller)
        method, route = request.get(ROUTE, ("other", "none"))
        status = request.get(STATUS, response.status)
        self._metrics.served(method, route, status, monotonic() - began)
        return response

    async def _serve(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        request_id = str(uuid.uuid4())
        try:
            async with asyncio.timeout(HANDLER_S):
                await self._catch_up()
                reply = await self._reply(request, replace(caller, request=request_id))
            request[STATUS] = reply.status
            response = _rendered(reply, request_id)
            await reach("reply.ready")
        except LeaseholdError as error:
            problem = problems.problem_of(error)
            if isinstance(error, Unsupported):
                problem = replace(problem, headers={"Allow": self._served_at(request)})
            return await self._send(request, _refusal(problem, request, request_id))
        except _Refused as refused:
            return await self._send(request, _refusal(refused.problem, request, request_id))
        except TimeoutError:
            late = Unavailable(f"no result within {HANDLER_S:g} s; what was begun is undone")
            return await self._send(
                request, _refusal(problems.problem_of(late), request, request_id)
            )
        except Exception:
            logger.exception("request %s failed: a defect of leasehold", request_id)
            internal = problems.internal(request_id)
            return await self._send(request, _refusal(internal, request, request_id))
        try:
            sent = await self._send(request, response)
        except BaseException:  # cancelled too: the caller hung up
            if reply.undelivered is not None:
                await reply.undelivered()
            raise
        await reach("reply.sent")
        for follow_up in reply.delivered:
            try:
                await follow_up()
            except LeaseholdError as error:
                logger.warning("request %s was answered, and then: %s", request_id, error)
        return sent

    async def _catch_up(self) -> None:
        if self._caught_up is not None:
            await self._caught_up()

    async def _send(self, request: web.BaseRequest, response: web.Response) -> web.Response:
        """Hand all of it to the kernel. Raises ConnectionError if the caller is gone."""
        await self._catch_up()
        transport = request.transport
        if transport is None or transport.is_closing() or _hung_up(transport):
            raise ConnectionResetError("the caller hung up")
        async with asyncio.timeout(DELIVERY_S):
            await response.prepare(request)
            await response.write_eof()
            await request.writer.drain()
        if transport.is_closing():
            raise ConnectionResetError("the caller hung up")
        return response

    async def _reply(self, request: web.BaseRequest, caller: Caller) -> Reply:
        if caller.line is not None and caller.line.holds:
            await drained(request)
            raise Invalid("this connection only holds leases; connect anew for another request")
        for name in _REFUSED:
            if name in request.headers:
                raise Invalid(f"the header {name} is not accepted")
        if "Transfer-Encoding" in request.headers and "Content-Length" in request.headers:
            raise Invalid("Transfer-Encoding and Content-Length exclude each other")
        if request.headers.get("X-Vault-Namespace", "").strip("/") not in ("", "root"):
            raise Invalid("there are no namespaces here; leave X-Vault-Namespace out")
        route, path = self._find(request)
        bearer = _bearer(request)
        if self._parts is not None and not route.open:
            caller = await self._parts.tokens.speaker(caller, bearer.reveal(), route.path)
        wrap_s = Fields(request.headers).span_s(WRAP_TTL) or None
        fields = Fields(await read_values(request, route.body_bytes))
        ask = Ask(caller, path, fields, bearer, wrap_s, request.headers.get(REASON, ""))
        reply = _warned(await route.handler(ask), fields)
        if self._parts is None or wrap_s is None or reply.body is None or not reply.enveloped:
            return reply
        return await self._parts.of_wrapping.wrapped(ask, reply, request.path.removeprefix(PREFIX))

    def _served_at(self, request: web.BaseRequest) -> str:
        """The methods that do something at this path (RFC 9110, 15.5.6, asks for them)."""
        served: dict[str, Route] = {}
        for route in self._routes:
            if route.pattern.fullmatch(request.rel_url.raw_path):
                served = {**dict.fromkeys(route.methods, route), **served}
        does = {name for name, route in served.items() if description_of(route.handler).answers}
        return ", ".join(sorted(does))

    def _find(self, request: web.BaseRequest) -> tuple[Route, dict[str, str]]:
        path, method = request.rel_url.raw_path, _method(request)
        if "//" in path or "%" in path or _has_dots(path):
            raise _Refused(problems.no_route(path))
        allowed: set[str] = set()
        for route in self._routes:
            if found := route.pattern.fullmatch(path):
                if method in route.methods:
                    request[ROUTE] = method, route.path
                    return route, found.groupdict()
                allowed |= route.methods
        if allowed:
            raise _Refused(problems.wrong_method(method, ", ".join(sorted(allowed))))
        raise _Refused(problems.no_route(path.removeprefix(PREFIX)))


class _Refused(Exception):
    """A request without a route."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.errors[0])
        self.problem = problem


def _bearer(request: web.BaseRequest) -> Secret:
    """The text that was sent as a token, as Vault's clients or as RFC 6750 send it."""
    text = request.headers.get("X-Vault-Token", "").strip()
    scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    return Secret(text or (value.strip() if scheme.lower() == "bearer" else ""))


def _warned(reply: Reply, fields: Fields) -> Reply:
    """The reply with a warning of fields that nobody read."""
    ignored = fields.ignored()
    if not ignored or reply.body is None or not reply.enveloped:
        return reply
    unknown = f"these fields were not looked at: {', '.join(ignored)[:200]}"
    return replace(reply, warnings=(*reply.warnings, unknown))


def _method(request: web.BaseRequest) -> str:
    """The method; a GET with `list=true` means LIST."""
    wanted = request.rel_url.query.get("list", "")
    return "LIST" if request.method == "GET" and wanted.lower() in TRUE else request.method


def _has_dots(path: str) -> bool:
    return any(part in (".", "..") for part in path.split("/"))


def _rendered(reply: Reply, request_id: str) -> web.Response:
    if reply.raw is not None:
        headers = {**_HEADERS, "Content-Type": reply.content_type, REQUEST_ID: request_id}
        return web.Response(
            status=reply.sent_status, body=reply.raw, headers={**headers, **reply.headers}
        )
    if reply.body is None:
        headers = {"Cache-Control": "no-store", "Server": "leasehold", REQUEST_ID: request_id}
        return web.Response(status=reply.sent_status, headers={**headers, **reply.headers})
    body = envelope(request_id, reply.body, reply.warnings) if reply.enveloped else reply.body
    return web.Response(
        status=reply.sent_status,
        body=json.dumps(body, separators=(",", ":")).encode(),
        headers={**_HEADERS, REQUEST_ID: request_id, **reply.headers},
    )


def _refusal(problem: Problem, request: web.BaseRequest, request_id: str) -> web.Response:
    told = {
        "errors": [text for text in problem.errors if text],
        "code": problem.code,
        "request_id": request_id,
    }
    body = json.dumps(told).encode()
    headers = {**_HEADERS, REQUEST_ID: request_id, **problem.headers}
    response = web.Response(status=problem.status, body=body, headers=headers)
    if not request.content.is_eof():
        response.force_close()  # what is left of the body would be taken for a request
    return response


def _hung_up(transport: asyncio.Transport) -> bool:
    """Whether the caller closed its end; asked before a credential is sent, never after."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))
