"""A fake MongoDB that speaks the real protocol: logins, users, sessions, replica sets.

It stands in for what no server that can be had here offers: roles, X.509, sessions, members that
take turns. Commands and fields it does not know are refused, as a mongod refuses them.
"""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cryptography import x509

from fakes.mongo_scram import Exchange
from fakes.mongo_users import Refusal, User, Users
from fakes.mongo_wire import Connection, Listener
from servers.certificates import Authority

ADMIN, PASSWORD = "root", "r00t"
_EVERY = {"$db", "lsid", "$readPreference", "maxTimeMS", "comment", "$clusterTime"}
_FIELDS: Mapping[str, set[str]] = {
    "createUser": {"pwd", "customData", "roles", "writeConcern", "mechanisms"},
    "updateUser": {"pwd", "mechanisms", "customData", "writeConcern"},
    "dropUser": {"writeConcern"},
    "usersInfo": {"filter"},
    "connectionStatus": {"showPrivileges"},
    "saslStart": {"mechanism", "payload", "autoAuthorize", "options"},
    "saslContinue": {"conversationId", "payload"},
    "authenticate": {"mechanism", "user"},
    "find": {"filter", "limit", "singleBatch"},
}
_GREETINGS = ("hello", "ismaster", "isMaster")
_OPEN = (*_GREETINGS, "ping", "buildInfo", "saslStart", "saslContinue", "authenticate")
_CHANGES = ("createUser", "updateUser", "dropUser")


