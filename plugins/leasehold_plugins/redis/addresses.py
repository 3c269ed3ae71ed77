"""Where a server is, and whether the way there is safe (rule S6)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from leasehold.plugin import EnginePermanent, ErrorClass

PORT = 6379
_TLS = {"redis": False, "rediss": True}
_FORM = "write rediss://host:port, or redis:// and unix:///path for this host"


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = PORT
    path: str = ""
    tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"

    @property
    def is_safe(self) -> bool:
        """Whether nobody on the way can read along."""
        local = self.host in ("localhost", "::1") or self.host.startswith("127.")
        return bool(self.path) or self.tls or local

    def beside(self, host: str, port: int) -> "Address":
        """The server at `host` and `port`, to be reached as this one is."""
        return Address(host=host or self.host, port=port, tls=self.tls)

    def named(self, text: str) -> "Address":
        """The address that `str` made `text` of, to be reached as this one is."""
        host, _, port = text.rpartition(":")
        return self.beside(host.strip("[]"), int(port))


def parse(url: str) -> Address:
    """The address in `url`. Raises EnginePermanent for one that cannot be used, or is not safe."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORT
    except ValueError as error:
        raise _bad(f"is no address: {_FORM}") from error
    if "@" in parts.netloc:
        raise _bad("has a user or a password in it; write username and password beside it")
    if parts.query or parts.fragment:
        raise _bad("has parameters, which are not known here; options stand beside it")
    if parts.scheme == "unix" and not parts.netloc and len(parts.path) > 1:
        return Address(path=parts.path)
    database = parts.path.removeprefix("/")
    if parts.scheme not in _TLS or not host or (database and not database.isdigit()):
        raise _bad(f"is no address: {_FORM}")
    found = Address(host=host, port=port, tls=_TLS[parts.scheme])
    if not found.is_safe:
        raise _bad(
            f"says redis:// for {found}, but only TLS keeps the administrator's password safe on"
            " the way to another host; write rediss://"
        )
    return found


def _bad(words: str) -> EnginePermanent:
    return EnginePermanent(f"connection.url {words}", error_class=ErrorClass.INVALID)
