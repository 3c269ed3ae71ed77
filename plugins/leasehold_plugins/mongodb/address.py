"""`connection.url` as the driver's options, and whether the way there is safe (rule S6). Pure.

A password is sent in clear when an account is made, so to any host but this one there is TLS, the
certificate checked and its name compared; there is no way to say otherwise. A replica set tells of
members under their own addresses. So without TLS the driver is shown those on this host only.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pymongo.server_description import ServerDescription

from leasehold.plugin import EnginePermanent, ErrorClass, is_loopback

_SCHEMES = ("mongodb", "mongodb+srv")
_TLS = ("tls", "ssl")
_TAKEN = ("authSource", "directConnection", "replicaSet", "tlsCAFile", "tlsCertificateKeyFile")
_YES = {"true": True, "false": False}


def options(url: str) -> dict[str, Any]:
    """What the driver is to be given for `url`, user and password apart. Raises EnginePermanent."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _invalid(f"is no address: {_form()}") from error
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise _invalid(f"is no address: {_form()}")
    if "@" in parts.netloc:
        raise _invalid("has a user or a password in it; write username and password beside it")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    for key in given:
        if key not in (*_TAKEN, *_TLS):
            raise _invalid(f"has the option {key}; allowed are {', '.join((*_TAKEN, 'tls'))}")
    for key in (*_TLS, "directConnection"):
        if key in given and given[key] not in _YES:
            raise _invalid(f"has {key}={given[key]}; allowed are true and false")
    # A socket's path is written with %2F, and has no port.
    local = all(_is_here(host) for host in parts.netloc.split(","))
    asked = next((_YES[given[key]] for key in _TLS if key in given), None)
    if asked is False and not local:
        raise _invalid("switches TLS off, but only TLS keeps the way to another host safe")
    tls = asked or not local or "tlsCertificateKeyFile" in given or "tlsCAFile" in given
    made: dict[str, Any] = {key: given[key] for key in _TAKEN if key in given}
    if "directConnection" in made:
        made["directConnection"] = _YES[made["directConnection"]]
    if database := unquote(parts.path.strip("/")):
        made.setdefault("authSource", database)
    made["host"] = f"{parts.scheme}://{parts.netloc}/"
    made["tls"] = tls
    if not tls:
        made["server_selector"] = _here_only
    return made


def is_here(address: tuple[str, int | None]) -> bool:
    """Whether a server that the driver knows is on this host."""
    host, _ = address
    return host.startswith("/") or is_loopback(host)


def _here_only(servers: Sequence[ServerDescription]) -> list[ServerDescription]:
    return [server for server in servers if is_here(server.address)]


def _is_here(host: str) -> bool:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return host.lower().startswith("%2f") or is_loopback(name)


def member(known: Mapping[str, Any], address: tuple[str, int | None]) -> dict[str, Any]:
    """The options for one server alone, to be reached as the deployment is."""
    host, port = address
    name = f"[{host}]" if ":" in host else host
    made = {key: value for key, value in known.items() if key not in ("replicaSet", "host")}
    return {**made, "host": f"mongodb://{name}:{port or 27017}/", "directConnection": True}


def _form() -> str:
    return "write mongodb://host:27017/?replicaSet=rs0, or mongodb+srv://name"


def _invalid(words: str) -> EnginePermanent:
    return EnginePermanent(f"connection.url {words}", error_class=ErrorClass.INVALID)
