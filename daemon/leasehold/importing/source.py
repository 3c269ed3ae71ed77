"""Where a Vault or OpenBao is and how to speak to it: from the environment that its clients read.

OpenBao's clients read `BAO_X`, and `VAULT_X` where that is not set; so is it here. The token never
comes from the command line, where every user of the host could read it.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from leasehold.errors import ConfigError
from leasehold.hosts import is_loopback
from leasehold.secret import Secret

TOKEN_FILE = ".vault-token"  # noqa: S105 (a file's name)
_PORTS = {"http": 80, "https": 443}
_FORM = "https://host:8200, http://host:8200 or unix:///path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One server and what to show it. `shown` is the address without anything secret.

    `socket` stands instead of `host` and `port`; `tls` is None for a connection in clear.
    """

    shown: str
    socket: Path | None
    host: str
    port: int
    tls: ssl.SSLContext | None
    token: Secret
    namespace: str

    @property
    def exposed(self) -> bool:
        """Whether the token goes over a network in clear."""
        return self.socket is None and self.tls is None and not is_loopback(self.host)


def find_source(address: str | None, environment: Mapping[str, str], home: Path) -> Source:
    """The server at `address`, else where the environment says. Raises ConfigError."""

    def variable(name: str) -> str:
        return environment.get(f"BAO_{name}", environment.get(f"VAULT_{name}", ""))

    address = address or variable("ADDR")
    if not address:
        raise ConfigError(f"no address; give --address or set VAULT_ADDR: {_FORM}")
    token, namespace = _token(variable("TOKEN"), home), variable("NAMESPACE")
    scheme, _, rest = address.partition("://")
    if scheme == "unix" and rest.startswith("/"):
        return Source(
            shown=address,
            socket=Path(rest),
            host="",
            port=0,
            tls=None,
            token=token,
            namespace=namespace,
        )
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or _PORTS.get(scheme, 0)
    except ValueError:
        host, port = "", 0
    if scheme not in _PORTS or not host:
        raise ConfigError(f"the address is none; allowed are {_FORM}")
    tls = None
    if scheme == "https":
        tls = _tls(variable("CACERT"), variable("CLIENT_CERT"), variable("CLIENT_KEY"))
    bracketed = f"[{host}]" if ":" in host else host
    return Source(
        shown=f"{scheme}://{bracketed}:{port}",
        socket=None,
        host=host,
        port=port,
        tls=tls,
        token=token,
        namespace=namespace,
    )


def _token(given: str, home: Path) -> Secret:
    file = home / TOKEN_FILE
    try:
        token = given or file.read_text()
    except (OSError, UnicodeDecodeError):
        token = ""
    token = token.strip()
    if not token:
        raise ConfigError(f"no token; set VAULT_TOKEN, or log in so that {file} has one")
    if not (token.isascii() and token.isprintable()):
        raise ConfigError("the token is none: it holds characters that no token has")
    return Secret(token)


def _tls(ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"VAULT_CACERT: {ca_file}: {_why(error)}") from None
    if cert_file:
        try:
            # A key that is sealed would be asked for at the terminal.
            context.load_cert_chain(cert_file, key_file or None, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            where = f"{cert_file} with {key_file or 'no VAULT_CLIENT_KEY'}"
            raise ConfigError(f"VAULT_CLIENT_CERT: {where}: {_why(error)}") from None
    return context


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "is not what it should be, PEM without a password"
    return f"cannot be read ({error.strerror})"
