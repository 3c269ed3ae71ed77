"""The routes `auth/token/*`, also for callers without a token: their connection answers for them.

One's own tokens, and those of one's identities, need no right; nor does a token whose text one has,
since one could speak by it. For others there are rights at the path `auth/token`: `list` to see
them, `operate` to renew them and to make some without a parent, `revoke-any` to end them.
"""

from functools import partial
from typing import Any

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import KEYS, PAGE, Ask
from leasehold.api.renewals import FailedRenewals
from leasehold.api.replies import Reply
from leasehold.api.token_replies import WISHES, auth, looked_up, of_peer, wish
from leasehold.errors import Denied, Invalid, NotFound, RequestError
from leasehold.leases.tokens import Token
from leasehold.model import Caller, Cause
from leasehold.tokens.logins import display_name, facts_of, method_of
from leasehold.tokens.tokens import Tokens

PLACE = "auth/token"
LIST, OPERATE, REVOKE_ANY = "list", "operate", "revoke-any"
_TOKEN = Field("token", Holds.TEXT, "Its text; the caller's own one by default.")
_ACCESSOR = Field("accessor", Holds.TEXT, "What the token is called.", must=True)
_INCREMENT = Field("increment", Holds.SPAN, "How long from now; else as long as it was made for.")
_NEW = (
    *WISHES,
    Field("display_name", Holds.TEXT, "What listings call it."),
    Field("no_parent", Holds.FLAG, "Whether it has none above it, which operators may ask for."),
    Field("policies", Holds.TEXTS, "Not looked at; the policy says what the bearer may do."),
    Field("no_default_policy", Holds.FLAG, "Not looked at; there is none."),
    Field("id", Holds.TEXT, "Refused: the text of a token is made here."),
    Field("type", Holds.TEXT, "service, or nothing."),
)
_NOT_YOURS = "there is no such token, or it is not the caller's"
_POLICIES = "policies were not looked at: what a token may do, the policy says of whoever logged in"


