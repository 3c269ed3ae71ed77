"""Dynamic pools of SQLAlchemy connections.

    pool = DynamicPool(client, "database/creds/app", SqlalchemyEngine("postgresql+psycopg://db/app"))
    with pool.connection() as connection, Session(bind=connection) as session: ...

`connection()` ends as `Engine.connect()` does: what is not committed is rolled back
(https://docs.sqlalchemy.org/en/21/core/connections.html).
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from leasehold.client.adapters.login import login, no_connection
from leasehold.secret import Secret


class SqlalchemyEngine:
    """Makes engines for `url`, which names no user; `options` are those of `create_engine`."""

    broken: tuple[type[Exception], ...] = (OperationalError, InterfaceError)

    def __init__(self, url: str, **options: Any) -> None:
        self._url = make_url(url)
        self._options = options

    def open(self, fields: Mapping[str, Secret]) -> Engine:
        """An engine that has one connection. Raises Unavailable."""
        user, password = login(fields)
        engine = create_engine(self._url.set(username=user, password=password), **self._options)
        try:
            engine.connect().close()
        except SQLAlchemyError as error:
            engine.dispose()
            raise no_connection(error) from error
        return engine

    def checkout(self, pool: Engine) -> AbstractContextManager[Connection]:
        """A connection of the engine."""
        return pool.connect()

    def close(self, pool: Engine) -> None:
        """End the engine's connections."""
        pool.dispose()
