"""Where a database is, out of a connection of Vault's: an address without user and password. Pure.

Vault shows a connection's URL as it was given, often with `{{username}}:{{password}}` in it; a
password that stands there in clear is blotted out only where Go can parse the URL. So whatever
stands before the host is thrown away, and what cannot be taken apart is not taken at all.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from leasehold.hosts import is_loopback

POSTGRESQL = "postgresql"
_POSTGRES_URL = ("postgres", POSTGRESQL)
_LIBPQ = re.compile(
    "host(addr)?|port|dbname|connect_timeout|client_encoding|options|application_name"
    "|keepalives(_idle|_interval|_count)?|tcp_user_timeout|krbsrvname|requirepeer|gssencmode"
    "|ssl(mode|rootcert|cert|key|crl|crldir|sni)|ssl_m(in|ax)_protocol_version|channel_binding"
    "|target_session_attrs|load_balance_hosts"
)
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir")
_PORT = re.compile(r":\d*$")
_PAIR = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^\s']*))(?:\s+|$)")
_EZCONNECT = re.compile(r"[^@]*@(?://)?([\w.-]+(?::\d+)?)/([\w.-]+)")
_GO_MYSQL = re.compile(r"(?:[^@]*@)?tcp\(([^()@/]+)\)/([^?@]*)(?:\?[^@]*)?")


@dataclass(slots=True)
class Target:
    """`url` and `username` are empty where they could not be found; `comments` tell of changes."""

    url: str = ""
    username: str = ""
    comments: list[str] = field(default_factory=list)


def target(engine_type: str, details: Mapping[str, Any]) -> Target:
    """The target of an engine of this type, from Vault's `connection_details`."""
    found = Target(username=_plain(details.get("username")))
    text = next((t for key in ("connection_url", "url") if (t := _plain(details.get(key)))), "")
    scheme, slashes, rest = text.partition("://")
    if slashes and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        _from_url(found, scheme, rest, libpq=engine_type == POSTGRESQL)
    elif engine_type == POSTGRESQL:
        _from_keywords(found, text)
    elif engine_type == "oracle" and (easy := _EZCONNECT.fullmatch(text)):
        found.url = f"{engine_type}://{easy[1]}/{easy[2]}"
    elif tcp := _GO_MYSQL.fullmatch(text):
        found.url = f"{engine_type}://{tcp[1]}/{tcp[2]}"
    elif not text and (host := _plain(details.get("host"))):
        scheme = "rediss" if engine_type == "redis" and details.get("tls") else engine_type
        found.url = f"{scheme}://{host}" + (f":{port}" if (port := details.get("port")) else "")
    if "{{" in found.url:
        found.url = ""
    return found


def _plain(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _from_url(found: Target, scheme: str, rest: str, *, libpq: bool) -> None:
    head, _, query = rest.partition("?")
    if "@" in query or (libpq and scheme not in _POSTGRES_URL):
        return  # a user whose password has a question mark, perhaps
    user, _, place = head.rpartition("@")
    found.username = found.username or _name(unquote(user.partition(":")[0]))
    pairs = parse_qsl(query, keep_blank_values=True)
    if libpq:
        scheme, host = POSTGRESQL, place.partition("/")[0]
        pairs = _for_libpq(found, host or dict(pairs).get("host", "/"), pairs)
    else:
        pairs = [(key, value) for key, value in pairs if "pass" not in key.lower()]
    found.url = f"{scheme}://{place}" + (f"?{urlencode(pairs, safe='/:,')}" if pairs else "")


def _from_keywords(found: Target, text: str) -> None:
    """The other form of libpq: `host=db port=5432 user={{username}} …`."""
    values, at = {}, 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return
        values[pair[1]] = re.sub(r"\\(.)", r"\1", pair[2] or pair[3] or "")
        at = pair.end()
    found.username = found.username or _name(values.get("user", ""))
    host, port = values.pop("host", ""), values.pop("port", "")
    database = values.pop("dbname", "")
    if not host or "/" in database:
        return
    pairs = _for_libpq(found, host, values.items())
    if host.startswith("/"):
        pairs, host = [("host", host), *pairs], ""
    found.url = f"{POSTGRESQL}://{host}" + (f":{port}" if port else "") + f"/{database}"
    found.url += f"?{urlencode(pairs, safe='/:,')}" if pairs else ""


def _for_libpq(
    found: Target, hosts: str, pairs: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The parameters that libpq knows, without what leasehold would refuse."""
    kept = []
    local = all(
        host.startswith("/") or is_loopback(host) or is_loopback(_PORT.sub("", host))
        for host in hosts.split(",")
    )
    for key, value in pairs:
        if key == "user" or "pass" in key:
            continue
        if key == "sslmode" and value != "verify-full" and not local:
            found.comments.append(
                f"The source had sslmode={value}; leasehold connects to another host with"
                " verify-full and nothing less. If the system does not trust the server's"
                " authority, add sslrootcert=/path to the url."
            )
        elif not _LIBPQ.fullmatch(key):
            found.comments.append(f"The source had {key} in the url, which libpq does not know.")
        else:
            kept.append((key, value))
            if key in _FILES:
                found.comments.append(f"The file of {key} has to be on leasehold's host.")
    return kept


def _name(user: str) -> str:
    return "" if "{{" in user else user
