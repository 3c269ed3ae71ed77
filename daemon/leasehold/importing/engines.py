"""Connections of the database engine as engines of a policy. Pure."""

from collections.abc import Mapping
from typing import Any

from leasehold.bundle import EngineType
from leasehold.importing.notes import Notes, one_line
from leasehold.importing.snapshot import Fields, texts, whole
from leasehold.importing.targets import target
from leasehold.importing.yaml_text import Entry

FILL_IN = "FILL-IN"
SECRETS = "/etc/leasehold"
_TYPES = {
    "mysql-aurora-database-plugin": "mysql",
    "mysql-legacy-database-plugin": "mysql",
    "mysql-rds-database-plugin": "mysql",
    "vault-plugin-database-oracle": "oracle",
}
"""Names of plugins that do not begin with our engine type."""


def type_of(plugin: str) -> str:
    """The engine type that does what a database plugin of Vault does, installed or not."""
    return _TYPES.get(plugin, plugin.removesuffix("-database-plugin"))


def engine_entry(
    name: str, mount: str, place: str, fields: Fields, kind: EngineType, notes: Notes
) -> Entry:
    """The engine for the connection that stands at `place`. Its password is a file to be made."""
    details = _map(fields.get("connection_details"))
    options: Mapping[str, Any] = kind.schema["$defs"]["connection"].get("properties", {})
    found = target(kind.name, details)
    comments = [f"From {place}.", *found.comments]
    for comment in found.comments:
        notes.add(place, comment)
    if not found.url:
        comments.append("The address could not be taken apart: write it into the file, or here.")
        notes.add(place, f"connection_url was not understood; write {SECRETS}/{name}-url")
    if not found.username:
        notes.add(place, "has no username; fill it in at the engine")
    connection: dict[str, Any] = {
        "url": found.url or f"file:{SECRETS}/{name}-url",
        "username": found.username or FILL_IN,
        "password": f"file:{SECRETS}/{name}",
    }
    comments.append(
        "Vault shows no password: put the administrator's into the file, better that of a new"
        " administrator for leasehold alone."
    )
    if most := whole(details.get("max_open_connections")):
        least, cap = (options.get("max_connections", {}).get(k) for k in ("minimum", "maximum"))
        connection["max_connections"] = min(max(most, least or most), cap or most)
    _note_rest(place, fields, details, notes)
    return Entry(
        {
            "type": kind.name,
            **({"mount": mount} if mount != name else {}),
            "connection": {key: value for key, value in connection.items() if key in options},
        },
        comments,
    )


def is_allowed(role: str, connection: Fields) -> bool:
    """Whether Vault lets this role use the connection; nobody may where nothing is said."""
    return any(_glob(pattern, role) for pattern in texts(connection.get("allowed_roles")))


def _glob(pattern: str, role: str) -> bool:
    """As Vault reads `allowed_roles`: `*` at either end, or both."""
    begins, ends = pattern.startswith("*"), pattern.endswith("*")
    core = pattern.removeprefix("*").removesuffix("*")
    if begins and ends:
        return core in role
    if begins:
        return role.endswith(core)
    return role.startswith(core) if ends else role == core


def _note_rest(place: str, fields: Fields, details: Mapping[str, Any], notes: Notes) -> None:
    if texts(fields.get("root_credentials_rotate_statements")):
        notes.add(
            place,
            "root_rotation_statements: leasehold rotates its administrator's password in a way of"
            " its own; write root_rotation at the engine if it is to",
        )
    if template := details.get("username_template"):
        notes.add(
            place,
            f"username_template {one_line(str(template))}: accounts have computed names, which"
            " lead back to their lease; username_template of a role may put a-z, 0-9 and _ around",
        )
    for key in sorted(details):
        if key.startswith("tls_") or key in ("service_account_json", "auth_type"):
            notes.add(
                place,
                f"{key} was not taken; files of certificates stand in the url, such as"
                " sslrootcert=/path, and logins by a cloud's identity have no equal",
            )


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
