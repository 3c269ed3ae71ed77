"""The route of logins over the objects of a World, with methods as a policy configures them."""

from typing import Any

from fakes.asking import Asking, making_a_request
from fakes.policy import IDENTITIES, NOBODY_KNOWN, a_bundle
from fakes.world import World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.logins import MOST_FAILED, LoginHandlers
from leasehold.bundle import Identity
from leasehold.failures import Failures
from leasehold.login import MethodConfig
from leasehold.model import Caller
from leasehold.policy.logins import match_of
from leasehold.secret import Secret


class LoggingIn:
    """A world whose policy has the login method `ci`, and an identity `ci` for its logins."""

    def __init__(
        self, world: World, kind: str, options: dict[str, Any], match: dict[str, Any]
    ) -> None:
        self.world = world
        self.methods = world.methods
        self.methods.serve({"ci": self.methods.build("ci", kind, options)})
        ci = Identity(name="ci", owner="o", tenant="t", match=(match_of(kind, match),))
        config = MethodConfig(
            name="ci", type=kind, options=options, fields={}, roles=tuple(options.get("roles", ()))
        )
        world.serve(a_bundle(identities={**IDENTITIES, "ci": ci}, auth={"ci": config}))
        self._asking = Asking(world)
        failed = Failures(lambda: world.clock.now_ms() / 1000, MOST_FAILED, "logins failed")
        self.handlers = LoginHandlers(
            world.access, world.tokens, self.methods, failed, world.secret_ids
        )

    @property
    def now(self) -> float:
        """The wall clock, in seconds."""
        return self.world.clock.wall(self.world.clock.now_ms()).timestamp()

    async def login(
        self, peer: Caller = NOBODY_KNOWN, method: str = "ci", **fields: Any
    ) -> dict[str, Any]:
        """The `auth` of the reply."""
        reply = await self.handlers.login(Ask(peer, {"method": method}, Fields(fields)))
        auth: dict[str, Any] = reply.body["auth"]
        return auth

    async def speaker(self, **fields: Any) -> Caller:
        """Who speaks by the token that a login gives."""
        auth = await self.login(**fields)
        return await self.world.speak(Secret(auth["client_token"]))

    async def tried(self, **fields: Any) -> tuple[Exception, dict[str, Any]]:
        """What a login that is refused answers, and what the audit has of it."""
        peer = making_a_request(NOBODY_KNOWN)
        try:
            await self.login(peer, **fields)
        except Exception as refused:
            return refused, await self._asking.explain(peer.request)
        raise AssertionError("the login was not refused")
