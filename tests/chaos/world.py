"""The private servers that scenarios stand on, started once, and the policy of a daemon on them."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from chaos import targets
from servers.mosquitto import MosquittoServer
from servers.mysql import PrivateMariadb
from servers.postgres import PostgresServer
from servers.redis import RedisServer

ENGINES = ("pg", "my", "rd")
"""PostgreSQL, MariaDB, Redis: names of engines, of their mounts and of their targets."""
STATEMENT_TIMEOUT_S = 2
CONNECTIONS = 8
"""So few that clients at work soon have them all open, and nothing grows after that."""
_ROLES = """\
    default_ttl: 10s
    max_ttl: 1h
"""
_POLICY = """\
engines:
{engines}roles:
{roles}identities:
  clients:
    owner: the-harness
    tenant: chaos
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - identities: [clients]
    paths: [{paths}]
    verbs: [issue, renew, revoke, revoke-any, list]
  - identities: [clients]
    paths: ["*"]
    verbs: [operate]
"""
_ENGINE = """\
  {name}:
    type: {type}
    connection:
      url: "{url}"
      username: "{user}"
      password: env:CHAOS_{name}_PASSWORD
      statement_timeout: {timeout}
      max_connections: {connections}
"""

Server = PostgresServer | PrivateMariadb | RedisServer


class World:
    """Servers by engine, how a census sees them, and a broker."""

    def __init__(self, servers: Mapping[str, Server], broker: MosquittoServer) -> None:
        self.servers = servers
        self.broker = broker
        self.targets: dict[str, targets.Target] = {
            name: _target(server) for name, server in servers.items()
        }

    @property
    def engines(self) -> Sequence[str]:
        return tuple(self.servers)

    def policy(
        self, ports: Mapping[str, int] | None = None, roles: Mapping[str, str] | None = None
    ) -> str:
        """For a daemon on these servers, or on relays to them at `ports`.

        `roles` are recipes, in YAML on one line, of more roles than `app` of each engine.
        """
        engines = "".join(
            _engine(name, server, (ports or {}).get(name, server.port))
            for name, server in self.servers.items()
        )
        parts = [f"  {name}/app:\n{_recipe(name)}{_ROLES}" for name in self.servers]
        parts += [f"  {name}: {recipe}\n" for name, recipe in (roles or {}).items()]
        paths = ", ".join(f"{name}/creds/*" for name in self.servers)
        return _POLICY.format(engines=engines, roles="".join(parts), uid=os.getuid(), paths=paths)

    @property
    def passwords(self) -> dict[str, str]:
        """What the daemon reads its administrators' passwords from."""
        return {f"CHAOS_{name}_PASSWORD": server.password for name, server in self.servers.items()}

    def clear(self) -> None:
        """Take away what another daemon left at the targets."""
        for server in self.servers.values():
            server.reset()


def _engine(name: str, server: Server, port: int) -> str:
    kind, user = {"pg": "postgresql", "my": "mysql", "rd": "redis"}[name], server.admin
    if name == "pg":
        url = f"postgresql://127.0.0.1:{port}/app?sslmode=disable"
    else:
        url = f"{kind}://127.0.0.1:{port}"
    return _ENGINE.format(
        name=name,
        type=kind,
        url=url,
        user=user,
        timeout=STATEMENT_TIMEOUT_S,
        connections=CONNECTIONS,
    )


def _recipe(name: str) -> str:
    if name == "rd":
        return '    commands: ["+@read"]\n    keys: ["app:*"]\n'
    return "    member_of: [app_readonly]\n"


def _target(server: Server) -> targets.Target:
    if isinstance(server, PostgresServer):
        return targets.Postgres(server)
    if isinstance(server, RedisServer):
        return targets.Redis(server)
    return targets.Mysql(server)


@contextmanager
def world(engines: Sequence[str] = ENGINES) -> Iterator[World]:
    """Start the servers, all at once, and remove them in the end."""
    makers: dict[str, Callable[[], Server]] = {
        "pg": PostgresServer,
        "my": PrivateMariadb,
        "rd": RedisServer,
    }

    def started(name: str) -> Server:
        server = makers[name]()
        stack.callback(server.remove)
        server.start().reset()
        return server

    with ExitStack() as stack:
        broker = MosquittoServer()
        stack.callback(broker.remove)
        broker.start()
        with ThreadPoolExecutor() as pool:
            servers = dict(zip(engines, pool.map(started, engines), strict=True))
        yield World(servers, broker)
