"""Mounts of the database engine: their connections as engines, their roles as roles. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from leasehold.importing.acceptance import Types, faults_of
from leasehold.importing.draft import Draft, Place
from leasehold.importing.engines import engine_entry, is_allowed, type_of
from leasehold.importing.names import unique_names
from leasehold.importing.notes import Notes
from leasehold.importing.roles import NotTaken, rights, role_options
from leasehold.importing.snapshot import Database, Fields, Snapshot, texts
from leasehold.importing.ttls import lasted, mount_limits, role_ttls
from leasehold.importing.yaml_text import Entry
from leasehold.policy.compile import RESERVED_MOUNTS


def add_databases(
    snapshot: Snapshot, types: Types, passwords: Mapping[str, str], draft: Draft
) -> None:
    """Add every database mount. `passwords` has our names of password policies by Vault's."""
    mounts = unique_names({db.path: db.path for db in snapshot.databases}, RESERVED_MOUNTS)
    engines = _engine_names(snapshot)
    for database in snapshot.databases:
        _Mount(database, mounts[database.path], types, passwords, draft).add(engines)


def _engine_names(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    """By mount and connection: the connection's name, the mount before it where two share one."""
    pairs = [(db.path, name) for db in snapshot.databases for name in db.connections]
    names = [name for _, name in pairs]
    return unique_names(
        {(path, name): name if names.count(name) == 1 else f"{path}-{name}" for path, name in pairs}
    )


class _Mount:
    """One mount; `name` is ours."""

    def __init__(
        self,
        database: Database,
        name: str,
        types: Types,
        passwords: Mapping[str, str],
        draft: Draft,
    ) -> None:
        self._database = database
        self._name = name
        self._types = types
        self._passwords = passwords
        self._draft = draft
        self._limits = mount_limits(database)
        self._engines: dict[str, str] = {}

    def add(self, names: Mapping[tuple[str, str], str]) -> None:
        database, draft, path = self._database, self._draft, self._database.path
        for theirs, fields in sorted(database.connections.items()):
            self._add_engine(theirs, names[path, theirs], fields)
        if self._engines and self._name != path:
            renamed = f"is the mount {self._name} here, so callers ask for other paths"
            draft.notes.add(path, renamed)
        if self._engines and self._limits:
            draft.lease_limits[self._name] = Entry(self._limits, [f"As {path} is tuned in Vault."])
        roles = unique_names({name: name for name in database.roles})
        for theirs, fields in sorted(database.roles.items()):
            about = f"{path}/roles/{theirs}"
            try:
                self._add_role(about, theirs, roles[theirs], fields)
            except NotTaken as fault:
                draft.refuse("roles", about, str(fault))
        for theirs, fields in sorted(database.static_roles.items()):
            draft.notes.add(
                f"{path}/static-roles/{theirs}",
                f"write the account {fields.get('username')} under static_roles yourself, and take"
                " the role away from Vault before leasehold rotates it: only one of both can",
            )

    def _add_engine(self, theirs: str, name: str, fields: Fields) -> None:
        about, plugin = f"{self._database.path}/config/{theirs}", str(fields.get("plugin_name"))
        kind = self._types.get(type_of(plugin))
        if kind is None:
            why = f"no engine type that is installed does what {plugin} does"
            self._draft.refuse("engines", about, why)
            return
        notes = Notes()
        entry = engine_entry(name, self._name, about, fields, kind, notes)
        problems, _ = faults_of({"engines": {name: entry}}, self._types)
        if problems:
            self._draft.refuse("engines", about, problems[0])
            return
        self._engines[theirs] = name
        self._draft.engines[name] = entry
        self._draft.notes.found += notes.found

    def _add_role(self, about: str, theirs: str, name: str, fields: Fields) -> None:
        connection = str(fields.get("db_name") or "")
        if connection not in self._engines:
            raise NotTaken(f"its connection {connection} was not taken over")
        settings, engine = self._database.connections[connection], self._engines[connection]
        if not is_allowed(theirs, settings):
            raise NotTaken(
                f"Vault refuses it too, since it is not among allowed_roles of {connection}"
            )
        kind = self._types[type_of(str(settings.get("plugin_name")))]
        options, comments = role_options(fields, settings, kind, self._passwords)
        ttls = role_ttls(self._database, self._limits, fields)
        entry = Entry({**ttls, **options}, [f"From {about}.", *comments])
        for comment in comments:
            self._draft.notes.add(about, comment)
        problems, warnings = faults_of(
            dict(self._around(engine, f"{engine}/{name}", entry)), self._types
        )
        if problems:
            raise NotTaken(problems[0])
        self._draft.roles[f"{engine}/{name}"] = entry
        groups, grants = rights(texts(fields.get("creation_statements")))
        self._draft.places.append(
            Place(
                theirs=f"{self._database.path}/creds/{theirs}",
                ours=f"{self._name}/creds/{name}",
                role=f"{engine}/{name}",
                lasted_s=lasted(self._database, fields),
                warnings=tuple(warnings),
                groups=tuple(groups),
                grants=tuple(grants),
            )
        )

    def _around(self, engine: str, role: str, entry: Entry) -> Iterator[tuple[str, Any]]:
        """The least policy in which the role can stand."""
        yield "engines", {engine: self._draft.engines[engine]}
        yield "roles", {role: entry}
        yield "password_policies", self._draft.password_policies
        if self._limits:
            yield "lease_limits", {self._name: Entry(self._limits)}
