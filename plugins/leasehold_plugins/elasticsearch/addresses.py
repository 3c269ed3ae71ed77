"""Where a node is, and whether the way there is safe (rule S6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

from leasehold.plugin import EnginePermanent, ErrorClass, is_loopback, revealed

PORT = 9200
_FORM = "write https://host:port, or http://127.0.0.1:port for this host"


@dataclass(frozen=True, slots=True)
class Address:
    """The root of a node's interface, with a path where a proxy wants one."""

    url: str

    def __str__(self) -> str:
        return self.url.partition("://")[2]

    @property
    def is_tls(self) -> bool:
        """Whether the node is asked with TLS."""
        return self.url.startswith("https:")


def addresses(connection: Mapping[str, Any]) -> list[Address]:
    """The nodes of a connection, in their order. Raises EnginePermanent."""
    found = [parse(revealed(connection["url"]), "url")]
    found += [
        parse(text, f"nodes[{place}]") for place, text in enumerate(connection.get("nodes", ()))
    ]
    return list(dict.fromkeys(found))


def parse(text: str, option: str) -> Address:
    """The address in `text`. Raises EnginePermanent for one that cannot be used, or is not safe."""
    try:
        url = URL(text)
        host, port = url.host or "", url.explicit_port or PORT
    except ValueError as error:
        raise _bad(option, f"is no address: {_FORM}") from error
    if url.user is not None or url.password is not None:
        raise _bad(option, "has a user or a password in it; write username and password beside it")
    if url.query_string or url.fragment:
        raise _bad(option, "has parameters, which are not known here; options stand beside it")
    if url.scheme not in ("http", "https") or not host:
        raise _bad(option, f"is no address: {_FORM}")
    if url.scheme == "http" and not is_loopback(host):
        raise _bad(
            option,
            f"says http:// for {host}, but only TLS keeps the administrator's password safe on the"
            " way to another host; write https://",
        )
    return Address(str(url.with_port(port)).rstrip("/"))


def _bad(option: str, words: str) -> EnginePermanent:
    return EnginePermanent(f"connection.{option} {words}", error_class=ErrorClass.INVALID)
