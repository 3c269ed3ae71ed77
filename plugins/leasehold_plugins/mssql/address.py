"""Where a server is and how it is proved to be it: `connection.url`, read. Pure.

To any host but this one the connection is made with TLS, the certificate checked and its name
compared (rule S6); there is no way to say otherwise. On this host TLS is used, and checked, when
the URL names an authority.
"""

import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from leasehold.plugin import EnginePermanent, ErrorClass, is_loopback

PORT = 1433
SYSTEM = "master"
"""The database that every server has."""
_SCHEMES = ("mssql", "sqlserver")
_OPTIONS = ("ssl_ca", "database")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server, a database at it, and the file that TLS is checked with."""

    host: str
    port: int
    database: str
    ssl_ca: str | None = None

    def tls(self) -> ssl.SSLContext | None:
        """What the server has to prove, or None where nothing needs to be. Raises EngineError."""
        if is_loopback(self.host) and self.ssl_ca is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_ca)
        except (OSError, ssl.SSLError) as error:
            raise invalid(
                "connection.url: ssl_ca names a file that cannot be read as PEM"
            ) from error
        # After a handshake of TLS 1.3 the server says more, and TDS 7 has no place for that.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


def read(url: str) -> Address:
    """The address in `url`. Raises EnginePermanent."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError as error:
        raise _not_a_url() from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise _not_a_url()
    if parts.username is not None or parts.password is not None:
        raise invalid(
            "connection.url holds a user or a password; write them as connection.username and"
            " connection.password"
        )
    options = dict(parse_qsl(parts.query))
    for name in options:
        if name not in _OPTIONS:
            raise invalid(
                f"connection.url: unknown option {name}; allowed are {', '.join(_OPTIONS)}"
            )
    return Address(
        host=parts.hostname,
        port=port,
        database=unquote(parts.path.strip("/")) or options.get("database", SYSTEM),
        ssl_ca=options.get("ssl_ca"),
    )


def _not_a_url() -> EnginePermanent:
    return invalid("connection.url is not a URL of SQL Server; write mssql://host:1433/database")


def invalid(reason: str) -> EnginePermanent:
    """The error for options that cannot work."""
    return EnginePermanent(reason, error_class=ErrorClass.INVALID)
