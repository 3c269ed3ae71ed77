"""Where a server is and how it is proved to be it: `connection.url`, read. Pure.

To any host but this one the connection is made with TLS, the certificate checked and its name
compared (rule S6); there is no way to say otherwise. On this host TLS is used where the server
offers it, and checked when the URL names an authority.
"""

import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from leasehold.plugin import EnginePermanent, ErrorClass, is_loopback

PORT = 3306
_SCHEMES = ("mysql", "mariadb")
_OPTIONS = ("ssl_ca", "ssl_cert", "ssl_key", "unix_socket")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server: `unix_socket`, or `host` and `port`; and the files that TLS is checked with."""

    host: str
    port: int
    database: str | None
    unix_socket: str | None
    ssl_ca: str | None
    ssl_cert: str | None
    ssl_key: str | None

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves this host."""
        return self.unix_socket is not None or is_loopback(self.host)

    def tls(self) -> ssl.SSLContext | None:
        """What the server has to prove, or None where nothing needs to be. Raises EngineError."""
        if self.unix_socket is not None or (self.is_local and self.ssl_ca is None):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_ca)
            if self.ssl_cert is not None:
                context.load_cert_chain(self.ssl_cert, self.ssl_key)
        except (OSError, ssl.SSLError) as error:
            raise _invalid(
                "connection.url: ssl_ca, ssl_cert or ssl_key names a file that cannot be read as"
                " PEM"
            ) from error
        return context


def read(url: str) -> Address:
    """The address in `url`. Raises EnginePermanent."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError as error:
        raise _not_a_url() from error
    if parts.scheme not in _SCHEMES or not (parts.hostname or parts.query):
        raise _not_a_url()
    if parts.username is not None or parts.password is not None:
        raise _invalid(
            "connection.url holds a user or a password; write them as connection.username and"
            " connection.password"
        )
    options = dict(parse_qsl(parts.query))
    for name in options:
        if name not in _OPTIONS:
            raise _invalid(
                f"connection.url: unknown option {name}; allowed are {', '.join(_OPTIONS)}"
            )
    if "ssl_key" in options and "ssl_cert" not in options:
        raise _invalid("connection.url: ssl_key without ssl_cert")
    return Address(
        host=parts.hostname or "localhost",
        port=port,
        database=unquote(parts.path.strip("/")) or None,
        unix_socket=options.get("unix_socket"),
        ssl_ca=options.get("ssl_ca"),
        ssl_cert=options.get("ssl_cert"),
        ssl_key=options.get("ssl_key"),
    )


def _not_a_url() -> EnginePermanent:
    return _invalid("connection.url is not a MySQL URL; write mysql://host:3306/database")


def _invalid(reason: str) -> EnginePermanent:
    return EnginePermanent(reason, error_class=ErrorClass.INVALID)
