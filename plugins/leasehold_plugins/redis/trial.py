"""A role tried out by the server's own grammar: an account made and deleted in one transaction.

Redis runs it without anything in between, so nobody can see the account, log in with it, or be left
with it when the connection breaks.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import NoPermissionError, ResponseError

from leasehold.plugin import EnginePermanent, ErrorClass, failpoint
from leasehold_plugins.redis import rules
from leasehold_plugins.redis.errors import refused
from leasehold_plugins.redis.nodes import Command, Session

TRIAL = "leasehold-trial"
_END = datetime(2100, 1, 1, tzinfo=UTC)


async def try_out(session: Session, role: Mapping[str, Any]) -> None:
    """Make and delete an account of the role. Raises EngineError with the rule that is refused."""
    made: Command = (
        "ACL",
        "SETUSER",
        TRIAL,
        *rules.creation(role, TRIAL, secrets.token_hex(32), _END),
    )
    commands: list[Command] = [("MULTI",), made, ("ACL", "DELUSER", TRIAL), ("EXEC",)]
    replies = await session.run(*commands)
    failpoint("redis.rehearse.made")
    for command, reply in zip(commands, replies, strict=True):
        if isinstance(reply, NoPermissionError):
            raise refused(reply, command, session.where)
    done = replies[-1]
    if isinstance(done, ResponseError):
        raise refused(done, ("EXEC",), session.where)
    if isinstance(done[0], ResponseError):
        raise EnginePermanent(
            f"{_culprit(role, str(done[0]))} (Redis at {session.where})",
            error_class=ErrorClass.INVALID,
        )


def _culprit(role: Mapping[str, Any], text: str) -> str:
    """The option and the rule that the server names in its refusal; none of its other words."""
    for option, rule in rules.sourced(role, TRIAL):
        if f"'{rule}'" in text:
            return f"{option}: the server refuses {rule}"
    options = sorted({option for option, _ in rules.sourced(role, TRIAL)})
    return f"{', '.join(options)}: the server refuses one of the rules"
