"""The route that turns a proof into a token: the connection's own, or what a method attests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.api.token_replies import NAME_CHARS, WISHES, auth, on_terms, wish
from leasehold.errors import Denied, Invalid, Unavailable
from leasehold.failures import Failures
from leasehold.methods.registry import Methods
from leasehold.model import Caller
from leasehold.plugin import BadLogin, LoginRefused, LoginRequest, LoginUnavailable
from leasehold.tokens.logins import METHODS, display_name
from leasehold.tokens.secret_ids import SecretIds
from leasehold.tokens.tokens import LOGIN, IssuedToken, Tokens, Wish

MOST_FAILED = 10
OTHER_ROLE = "the login is not the identity that it asks to be"


class LoginHandlers:
    """Open to whoever connects: what the token stands for is what is proven, and nothing else."""

    def __init__(
        self,
        access: Access,
        tokens: Tokens,
        methods: Methods,
        failed: Failures,
        secret_ids: SecretIds,
    ) -> None:
        self._access = access
        self._tokens = tokens
        self._methods = methods
        self._failed = failed
        self._secret_ids = secret_ids

    @described(
        Field("method", Holds.TEXT, "Its name, where the path does not say it."),
        Field("role", Holds.TEXT, "An identity that the caller must turn out to be."),
        *WISHES,
    )
    async def login(self, ask: Ask) -> Reply:
        """`auth/<method>/login`: a token for whoever the connection, or the method, proves.

        What else a configured method reads, such as `jwt`, stands on the page of its type.
        """
        named, role = ask.fields.text("method"), ask.fields.text("role")
        method = ask.path.get("method") or named
        path = f"auth/{method}/login"
        async with self._judged(ask, path):
            caller, facts, wanted = await self._proven(ask, method)
            if role and role not in self._access.names(facts):  # so that whoever asks notices
                raise await self._access.denied(caller, path, LOGIN, OTHER_ROLE)
            issued = await self._tokens.issue(caller, facts, path, wanted)
        return self._reply(issued, facts)

    async def _proven(self, ask: Ask, method: str) -> tuple[Caller, Caller, Wish]:
        """Who asks for a token, the facts that are proven, and what is wished of the token."""
        configured = self._access.generation().bundle.auth
        if attest := METHODS.get(method):
            facts = attest(ask.caller)
            return ask.caller, facts, wish(ask, display_name(method, facts))
        if method not in configured:
            allowed = ", ".join((*METHODS, *sorted(configured)))
            raise Invalid(f"method: found '{method[:40]}'; allowed are {allowed}")
        login, proven = await self._methods.attest(method, self._request(ask, method))
        facts = Caller.logged_in(login)
        wanted = on_terms(wish(ask, proven.name[:NAME_CHARS]), proven)
        return replace(facts, request=ask.caller.request), facts, wanted

    def _request(self, ask: Ask, method: str) -> LoginRequest:
        clock = self._tokens.clock
        if clock.suspect:
            raise Unavailable("the wall clock stepped, so nothing is attested until it has settled")
        return LoginRequest(
            fields=ask.fields.everything(),
            address=ask.caller.address,
            now=clock.wall(clock.now_ms()),
            redeem=partial(self._secret_ids.redeem, ask.caller, method),
        )

    @asynccontextmanager
    async def _judged(self, ask: Ask, path: str) -> AsyncIterator[None]:
        """What a method says within, as errors of ours; failures are audited and counted."""
        peer = ask.caller.origin
        self._failed.check(peer)
        try:
            yield
        except BadLogin as bad:
            self._failed.failed(peer)
            raise Invalid(str(bad)) from None
        except LoginRefused as refused:
            self._failed.failed(peer)
            denied = await self._access.denied(ask.caller, path, LOGIN, str(refused))
            raise Invalid(refused.answer) if refused.answer else denied from None
        except LoginUnavailable as away:
            self._access.hold_back(ask.caller)
            grounds = self._access.grounds(ask.caller, path, LOGIN, "nothing could be proven")
            async with self._access.telling(ask.caller, grounds):
                raise Unavailable(str(away)) from None
        except (Denied, asyncio.CancelledError):  # who hangs up has issuers asked all the same
            self._failed.failed(peer)
            raise

    def _reply(self, issued: IssuedToken, facts: Caller) -> Reply:
        policies, clock = self._access.names(facts), self._tokens.clock
        return Reply(
            body={"auth": auth(issued.token, issued.text.reveal(), policies, clock)},
            warnings=issued.warnings,
            undelivered=partial(self._tokens.undelivered, issued.token),
        )
