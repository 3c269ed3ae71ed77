"""The routes at which passwords are rotated and given out, as Vault has them; how they stand."""

from datetime import datetime
from typing import Any

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.clock import Clock, rfc3339
from leasehold.errors import ConfigError, Conflict, Denied, EngineError, Frozen, NotFound
from leasehold.policy.decide import STATIC_CREDS
from leasehold.rotation.parts import Rotations
from leasehold.rotation.root import OPERATE, RootStanding
from leasehold.rotation.static import StaticStanding
from leasehold.rotation.static_state import StaticState
from leasehold.standing import StaticRole


class RotationHandlers:
    """For operators, and for those who may issue at the path of a static role."""

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

    @described(
        Field("force", Holds.FLAG, "Also while the last password of a pair lives on, which ends."),
        answers=(204,),
        refusals=(Denied, NotFound, Conflict, EngineError),
    )
    async def rotate_role(self, ask: Ask) -> Reply:
        """`<mount>/rotate-role/<name>`: another password for a static role."""
        force = ask.fields.flag("force", default=False)
        place = (ask.path["mount"], ask.path["name"])
        await self._rotations.static.rotate(ask.caller, *place, force=force)
        return Reply(status=204)

    @described(refusals=(Denied, NotFound, Frozen))
    async def static_creds(self, ask: Ask) -> Reply:
        """`<mount>/static-creds/<name>`: the password of a static role; it is no lease."""
        found = await self._rotations.giving.read(ask.caller, ask.path["mount"], ask.path["name"])
        data: dict[str, Any] = {
            "username": found.username,
            "password": found.password.reveal(),
            "last_vault_rotation": self._time(found.rotated_ms),
        }
        schedule = found.role.schedule
        if schedule.every_s is not None:
            data["rotation_period"] = schedule.every_s
        elif schedule.cron is not None:
            data |= {"rotation_schedule": schedule.cron, "rotation_window": schedule.window_s or 0}
        if found.next_ms is not None:
            # 0 says to Vault's clients that something is wrong.
            data["ttl"] = max(1, (found.next_ms - self._clock.now_ms()) // 1000)
        return Reply(body={"data": data})

    @described(refusals=(Denied, NotFound))
    async def acknowledge(self, ask: Ask) -> Reply:
        """`leasehold/static/<mount>/<name>/acknowledge`: the caller uses what is given out now."""
        place = (ask.path["mount"], ask.path["name"])
        state = await self._rotations.giving.acknowledge(ask.caller, *place)
        return Reply(body={"data": self._overlap(state)})

    @described(refusals=(NotFound,))
    async def static_roles(self, ask: Ask) -> Reply:
        """LIST `<mount>/static-roles`: the static roles that the caller may see."""
        mount = ask.path["mount"]
        served = self._access.generation().bundle.static_roles
        names = [name for its, name in served if its == mount and self._sees(ask, mount, name)]
        if not names:
            raise NotFound("")
        return Reply(body={"data": {"keys": sorted(names)}})

    @described(refusals=(Denied, NotFound))
    async def static_role(self, ask: Ask) -> Reply:
        """`<mount>/static-roles/<name>`: a static role as it is configured."""
        mount, name = ask.path["mount"], ask.path["name"]
        if not self._sees(ask, mount, name):
            path = f"{mount}/static-roles/{name}"
            raise await self._access.denied(ask.caller, path, "issue", "no rule allows it")
        bundle = self._access.generation().bundle
        role = bundle.static_roles.get((mount, name))
        if role is None:
            raise NotFound("")
        place = bundle.places.get(f"static:{role.key}", "")
        return Reply(body={"data": {**_configured(role), "configured_at": place}})

    def _sees(self, ask: Ask, mount: str, name: str) -> bool:
        return (
            self._access.decide(ask.caller, f"{mount}/{STATIC_CREDS}/{name}", "issue").allowed
            or self._access.decide(ask.caller, "leasehold/rotations", OPERATE).allowed
        )

    @described()
    async def rotations(self, ask: Ask) -> Reply:
        """`leasehold/rotations`: how each password that leasehold rotates stands."""
        await self._access.require(ask.caller, "leasehold/rotations", OPERATE)
        engines = [self._root(each) for each in self._rotations.root.standings()]
        static = [self._static(each) for each in await self._rotations.static.standings()]
        return Reply(body={"data": {"engines": engines, "static_roles": static}})

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

    def _static(self, standing: StaticStanding) -> dict[str, Any]:
        role, state, kept = standing.role, standing.state, standing.kept.values()
        return {
            "role": f"{standing.mount}/{STATIC_CREDS}/{role.name}",
            "engine": role.engine,
            "rotation": _configured(role)["rotation"],
            "accounts": list(role.accounts),
            "active": state.active,
            "version": state.version,
            "rotated_at": self._time(state.rotated_ms),
            "next_at": self._time(standing.next_ms),
            "unsettled": any(each.candidate is not None for each in kept),
            "failures": max((each.failures for each in kept), default=0),
            "last_error": next((each.last_error for each in kept if each.last_error), ""),
            **self._overlap(state),
        }

    def _overlap(self, state: StaticState) -> dict[str, Any]:
        return {
            "predecessor": state.predecessor or None,
            "ends_at": self._time(state.retire_ms),
            "acknowledged": sorted(
                name for name, version in state.acknowledged.items() if version == state.version
            ),
            "waiting_for": state.waiting_for,
        }

    def _time(self, at_ms: int | None) -> str | None:
        return None if at_ms is None else rfc3339(self._clock.wall(at_ms))


def _configured(role: StaticRole) -> dict[str, Any]:
    schedule = role.schedule
    return {
        "db_name": role.engine,
        "username": role.accounts[0],
        "accounts": list(role.accounts),
        "grace_max": role.grace_max_s,
        "rotation_period": schedule.every_s or 0,
        "rotation_schedule": schedule.cron or "",
        "rotation_window": schedule.window_s or 0,
        "rotation": {
            "every": schedule.every_s,
            "cron": schedule.cron,
            "by": _date(schedule.by),
            "on": sorted(schedule.on),
        },
    }


def _date(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
