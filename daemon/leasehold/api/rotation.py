"""The routes at which passwords are rotated, as Vault has them, and how they stand."""

from typing import Any

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.clock import Clock, rfc3339
from leasehold.errors import ConfigError, Denied, EngineError, NotFound
from leasehold.rotation.parts import Rotations
from leasehold.rotation.root import OPERATE, RootStanding


class RotationHandlers:
    """For operators."""

    def __init__(self, access: Access, rotations: Rotations, clock: Clock) -> None:
        self._access = access
        self._rotations = rotations
        self._clock = clock

    @described(
        Field("reset", Holds.FLAG, "Give the target the password that the policy refers to."),
        answers=(204,),
        refusals=(Denied, NotFound, EngineError, ConfigError),
    )
    async def rotate_root(self, ask: Ask) -> Reply:
        """`<mount>/rotate-root/<engine>`: another password for an engine's administrator."""
        root, place = self._rotations.root, (ask.path["mount"], ask.path["engine"])
        if ask.fields.flag("reset", default=False):
            await root.reset(ask.caller, *place)
        else:
            await root.rotate(ask.caller, *place)
        return Reply(status=204)

    @described()
    async def rotations(self, ask: Ask) -> Reply:
        """`leasehold/rotations`: how each password that leasehold rotates stands."""
        await self._access.require(ask.caller, "leasehold/rotations", OPERATE)
        engines = [self._root(each) for each in self._rotations.root.standings()]
        return Reply(body={"data": {"engines": engines}})

    def _root(self, standing: RootStanding) -> dict[str, Any]:
        config, kept = standing.config, standing.kept
        return {
            "engine": config.name,
            "mount": config.mount,
            "every": config.root_rotation_s,
            "account": kept.account if kept else None,
            "version": kept.version if kept else 0,
            "rotated_at": self._time(kept.rotated_ms if kept else None),
            "next_at": self._time(standing.next_ms),
            "unsettled": kept is not None and kept.candidate is not None,
            "failures": kept.failures if kept else 0,
            "last_error": kept.last_error if kept else "",
        }

    def _time(self, at_ms: int | None) -> str | None:
        return None if at_ms is None else rfc3339(self._clock.wall(at_ms))
