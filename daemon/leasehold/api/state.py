"""The routes that tell how the daemon stands, as Vault's clients ask it: for all who may connect.

A daemon that has its key has one state: initialised, unsealed, active; one that is sealed answers
by `sealed.py`. Nothing here says anything about targets.
"""

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
        return health(ask, self._clock, "activecode", _STATUSES.start, sealed=False)

    @described(refusals=(), content="text/plain")
    async def healthz(self, ask: Ask) -> Reply:
        """`/healthz`: that the daemon serves, in two bytes."""
        return Reply(raw=b"ok", content_type="text/plain")

    @described(refusals=(), enveloped=False)
    async def seal_status(self, ask: Ask) -> Reply:
        """`sys/seal-status`: that there is one key, the key file, and that it was read."""
        return seal_status(sealed=False)

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
        """`sys/init`: that nothing is initialised by hand."""
        raise Unsupported("there is nothing to initialise: the first start makes the key file")

    @described(
        Field("key", Holds.TEXT, "The key in base64; needed by a sealed daemon that has no file."),
        Field("reset", Holds.FLAG, "Only answer; by default not."),
        refusals=(),
        enveloped=False,
    )
    async def unseal(self, ask: Ask) -> Reply:
        """`sys/unseal`: that nothing is sealed."""
        ask.fields.text("key")
        ask.fields.flag("reset", default=False)
        return seal_status(sealed=False)


def seal_status(*, sealed: bool) -> Reply:
    """What `sys/seal-status` answers."""
    body = {
        "type": "shamir",
        "initialized": True,
        "sealed": sealed,
        "t": 1,
        "n": 1,
        "progress": 0,
        "nonce": "",
        "version": VERSION,
        "migration": False,
        "recovery_seal": False,
    }
    return Reply(body=body, enveloped=False)


def health(ask: Ask, clock: Clock, option: str, default: int, *, sealed: bool) -> Reply:
    """What `sys/health` answers, with the status that `option` says or else `default`.

    Raises Invalid.
    """
    body = {
        "initialized": True,
        "sealed": sealed,
        "standby": False,
        "performance_standby": False,
        "replication_performance_mode": "disabled",
        "replication_dr_mode": "disabled",
        "server_time_utc": int(clock.wall(clock.now_ms()).timestamp()),
        "version": VERSION,
    }
    asked = _status(ask, option)
    told = None if asked in _WITHOUT_BODY else body
    return Reply(default, told, enveloped=False, asked_status=asked)


def _status(ask: Ask, option: str) -> int | None:
    text = ask.fields.text(option)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) == 3 and int(text) in _STATUSES):
        raise Invalid(f"{option}: found '{text[:40]}'; allowed is a status from 200 to 599")
    return int(text)
