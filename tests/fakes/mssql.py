"""A fake of SQL Server, behind the engine's own link: no TDS, no optimizer, no rights but a list.

It reads the statements that the engine sends and no others, keeps logins, users and sessions, and
refuses with the numbers that a server has for it. It shows that the engine does the right things in
the right order; whether a real server takes each statement it cannot show.
"""

from fakes.mssql_link import FakeLink
from fakes.mssql_state import Database, Login, State, User
from leasehold.plugin import EngineTemporary
from leasehold_plugins.mssql.address import Address
from leasehold_plugins.mssql.link import SqlError

__all__ = ["Database", "FakeLink", "FakeServer", "Login", "User"]


class FakeServer(State):
    """One server, to be connected to."""

    def dial(
        self, where: Address, username: str, password: str, database: str | None, limit_s: int
    ) -> "FakeLink":
        if where.port == 1:
            raise EngineTemporary("SQL Server cannot be reached")
        name = database or "master"
        login = self.logins.get(username)
        user = self.databases.get(name, Database()).users.get(username)
        if user is not None and user.password is not None:
            if user.password != password:
                raise SqlError(18456)
        elif login is None or not login.opens(password):
            raise SqlError(18456)
        elif login.disabled:
            raise SqlError(18470)
        link = FakeLink(self, username, name, next(self._numbers))
        self.sessions[link.number] = link
        return link