class TokenHandlers:
    """Looks at tokens, makes them below each other, renews and ends them."""

    def __init__(self, access: Access, tokens: Tokens, renewals: FailedRenewals) -> None:
        self._access = access
        self._tokens = tokens
        self._renewals = renewals

    @described(refusals=())
    async def lookup_self(self, ask: Ask) -> Reply:
        """`auth/token/lookup-self`: the caller's token, or what its connection proves."""
        token = await self._own(ask.caller)
        if token is not None:
            return self._looked(token, ask.bearer.reveal())
        method, policies = method_of(ask.caller), self._access.names(ask.caller)
        name = display_name(method, ask.caller)
        return Reply(body={"data": of_peer(ask.caller, method, name, policies)})

    @described(_TOKEN)
    async def lookup(self, ask: Ask) -> Reply:
        """`auth/token/lookup`: the token with this text."""
        text = ask.fields.text("token")
        if not text:
            return await self.lookup_self(ask)
        token = await self._tokens.find(text)
        if token is None:
            await self._access.denied(ask.caller, PLACE, LIST, _NOT_YOURS)
            raise Denied("bad token")
        return self._looked(token, text)

    @described(_ACCESSOR, refusals=())
    async def lookup_accessor(self, ask: Ask) -> Reply:
        """`auth/token/lookup-accessor`: the token that is called so."""
        return self._looked(await self._called(ask, LIST), "")

    def _looked(self, token: Token, text: str) -> Reply:
        policies = self._access.names(token.facts)
        return Reply(body={"data": looked_up(token, text, policies, self._tokens.clock)})

    @described(_INCREMENT, refusals=())
    async def renew_self(self, ask: Ask) -> Reply:
        """`auth/token/renew-self`: a later end for the caller's token."""
        token = await self._own(ask.caller)
        if token is None:
            raise Invalid("lease is not renewable: there is no token, and none is needed here")
        return await self._renewed(ask, token, ask.bearer.reveal())

    @described(_TOKEN, _INCREMENT, refusals=())
    async def renew(self, ask: Ask) -> Reply:
        """`auth/token/renew`: a later end for the token with this text."""
        text = ask.fields.text("token")
        if not text:
            return await self.renew_self(ask)
        token = await self._tokens.find(text)
        if token is None:
            raise Invalid("token not found")
        return await self._renewed(ask, token, text)

    @described(_ACCESSOR, _INCREMENT, refusals=())
    async def renew_accessor(self, ask: Ask) -> Reply:
        """`auth/token/renew-accessor`: a later end for the token that is called so."""
        return await self._renewed(ask, await self._called(ask, OPERATE), "")

    async def _renewed(self, ask: Ask, token: Token, text: str) -> Reply:
        increment_s, who = ask.fields.span_s("increment"), ask.caller.who
        try:
            renewed, warnings = await self._tokens.renew(ask.caller, token.accessor, increment_s)
        except RequestError:
            self._renewals.failed(who, token.accessor)
            raise
        self._renewals.succeeded(who, token.accessor)
        return Reply(body=self._auth(renewed, text), warnings=warnings)

    @described(answers=(204,), refusals=())
    async def revoke_self(self, ask: Ask) -> Reply:
        """`auth/token/revoke-self`: the end of the caller's token; without one nothing is to do."""
        if ask.caller.token:
            await self._tokens.end(ask.caller.token, Cause.HOLDER, ask.caller)
        return Reply(status=204)

    @described(Field("token", Holds.TEXT, "Its text.", must=True), answers=(204,), refusals=())
    async def revoke(self, ask: Ask) -> Reply:
        """`auth/token/revoke`: the end of the token with this text; 204 for one that is none."""
        text = ask.fields.text("token")
        if not text:
            raise Invalid("token must be specified; revoke-self ends one's own")
        token = await self._tokens.find(text)
        if token is not None:
            await self._tokens.end(token.accessor, Cause.HOLDER, ask.caller)
        return Reply(status=204)

    @described(_ACCESSOR, answers=(204,), refusals=())
    async def revoke_accessor(self, ask: Ask) -> Reply:
        """`auth/token/revoke-accessor`: the end of the token that is called so."""
        token = await self._called(ask, REVOKE_ANY)
        own = self._tokens.owns(ask.caller, token)
        cause = Cause.HOLDER if own else Cause.OPERATOR
        await self._tokens.end(token.accessor, cause, ask.caller)
        return Reply(status=204)

    @described(Field("token", Holds.TEXT, "Its text.", must=True), answers=(204,))
    async def revoke_orphan(self, ask: Ask) -> Reply:
        """`auth/token/revoke-orphan`: the end of a token, but not of those below it."""
        await self._access.require(ask.caller, PLACE, REVOKE_ANY)
        token = await self._tokens.find(ask.fields.text("token"))
        if token is not None:
            await self._tokens.end(token.accessor, Cause.OPERATOR, ask.caller, spare_children=True)
        return Reply(status=204)

    @described(*_NEW)
    async def create(self, ask: Ask) -> Reply:
        """`auth/token/create`: a token below the caller's, or the first one of its connection."""
        if ask.fields.flag("no_parent", default=False):
            return await self.create_orphan(ask)
        return await self._create(ask, await self._own(ask.caller))

    @described(*_NEW)
    async def create_orphan(self, ask: Ask) -> Reply:
        """`auth/token/create-orphan`: a token that has no other above it."""
        ask.fields.flag("no_parent", default=True)
        await self._access.require(ask.caller, PLACE, OPERATE)
        return await self._create(ask, None)

    async def _create(self, ask: Ask, parent: Token | None) -> Reply:
        if ask.fields.text("id"):
            raise Invalid("id: the text of a token is made here; leave it out")
        if (kind := ask.fields.text("type")) not in ("", "service", "default-service"):
            raise Invalid(f"type: found '{kind[:40]}'; allowed is service")
        ask.fields.flag("no_default_policy", default=False)
        named = ask.fields.text("display_name")
        wanted = wish(ask, f"token-{named}" if named else "token")
        facts = facts_of(ask.caller)
        issued = await self._tokens.issue(ask.caller, facts, f"{PLACE}/create", wanted, parent)
        warnings = (_POLICIES,) if ask.fields.texts("policies") else ()
        return Reply(
            body=self._auth(issued.token, issued.text.reveal()),
            warnings=(*issued.warnings, *warnings),
            undelivered=partial(self._tokens.undelivered, issued.token),
        )

    @described(refusals=(NotFound,))
    async def accessors(self, ask: Ask) -> Reply:
        """LIST `auth/token/accessors`: the names of the caller's tokens, or of all."""
        found, whole = await self._listed(ask.caller, "", KEYS)
        if not found:
            raise NotFound("")
        warnings = () if whole else (f"only the first {KEYS} tokens were looked at",)
        return Reply(
            body={"data": {"keys": [token.accessor for token in found]}}, warnings=warnings
        )

    @described(
        Field("after", Holds.TEXT, "The `next` of the page before."),
        Field("limit", Holds.COUNT, f"How many, {PAGE} at most."),
        refusals=(),
    )
    async def tokens(self, ask: Ask) -> Reply:
        """`leasehold/tokens`: the same with all that is not secret, in pages."""
        limit = ask.fields.count("limit", default=PAGE, most=PAGE)
        after = ask.fields.text("after")
        found, whole = await self._listed(ask.caller, after, limit)
        clock = self._tokens.clock
        shown = [looked_up(it, "", self._access.names(it.facts), clock) for it in found]
        last = found[-1].accessor if found and not whole else None
        return Reply(body={"data": {"tokens": shown, "next": last}})

    async def _listed(self, caller: Caller, after: str, most: int) -> tuple[list[Token], bool]:
        """Tokens that the caller may see, at most so many; and whether those are all."""
        everyone = self._access.decide(caller, PLACE, LIST).allowed
        identities = self._access.names(caller)
        if not (everyone or identities or caller.token):
            return [], True  # nobody has none, and all would be looked at to tell that
        found: list[Token] = []
        while page := await self._tokens.page(after, PAGE):
            after = page[-1].accessor
            found += [
                each
                for each in page
                if everyone or self._tokens.is_of(each, caller.token, identities)
            ]
            if len(found) > most:
                return found[:most], False
        return found, True

    async def _own(self, caller: Caller) -> Token | None:
        """The token that the caller speaks by, None when it needs none."""
        if not caller.token:
            return None
        token = await self._tokens.find_by_accessor(caller.token)
        if token is None:  # it ended just now
            raise Denied("permission denied")
        return token

    async def _called(self, ask: Ask, verb: str) -> Token:
        """The token of that accessor, the caller's own or one that it has `verb` for."""
        accessor = ask.fields.text("accessor")
        if not accessor:
            raise Invalid("accessor must be specified")
        token = await self._tokens.find_by_accessor(accessor)
        allowed = self._access.decide(ask.caller, PLACE, verb).allowed
        if token is None or not (allowed or self._tokens.owns(ask.caller, token)):
            await self._access.denied(ask.caller, PLACE, verb, _NOT_YOURS)
            raise Invalid("invalid accessor")
        return token

    def _auth(self, token: Token, text: str) -> dict[str, Any]:
        policies = self._access.names(token.facts)
        return {"auth": auth(token, text, policies, self._tokens.clock)}
