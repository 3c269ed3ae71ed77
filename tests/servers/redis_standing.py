"""Users that stand on the Redis servers of the tests, and are none of the engine's making."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from leasehold.plugin import Secret
from servers.redis import RIGHTS, RedisServer

NEW = Secret("a-password-of-a-test-0123456789")
TURNING = "turning"
"""The administrator whose password is changed; the tests go on with the others."""


def stands(servers: Sequence[RedisServer], name: str, *rules: str) -> None:
    for server in servers:
        server.ask("ACL", "SETUSER", name, "reset", "on", ">old", *rules)
        server.ask("ACL", "SAVE")


def about(server: RedisServer, name: str) -> dict[str, Any]:
    found = server.ask("ACL", "GETUSER", name)
    return dict(zip(found[::2], found[1::2], strict=True))


def passwords(server: RedisServer, name: str) -> list[str]:
    return list(about(server, name)["passwords"])


def only_new_opens(servers: Sequence[RedisServer], name: str, new: str = NEW.reveal()) -> bool:
    return all(
        server.can_log_in(name, new)
        and not server.can_log_in(name, "old")
        and len(passwords(server, name)) == 1
        for server in servers
    )


@pytest.fixture
def redis_standing(
    redis_primary: RedisServer, redis_replica: RedisServer
) -> Iterator[list[RedisServer]]:
    servers = [redis_primary, redis_replica]
    stands(servers, TURNING, *RIGHTS.split())
    stands(servers, "billing", "~app:*", "+@all")
    yield servers
    for server in servers:
        server.ask("ACL", "DELUSER", TURNING, "billing")
        server.reset()
