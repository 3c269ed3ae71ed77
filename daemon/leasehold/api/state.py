"""The routes that tell how the daemon stands, as Vault's clients ask it: for all who may connect.

There is one state: initialised, unsealed, active. Nothing here says anything about targets.
"""

from collections.abc import Mapping
from typing import Any

from leasehold import __version__
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.clock import Clock
from leasehold.errors import Invalid, Unsupported

VERSION = f"1.14.0+leasehold.{__version__}"
"""The interface that is spoken: Vault 1.14 is the last that OpenBao has in common with it."""
OTHER_STATES = (
    "standbyok",
    "perfstandbyok",
    "standbycode",
    "drsecondarycode",
    "performancestandbycode",
    "removedcode",
    "haunhealthycode",
    "sealedcode",
    "uninitcode",
)
"""Options about states that never are; they are taken and change nothing."""
_STATUSES = range(200, 600)
_WITHOUT_BODY = (204, 205, 304)


class StateHandlers:
    """Answers from constants and the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @described(
        Field("activecode", Holds.TEXT, "The status to answer with, 200 to 599; 200 by default."),
        *(Field(name, Holds.TEXT, "About a state that never is.") for name in OTHER_STATES),
        refusals=(),
        enveloped=False,
    )
    async def health(self, ask: Ask) -> Reply:
        """`sys/health`: that the daemon serves."""
        for name in OTHER_STATES:
            ask.fields.text(name)
        now = self._clock.wall(self._clock.now_ms())
        body = {
            **_STANDING,
            "standby": False,
            "performance_standby": False,
            "replication_performance_mode": "disabled",
            "replication_dr_mode": "disabled",
            "server_time_utc": int(now.timestamp()),
            "version": VERSION,
        }
        status = _status(ask)
        return Reply(status, None if status in _WITHOUT_BODY else body, enveloped=False)

    @described(refusals=(), content="text/plain")
    async def healthz(self, ask: Ask) -> Reply:
        """`/healthz`: that the daemon serves, in two bytes."""
        return Reply(raw=b"ok", content_type="text/plain")

    @described(refusals=(), enveloped=False)
    async def seal_status(self, ask: Ask) -> Reply:
        """`sys/seal-status`: that there is one key, the key file, and that it was read."""
        body = {
            "type": "shamir",
            **_STANDING,
            "t": 1,
            "n": 1,
            "progress": 0,
            "nonce": "",
            "version": VERSION,
            "migration": False,
            "recovery_seal": False,
        }
        return Reply(body=body, enveloped=False)

    @described(refusals=(), enveloped=False)
    async def init(self, ask: Ask) -> Reply:
        """`sys/init`: that the key was made."""
        return Reply(body={"initialized": True}, enveloped=False)

    @described(refusals=(), enveloped=False)
    async def leader(self, ask: Ask) -> Reply:
        """`sys/leader`: that there is one node."""
        body = {
            "ha_enabled": False,
            "is_self": False,
            "leader_address": "",
            "leader_cluster_address": "",
            "performance_standby": False,
        }
        return Reply(body=body, enveloped=False)

    @described(answers=(), refusals=(Unsupported,))
    async def refuse(self, ask: Ask) -> Reply:
        """`sys/seal`: that nothing is sealed, unsealed or initialised by hand."""
        raise Unsupported(
            "there is nothing to seal or unseal by hand: the key file is made at the first start"
            " and read at every start; to stop the daemon, end its process"
        )


_STANDING: Mapping[str, Any] = {"initialized": True, "sealed": False}


def _status(ask: Ask) -> int:
    text = ask.fields.text("activecode")
    if not text:
        return _STATUSES.start
    if not (text.isascii() and text.isdecimal() and len(text) == 3 and int(text) in _STATUSES):
        raise Invalid(f"activecode: found '{text[:40]}'; allowed is a status from 200 to 599")
    return int(text)