class Mongod(Listener):
    """One server. Members of a replica set share `users` and know each other."""

    def __init__(
        self, users: Users, *, authority: Authority | None = None, mongos: bool = False
    ) -> None:
        self.users = users
        self.set: Sequence[Mongod] = ()
        self.is_primary = True
        self.authority = authority
        self.mongos = mongos
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.at_next: dict[str, Callable[[Callable[[], dict[str, Any]]], dict[str, Any]]] = {}
        self._running: list[tuple[User | None, threading.Event]] = []
        super().__init__(None if authority is None else _tls(authority))

    @property
    def address(self) -> str:
        return f"{'localhost' if self._tls else '127.0.0.1'}:{self.port}"

    def serve(self, connection: Connection) -> None:
        session = _Session(self, connection)
        while True:
            message = connection.receive()
            connection.reply(message, session.answer(message.document))

    def hello(self) -> dict[str, Any]:
        told: dict[str, Any] = {"maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000}
        told |= {"maxWriteBatchSize": 100000, "minWireVersion": 0, "maxWireVersion": 21}
        told |= {"logicalSessionTimeoutMinutes": 30, "ismaster": self.is_primary, "readOnly": False}
        told["isWritablePrimary"] = self.is_primary
        if self.mongos:
            told["msg"] = "isdbgrid"
        if self.set:
            primary = next((it.address for it in self.set if it.is_primary), None)
            told |= {"setName": "rs0", "setVersion": 1, "secondary": not self.is_primary}
            told |= {"hosts": [it.address for it in self.set], "me": self.address}
            told |= {"primary": primary} if primary else {}
        return told

    def run(self, me: User | None, name: str, db: str, command: dict[str, Any]) -> dict[str, Any]:
        """What a command gives. Raises Refusal."""
        if name in _CHANGES:
            if not self.is_primary:
                raise Refusal(10107, "not primary")
            concern = command["writeConcern"]
            assert concern["w"] == "majority", concern
            assert concern["wtimeout"] > 0, concern
        match name:
            case "createUser":
                self.users.create(me, db, command)
            case "updateUser":
                self.users.update(me, db, command)
            case "dropUser":
                self.users.drop(me, db, command)
            case "usersInfo":
                if not self.is_primary:
                    raise Refusal(13435, "not primary and secondaryOk=false")
                return self.users.info(me, db, command)
            case "rolesInfo":
                wanted = [(it["role"], it["db"]) for it in command["rolesInfo"]]
                for _, source in wanted:
                    self.users.require(me, "viewRole", source)
                found = [pair for pair in wanted if self.users.has_role(*pair)]
                return {"roles": [{"role": role, "db": source} for role, source in found]}
            case "serverStatus":
                self.users.require(me, "serverStatus", None)
                return {"connections": {"current": len(self._open), "available": 800}}
            case "invalidateUserCache":
                self.users.require(me, "invalidateUserCache", None)
            case "killAllSessions":
                self.users.require(me, "killAnySession", None)
                self._kill({(it["user"], it["db"]) for it in command["killAllSessions"]})
            case "find":
                self.users.require(me, "find", db)
                if command["find"] == "slow":
                    self._wait(me)
                return {"cursor": {"id": 0, "ns": f"{db}.{command['find']}", "firstBatch": []}}
            case "endSessions":
                pass
            case _:
                raise Refusal(59, f"no such command: '{name}'")
        return {}

    def _wait(self, me: User | None) -> None:
        stop = threading.Event()
        self._running.append((me, stop))
        assert stop.wait(20), "nobody ended the operation"
        raise Refusal(11601, "operation was interrupted")

    def runs_something(self) -> bool:
        return any(not stop.is_set() for _, stop in self._running)

    def _kill(self, users: set[User]) -> None:
        for user, stop in self._running:
            if user in users:
                stop.set()

    def close(self) -> None:
        for _, stop in self._running:
            stop.set()
        super().close()


class _Session:
    """A connection, and who is logged in on it."""

    def __init__(self, server: Mongod, connection: Connection) -> None:
        self._server = server
        self._sock = connection.sock
        self._me: User | None = None
        self._id: Any = None
        self._scram: tuple[Exchange, str] | None = None

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        server, db = self._server, command.get("$db", "admin")
        try:
            server.seen.append((name, command))
            self._check(name, command)
            work = lambda: {**self._run(name, db, command), "ok": 1.0}  # noqa: E731
            odd = server.at_next.pop(name, None)
            return work() if odd is None else odd(work)
        except Refusal as no:
            return {"ok": 0.0, "errmsg": str(no), "code": no.code}

    def _check(self, name: str, command: Mapping[str, Any]) -> None:
        known = _FIELDS.get(name, set())
        if name not in _GREETINGS and (odd := command.keys() - known - _EVERY - {name}):
            raise Refusal(40415, f"BSON field '{name}.{min(odd)}' is an unknown field.")
        if name in _OPEN:
            return
        user = self._server.users.users.get(self._me) if self._me else None
        if user is None or user["userId"] != self._id:
            self._me = None
            raise Refusal(13, f"Command {name} requires authentication")

    def _run(self, name: str, db: str, command: dict[str, Any]) -> dict[str, Any]:
        match name:
            case "hello" | "ismaster" | "isMaster":
                asked = command.get("saslSupportedMechs", "")
                source, _, user = asked.partition(".")
                known = (user, source) in self._server.users.verifiers
                return self._server.hello() | (
                    {"saslSupportedMechs": ["SCRAM-SHA-256"]} if known else {}
                )
            case "ping":
                return {}
            case "buildInfo":
                return {"version": "7.0.99"}
            case "saslStart":
                if command["mechanism"] != "SCRAM-SHA-256":
                    raise Refusal(18, "Authentication failed.")
                exchange = Exchange(command["payload"].decode())
                self._scram = exchange, db
                told = exchange.challenge(self._server.users.verifiers.get((exchange.user, db)))
                return {"conversationId": 1, "done": False, "payload": told.encode()}
            case "saslContinue":
                assert self._scram is not None
                exchange, source = self._scram
                proof = exchange.finish(command["payload"].decode())
                if proof is None:
                    raise Refusal(18, "Authentication failed.")
                self._log_in((exchange.user, source))
                return {"conversationId": 1, "done": True, "payload": proof.encode()}
            case "authenticate":
                assert command["mechanism"] == "MONGODB-X509", command
                self._log_in((self._subject(), "$external"))
                return {}
            case "connectionStatus":
                rights = list(self._server.users.privileges(self._me))
                return {"authInfo": {"authenticatedUserPrivileges": rights}}
        return self._server.run(self._me, name, db, command)

    def _log_in(self, user: User) -> None:
        if user not in self._server.users.users:
            raise Refusal(18, "Authentication failed.")
        self._me, self._id = user, self._server.users.users[user]["userId"]

    def _subject(self) -> str:
        der = getattr(self._sock, "getpeercert", lambda _: None)(True)
        if der is None:
            raise Refusal(18, "Authentication failed.")
        certificate = x509.load_der_x509_certificate(der)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH in usage
        return certificate.subject.rfc4514_string()


def _tls(authority: Authority) -> ssl.SSLContext:
    pair = authority.server("mongod")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate_file, pair.key_file)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@contextmanager
def mongod(**how: Any) -> Iterator[Mongod]:
    """One server by itself, with an administrator."""
    server = Mongod(_with_root(), **how)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def replica_set(size: int = 3) -> Iterator[Sequence[Mongod]]:
    """Members that share users; the first is the primary."""
    users = _with_root()
    members = [Mongod(users) for _ in range(size)]
    for member in members:
        member.set, member.is_primary = members, member is members[0]
    try:
        yield members
    finally:
        for member in members:
            member.close()


def hand_over(members: Sequence[Mongod]) -> None:
    """The primary steps down, and another member takes its place."""
    old = next(member for member in members if member.is_primary)
    new = next(member for member in members if not member.is_primary)
    old.is_primary, new.is_primary = False, True


def _with_root() -> Users:
    users = Users()
    users.add(ADMIN, PASSWORD, [{"role": "root", "db": "admin"}])
    return users
