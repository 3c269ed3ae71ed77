"""Where a daemon is, and what shows it who asks: from options and the environment.

An address is `unix:///path` or `https://host:port`. Over the Unix socket the kernel tells who asks;
over TLS a client certificate or a token does. Plain HTTP is refused, to loopback too: the daemon
serves none, and a token would be readable. The names of the variables are those of Vault's clients
(https://developer.hashicorp.com/vault/docs/commands#environment-variables); for address and token
there is one of our own too, which wins where a host has both.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from leasehold.errors import ConfigError
from leasehold.secret import Secret

DEFAULT_SOCKET = Path("/run/leasehold/leasehold.sock")
TOKEN_FILE = ".leasehold-token"  # noqa: S105 (a file's name)
"""In the home directory. Its token, like one in the environment, is sent over https only."""
HTTPS_PORT = 443
ALLOWED = "allowed are unix:///path and https://host:port"
_FALSE = frozenset({"", "0", "f", "false"})


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A daemon on this host. The kernel tells who asks; a `token` is sent if it is given here."""

    path: Path
    token: Secret | None = None

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Https:
    """A daemon behind TLS 1.3, whose certificate `ca` (PEM; else the system's) must vouch for.

    `certificate` and `key` are the caller's own, PEM; both or none. The files are read at each
    request, so that certificates may be renewed meanwhile.
    """

    host: str
    port: int = HTTPS_PORT
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: Secret | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


Endpoint = UnixSocket | Https


def find_endpoint(
    environ: Mapping[str, str],
    *,
    address: str | None = None,
    socket: Path | None = None,
) -> Endpoint:
    """The daemon to ask: what is given, else what the environment says, else the default socket.

    In this order: `address`, `socket`, LEASEHOLD_ADDR, LEASEHOLD_SOCKET, VAULT_ADDR. Raises
    ConfigError.
    """
    if address and socket:
        raise ConfigError("--address and --socket: both are given; give one of them")
    if address:
        return _parsed("address", address, environ)
    if socket:
        return UnixSocket(socket)
    if text := environ.get("LEASEHOLD_ADDR"):
        return _parsed("LEASEHOLD_ADDR", text, environ)
    if text := environ.get("LEASEHOLD_SOCKET"):
        return UnixSocket(Path(text))
    if text := environ.get("VAULT_ADDR"):
        return _parsed("VAULT_ADDR", text, environ)
    return UnixSocket(DEFAULT_SOCKET)


def endpoint_of(
    environ: Mapping[str, str], address: Endpoint | Path | str | None, token: Secret | None
) -> Endpoint:
    """The daemon that a program names, or the environment; with `token`, if that is given.

    Raises ConfigError.
    """
    if isinstance(address, Path):
        endpoint: Endpoint = UnixSocket(address)
    elif isinstance(address, str):
        endpoint = find_endpoint(environ, address=address)
    else:
        endpoint = find_endpoint(environ) if address is None else address
    return endpoint if token is None else replace(endpoint, token=_sound("token", token))


def _parsed(place: str, text: str, environ: Mapping[str, str]) -> Endpoint:
    try:
        url = urlsplit(text)
        port = HTTPS_PORT if url.port is None else url.port
    except ValueError:
        # The text is not repeated: it may hold a password.
        raise ConfigError(f"{place}: host or port are malformed; {ALLOWED}") from None
    if url.username is not None or url.password is not None:
        raise ConfigError(f"{place}: an address has no user and no password; {ALLOWED}")
    if url.scheme == "http":
        raise ConfigError(f"{place}: found {text!r}; plain HTTP is not served; {ALLOWED}")
    if url.query or url.fragment:
        raise ConfigError(f"{place}: found {text!r}, which has more than an address; {ALLOWED}")
    if url.scheme == "unix" and not url.netloc and url.path.startswith("/"):
        return UnixSocket(Path(url.path))
    if url.scheme == "https" and url.hostname and url.path in ("", "/"):
        return _https(url.hostname, port, environ)
    raise ConfigError(f"{place}: found {text!r}; {ALLOWED}")


def _https(host: str, port: int, environ: Mapping[str, str]) -> Https:
    if environ.get("VAULT_SKIP_VERIFY", "").lower() not in _FALSE:
        raise ConfigError(
            "VAULT_SKIP_VERIFY: the daemon's certificate is always verified; unset it, and name the"
            " file with the authority in VAULT_CACERT"
        )
    certificate, key = _file(environ, "VAULT_CLIENT_CERT"), _file(environ, "VAULT_CLIENT_KEY")
    if (certificate is None) != (key is None):
        raise ConfigError("VAULT_CLIENT_CERT and VAULT_CLIENT_KEY: one is set; set both, or none")
    return Https(
        host=host,
        port=port,
        ca=_file(environ, "VAULT_CACERT"),
        certificate=certificate,
        key=key,
        token=own_token(environ),
    )


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


def own_token(environ: Mapping[str, str]) -> Secret | None:
    """The token of the environment, else what `leasehold login` kept. Raises ConfigError."""
    for name in ("LEASEHOLD_TOKEN", "VAULT_TOKEN"):
        if text := environ.get(name):
            return _sound(name, Secret(text))
    return kept_token(token_file(environ))


def token_file(environ: Mapping[str, str]) -> Path:
    """Where `leasehold login` keeps a token: in HOME, else in the user's home directory."""
    return Path(environ.get("HOME") or Path.home(), TOKEN_FILE)


def kept_token(file: Path) -> Secret | None:
    """The token in `file`; None when there is no such file."""
    try:
        with open(file, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ConfigError(f"{file}: not a file; remove it")
            if about.st_uid != os.geteuid():
                raise ConfigError(f"{file}: it belongs to another user; make one of your own")
            if about.st_mode & 0o077:
                mode = stat.S_IMODE(about.st_mode)
                raise ConfigError(f"{file}: found mode {mode:04o}, allowed is 0600; chmod 600 it")
            return _sound(str(file), Secret(opened.read(4096).strip()))
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not a token; remove it") from None
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error


def _sound(place: str, token: Secret) -> Secret:
    """`token`, if it may stand in a header. Raises ConfigError, without the token."""
    text = token.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(f"{place}: not a token; allowed are printable ASCII characters, no space")
    return token
