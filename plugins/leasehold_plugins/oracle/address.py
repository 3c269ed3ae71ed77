"""Where a database is and how it is proved to be it: `connection.url`, read. Pure.

To any host but this one the connection is made with TLS (TCPS), the certificate checked and its
name compared (rule S6); there is no way to say otherwise. On this host TLS is used, and checked,
when the URL names an authority.
"""

import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from leasehold.plugin import EnginePermanent, ErrorClass, is_loopback

PORT, PORT_TLS = 1521, 2484
_SCHEME = "oracle"
_OPTIONS = ("ssl_ca",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A service of a listener, and the file that TLS is checked with."""

    host: str
    port: int
    service: str
    ssl_ca: str | None = None

    @property
    def is_tls(self) -> bool:
        """Whether the connection is made with TLS."""
        return self.ssl_ca is not None or not is_loopback(self.host)

    def tls(self) -> ssl.SSLContext | None:
        """A fresh context, which the driver may change, or None without TLS. Raises EngineError."""
        if not self.is_tls:
            return None
        try:
            return ssl.create_default_context(cafile=self.ssl_ca)
        except (OSError, ssl.SSLError) as error:
            raise invalid(
                "connection.url: ssl_ca names a file that cannot be read as PEM"
            ) from error


def read(url: str) -> Address:
    """The address in `url`. Raises EnginePermanent."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _not_a_url() from error
    service = unquote(parts.path.strip("/"))
    if parts.scheme != _SCHEME or not parts.hostname or not service:
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
    found = Address(host=parts.hostname, port=0, service=service, ssl_ca=options.get("ssl_ca"))
    return Address(
        host=found.host,
        port=port or (PORT_TLS if found.is_tls else PORT),
        service=service,
        ssl_ca=found.ssl_ca,
    )


def _not_a_url() -> EnginePermanent:
    return invalid("connection.url is not a URL of Oracle; write oracle://host:2484/service")


def invalid(reason: str) -> EnginePermanent:
    """The error for options that cannot work."""
    return EnginePermanent(reason, error_class=ErrorClass.INVALID)
