"""A relay before FerretDB 1.24, which does itself what FerretDB has not.

Users, their passwords and logins are FerretDB's. Roles and custom data of users are taken out of
commands and kept here; so are filters of `usersInfo`. Rights and sessions it knows nothing of.
"""

import socket
from collections.abc import Mapping
from typing import Any

from fakes.mongo_users import ROOT, User, matches
from fakes.mongo_wire import Connection, Listener, Message

_HERE: Mapping[str, Mapping[str, Any]] = {
    "killAllSessions": {"ok": 1.0},
    "connectionStatus": {"authInfo": {"authenticatedUserPrivileges": ROOT}, "ok": 1.0},
    "serverStatus": {"connections": {"current": 1, "available": 99}, "ok": 1.0},
}


class FerretRelay(Listener):
    """Listens on `port` for the FerretDB that listens on another."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._kept: dict[User, dict[str, Any]] = {}
        super().__init__()

    def serve(self, connection: Connection) -> None:
        with socket.create_connection(("127.0.0.1", self._upstream)) as sock:
            above = Connection(sock)
            while True:
                message = connection.receive()
                if (reply := self._answered(above, message)) is not None:
                    connection.reply(message, reply)
                else:
                    above.send(message.raw)
                    connection.send(above.receive().raw)

    def _answered(self, above: Connection, message: Message) -> dict[str, Any] | None:
        """The reply to a command that FerretDB is not to see as it is; None for all others."""
        command = dict(message.document)
        name = next(iter(command))
        if name in _HERE:
            return dict(_HERE[name])
        if name == "rolesInfo":
            return {"roles": command["rolesInfo"], "ok": 1.0}
        if name not in ("createUser", "updateUser", "usersInfo"):
            return None
        kept = {key: command.pop(key) for key in ("roles", "customData") if key in command}
        wanted = command.pop("filter", {})
        if name == "createUser":
            command["roles"] = []
        if name == "updateUser" and "pwd" not in command:
            command = {"usersInfo": command[name], "$db": command["$db"]}
        reply = above.ask(command)
        if name == "usersInfo":
            return {**reply, "users": [it for it in self._whole(reply) if matches(it, wanted)]}
        if "users" in reply and not reply["users"]:
            return {"ok": 0.0, "code": 11, "errmsg": "user not found"}
        if reply["ok"]:
            self._kept.setdefault((message.document[name], command["$db"]), {}).update(kept)
        return {"ok": 1.0} if reply["ok"] else reply

    def _whole(self, reply: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{**it, **self._kept.get((it["user"], it["db"]), {})} for it in reply["users"]]
