"""The route that turns what is proven of a connection into a token."""

from functools import partial

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.api.token_replies import WISHES, auth, wish
from leasehold.errors import Invalid
from leasehold.tokens.logins import METHODS, display_name
from leasehold.tokens.tokens import Tokens


class LoginHandlers:
    """Open to whoever connects: what the token stands for is the connection's own proof."""

    def __init__(self, access: Access, tokens: Tokens) -> None:
        self._access = access
        self._tokens = tokens

    @described(
        Field("method", Holds.TEXT, "unix or cert, where the path does not say it."),
        *WISHES,
    )
    async def login(self, ask: Ask) -> Reply:
        """`auth/<method>/login`: a token for whoever the connection proves."""
        named = ask.fields.text("method")
        method = ask.path.get("method") or named
        attest = METHODS.get(method)
        if attest is None:
            raise Invalid(f"method: found '{method[:40]}'; allowed are {', '.join(METHODS)}")
        facts = attest(ask.caller)
        wanted = wish(ask, display_name(method, facts))
        issued = await self._tokens.issue(ask.caller, facts, f"auth/{method}/login", wanted)
        policies = self._access.names(facts)
        return Reply(
            body={"auth": auth(issued.token, issued.text.reveal(), policies, self._tokens.clock)},
            warnings=issued.warnings,
            undelivered=partial(self._tokens.undelivered, issued.token),
        )
