"""Settings of the daemon: flags, environment and file made into one value.

A flag beats the environment, the environment beats the file, the file beats the default. All three
give texts, so a setting reads alike wherever it comes from; what is allowed stands once, in
`schemas/settings.schema.json`. What may be asked of the daemon is policy, not a setting.
"""

import difflib
import importlib.resources
import ipaddress
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonschema import Draft202012Validator

from leasehold.errors import ConfigError

PREFIX = "LEASEHOLD_"
TLS_FILES = ("tls_certificate_file", "tls_key_file", "tls_client_ca_file")
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How the TLS listener runs: the settings that begin with `tls_`."""

    address: str
    port: int
    certificate_file: Path
    key_file: Path
    client_ca_file: Path
    client_certificates: Literal["required", "optional"] = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one daemon runs; each field is described in the schema. Paths are absolute.

    `policies` is a path, or the address of a git repository.
    """

    policies: str
    state_dir: Path
    socket: Path
    socket_mode: int = 0o660
    socket_group: str | None = None
    tls: TlsSettings | None = None
    deployment: str | None = None
    apply: Literal["auto", "manual"] = "auto"
    mqtt: str | None = None
    mqtt_password_file: Path | None = None
    key_file: Path
    allowed_signers: Path | None = None
    gpg_home: Path | None = None
    git_token: str | None = None
    git_ssh_key_file: Path | None = None
    git_known_hosts_file: Path | None = None
    git_ca_file: Path | None = None
    log_level: str = "info"
    log_format: Literal["text", "json"] = "text"
    allow_user_namespace: bool = False
    quarantine: bool = False
    audit_file_mb: float = 256
    audit_file_days: float | None = None
    audit_keep_days: float | None = None
    audit_syslog: str | None = None
    audit_journald: Path | None = None
    drift_every_s: float = 300
    drain_s: float = 10


@dataclass(frozen=True, slots=True)
class _Given:
    """One setting as somebody wrote it, and where. `here` lets a path start at our directory."""

    key: str
    text: str
    place: str
    here: bool = True


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """The settings that hold.

    `flags` has the names of `Settings`, and `config` for the file; None means not given. Relative
    paths are taken from the working directory, in the file they are refused. Raises ConfigError,
    whose text has one line a fault.
    """
    properties: Mapping[str, Any] = _schema()["properties"]
    flags = {key: value for key, value in flags.items() if value is not None}
    config = flags.pop("config", None) or environ.get(f"{PREFIX}CONFIG")
    faults: list[str] = []
    values = {key: about["default"] for key, about in properties.items() if "default" in about}
    for given in (
        *(_from_file(Path(str(config)), faults) if config else ()),
        *_from_environment(environ, properties),
        *(_Given(key, _text(value), _flag(key)) for key, value in flags.items()),
    ):
        values[given.key] = _value(given, properties, faults)
    faults = faults or list(_contradictions(values))
    if faults:
        raise ConfigError("\n".join(faults))
    return _settings(values)


def _contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    """What the schema allows, and what settings mean together does not."""
    if "tls_listen" in values and not _is_place(*_place(values["tls_listen"])):
        allowed = _schema()["properties"]["tls_listen"]["x-allowed"]
        yield f"tls_listen: found '{values['tls_listen']}'; allowed is {allowed}"
    for key in TLS_FILES:
        if "tls_listen" in values and key not in values:
            yield f"tls_listen: needs {key} too"
        elif key in values and "tls_listen" not in values:
            yield f"{key}: does nothing without tls_listen; set that too, or remove it"


def _schema() -> dict[str, Any]:
    folder = importlib.resources.files("leasehold") / "schemas"
    if not folder.is_dir():  # a checkout, where the schemas stand beside the daemon
        folder = Path(__file__).resolve().parents[2] / "schemas"
    schema: dict[str, Any] = json.loads((folder / "settings.schema.json").read_text())
    return schema


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_environment(
    environ: Mapping[str, str], properties: Mapping[str, Any]
) -> Iterator[_Given]:
    for key in properties:
        name = PREFIX + key.upper()
        if environ.get(name):
            yield _Given(key, environ[name], f"environment {name}")


