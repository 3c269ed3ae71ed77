"""The routes that tell what somebody may do at paths, in Vault's words."""

from leasehold.access import PATH_CHARS, Access
from leasehold.api.access import OPERATE, PLACE
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply, doubled
from leasehold.errors import Denied, Invalid
from leasehold.leases.tokens import Token
from leasehold.model import Caller
from leasehold.policy.capabilities import capabilities
from leasehold.tokens.tokens import Tokens

MOST = 100
_PATHS = (
    Field("paths", Holds.TEXTS, f"What is asked about, {MOST} paths at most."),
    Field("path", Holds.TEXTS, "The same."),
)


class CapabilityHandlers:
    """Any caller may ask about itself and its tokens, operators about every token."""

    def __init__(self, access: Access, tokens: Tokens) -> None:
        self._access = access
        self._tokens = tokens

    @described(*_PATHS, refusals=())
    async def of_caller(self, ask: Ask) -> Reply:
        """`sys/capabilities-self`: what the caller may do at paths."""
        return self._answer(ask, ask.caller)

    @described(
        *_PATHS,
        Field("token", Holds.TEXT, "Whose; the caller's own rights by default."),
        refusals=(Denied,),
    )
    async def of_token(self, ask: Ask) -> Reply:
        """`sys/capabilities`: what the bearer of the token with this text may do."""
        text = ask.fields.text("token")
        if not text:
            return self._answer(ask, ask.caller)
        found = await self._tokens.find(text)
        return self._answer(ask, await self._bearer(ask, found, "token"))

    @described(
        *_PATHS,
        Field("accessor", Holds.TEXT, "What the token is called.", must=True),
        refusals=(Denied,),
    )
    async def of_accessor(self, ask: Ask) -> Reply:
        """`sys/capabilities-accessor`: what the bearer of the token that is called so may do."""
        accessor = ask.fields.text("accessor")
        if not accessor:
            raise Invalid("accessor must be specified")
        found = await self._tokens.find_by_accessor(accessor)
        return self._answer(ask, await self._bearer(ask, found, "accessor"))

    async def _bearer(self, ask: Ask, token: Token | None, named_by: str) -> Caller:
        """Who speaks by the token. Who may not ask does not learn whether there is one."""
        if token is None or not self._tokens.owns(ask.caller, token):
            await self._access.require(ask.caller, PLACE, OPERATE)
        if token is None:
            raise Invalid(f"invalid {named_by}")
        return token.facts

    def _answer(self, ask: Ask, caller: Caller) -> Reply:
        paths = ask.fields.texts("paths") or ask.fields.texts("path")
        if not paths:
            raise Invalid("paths must be specified, such as database/creds/reader")
        if len(paths) > MOST or any(len(path) > PATH_CHARS for path in paths):
            raise Invalid(f"paths: allowed are {MOST} paths of {PATH_CHARS} characters at most")
        bundle, now = self._access.generation().bundle, self._access.circumstances()
        identities = self._access.identities(caller)
        found = {path: list(capabilities(bundle, identities, path, now)) for path in paths}
        one = {"capabilities": found[paths[0]]} if len(found) == 1 else {}
        return Reply(body=doubled({**found, **one}))
