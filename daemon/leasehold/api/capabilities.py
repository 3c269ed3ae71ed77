"""The routes that tell what the caller may do at paths, in Vault's words."""

from leasehold.access import PATH_CHARS, Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply, doubled
from leasehold.errors import Invalid
from leasehold.policy.capabilities import capabilities

MOST = 100
_PATHS = (
    Field("paths", Holds.TEXTS, f"What is asked about, {MOST} paths at most."),
    Field("path", Holds.TEXTS, "The same."),
)


class CapabilityHandlers:
    """Any caller may ask about itself."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @described(*_PATHS, refusals=())
    async def of_caller(self, ask: Ask) -> Reply:
        """`sys/capabilities-self`: what the caller may do at paths."""
        paths = ask.fields.texts("paths") or ask.fields.texts("path")
        if not paths:
            raise Invalid("paths must be specified, such as database/creds/reader")
        if len(paths) > MOST or any(len(path) > PATH_CHARS for path in paths):
            raise Invalid(f"paths: allowed are {MOST} paths of {PATH_CHARS} characters at most")
        bundle, now = self._access.generation().bundle, self._access.circumstances()
        identities = self._access.identities(ask.caller)
        found = {path: list(capabilities(bundle, identities, path, now)) for path in paths}
        one = {"capabilities": found[paths[0]]} if len(found) == 1 else {}
        return Reply(body=doubled({**found, **one}))

    @described(
        *_PATHS,
        Field("token", Holds.TEXT, "Of somebody else, which is refused."),
        refusals=(),
    )
    async def of_token(self, ask: Ask) -> Reply:
        """`sys/capabilities`: the same, for the caller alone."""
        if ask.fields.text("token"):
            raise Invalid(
                "what the bearer of a token may do is not told; ask sys/capabilities-self, or as an"
                " operator leasehold can-i --as"
            )
        return await self.of_caller(ask)