def _from_file(path: Path, faults: list[str]) -> Iterator[_Given]:
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(f"{place}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML") from error
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}: found no map; allowed is a map of settings")
    seen: set[str] = set()
    for key, value in root.value:
        place = f"{path}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.ScalarNode):
            faults.append(f"{place}: found a list or a map; allowed is one value a setting")
        elif key.value in seen:
            faults.append(f"{place}: {key.value}: stands twice; remove one")
        else:
            seen.add(key.value)
            yield _Given(key.value, value.value, place, here=False)


def _value(given: _Given, properties: Mapping[str, Any], faults: list[str]) -> object:
    about = properties.get(given.key)
    if about is None:
        near = difflib.get_close_matches(given.key, properties, 1)
        hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(properties)}"
        faults.append(f"{given.place}: {given.key}: no such setting; {hint}")
        return None
    value = _typed(given, about)
    if not Draft202012Validator(about).is_valid(value):
        found = "what is not shown here" if about.get("writeOnly") else repr(given.text)
        faults.append(f"{given.place}: {given.key}: found {found}; allowed is {about['x-allowed']}")
    return value


def _typed(given: _Given, about: Mapping[str, Any]) -> object:
    """The text as what the schema asks for, or as it is when it is not that."""
    if about.get("type") == "boolean":
        return _TRUTH.get(given.text, given.text)
    if about.get("type") == "number":
        try:
            number = float(given.text)
        except ValueError:
            return given.text
        return number if math.isfinite(number) else given.text
    if about.get("x-path") and given.text and given.here and "://" not in given.text:
        return str(Path(given.text).absolute())
    return given.text


def _settings(values: Mapping[str, Any]) -> Settings:
    def path(key: str) -> Path | None:
        return Path(values[key]) if key in values else None

    def number(key: str) -> float | None:
        return float(values[key]) if key in values else None

    state_dir = Path(values["state_dir"])
    return Settings(
        policies=values["policies"],
        state_dir=state_dir,
        socket=Path(values["socket"]),
        socket_mode=int(values["socket_mode"], 8),
        socket_group=values.get("socket_group"),
        tls=_tls(values) if "tls_listen" in values else None,
        deployment=values.get("deployment"),
        apply=values["apply"],
        mqtt=values.get("mqtt"),
        mqtt_password_file=path("mqtt_password_file"),
        key_file=path("key_file") or state_dir / "key",
        allowed_signers=path("allowed_signers"),
        gpg_home=path("gpg_home"),
        git_token=values.get("git_token"),
        git_ssh_key_file=path("git_ssh_key_file"),
        git_known_hosts_file=path("git_known_hosts_file"),
        git_ca_file=path("git_ca_file"),
        log_level=values["log_level"],
        log_format=values["log_format"],
        allow_user_namespace=values["allow_user_namespace"],
        quarantine=values["quarantine"],
        audit_file_mb=float(values["audit_file_mb"]),
        audit_file_days=number("audit_file_days"),
        audit_keep_days=number("audit_keep_days"),
        audit_syslog=values.get("audit_syslog"),
        audit_journald=path("audit_journald"),
        drift_every_s=float(values["drift_every_s"]),
        drain_s=float(values["drain_s"]),
    )


def _place(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def _is_place(address: str, port: int) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return 0 < port < 1 << 16


def _tls(values: Mapping[str, Any]) -> TlsSettings:
    address, port = _place(values["tls_listen"])
    return TlsSettings(
        address=address,
        port=port,
        certificate_file=Path(values["tls_certificate_file"]),
        key_file=Path(values["tls_key_file"]),
        client_ca_file=Path(values["tls_client_ca_file"]),
        client_certificates=values["tls_client_certificates"],
    )
